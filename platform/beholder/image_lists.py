"""Lists of images: a folder, a prefix, a glob, or a file with a URI per row, read part by part, whatever their length."""

import csv
import io
import ipaddress
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc
from fsspec.utils import glob_translate

from beholder import tables
from beholder.errors import StorageError, TableError, nearest
from beholder.storage import Entry, Place

PART_ROWS = 65_536  # rows of one part of a list
SCHEMA = pa.schema([pa.field("image_id", pa.string(), nullable=False), pa.field("uri", pa.string(), nullable=False)])
LISTS = (".parquet", ".csv", ".tsv", ".jsonl", ".txt")
URI_COLUMNS = ("uri", "url", "path", "file", "file_name", "filename", "image", "image_path")  # in order of preference
_STORES = ("s3", "gs", "gcs", "az", "abfs", "hf")
_WILD = re.compile(r"[*?\[]")
_OPTIONS = re.compile(r"\?\w+=.*$")  # s3://bucket/faces?endpoint_override=...
_ABSOLUTE = re.compile(r"^(/|[A-Za-z][A-Za-z0-9+.-]*://|~)")


def iterate(source: str, *, roots: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Yield every image that `source` names, as tables of image_id and uri of at most PART_ROWS rows.

    source: a folder or prefix (all files below it but hidden ones, in order of path), a glob ("faces/**/*.png"), one file, or a
    list: .parquet, .csv, .tsv or .jsonl with a column `uri` (or one of URI_COLUMNS) and, if wanted, `image_id`; .txt with a URI per
    line. A relative path in a list that is not Parquet starts at the list's folder. Nothing that is listed is opened, so a file
    need not be an image. roots: where a list may lead beside its own folder, buckets and the public web (see `outside`); None:
    anywhere. Raises StorageError where there is nothing, TableError for a list that can't be read or leads elsewhere.
    """
    readers = {".parquet": _parquet, ".csv": _csv, ".tsv": _csv, ".jsonl": _jsonl, ".txt": _text}
    suffix = Path(source.partition("?")[0]).suffix.lower()
    rows = 0
    for part in readers[suffix](Place.at(source)) if suffix in readers and not _WILD.search(source) else _files(source):
        rows += part.num_rows
        if roots is not None and suffix in readers and not _WILD.search(source):
            _check_roots(Place.at(source), part["uri"], roots)
        yield part
    if not rows and suffix in readers:
        raise StorageError(f"{source} lists no images")
    if not rows:
        raise StorageError(
            f"no files in {source}; expected a folder, a glob, a list of URIs ({', '.join(LISTS)}) or an s3:// prefix"
        )


def entries(source: str) -> Iterator[Entry]:
    """Yield the files of a folder, a prefix, a glob, or the one file."""
    scheme, separator, rest = source.partition("://") if "://" in source else ("", "", source)
    options = _OPTIONS.search(rest) if scheme else None
    query = options[0] if options else ""
    rest = rest.removesuffix(query)
    wild = _WILD.search(rest)
    if wild and (scheme or not Path(source).exists()):
        folder = rest[: wild.start()].rpartition("/")[0]
        root = Place.at(scheme + separator + (folder or ("/" if rest.startswith("/") else ".")) + query)
        pattern = re.compile(glob_translate(rest[len(folder) :].lstrip("/")))
        yield from (entry for entry in root.files() if pattern.fullmatch(entry.path))
        return
    root = Place.at(source)
    if root.is_file():
        yield Entry(root.uri, root.name, 0)
    else:
        yield from root.files()


def _files(source: str) -> Iterator[pa.Table]:
    yield from _parts((entry.path, entry.uri) for entry in entries(source))


def _parquet(place: Place) -> Iterator[pa.Table]:
    try:
        with place.open() as file:
            parquet = tables.open_parquet(file, place.uri)
            names = parquet.schema_arrow.names
            column = _uri_column(names, place.uri)
            chosen = [name for name in ("image_id", column) if name in names]
            for batch in parquet.iter_batches(PART_ROWS, columns=chosen):
                uris = batch[column]
                ids = batch["image_id"] if "image_id" in chosen else uris
                yield tables.conform(pa.table({"image_id": ids, "uri": uris}), SCHEMA, name=place.uri)
    except (pa.ArrowInvalid, OSError) as error:
        raise TableError(f"{place.uri} is no readable Parquet file: {str(error).splitlines()[0]}") from None


def _csv(place: Place) -> Iterator[pa.Table]:
    with place.open() as file:
        reader = csv.DictReader(_lines(file, place.uri), delimiter="\t" if place.name.lower().endswith(".tsv") else ",")
        yield from _records(place, reader, reader.fieldnames or [])


def _jsonl(place: Place) -> Iterator[pa.Table]:
    def records() -> Iterator[dict[str, Any]]:
        with place.open() as file:
            for number, line in enumerate(_lines(file, place.uri), start=1):
                if not line.strip():
                    continue
                try:
                    record = json.loads(line)
                except ValueError:
                    record = None
                if not isinstance(record, dict):
                    raise TableError(f"{place.uri}, line {number}: expected a JSON object, got {line.strip()[:40]!r}")
                yield record

    rows = records()
    first = next(rows, None)
    if first is not None:
        yield from _records(place, _chain(first, rows), list(first))


def _text(place: Place) -> Iterator[pa.Table]:
    with place.open() as file:
        lines = (line.strip() for line in _lines(file, place.uri))
        yield from _parts((line, _from(place, line)) for line in lines if line and not line.startswith("#"))


def _records(place: Place, records: Iterable[dict[str, Any]], names: Iterable[str]) -> Iterator[pa.Table]:
    """Parts of a list from its rows as dicts. names: of the columns."""
    column = _uri_column(list(names), place.uri)

    def rows() -> Iterator[tuple[str, str]]:
        for number, record in enumerate(records, start=1):
            uri = record.get(column)
            if not isinstance(uri, str) or not uri.strip():
                raise TableError(f"{place.uri}, row {number}: expected a path or URI in {column!r}, got {uri!r}")
            yield str(record.get("image_id") or uri), _from(place, uri.strip())

    yield from _parts(rows())


def _uri_column(names: list[str], source: str) -> str:
    for name in URI_COLUMNS:
        if name in names:
            return name
    close = next((hint for hint in (nearest(name, list(URI_COLUMNS)) for name in names) if hint), "")
    raise TableError(f"{source} has no column 'uri'; found: {', '.join(names)}{close}")


def _from(place: Place, uri: str) -> str:
    """Return a URI of a list as seen from here: a relative path starts at the list's folder."""
    return uri if _ABSOLUTE.match(uri) else f"{place.uri.rpartition('/')[0]}/{uri.removeprefix('./')}"


def outside(place: Place, uri: str, roots: Sequence[str]) -> str | None:
    """Return where a URI of a list leads that it may not, None where it may.

    A list of somebody else should neither read this machine's files nor ask services that only this machine reaches. So it may name
    files below its own folder, the public web, objects of its own store, and of s3://, gs://, az:// and hf:// without options (an
    option may name another server). place: the list; roots: folders and beginnings of URIs that it may name, too; "*": everything.
    """
    if is_below(uri, roots):
        return None
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme == "file":
        path = rest if separator else uri
        if not path.startswith(("/", "~")):
            return None if not os.path.normpath(path).startswith("..") else "a file outside of the list's folder"
        own = "://" not in place.uri and _is_file_below(path, place.path.rpartition("/")[0])
        return None if own else "a file outside of the list's folder"
    if scheme in ("http", "https"):
        return "an address of a private network" if is_private(uri) else None
    (root, _, options), (own_root, _, own_options) = rest.partition("?"), place.uri.partition("://")[2].partition("?")
    if place.uri.startswith(f"{scheme}://") and root.partition("/")[0] == own_root.partition("/")[0] and options == own_options:
        return None
    return None if scheme in _STORES and not options else "a place of its own choice"


def is_below(uri: str, roots: Sequence[str]) -> bool:
    """Tell whether a path or URI is below one of these folders and beginnings of URIs."""
    if "/../" in uri and "://" in uri:
        return "*" in roots
    return any(
        root == "*"
        or ("://" in root and (uri.startswith(f"{root.rstrip('/')}/") or (root.endswith("://") and uri.startswith(root))))
        or ("://" not in root and "://" not in uri and _is_file_below(uri, root))
        for root in roots
    )


def is_private(url: str) -> bool:
    """Tell whether a URL names a host of this machine or of a private network; another name may still lead to one."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return not host or "." not in host or host.endswith((".localhost", ".local", ".internal"))


def _is_file_below(path: str, folder: str) -> bool:
    path, folder = (os.path.abspath(os.path.expanduser(each)) for each in (path, folder))
    return path.startswith(f"{folder.rstrip('/')}/")


def _check_roots(place: Place, uris: pa.ChunkedArray, roots: Sequence[str]) -> None:
    """Raise TableError for a URI of a list that leads where it may not. Of files in one folder one is looked at."""
    folders = pc.replace_substring_regex(uris, "[^/?]*$", "")
    for folder in folders.unique().drop_null().to_pylist():
        host = folder.endswith("://")  # what follows is no file but a host
        for uri in uris.filter(pc.equal(folders, folder)).to_pylist() if host else [f"{folder}x"]:
            if (where := outside(place, uri, roots)) is not None:
                scheme, separator, rest = uri.partition("://")
                root = f"{scheme}://{rest.partition('/')[0]}/" if separator else folder
                named = uris[pc.index(uris if host else folders, uri if host else folder).as_py()].as_py()
                raise TableError(
                    f"{place.uri} names {named}, {where}; expected files below its own folder, buckets without options, or the "
                    f"public web: add limits.roots=[{root}] where it may"
                )


def _parts(rows: Iterable[tuple[str, str]]) -> Iterator[pa.Table]:
    ids: list[str] = []
    uris: list[str] = []
    for image_id, uri in rows:
        ids.append(image_id)
        uris.append(uri)
        if len(ids) == PART_ROWS:
            yield pa.table({"image_id": ids, "uri": uris}, schema=SCHEMA)
            ids, uris = [], []
    if ids:
        yield pa.table({"image_id": ids, "uri": uris}, schema=SCHEMA)


def _lines(file: Any, name: str) -> Iterator[str]:
    try:
        yield from io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    except UnicodeDecodeError as error:
        raise TableError(f"{name} is no UTF-8 text: {error.reason} at byte {error.start}") from None


def _chain(first: dict[str, Any], rest: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield first
    yield from rest
