"""The diffusion service: photos drawn by a tiny pipeline, asked about and recommended; what is drawn is drawn once."""

import shutil
import threading
import uuid
from pathlib import Path

import numpy as np
import pytest
from support import tiny_diffusion

from beholder import images
from beholder.editing.diffusion.diffusion_config import DiffusionConfig
from beholder.editing.diffusion.diffusion_directions import DiffusionDirection
from beholder.editing.looks import landscape
from beholder.encoder import EncoderConfig
from beholder.errors import ConfigError, EditError, PersonErased, StorageError, UnknownImage, WeightsError
from beholder.recommending.candidates import Candidates, CandidatesConfig
from beholder.recommending.components import Components, ServiceConfig, build_service
from beholder.recommending.image_library import Abandoned
from beholder.recommending.own_photos.diffusion_service import diffusion_encoder, drawn_grid
from beholder.recommending.own_photos.drawn_embeddings import GridEmbeddings
from beholder.recommending.steering import Steering

pytest.importorskip("diffusers", reason='the extra is not installed: pip install "beholder[diffusion]"')
pytestmark = pytest.mark.filterwarnings("ignore")  # what diffusers and transformers say of tiny networks

SLIDERS = {name: DiffusionDirection(name, range=(low, 2.0)) for name, low in (("winter", 0.0), ("older", -2.0))}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("model")
    tiny_diffusion.saved(folder)
    return str(folder / "tiny")


def config(model: str, workspace: Path, **changes) -> ServiceConfig:
    diffusion = DiffusionConfig(model=model, side=32, steps=1, keep=False, device="cpu", **changes)
    return ServiceConfig(
        editor="diffusion",
        diffusion=diffusion,
        components=Components(candidates=CandidatesConfig(drawn=9)),
        workspace=str(workspace),
    )


@pytest.fixture(scope="module")
def reference(model, tmp_path_factory) -> Path:
    """A workspace in which the reference is drawn."""
    folder = tmp_path_factory.mktemp("reference") / "ws"
    build_service(config(model, folder)).close()
    return folder


@pytest.fixture
def service(model, reference, tmp_path):
    shutil.copytree(reference, tmp_path / "ws")
    built = build_service(config(model, tmp_path / "ws"))
    yield built
    built.close()


def photo(seed: int, height: int = 40, width: int = 60) -> bytes:
    return images.encode(landscape.draw(seed, height, width))


def counted(service) -> list[dict]:
    """Have the editor's drawings counted: the edits of those that follow."""
    drawn: list[dict] = []
    draw = service.library.editor.draw

    def counting(latent, edits, **options):
        drawn.extend(edits)
        return draw(latent, edits, **options)

    service.library.editor.draw = counting
    return drawn


def test_a_photo_without_an_edit_is_its_copy_bit_for_bit(service):
    image_id = service.library.add_photo(photo(1), "ana").image_id
    copy = service.library.latent(image_id).photos[0]
    for drawn in service.pictures(image_id, [{}, {"winter": 0.0}]):
        np.testing.assert_array_equal(drawn, copy)
    assert copy.shape == (40, 60, 3)
    file = service.library.picture(image_id, {"winter": 0.0}, "image/png")
    np.testing.assert_array_equal(images.decode(file), copy)


def test_candidates_are_drawn_once_and_kept_with_the_photo(service, model, tmp_path):
    drawn, told = counted(service), []
    image_id = service.library.add_photo(photo(1), "ana", progress=lambda: told.append(1)).image_id
    assert len(drawn) == len(told) == 9
    service.library.add_photo(photo(1), "ana")
    question = service.recommendations.question("ana", image_id).question
    before = service.pictures(image_id, [question.left, question.right])
    assert not np.array_equal(*before)
    service.recommendations.answer(uuid.uuid4().hex, question.question_id, "left")
    service.recommend("ana", image_id, count=3)
    assert len(drawn) == 9
    assert [each.name for each in (tmp_path / "ws" / "diffusion").iterdir() if "photo" in each.name] == [f"{image_id}.zip"]

    again = build_service(config(model, tmp_path / "ws"))  # another process finds them
    redrawn = counted(again)
    np.testing.assert_array_equal(again.pictures(image_id, [question.left, question.right]), before)
    assert redrawn == []
    again.close()
    other = build_service(config(model, tmp_path / "ws", seed=1))  # and another seed is another drawing
    redrawn = counted(other)
    assert not np.array_equal(other.pictures(image_id, [question.left]), before[:1])
    assert redrawn == [question.left]
    other.close()


