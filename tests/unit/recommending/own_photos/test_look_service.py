"""The look service: photos of one's own, asked about and recommended under looks."""

import uuid
from dataclasses import replace

import numpy as np
import pytest

from beholder import images
from beholder.editing.looks import landscape
from beholder.editing.looks.look_directions import ASKED
from beholder.encoder import EncoderConfig
from beholder.errors import ConfigError, EncoderError, UnknownImage
from beholder.recommending.candidates import CandidatesConfig
from beholder.recommending.components import Components, ServiceConfig, build_service
from beholder.recommending.own_photos.look_search import best_look, score
from beholder.recommending.own_photos.look_service import look_candidates, look_encoder, look_encoder_key
from beholder.recommending.steering import Steering


@pytest.fixture
def service(tmp_path):
    components = Components(candidates=CandidatesConfig(count=120))
    built = build_service(ServiceConfig(editor="looks", components=components, workspace=str(tmp_path / "ws")))
    yield built
    built.close()


def photo(seed: int, height: int = 60, width: int = 90) -> bytes:
    return images.encode(landscape.draw(seed, height, width))


def test_a_photo_is_kept_small_in_its_shape_and_its_file_left_alone(service, tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(photo(1))
    known = service.library.add_photo(images.read(str(file)), "ana")
    assert file.read_bytes() == photo(1)
    assert known.image_id.startswith("photo-")
    drawn = service.pictures(known.image_id, [{}, {"warmth": 2.0}, {"crop": 2.0}])
    assert drawn.shape == (3, 60, 90, 3)
    assert drawn[1, ..., 0].mean() > drawn[0, ..., 0].mean()


def test_questions_are_about_looks_and_answers_move_the_recommendation(service):
    ids = [service.library.add_photo(photo(seed), "ana").image_id for seed in (1, 2)]
    recommendations = service.recommendations
    for turn in range(8):  # ana likes what is warmer
        question = recommendations.question("ana", ids[turn % 2], seed=turn).question
        left, right = (service.pictures(question.image_id, [side])[0] for side in (question.left, question.right))
        warm = [float(each[..., 0].mean()) - float(each[..., 2].mean()) for each in (left, right)]
        recommendations.answer(uuid.uuid4().hex, question.question_id, "left" if warm[0] > warm[1] else "right")
    person = recommendations.posteriors.get("ana")
    assert person.rounds == 8
    photos = [recommendations.image(each) for each in ids]
    best = best_look(person.ranker, "ana", photos, recommendations.features)
    assert best.probability > 0.5
    before, after = service.pictures(ids[0], [{}, best.edit])
    assert after[..., 0].mean() - after[..., 2].mean() > before[..., 0].mean() - before[..., 2].mean()
    assert all(ASKED[name].range[0] <= alpha <= ASKED[name].range[1] for name, alpha in best.edit.items())
    ranked = service.recommend("ana", ids[0], count=3).ranked
    assert ranked[0].utility >= ranked[-1].utility


def test_one_look_for_several_photos_is_the_best_on_average_over_them(service):
    ids = [service.library.add_photo(photo(seed), "ana").image_id for seed in (1, 2, 3)]
    recommendations = service.recommendations
    for turn in range(6):  # ana likes what is warmer
        question = recommendations.question("ana", ids[turn % 3], seed=turn, repeats=False).question
        warmth = [side.get("warmth", 0.0) for side in (question.left, question.right)]
        recommendations.answer(uuid.uuid4().hex, question.question_id, "left" if warmth[0] >= warmth[1] else "right")
    shared = service.recommend("ana", ids[0], count=4, steering=Steering(shared_with=tuple(ids[1:])))
    person, features = recommendations.posteriors.get("ana"), recommendations.features
    photos = [recommendations.image(each) for each in ids]
    best = best_look(person.ranker, "ana", photos, features)
    assert shared.image_id == ids[0]
    assert shared.ranked[0].edit == best.edit
    assert shared.ranked[0].utility == pytest.approx(best.utility, abs=1e-5)
    alphas = np.array([[shared.ranked[0].edit.get(name, 0.0) for name in features.candidates.directions]], np.float32)
    each = [score(person.ranker, "ana", [features.edit_set(photo, alphas)]) for photo in photos]
    assert shared.ranked[0].utility == pytest.approx(np.mean([one.mean[0] for one in each]), abs=1e-3)
    assert shared.ranked[0].probability == pytest.approx(np.mean([one.probability[0] for one in each]), abs=1e-3)
    alone = service.recommend("ana", ids[0], count=4)
    assert alone.ranked[0].edit == best_look(person.ranker, "ana", photos[:1], features).edit
    assert len(alone.words) == len(alone.ranked) == 4


def test_a_shared_look_moves_only_what_may_change_and_tells_nothing_of_strangers(service):
    ids = [service.library.add_photo(photo(seed), "ana").image_id for seed in (1, 2)]
    shared = Steering(allow=("warmth", "contrast"), shared_with=(ids[1],))
    assert not service.recommend("ana", ids[0], steering=shared).known
    for turn in range(4):
        question = service.recommendations.question("ana", ids[turn % 2], seed=turn).question
        service.recommendations.answer(uuid.uuid4().hex, question.question_id, "left")
    found = service.recommend("ana", ids[0], steering=shared)
    assert found.known
    assert {name for each in found.ranked for name in each.edit} <= {"warmth", "contrast"}
    like = service.recommend("ana", ids[0], steering=Steering(like={"fade": 1.0}, shared_with=(ids[1],)))
    assert len(like.changes) == len(like.ranked)
    with pytest.raises(UnknownImage):
        service.recommend("ana", ids[0], steering=Steering(shared_with=("photo-0123",)))


def test_what_is_drawn_is_what_was_scored(service):
    image_id = service.library.add_photo(photo(3), "ana").image_id
    image = service.recommendations.image(image_id)
    features = service.recommendations.features
    edits = [features.candidates.edit(row) for row in (0, 50, 119)]
    drawn = service.encoder.images(service.library.draw(image.latent, edits, size=service.encoder.size))
    np.testing.assert_allclose(features.edit_set(image).embeddings[[0, 50, 119]], drawn, atol=2e-3)


def test_erasing_a_person_removes_the_copy_and_not_the_photo(service, tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(photo(5))
    image_id = service.library.add_photo(file.read_bytes(), "ana").image_id
    service.recommendations.erase("ana")
    with pytest.raises(UnknownImage):
        service.library.latent(image_id)
    assert file.is_file()


@pytest.mark.parametrize("image_id", ["photo-0", "seed-x", "photo-../../etc", "elsewhere"])
def test_what_is_no_image_is_refused(service, image_id):
    with pytest.raises(UnknownImage):
        service.library.latent(image_id)


def test_candidates_are_always_the_same_in_range_and_never_nothing():
    one, other = look_candidates(CandidatesConfig(count=400)), look_candidates(CandidatesConfig(count=400))
    np.testing.assert_array_equal(one.alphas, other.alphas)
    assert len(one) == 400
    low, high = (np.array([each.range[side] for each in ASKED.values()]) for side in (0, 1))
    assert (one.alphas >= low - 1e-6).all()
    assert (one.alphas <= high + 1e-6).all()
    assert (one.alphas != 0).any(axis=1).all()
    assert len(np.unique(one.alphas, axis=0)) == 400


def test_a_clip_describes_looks_together_with_the_descriptor_alone():
    with pytest.raises(ConfigError, match=r"encoder=vit_b_32 alone has not: add encoder\.looks=true, which joins both, or leave"):
        look_encoder(EncoderConfig(name="vit_b_32", model="ViT-B-32"))
    joined = EncoderConfig(name="vit_b_32", model="ViT-B-32", weights="random", looks=True)
    assert look_encoder(joined) == joined
    assert look_encoder_key(replace(joined, looks_by="photo")) != look_encoder_key(joined)
    with pytest.raises(EncoderError, match="encoder vit_b_32 has no weights"):
        look_encoder(replace(joined, weights=None))
