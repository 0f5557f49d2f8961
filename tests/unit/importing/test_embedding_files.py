"""embedding_files: vectors in every kind of file that people keep them in, and what is refused."""

import pickle
import zipfile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beholder import artifacts
from beholder.errors import EmbeddingError
from beholder.importing import embedding_files
from beholder.storage import Place

VECTORS = {"images/b.jpg": np.array([1, 2], np.float32), "images/a.jpg": np.array([3, 4], np.float32)}


def saved(path, vectors=VECTORS, **options) -> Place:
    """`vectors` in a file of the kind that the path's ending says."""
    if path.suffix == ".parquet":
        columns = {"image_id": list(vectors), "embedding": [list(map(float, row)) for row in vectors.values()]}
        pq.write_table(pa.table(columns), path)
    elif path.suffix == ".npz" and options:
        np.savez(path, image_id=np.array(list(vectors)), embedding=np.stack(list(vectors.values())))
    elif path.suffix == ".npz":
        np.savez(path, **vectors)
    else:
        path.write_bytes(pickle.dumps(vectors, **options))
    return Place.at(path)


@pytest.mark.parametrize("name", ["x.parquet", "x.npz", "x.pkl", "x.pickle", "X.PKL", "x.v2.npz"])
def test_every_kind_of_file(tmp_path, name):
    found = embedding_files.read(saved(tmp_path / name))
    assert found.image_ids == ["images/a.jpg", "images/b.jpg"]
    assert found.vectors.dtype == np.float32
    assert found.vectors.tolist() == [[3, 4], [1, 2]]


def test_an_npz_of_two_arrays(tmp_path):
    found = embedding_files.read(saved(tmp_path / "x.npz", joined=True))
    assert (found.image_ids, found.vectors.tolist()) == (["images/a.jpg", "images/b.jpg"], [[3, 4], [1, 2]])


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f8", np.int64])
def test_every_protocol_and_number(tmp_path, protocol, dtype):
    vectors = {"a": np.array([[1, 2]], dtype), "b": np.asfortranarray(np.array([[3], [4]], dtype))}
    found = embedding_files.read(saved(tmp_path / "x.pkl", vectors, protocol=protocol))
    assert found.vectors.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("name", "vectors", "says"),
    [
        ("x.pkl", {}, "holds no embeddings"),
        ("x.pkl", {"a": np.ones(2), "b": np.ones(3)}, r"different lengths: \[2, 3\]"),
        ("x.pkl", {"a": np.ones(0)}, r"different lengths: \[0\]"),
        ("x.npz", {"a": np.array([1, np.nan]), "b": np.ones(2)}, "vector of 'a' has numbers that are not finite"),
        ("x.npz", {"a": np.array([1e300])}, "not finite"),
        ("x.pkl", [np.ones(2)], "expected a dict of path -> numeric numpy array, got a list"),
        ("x.pkl", {"a": ["x", "y"]}, "expected a dict of path -> numeric numpy array"),
        ("x.pkl", {"x": np.ones((3, 2))}, "one matrix .* and no names"),
        ("x.pkl", {"paths": ["a"], "embeddings": np.ones((2, 2))}, r"paths \[1\] does not fit embeddings \[2, 2\]"),
        ("x.pkl", {"a": np.array(["x"])}, "expected a dict of path -> numeric numpy array"),
        ("x.npz", {"a": np.array(["x"])}, "numeric"),
        ("x.npz", {"a": np.array([None])}, "can't be read as an .npz of numeric arrays"),
        ("x.pkl", {1: np.ones(2), "1": np.ones(2)}, "has image '1' more than once"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_what_is_refused(tmp_path, name, vectors, says):
    with pytest.raises(EmbeddingError, match=says) as caught:
        embedding_files.read(saved(tmp_path / name, vectors))
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.parametrize("name", ["x.parquet", "x.npz", "x.pkl"])
@pytest.mark.parametrize("data", [b"", b"hello", b"PK\x03\x04broken", b"\x80\x04broken"])
def test_broken_files(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(EmbeddingError, match=f"{name}"):
        embedding_files.read(Place.at(tmp_path / name))


def test_another_kind_of_file(tmp_path):
    (tmp_path / "x.mat").write_text("a,1")
    with pytest.raises(EmbeddingError, match=r"x\.mat: expected a \.parquet, \.npz, \.npy, \.pkl, .* or \.tsv file"):
        embedding_files.read(Place.at(tmp_path / "x.mat"))


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"id": ["a"], "embedding": [[1.0]]}, "has no column 'image_id'; found: id, embedding"),
        ({"image_id": ["a"], "embedding": ["x"]}, "is not of its schema"),
        ({"image_id": ["a", None], "embedding": [[1.0], [2.0]]}, "image_id"),
        ({"image_id": ["a", "b"], "embedding": [[1.0], None]}, "embedding"),
        ({"image_id": ["a"], "embedding": [[None]]}, "finite|embedding"),
        ({"image_id": ["a", "a"], "embedding": [[1.0], [2.0]]}, "'a' more than once"),
    ],
)
def test_parquet_that_is_refused(tmp_path, columns, says):
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    with pytest.raises(EmbeddingError, match=says):
        embedding_files.read(Place.at(tmp_path / "x.parquet"))


def test_an_npz_whose_arrays_do_not_fit(tmp_path):
    np.savez(tmp_path / "x.npz", image_id=np.array(["a"]), embedding=np.ones((2, 3)))
    with pytest.raises(EmbeddingError, match=r"image_id \[1\] does not fit embedding \[2, 3\]"):
        embedding_files.read(Place.at(tmp_path / "x.npz"))