def test_answers_move_the_recommendation(service):
    image_id = service.library.add_photo(photo(2), "ana").image_id
    recommendations = service.recommendations
    assert not service.recommend("ana", image_id).known
    for turn in range(10):  # ana likes winter, and nothing else more than another
        question = recommendations.question("ana", image_id, seed=turn, repeats=False).question
        winter = [side.get("winter", 0) for side in (question.left, question.right)]
        choice = "neither" if winter[0] == winter[1] else "left" if winter[0] > winter[1] else "right"
        recommendations.answer(uuid.uuid4().hex, question.question_id, choice)
    best = service.recommend("ana", image_id, count=3)
    assert best.rounds == 10
    assert best.known
    scores = recommendations.scores("ana", image_id, [{"winter": 1.5}, {"pencil": 1.5}]).scored
    assert scores[0].utility > scores[1].utility
    only = service.recommend("ana", image_id, steering=Steering(allow=("night", "fog"), diversity=1))
    assert {name for each in only.ranked for name in each.edit} <= {"night", "fog"}


def test_versions_of_an_edit_are_drawn_where_they_are_the_best_alone(service):
    image_id = service.library.add_photo(photo(2), "ana").image_id
    question = service.recommendations.question("ana", image_id).question
    service.recommendations.answer(uuid.uuid4().hex, question.question_id, "left")
    drawn = counted(service)
    versions = service.recommend("ana", image_id, count=3, steering=Steering(like={"fog": 1.0}))
    assert len(drawn) <= 8
    assert len(versions.ranked) == 3


def test_an_upload_that_nobody_waits_for_ends_between_two_steps_and_is_taken_up_again(service):
    drawn = counted(service)
    with pytest.raises(Abandoned):
        service.library.add_photo(photo(3), "ana", abandoned=lambda: len(drawn) > 4)
    assert len(drawn) == 5
    service.library.add_photo(photo(3), "ana")
    assert len(drawn) == 5 + 5  # four were done, the fifth was not


def test_erasing_a_person_removes_the_photo_and_its_drawings(service, tmp_path):
    image_id = service.library.add_photo(photo(4), "ana").image_id
    assert service.recommendations.erase("ana").images == 1
    service.library.forget(image_id)
    with pytest.raises(UnknownImage):
        service.pictures(image_id, [{"winter": 1.0}])
    with pytest.raises(UnknownImage):
        service.recommendations.question("ana", image_id)
    assert {each.name for each in (tmp_path / "ws" / "diffusion").iterdir()} == {"seed-0.zip"}


@pytest.mark.parametrize("when", ["before", "while it is kept"])
def test_a_person_who_is_erased_while_a_photo_is_drawn_leaves_nothing(service, tmp_path, when):
    draw, keep = service.library.editor.draw, service.library.latents.keep

    def erasing(*args, **options):
        if when == "before":
            service.recommendations.erase("ana")
        return draw(*args, **options)

    def keeping(image_id, name, drawing):
        kept = keep(image_id, name, drawing)
        if when != "before":
            file = (tmp_path / "ws" / "diffusion" / f"{image_id}.zip").read_bytes()
            service.recommendations.erase("ana")
            (tmp_path / "ws" / "diffusion" / f"{image_id}.zip").write_bytes(file)  # as if it was written after that
        return kept

    service.library.editor.draw, service.library.latents.keep = erasing, keeping
    with pytest.raises((UnknownImage, PersonErased)):
        service.library.add_photo(photo(4), "ana")
    assert {each.name for each in (tmp_path / "ws" / "diffusion").iterdir()} == {"seed-0.zip"}


