"""Every route of the API, on the whole service in one process."""

import base64
import json
from datetime import UTC, datetime

import numpy as np
import pytest

from beholder import images
from beholder.recommending.store.question import Answer, Question


def ask(client, user="ana", image="seed-7", **more):
    reply = client.post("/v1/questions", json={"user_id": user, "image_id": image, **more})
    assert reply.status_code == 200, reply.text
    return reply.json()


def give_answer(client, question, choice, event=None):
    body = {"event_id": event or f"event-{question['question_id']}", "question_id": question["question_id"], "choice": choice}
    return client.post("/v1/choices", json=body)


def test_it_lives_and_all_its_parts_answer(client):
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").json() == {"editor": True, "encoder": True, "ranker": True}


def test_a_seed_is_an_image(client):
    reply = client.post("/v1/images", json={"seed": 7})
    assert reply.status_code == 201
    told = {"image_id": "seed-7", "source": "seed", "resolution": 512, "picture": "/v1/images/seed-7", "loss": None}
    assert reply.json() == told


@pytest.mark.parametrize("way", ["form", "json"])
def test_a_photo_comes_in_either_way_and_goes_with_its_person(client, service, way):
    drawn = client.get("/v1/images/seed-11", headers={"accept": "image/png"}).content
    pixels = images.decode(drawn).copy()
    pixels[0, 0] = len(way)  # another file each time
    data = images.encode(pixels)
    if way == "form":
        form = {"user_id": "bo", "aligned": "true"}
        reply = client.post("/v1/images", files={"file": ("../../etc/passwd", data, "image/png")}, data=form)
    else:
        body = {"user_id": "bo", "aligned": True, "image": base64.b64encode(data).decode()}
        reply = client.post("/v1/images", json=body)
    assert reply.status_code == 201, reply.text
    told = reply.json()
    assert told["image_id"] == service.built.library.latents.id_of_photo("bo", images.digest(data))
    assert told["source"] == "photo"
    assert 0 < told["loss"] < 0.2
    shown = client.get(told["picture"], headers={"accept": "image/png"})
    assert shown.headers["cache-control"] == "no-store"
    found = images.decode(shown.content)
    assert np.abs(found.astype(int) - pixels).mean() < 20
    assert told["image_id"] in client.get("/v1/users/bo").json()["images"]
    assert ask(client, "bo", told["image_id"])["image_id"] == told["image_id"]
    gone = client.delete("/v1/users/bo").json()
    assert (gone["images"], gone["questions"]) == (1, 1)
    for path in (told["picture"], f"/v1/questions?user_id=bo&image_id={told['image_id']}"):
        assert client.get(path).status_code == 404


