"""Vectors computed elsewhere: Parquet, .npy with names beside it, .npz, pickles, torch files, safetensors, CSV; nothing is run."""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from beholder import artifacts, tables
from beholder.embedding.embeddings import Embeddings
from beholder.errors import ArtifactError, EmbeddingError, TableError
from beholder.importing.archive_limits import check_parquet, check_unpacked, check_zip
from beholder.importing.text_table import TextTable
from beholder.safe_pickle.numpy_pickle import read_arrays
from beholder.storage import Place

KINDS = ("parquet", "npz", "npy", "pkl", "pickle", "pt", "pth", "safetensors", "csv", "tsv")
_NAMES = (
    *("image_id", "image_ids", "ids", "paths", "path", "image_path", "image_paths", "filenames", "file_names", "files", "names"),
    *("uri", "uris", "urls", "url", "filename", "image", "img"),
)
_MATRICES = ("embedding", "embeddings", "features", "feats", "vectors", "img_emb", "image_embeddings", "x")

# Names, and a vector for each.
Named = tuple[list[str], Sequence[Any]]


def read(place: Place) -> Embeddings:
    """Read vectors computed elsewhere, and the name of each one's image.

    .parquet   columns image_id and embedding
    .npy       a matrix [N, D]; the names are in metadata_0.parquet beside x_0.npy or in ../metadata (image_id or image_path), as
               clip-retrieval has them, or a line each in x.txt. A folder of clip-retrieval's (img_emb/, metadata/) is read whole
    .npz       an array per image, or names [N] and a matrix [N, D] (paths and embeddings, image_id and embedding, ...)
    .pkl       a dict of path -> vector or list of numbers, or of names and a matrix; likewise a torch file (.pt, .pth) of tensors
    .safetensors  a tensor per image
    .csv       a column of names (image, path, image_id, ...) and one of each number

    Raises EmbeddingError for another kind of file, vectors of different lengths, and numbers that are not finite.
    """
    kind = place.name.rpartition(".")[2].lower()
    if kind in KINDS:
        if kind == "npy":
            ids, rows = _npy(place)
        elif kind in ("csv", "tsv"):
            ids, rows = _text(place)
        else:
            data, name = place.read_bytes(), place.uri
            readers = {"parquet": _parquet, "npz": _npz, "pkl": _pickle, "pickle": _pickle, "safetensors": _safetensors}
            ids, rows = readers.get(kind, _torch)(data, name)
    elif not place.is_file() and any(entry.path.endswith(".npy") for entry in place.files()):
        ids, rows = _folder(place)
    else:
        listed = ", ".join(f".{each}" for each in KINDS[:-1])
        raise EmbeddingError(
            f"{place.uri}: expected a {listed} or .{KINDS[-1]} file, or a folder of .npy files as clip-retrieval has it"
        )
    return _checked(place, ids, rows)


def _checked(place: Place, ids: list[str], rows: Sequence[Any]) -> Embeddings:
    if not ids:
        raise EmbeddingError(f"{place.uri} holds no embeddings")
    vectors = [np.asarray(row, np.float32).reshape(-1) for row in rows]
    lengths = sorted({len(vector) for vector in vectors})
    if len(lengths) != 1 or lengths[0] == 0:
        raise EmbeddingError(f"{place.uri} holds vectors of different lengths: {lengths[:4]}")
    matrix = np.stack(vectors)
    finite = np.isfinite(matrix).all(axis=1)
    if not finite.all():
        raise EmbeddingError(f"{place.uri}: the vector of {ids[int(np.argmin(finite))]!r} has numbers that are not finite")
    seen: set[str] = set()
    for image_id in ids:
        if image_id in seen:
            raise EmbeddingError(f"{place.uri} has image {image_id!r} more than once")
        seen.add(image_id)
    order = np.argsort(np.array(ids, dtype=object), kind="stable")
    return Embeddings([ids[row] for row in order], matrix[order])


def _parquet(data: bytes, name: str) -> Named:
    try:
        parquet = tables.open_parquet(io.BytesIO(data), name, error=EmbeddingError)
        check_parquet(parquet.metadata, name, packed=len(data), error=EmbeddingError)
        table = tables.conform(
            parquet.read(),
            pa.schema([("image_id", pa.string()), ("embedding", pa.list_(pa.float32()))]),
            name=name,
        )
    except (pa.ArrowInvalid, OSError) as error:
        raise EmbeddingError(f"{name} is no readable Parquet file: {str(error).splitlines()[0]}") from None
    except TableError as error:
        raise EmbeddingError(str(error)) from None
    for column in table.column_names:
        if table[column].null_count:
            raise EmbeddingError(f"{name} has {table[column].null_count} rows without {column}")
    return table["image_id"].to_pylist(), [np.asarray(row.values) for row in table["embedding"]]