def test_two_who_ask_for_a_drawing_at_once_have_it_drawn_once(service):
    drawn = counted(service)
    threads = [threading.Thread(target=service.pictures, args=("seed-3", [{"winter": 0.7}])) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert drawn == [{"winter": 0.7}]


def test_what_a_pipeline_refuses_to_draw_is_said_with_the_edit(service):
    def refuse(*args, **options):
        raise EditError("the pipeline's own safety checker refused the picture")

    service.library.editor.draw = refuse
    with pytest.raises(EditError, match=r"^winter=1 can't be drawn: the pipeline's own safety checker"):
        service.library.add_photo(photo(5), "ana")


def test_a_damaged_file_is_said_in_one_line(service, tmp_path):
    image_id = service.library.add_photo(photo(6), "ana").image_id
    (tmp_path / "ws" / "diffusion" / f"{image_id}.zip").write_bytes(b"no zip")
    with pytest.raises(StorageError, match="is damaged: delete it"):
        service.pictures(image_id, [{"winter": 1.0}])


@pytest.mark.parametrize("image_id", ["photo-0", "seed-x", "photo-../../etc", "elsewhere"])
def test_what_is_no_image_is_refused(service, image_id):
    with pytest.raises(UnknownImage):
        service.library.latent(image_id)


def test_the_grid_is_each_direction_by_itself_at_a_few_alphas():
    grid = drawn_grid(SLIDERS, CandidatesConfig(drawn=18))
    assert grid.edits() == [{"winter": 1.0}, {"winter": 2.0}, {"older": -2.0}, {"older": -1.0}, {"older": 1.0}, {"older": 2.0}]
    assert drawn_grid(SLIDERS, CandidatesConfig(drawn=2)).edits() == [{"winter": 1.0}, {"older": 1.0}]


def test_embeddings_of_the_grid_are_exact_and_between_them_straight():
    alphas = np.array([[1, 0], [2, 0], [0, -1], [0, 1]], np.float32)
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=(4, 6))
    drawn = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    original = np.eye(6, dtype=np.float32)[0]
    predictor = GridEmbeddings(Candidates(("winter", "older"), alphas))
    np.testing.assert_allclose(predictor.predict(drawn, alphas, original=original), drawn, atol=1e-6)
    asked = np.array([[0, 0], [1.5, 0], [0.5, -0.5], [0, 3]], np.float32)
    expected = [
        original,
        (drawn[0] + drawn[1]) / 2,
        original + (drawn[0] - original) / 2 + (drawn[2] - original) / 2,
        drawn[3],
    ]
    expected = [each / np.linalg.norm(each) for each in expected]
    np.testing.assert_allclose(predictor.predict(drawn, asked, original=original), expected, atol=1e-6)
    with pytest.raises(EditError, match="directions of the grid"):
        predictor.predict(drawn, alphas, directions=("older", "winter"), original=original)


def test_drawings_are_described_by_any_clip_and_without_one_by_their_look():
    assert diffusion_encoder(EncoderConfig()).name == "looks"
    assert diffusion_encoder(EncoderConfig(name="portraits")).name == "looks"
    assert diffusion_encoder(EncoderConfig(name="vit_b_32")) == EncoderConfig(name="vit_b_32")


def test_without_weights_nothing_is_built_and_the_line_says_what_to_give(tmp_path, model):
    with pytest.raises(WeightsError, match=r"editor=diffusion needs diffusion\.model=FOLDER"):
        ServiceConfig(editor="diffusion")
    for name, said in (("./nowhere", "is no folder"), (str(tmp_path), "has no model_index.json")):
        with pytest.raises(WeightsError, match=said):
            build_service(ServiceConfig(editor="diffusion", diffusion=DiffusionConfig(model=name), workspace=str(tmp_path / "ws")))
    with pytest.raises(WeightsError, match=r"more than diffusion\.memory_gib"):
        build_service(config(model, tmp_path / "ws", memory_gib=1e-6))
    with pytest.raises(ConfigError, match=r"candidates\.drawn must be at least 2"):
        CandidatesConfig(drawn=1)
    assert not (tmp_path / "ws").exists()