@pytest.mark.parametrize("kind", ["image/webp", "image/png", "image/jpeg"])
def test_pictures_come_in_three_formats_with_a_tag(client, kind):
    reply = client.get("/v1/images/seed-3/edits/smile=1.5,glasses=2", headers={"accept": kind})
    assert (reply.status_code, reply.headers["content-type"]) == (200, kind)
    assert images.decode(reply.content).shape == (512, 512, 3)
    etag = reply.headers["etag"]
    assert etag.startswith('"')
    again = client.get("/v1/images/seed-3/edits/glasses=2,smile=1.5", headers={"accept": kind, "if-none-match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    other = client.get("/v1/images/seed-3/edits/smile=1.4,glasses=2", headers={"accept": kind, "if-none-match": etag})
    assert other.status_code == 200
    assert other.headers["etag"] != etag


def test_a_picture_is_as_large_as_it_is_needed(client):
    for path in ("/v1/images/seed-3", "/v1/images/seed-3/edits/smile=1.5"):
        assert images.decode(client.get(f"{path}?size=200").content).shape == (256, 256, 3)  # the next that the generator draws
        assert images.decode(client.get(f"{path}?size=4000").content).shape == (512, 512, 3)
        assert [client.get(f"{path}?size={wrong}").status_code for wrong in ("0", "9999", "big", "")] == [422] * 4


def test_a_picture_is_what_the_editor_draws(client, service):
    found = images.decode(client.get("/v1/images/seed-3/edits/smile%3D1.5", headers={"accept": "image/png"}).content)
    assert np.array_equal(found, service.built.library.editor.edit(service.built.library.latent("seed-3"), [{"smile": 1.5}])[0])


def test_an_edit_of_nothing_is_the_image(client):
    plain = client.get("/v1/images/seed-3", headers={"accept": "image/png"})
    assert plain.content == client.get("/v1/images/seed-3/edits/smile=0", headers={"accept": "image/png"}).content


def test_a_client_that_takes_no_picture_gets_none(client):
    assert client.get("/v1/images/seed-3", headers={"accept": "text/html"}).status_code == 406


def test_directions_say_what_they_do(client):
    told = client.get("/v1/directions").json()
    smile = next(each for each in told["directions"] if each["name"] == "smile")
    assert told["generator"] == "portraits"
    assert smile == {
        "name": "smile",
        "title": "Smile",
        "low": -3.0,
        "high": 3.0,
        "minus": "less of a smile",
        "plus": "more of a smile",
        "group": "expression",
        "locked": False,
        "source": None,
    }
    assert [each["name"] for each in told["groups"] if each["locked"]] == ["identity", "skin", "age"]


def test_a_round_from_question_to_recommendation(client):
    for _ in range(6):
        question = ask(client, "cy")
        for side in ("left", "right"):
            assert client.get(question[side]["picture"]).status_code == 200
        smiles = {side: question[side]["edit"].get("smile", 0) for side in ("left", "right")}
        reply = give_answer(client, question, max(smiles, key=smiles.__getitem__))
        assert reply.json()["counted"]
    assert reply.json()["rounds"] == 6
    told = client.post("/v1/recommendations", json={"user_id": "cy", "image_id": "seed-7", "count": 2}).json()
    assert (told["user_id"], told["image_id"], told["rounds"]) == ("cy", "seed-7", 6)
    assert len(told["recommendations"]) == 2
    best = told["recommendations"][0]
    assert best["edit"] == {each["direction"]: each["alpha"] for each in best["directions"]}
    assert best["score"] >= told["recommendations"][1]["score"]
    assert 0 <= best["probability"] <= 1
    assert told["known"] is True
    assert best["confidence"] in ("a guess", "likely", "sure")
    assert client.get(best["picture"]).status_code == 200
    assert told["model"].startswith("bayes-")
    assert told["reasons"]


def test_someone_who_likes_smiles_is_told_so(client, service):
    """Their choices come into the store from elsewhere."""
    now = datetime.now(UTC)
    asked = [
        Question(f"smile-{number}", "dee", "seed-7", {"smile": 2.0}, {"smile": -2.0 + number / 10}, "random", now)
        for number in range(12)
    ]
    assert client.get("/v1/users/dee").json()["words"] == []
    service.built.recommendations.store.add([(each, Answer(each.question_id, each.question_id, "left", now)) for each in asked])
    person = client.get("/v1/users/dee").json()
    assert person["rounds"] == 12
    assert person["words"][0].endswith("like more of a smile")
    liking = {each["direction"]: each for each in person["directions"]}["smile"]
    assert liking == person["directions"][0]
    assert liking["alpha"] > 1
    assert liking["gain"] > liking["uncertainty"]


def test_the_next_question_can_be_fetched_before_the_answer(client):
    pairs = [ask(client, "eve") for _ in range(8)]
    edits = {json.dumps([each["left"]["edit"], each["right"]["edit"]]) for each in pairs}
    assert len({each["question_id"] for each in pairs}) == len(edits) == 8
    assert ask(client, "eve")["question_id"] == pairs[0]["question_id"]  # enough are open: the oldest comes again


def test_a_retry_is_counted_once_and_a_contradiction_refused(client):
    question = ask(client, "fay")
    first, again = give_answer(client, question, "left"), give_answer(client, question, "left")
    assert (first.json()["counted"], again.json()["counted"]) == (True, False)
    assert first.json()["rounds"] == again.json()["rounds"] == 1
    against = give_answer(client, question, "right", event="another")
    assert against.status_code == 409
    assert against.headers["content-type"] == "application/problem+json"
    undone = client.delete(f"/v1/choices/{question['question_id']}").json()
    assert undone == {"question_id": question["question_id"], "rounds": 0, "undone": True}
    assert client.delete(f"/v1/choices/{question['question_id']}").json()["undone"] is False
    assert give_answer(client, question, "right", event="another").json()["rounds"] == 1


def test_an_event_of_another_question_is_refused(client):
    one, other = ask(client, "gil"), ask(client, "gil")
    assert give_answer(client, one, "left", event="mine").status_code == 200
    assert give_answer(client, other, "left", event="mine").status_code == 409
    stranger = ask(client, "hal")
    assert give_answer(client, stranger, "right", event="mine").json()["counted"]  # somebody else's events are their own


def test_somebody_unknown_is_as_everybody(client):
    told = client.get("/v1/users/nobody").json()
    assert (told["rounds"], told["words"], told["images"]) == (0, [], [])
    assert len(told["directions"]) == 18  # all but skin tone
    recommended = client.post("/v1/recommendations", json={"user_id": "nobody", "image_id": "seed-7"}).json()
    assert (recommended["known"], recommended["recommendations"]) == (False, [])


def test_who_is_removed_is_nobody(client):
    give_answer(client, ask(client, "ida"), "left")
    gone = {"user_id": "ida", "questions": 1, "answers": 1, "images": 0, "tastes": []}
    gone["places"] = ["1 questions and 1 answers: the store of choices"]
    assert client.delete("/v1/users/ida").json() == gone
    assert client.get("/v1/users/ida").json()["rounds"] == 0


def test_any_edit_is_scored_in_words(client):
    body = {"user_id": "ana", "image_id": "seed-7", "edits": [{"smile": 2.4}, {}]}
    told = client.post("/v1/scores", json=body).json()
    assert [each["words"] for each in told["scores"]] == ["much more of a smile", "as it is"]
    assert told["scores"][0]["picture"] == "/v1/images/seed-7/edits/smile%3D2.4"
    beyond = client.post("/v1/scores", json={**body, "edits": [{"smile": 3.5}]})
    assert (beyond.status_code, beyond.json()["detail"]) == (422, "smile=3.5: expected an alpha between -3 and 3")


def test_what_may_change_is_steered(client):
    body = {"user_id": "kit", "image_id": "seed-7", "count": 6}
    assert client.post("/v1/recommendations", json=body).json()["known"] is False
    for _ in range(3):
        give_answer(client, ask(client, "kit"), "left")
    steered: list[dict] = [{}, {"allow": ["accessories"]}, {"lock": []}, {"like": {"hat": 2.0}, "diversity": 2}]
    for more in steered:
        told = client.post("/v1/recommendations", json={**body, **more}).json()
        moved = {name for each in told["recommendations"] for name in each["edit"]}
        assert len(moved) >= 3 or more
        if "allow" in more:
            assert moved <= {"glasses", "hat", "earrings"}
        if "like" in more:
            assert told["recommendations"][-1]["change"] not in ("", "as before")
    wrong = client.post("/v1/recommendations", json={**body, "forbid": ["hairs"]})
    assert wrong.status_code == 422
    assert "'hairs' is no direction and no group of directions" in wrong.json()["detail"]
    shared = client.post("/v1/recommendations", json={**body, "shared_with": ["seed-8"]})
    assert shared.status_code == 422
    assert "shared_with is for photos under looks" in shared.json()["detail"]
    asked = ask(client, "kit", allow=["glasses", "older"])
    assert {name for side in ("left", "right") for name in asked[side]["edit"]} <= {"glasses", "older"}


def test_a_taste_is_taken_along_and_brought_back(client):
    for _ in range(3):
        give_answer(client, ask(client, "lea"), "left")
    file = client.get("/v1/users/lea/taste").json()
    assert (file["format"], file["version"], len(file["choices"])) == ("beholder-taste", 1, 3)
    assert client.put("/v1/users/mia/taste", json=file).json() == {"added": 3, "rounds": 3}
    assert client.put("/v1/users/mia/taste", json=file).json() == {"added": 0, "rounds": 3}
    assert client.put("/v1/users/mia/taste", params={"attribute": "friendly"}, json=file).json()["rounds"] == 3
    assert [each["attribute"] for each in client.get("/v1/users/mia").json()["tastes"]] == ["attractive", "friendly"]
    assert client.put("/v1/users/mia/taste", json={**file, "version": 2}).status_code == 422
    file["choices"][0]["left"] = {"smile": 30.0}
    assert client.put("/v1/users/mia/taste", json=file).status_code == 422


def test_images_are_scored_on_a_question_in_words(client):
    faces = {"smiling": "/v1/images/seed-5/edits/smile=3", "frowning": "/v1/images/seed-5/edits/smile=-3"}
    files = [base64.b64encode(client.get(path).content).decode() for path in faces.values()]
    told = client.post("/v1/predictions", json={"user_id": "ana", "images": files, "question": "who is smiling?"}).json()
    assert told["taste"] == "clip"
    assert [each["index"] for each in told["predictions"]] == [0, 1]
    smiling, frowning = told["predictions"]
    assert smiling["score"] > frowning["score"]
    assert smiling["probability"] > frowning["probability"]
    assert smiling["uncertainty"] is None


def test_the_document_is_openapi_3_1_with_problems(client):
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path, ways in document["paths"].items():
        for way in ways.values():
            assert path.startswith("/v1/") or path in ("/healthz", "/readyz")
            assert set(way["responses"]["422"]["content"]) == {"application/problem+json"}
    assert "ProblemBody" in document["components"]["schemas"]
    assert "HTTPValidationError" not in json.dumps(document)