def _npz(data: bytes, name: str) -> Named:
    try:
        check_zip(io.BytesIO(data), name, packed=len(data), error=EmbeddingError)
    except EmbeddingError as error:
        if "no whole zip" in str(error):
            raise EmbeddingError(f"{name} can't be read as an .npz of numeric arrays: {str(error).partition(': ')[2]}") from None
        raise
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except Exception as error:  # numpy and zipfile each raise their own for broken or hostile files
        advice = "; save names as text: np.array(names, dtype=str)" if "allow_pickle" in str(error) else ""
        raise EmbeddingError(f"{name} can't be read as an .npz of numeric arrays: {error}{advice}") from None
    if raw := [key for key, array in arrays.items() if not isinstance(array, np.ndarray)]:
        raise EmbeddingError(f"{name} can't be read as an .npz of numeric arrays: {raw[0]!r} in it is no array")
    if named := _names_and_matrix(arrays, name):
        return named
    if other := [key for key, array in arrays.items() if array.dtype.kind not in "iuf"]:
        raise EmbeddingError(f"{name}: expected numeric arrays, got one of {arrays[other[0]].dtype} under {other[0]!r}")
    return list(arrays), list(arrays.values())


def _pickle(data: bytes, name: str) -> Named:
    return _contents(read_arrays(data, name=name, error=EmbeddingError), name)


def _torch(data: bytes, name: str) -> Named:
    from beholder.safe_pickle import torch_archive  # with torch, which the other kinds do without
    from beholder.safe_pickle.interpreter import RefusedError
    from beholder.safe_pickle.lazy_tensor import LazyTensor

    def plain(value: Any) -> Any:
        if isinstance(value, LazyTensor):
            return value.read().numpy()
        if isinstance(value, Mapping):
            return {key: plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, list | tuple) else value

    try:
        if not data.startswith((torch_archive.ZIP, torch_archive.LEGACY)):
            return _pickle(data, name)
        if data.startswith(torch_archive.ZIP):
            check_zip(io.BytesIO(data), name, packed=len(data), error=EmbeddingError)
        return _contents(plain(torch_archive.read(data)), name)
    except RefusedError as reason:
        raise EmbeddingError(f"{name} can't be read as a torch file of tensors: {reason}") from None


def _safetensors(data: bytes, name: str) -> Named:
    try:
        return _contents(dict(artifacts.parse_arrays(data, finite=False).tensors), name)
    except ArtifactError:  # perhaps of a kind of number that numpy lacks
        pass
    try:
        tensors = artifacts.parse_tensors(data, finite=False).tensors
    except ArtifactError as error:
        raise EmbeddingError(f"{name} can't be read as safetensors: {error}") from None
    return _contents({key: tensor.float().numpy() for key, tensor in tensors.items()}, name)


def _contents(content: Any, name: str) -> Named:
    """Return the vectors in a dict: of path -> vector, or of names and a matrix."""
    if isinstance(content, dict):
        if named := _names_and_matrix(content, name):
            return named
        vectors = {str(key): _vector(value) for key, value in content.items()}
        if len(vectors) < len(content):
            repeated = [str(key) for key in content]
            raise EmbeddingError(f"{name} has image {next(key for key in repeated if repeated.count(key) > 1)!r} more than once")
        if all(vector is not None for vector in vectors.values()):
            if len(vectors) == 1 and (only := next(iter(vectors.values()))) is not None and only.ndim == 2 and min(only.shape) > 1:
                raise EmbeddingError(f"{name} has one matrix {list(only.shape)} and no names; add them, as paths=[...]")
            return list(vectors), [vector for vector in vectors.values() if vector is not None]
    raise EmbeddingError(
        f"{name}: expected a dict of path -> numeric numpy array, got a {type(content).__name__}; lists of numbers are read "
        "too, and so are paths [N] with embeddings [N, D]"
    )


def _vector(value: Any) -> np.ndarray | None:
    """Return an array or a list of numbers as an array, None for anything else."""
    if isinstance(value, list | tuple) and value:
        try:
            value = np.asarray(value)
        except ValueError:
            return None
    return value if isinstance(value, np.ndarray) and value.dtype.kind in "iuf" else None


def _names_and_matrix(content: Mapping[Any, Any], name: str) -> Named | None:
    """Return the names and the rows of the matrix of {paths: [N], embeddings: [N, D]}, None where it is no such thing."""
    lower = {str(key).lower(): key for key in content}
    named = next((lower[key] for key in _NAMES if key in lower), None)
    matrix = next((lower[key] for key in _MATRICES if key in lower), None)
    if named is None or matrix is None or len(content) > 4:
        return None
    ids, rows = content[named], _vector(content[matrix])
    if isinstance(ids, np.ndarray) and ids.ndim == 1 and ids.dtype.kind in "iuUS":
        ids = [each.decode() if isinstance(each, bytes) else str(each) for each in ids.tolist()]
    if not isinstance(ids, list | tuple) or rows is None:
        return None
    if rows.ndim != 2 or len(ids) != len(rows):
        raise EmbeddingError(f"{name}: {named} [{len(ids)}] does not fit {matrix} {list(rows.shape)}")
    return [str(each) for each in ids], list(rows)


