"""MTCNN: its networks beside the formulas, and faces of photos where its weights are installed."""

import importlib.util
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from beholder import images
from beholder.editing.faces import mtcnn
from beholder.editing.faces.alignment import Square
from beholder.editing.faces.mtcnn import MtcnnConfig, MtcnnDetector, networks
from beholder.editing.faces.photo import Photo
from beholder.errors import EditError


@pytest.fixture(scope="module")
def detector() -> MtcnnDetector:
    if importlib.util.find_spec("facenet_pytorch") is None:
        pytest.skip('the extra "faces" is not installed')
    return MtcnnDetector()


def random_weights(folder: Path) -> None:
    torch.manual_seed(0)
    for network, name in zip(networks(), ("pnet.pt", "rnet.pt", "onet.pt"), strict=True):
        torch.save(network.state_dict(), folder / name)


def test_the_third_network_is_what_its_paper_draws() -> None:
    torch.manual_seed(1)
    network, seen = networks()[2].eval(), torch.randn(2, 3, 48, 48)
    state = network.state_dict()
    x = seen
    for at, pool in ((1, 3), (2, 3), (3, 2), (4, 0)):
        x = functional.prelu(functional.conv2d(x, state[f"conv{at}.weight"], state[f"conv{at}.bias"]), state[f"prelu{at}.weight"])
        x = functional.max_pool2d(x, pool, 2, ceil_mode=True) if pool else x
    assert x.shape == (2, 128, 3, 3)
    columns = torch.stack([x[:, :, row, column] for column in range(3) for row in range(3)], dim=1).flatten(1)
    x = functional.prelu(functional.linear(columns, state["dense5.weight"], state["dense5.bias"]), state["prelu5.weight"])
    for at, found in enumerate(network(seen), start=1):
        torch.testing.assert_close(found, functional.linear(x, state[f"dense6_{at}.weight"], state[f"dense6_{at}.bias"]))


def test_files_of_other_weights_are_refused(tmp_path: Path) -> None:
    random_weights(tmp_path)
    MtcnnDetector(folder=tmp_path)
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "rnet.pt")
    with pytest.raises(EditError, match=r"rnet\.pt are not the weights of MTCNN"):
        MtcnnDetector(folder=tmp_path)
    (tmp_path / "rnet.pt").write_bytes(b"junk")
    with pytest.raises(EditError, match=r"rnet\.pt are not the weights of MTCNN"):
        MtcnnDetector(folder=tmp_path)


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(EditError, match="at least 12 pixels"):
        MtcnnConfig(least=5)
    with pytest.raises(EditError, match=r"probabilities within 0\.\.1"):
        MtcnnConfig(surest=(0.6, 0.7, 1.5))


def test_one_of_two_boxes_of_the_same_stays() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60], [52, 52, 56, 56]])
    sure = torch.tensor([0.7, 0.9, 0.8, 0.95])
    assert mtcnn._surest(boxes, sure, 0.5).tolist() == [3, 1, 2]
    assert mtcnn._surest(boxes, sure, 0.5, of_smaller=True).tolist() == [3, 1]


def test_a_frame_is_cut_out_upright() -> None:
    ramp = np.zeros((60, 80, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(80) * 3, np.arange(60)[:, None] * 4
    frame = torch.tensor([[[0.0, 40.0], [-40.0, 0.0], [60.0, 10.0]]])  # turned by a quarter: its right is down in the picture
    found = mtcnn._Pyramid(ramp).turned(frame, 20)[0] * 128 + 127.5
    x, y = 60 - (np.arange(20) + 0.5) * 2, 10 + (np.arange(20) + 0.5) * 2
    np.testing.assert_allclose(found[0], np.broadcast_to((x[:, None] - 0.5) * 3, (20, 20)), atol=0.1)
    np.testing.assert_allclose(found[1], np.broadcast_to((y[None] - 0.5) * 4, (20, 20)), atol=0.1)


def test_a_photo_without_faces_and_a_tiny_one(detector: MtcnnDetector, scene) -> None:
    assert detector.faces(np.full((200, 150, 3), 90, np.uint8)) == []
    assert detector.faces(scene(8, 8)) == []


def test_the_points_of_aligned_photos_are_where_ffhq_has_them(detector: MtcnnDetector, omi: Path) -> None:
    found = []
    for name in ("1", "10", "100", "1000"):
        face = max(detector.faces(images.decode((omi / "images" / f"{name}.jpg").read_bytes())), key=lambda face: face.area)
        assert face.sure > 0.9
        found.append(Square.around(face.points))
    for square in found:  # the whole picture, nearly
        assert square.side == pytest.approx(256, rel=0.08)
        np.testing.assert_allclose(square.centre, (128, 128), atol=6)


def test_a_photo_on_its_side_is_cut_out_upright(detector: MtcnnDetector, omi: Path) -> None:
    upright = images.decode((omi / "images" / "10.jpg").read_bytes())
    wide = np.full((400, 500, 3), 128, np.uint8)
    wide[72:328, 122:378] = upright
    known = Photo.find(wide, detector=lambda: detector)
    assert known.turned == 0
    for turn in (1, 2, 3):
        photo = Photo.find(np.ascontiguousarray(np.rot90(wide, turn)), detector=lambda: detector)
        assert photo.turned == 360 - 90 * turn
        assert np.abs(photo.aligned(64).astype(int) - known.aligned(64)).mean() < 3
        np.testing.assert_array_equal(photo.with_face(photo.aligned(64)), np.rot90(wide, turn))


def test_a_large_photo_costs_hardly_more_than_a_small_one(detector: MtcnnDetector, omi: Path) -> None:
    face = images.decode((omi / "images" / "10.jpg").read_bytes())
    photo = np.ascontiguousarray(face.repeat(24, axis=0).repeat(24, axis=1))[:, :5900]
    began = time.process_time()
    (found,) = detector.faces(photo)
    square = Square.around(found.points)
    assert time.process_time() - began < 3  # 36 megapixels; on one quiet core a tenth of it
    np.testing.assert_allclose(square.centre, (3072, 3072), atol=150)


def test_the_points_are_told_in_boxes_that_others_have_found(tmp_path: Path) -> None:
    random_weights(tmp_path)
    asked = []

    def boxes(picture: np.ndarray) -> np.ndarray:
        asked.append(picture.shape)
        return np.array([[20.0, 10, 80, 90]])

    nothing = MtcnnConfig(surest=(0.999, 0.999, 0.999))
    (face,) = MtcnnDetector(nothing, tmp_path, boxes).faces(np.zeros((200, 2400, 3), np.uint8))
    assert asked == [(100, 1200, 3)]
    assert face.box == (40.0, 20.0, 160.0, 180.0)
    assert face.points.shape == (5, 2)
    assert MtcnnDetector(nothing, tmp_path).faces(np.zeros((200, 240, 3), np.uint8)) == []
