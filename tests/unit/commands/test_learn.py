"""Photos before and after -> choices; known looks of known photos."""

import numpy as np
import pytest

from beholder import images
from beholder.commands import learn
from beholder.editing.looks import landscape
from beholder.editing.looks.full_size import render
from beholder.errors import ConfigError, ImageError
from beholder.recommending.candidates import CandidatesConfig
from beholder.recommending.components import Components, ServiceConfig, build_service
from beholder.recommending.own_photos.look_search import best_look
from beholder.recommending.own_photos.look_service import implied

LOOK = {"warmth": 1.5, "fade": 1.5}


@pytest.fixture
def folders(tmp_path):
    for seed in range(4):
        picture = landscape.draw(seed, 80, 120)
        for name, drawn in (("before", picture), ("after", render(picture, LOOK))):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / f"{seed}.png").write_bytes(images.encode(drawn))
    return str(tmp_path / "before"), str(tmp_path / "after")


def test_pairs_have_the_same_name(folders, tmp_path):
    assert [name for name, _, _ in learn.matched(*folders)] == ["0", "1", "2", "3"]
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "other.png").write_bytes(b"")
    with pytest.raises(ConfigError, match="under the same name"):
        learn.matched(folders[0], str(tmp_path / "empty"))


def test_what_was_done_to_photos_is_liked_on_others_and_counts_once(folders, tmp_path):
    components = Components(candidates=CandidatesConfig(count=120))
    service = build_service(ServiceConfig(editor="looks", components=components, workspace=str(tmp_path / "ws")))
    try:
        for _ in range(2):
            for _, before, after in learn.matched(*folders):
                _, fitted = learn.learn(service, "ana", before, after)
                assert fitted.after < 0.3 * fitted.before
        person = service.recommendations.posteriors.get("ana")
        assert person.rounds <= 4 * 9
        other = service.recommendations.image(service.library.add_photo(images.encode(landscape.draw(11, 80, 120)), "ana").image_id)
        best = best_look(person.ranker, "ana", [other], service.recommendations.features)
        assert best.edit["warmth"] >= 1
        assert best.edit["fade"] >= 1
        assert best.probability > 0.7
    finally:
        service.close()


def test_implied_choices_put_the_persons_own_look_first():
    others = [{"warmth": 1.0}, {"tint": -1.0}, {"grain": 2.0}]
    for question, answer in implied("ana", "photo-1", LOOK, others):
        assert answer is not None
        assert (question.left if answer.choice == "left" else question.right) == LOOK
    rejected = [side for question, _ in implied("ana", "photo-1", LOOK, others) for side in (question.left, question.right)]
    assert {"warmth": 1.5} in rejected  # each of its directions was wanted
    assert {"fade": 1.5} in rejected
    untouched = implied("ana", "photo-1", {}, others)
    assert len(untouched) == 3
    sides = {answer.choice for _, answer in implied("ana", "photo-2", LOOK, others) if answer}
    assert sides <= {"left", "right"}


def test_a_pair_of_other_shapes_is_refused(folders, tmp_path):
    tall = tmp_path / "tall.png"
    tall.write_bytes(images.encode(np.zeros((90, 30, 3), np.uint8)))
    service = build_service(ServiceConfig(editor="looks", workspace=str(tmp_path / "ws")))
    try:
        with pytest.raises(ImageError, match="can't have become"):
            learn.learn(service, "ana", f"{folders[0]}/1.png", str(tall))
    finally:
        service.close()