def _text(place: Place) -> Named:
    """Return the names and numbers of a delimited text. Raises EmbeddingError naming the row of a cell that is no number."""
    lines = TextTable.of(place).rows()
    header = [cell.strip().lower() for cell in next(lines, (1, [""]))[1]]
    at = next((header.index(name) for name in _NAMES if name in header), None)
    if at is None or len(header) < 2:
        raise EmbeddingError(f"{place.uri}: expected a column image_id, path or image, and numbers; found: {', '.join(header[:8])}")
    ids: list[str] = []
    rows: list[Any] = []
    for number, cells in lines:
        try:
            rows.append(np.array([float(cell) for column, cell in enumerate(cells) if column != at], np.float32))
            ids.append(cells[at].strip())
        except (ValueError, IndexError):
            raise EmbeddingError(f"{place.uri}, row {number}: expected {len(header) - 1} numbers and a name") from None
    return ids, rows


def _npy(place: Place) -> Named:
    matrix = _matrix(place)
    names = _names_beside(place)
    if names is None:
        raise EmbeddingError(
            f"{place.uri} has no names: expected {_metadata_name(place.name)} beside it or in ../metadata with a column image_id "
            f"or image_path, as clip-retrieval has it, or {place.name[:-4]}.txt with a path on each line"
        )
    if len(names) != len(matrix):
        raise EmbeddingError(f"{place.uri}: {len(names)} names do not fit a matrix {list(matrix.shape)}")
    return names, list(matrix)


def _folder(place: Place) -> Named:
    """Return the vectors of all .npy files below a folder of clip-retrieval's."""
    ids: list[str] = []
    rows: list[Any] = []
    for entry in place.files():
        if entry.path.endswith(".npy") and "text_emb" not in entry.path:
            names, vectors = _npy(place / entry.path)
            ids += names
            rows += vectors
    return ids, rows


def _matrix(place: Place) -> np.ndarray:
    """Return the numbers of an .npy file, [N, D]. Raises EmbeddingError where it claims more than it holds."""
    data = place.read_bytes()
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = header(file, max_header_size=100_000)
        if dtype.kind not in "iuf" or len(shape) != 2:
            raise ValueError(f"expected a numeric matrix, got {dtype} {list(shape)}")
        if int(np.prod([int(side) for side in shape], dtype=object)) * dtype.itemsize != len(data) - file.tell():
            raise ValueError(f"it claims {list(shape)} of {dtype} for {len(data) - file.tell():,} bytes")
        return np.frombuffer(data, dtype, offset=file.tell()).reshape(shape, order="F" if fortran else "C")
    except Exception as error:  # numpy raises its own for broken and hostile headers
        raise EmbeddingError(f"{place.uri} can't be read as an .npy matrix: {str(error).splitlines()[0]}") from None


def _metadata_name(name: str) -> str:
    number = re.search(r"(\d+)\.npy$", name)
    return f"metadata_{number[1]}.parquet" if number else f"{name[:-4]}.parquet"


def _names_beside(place: Place) -> list[str] | None:
    """Return the names that go with an .npy file, None where there are none."""
    folder = _parent(place)
    candidates = [
        folder / _metadata_name(place.name),
        _parent(folder) / "metadata" / _metadata_name(place.name),
        folder / "metadata" / _metadata_name(place.name),
    ]
    for metadata in candidates:
        if metadata.is_file():
            return _metadata_names(metadata)
    text = folder / f"{place.name[:-4]}.txt"
    return [line.strip() for line in text.read_bytes().decode("utf-8-sig").splitlines() if line.strip()] if text.is_file() else None


def _metadata_names(place: Place) -> list[str]:
    data = place.read_bytes()
    try:
        parquet = tables.open_parquet(io.BytesIO(data), place.uri, error=EmbeddingError)
        names = parquet.schema_arrow.names
        column = next((name for name in ("image_id", *_NAMES) if name in names), None)
        if column is None:
            raise EmbeddingError(f"{place.uri} has no column image_id or image_path; found: {', '.join(names[:12])}")
        check_unpacked(place.uri, packed=len(data), unpacked=8 * parquet.metadata.num_rows, error=EmbeddingError)
        values: Iterable[Any] = parquet.read(columns=[column])[column].to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise EmbeddingError(f"{place.uri} is no readable Parquet file: {str(error).splitlines()[0]}") from None
    return [str(value) for value in values]


def _parent(place: Place) -> Place:
    base, question, query = place.uri.partition("?") if "://" in place.uri else (place.uri, "", "")
    return Place(f"{base.rpartition('/')[0]}{question}{query}", place.path.rpartition("/")[0], place.filesystem)
