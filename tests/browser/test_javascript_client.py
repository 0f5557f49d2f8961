"""client.js, the snippet for JavaScript: a visit through it in a browser, a retry among it, and its addresses in the document."""

import re

from playwright.sync_api import Page
from support.api_description import service_document
from support.api_double import PAGE, Double, Refusal
from support.page_visitor import Visitor

VISIT = """async (text) => {
  const { Beholder, ApiProblem } = await import("/client.js");
  const beholder = new Beholder("", { deadline: 20 });
  const image = await beholder.addSeed(7);
  const photo = await beholder.addPhoto("ana", await beholder.picture(image.picture));
  const question = await beholder.ask("ana", photo.image_id);
  const answered = await beholder.answer(question.question_id, "left", { response_seconds: 1.5 });
  const found = await beholder.recommend("ana", photo.image_id, { count: 2 });
  const scored = await beholder.score("ana", photo.image_id, [{ smile: 1.5 }]);
  const refused = await beholder.retract("nothing").catch((error) => error);
  const undone = await beholder.retract(question.question_id);
  const erased = await beholder.erase("ana");
  return {
    image: image.image_id, rounds: answered.rounds, count: found.recommendations.length, words: scored.scores[0].words,
    refused: [refused instanceof ApiProblem, refused.status], undone: undone.rounds, answers: erased.answers,
    directions: (await beholder.directions()).directions.length, person: (await beholder.person("ana")).rounds,
  };
}"""


def test_a_visit_in_javascript_with_a_full_server(visitor: Visitor, page: Page, double: Double):
    turned_away: list[str] = []

    def full(method, path):
        if path == "/v1/choices" and method == "POST" and not turned_away:
            turned_away.append(path)
            raise Refusal(503, "full", Retry_After="0")

    double.refuse = full
    found = page.evaluate(VISIT)
    assert found["directions"] > 10
    assert found == {
        "image": "seed-7", "rounds": 1, "count": 2, "words": "more of a smile", "refused": [True, 404], "undone": 0, "answers": 0,
        "directions": found["directions"], "person": 0,
    }  # fmt: skip
    assert len(turned_away) == 1


def test_its_addresses_are_the_documents():
    paths = service_document()["paths"]
    asked = re.findall(r'request\("([A-Z]+)", ["`](/[^"`]*)["`]', (PAGE / "client.js").read_text())
    assert len(asked) >= 10
    templates = [(method.upper(), re.sub(r"\{[^}]*\}", "{}", path)) for path, ways in paths.items() for method in ways]
    for method, path in asked:
        assert (method, re.sub(r"\$\{[^}]*\}", "{}", path)) in templates, path