# ---- what other programs write


def same(found) -> None:
    assert found.image_ids == ["images/a.jpg", "images/b.jpg"]
    assert found.vectors.tolist() == [[3, 4], [1, 2]]


NAMES, MATRIX = list(VECTORS), np.stack(list(VECTORS.values()))


@pytest.mark.parametrize("folder", ["", "metadata", "img_emb"])
def test_npy_and_metadata_of_clip_retrieval(tmp_path, folder):
    """metadata_0.parquet lies beside img_emb_0.npy, in a folder of its own, or both have one."""
    vectors = tmp_path / ("img_emb" if folder == "img_emb" else ".")
    names = tmp_path / {"": ".", "metadata": "metadata", "img_emb": "metadata"}[folder]
    for path in (vectors, names):
        path.mkdir(exist_ok=True)
    np.save(vectors / "img_emb_0.npy", MATRIX)
    pq.write_table(pa.table({"image_path": NAMES}), names / "metadata_0.parquet")
    same(embedding_files.read(Place.at(vectors / "img_emb_0.npy")))
    same(embedding_files.read(Place.at(tmp_path)))


def test_npy_of_two_shards(tmp_path):
    for number in range(2):
        np.save(tmp_path / f"img_emb_{number}.npy", MATRIX[number : number + 1].astype(np.float16))
        pq.write_table(pa.table({"image_path": NAMES[number : number + 1]}), tmp_path / f"metadata_{number}.parquet")
    same(embedding_files.read(Place.at(tmp_path)))


def test_npy_and_a_list_of_names(tmp_path):
    np.save(tmp_path / "x.npy", np.asfortranarray(MATRIX))
    (tmp_path / "x.txt").write_text("\n".join(NAMES) + "\n")
    same(embedding_files.read(Place.at(tmp_path / "x.npy")))
    (tmp_path / "x.txt").write_text(NAMES[0])
    with pytest.raises(EmbeddingError, match=r"1 names do not fit a matrix \[2, 2\]"):
        embedding_files.read(Place.at(tmp_path / "x.npy"))


def test_npy_without_names(tmp_path):
    np.save(tmp_path / "x_3.npy", MATRIX)
    with pytest.raises(EmbeddingError, match=r"x_3.npy has no names: expected metadata_3.parquet beside it"):
        embedding_files.read(Place.at(tmp_path / "x_3.npy"))


@pytest.mark.parametrize(
    "content", [dict(zip(NAMES, MATRIX.tolist(), strict=True)), {"paths": NAMES, "embeddings": MATRIX.tolist()}]
)
def test_lists_in_a_pickle(tmp_path, content):
    same(embedding_files.read(saved(tmp_path / "x.pkl", content)))


@pytest.mark.parametrize(("names", "matrix"), [("paths", "embeddings"), ("filenames", "features"), ("ids", "x")])
def test_npz_of_names_and_a_matrix(tmp_path, names, matrix):
    arrays: dict[str, Any] = {names: np.array(NAMES), matrix: MATRIX}
    np.savez(tmp_path / "x.npz", **arrays)
    same(embedding_files.read(Place.at(tmp_path / "x.npz")))


@pytest.mark.parametrize("whole", [True, False])
def test_tensors_of_torch(tmp_path, whole):
    import torch

    tensors = {name: torch.tensor(row) for name, row in VECTORS.items()}
    torch.save({"features": torch.tensor(MATRIX), "paths": NAMES} if whole else tensors, tmp_path / "x.pt")
    same(embedding_files.read(Place.at(tmp_path / "x.pt")))


def test_safetensors(tmp_path):
    import torch

    (tmp_path / "x.safetensors").write_bytes(artifacts.dump(VECTORS))
    same(embedding_files.read(Place.at(tmp_path / "x.safetensors")))
    halves = {name: torch.tensor(row).bfloat16() for name, row in VECTORS.items()}
    (tmp_path / "y.safetensors").write_bytes(artifacts.dump(halves))
    same(embedding_files.read(Place.at(tmp_path / "y.safetensors")))


def test_csv_of_numbers(tmp_path):
    (tmp_path / "x.csv").write_text("0;1;image\n1;2;images/b.jpg\n3;4;images/a.jpg\n")
    same(embedding_files.read(Place.at(tmp_path / "x.csv")))
    (tmp_path / "x.csv").write_text("0,1,image\n1,2,images/b.jpg\n3,four,images/a.jpg\n")
    with pytest.raises(EmbeddingError, match="row 3: expected 2 numbers and a name"):
        embedding_files.read(Place.at(tmp_path / "x.csv"))


# ---- what claims more than it holds


def test_an_npz_that_unpacks_to_gigabytes(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros(4))
    with zipfile.ZipFile(tmp_path / "x.npz", "a") as archive:
        archive.writestr("b.npy", b"")
        archive.getinfo("b.npy").file_size = 2 * 2**30  # as its directory will say
    with pytest.raises(EmbeddingError, match=r"x.npz has \d{3} bytes and would unpack to 2,147,483,\d{3}; expected at most"):
        embedding_files.read(Place.at(tmp_path / "x.npz"))


def test_an_npy_that_claims_terabytes(tmp_path):
    with open(tmp_path / "x.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (10**12, 4)})
        file.write(b"abcd")
    with pytest.raises(EmbeddingError, match=r"it claims \[1000000000000, 4\] of float32 for 4 bytes"):
        embedding_files.read(Place.at(tmp_path / "x.npy"))
