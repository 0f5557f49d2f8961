"""Bytes at a path or a URI: a local folder, s3://, gs:// (pyarrow), or any other scheme that fsspec knows.

A write is whole or not at all: locally it goes to a hidden file beside the target, is synced, and is renamed over it; an
object store shows an object only once its upload is complete. Hidden files (a leading dot) are never listed.
"""

import contextlib
import functools
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beholder.errors import StorageError


@dataclass(frozen=True)
class Entry:
    """A file in a listing: its URI, its path below the listed folder, its size in bytes."""

    uri: str
    path: str
    size: int


@dataclass(frozen=True)
class Place:
    """A file or folder somewhere: `Place.at("s3://bucket/x") / "images.parquet"`."""

    uri: str
    path: str
    filesystem: Any  # pyarrow.fs.FileSystem

    @classmethod
    def at(cls, uri: str | os.PathLike[str]) -> "Place":
        """Return the place that a path or URI names. Raises StorageError for an unknown scheme or a store that can't be reached."""
        from pyarrow import fs

        text = os.fspath(uri)
        if not text:
            raise StorageError("expected a path or a URI, got an empty one")
        if "://" not in text or text.startswith("file://"):
            path = os.path.abspath(os.path.expanduser(text.removeprefix("file://")))
            return cls(path, path, fs.LocalFileSystem())
        scheme, _, rest = text.partition("://")
        rest, question, query = rest.partition("?")
        root, _, path = rest.partition("/")
        filesystem, base = _filesystem(f"{scheme}://{root}{question}{query}")
        path = f"{base.rstrip('/')}/{path}".rstrip("/") if path else base.rstrip("/")
        return cls(f"{scheme}://{rest.rstrip('/')}{question}{query}", path, filesystem)

    def __truediv__(self, name: str) -> "Place":
        base, question, query = self.uri.partition("?") if "://" in self.uri else (self.uri, "", "")
        return Place(f"{base}/{name}{question}{query}", f"{self.path}/{name}", self.filesystem)

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def is_local(self) -> bool:
        return bool(self.filesystem.type_name == "local")

    def is_file(self) -> bool:
        return self._kind() == "File"

    def size(self) -> int:
        """Return the file's size in bytes, 0 where there is no file."""
        try:
            return self.filesystem.get_file_info(self.path).size or 0
        except OSError as error:
            raise StorageError(f"{self.uri} can't be reached: {_first_line(error)}") from None

    def version(self) -> tuple[int, int]:
        """Return what changes when the file is written anew: its size and when that was, in nanoseconds; 0 and 0 without one."""
        try:
            info = self.filesystem.get_file_info(self.path)
        except OSError as error:
            raise StorageError(f"{self.uri} can't be reached: {_first_line(error)}") from None
        return info.size or 0, info.mtime_ns or 0

    def open(self) -> Any:
        """Return the file, opened for reading bytes from any position. Raises StorageError where it is missing."""
        try:
            return self.filesystem.open_input_file(self.path)
        except FileNotFoundError:
            raise StorageError(f"{self.uri} does not exist") from None
        except OSError as error:
            raise StorageError(f"{self.uri} can't be read: {_first_line(error)}") from None

    def read_bytes(self, limit: int | None = None) -> bytes:
        """Return the whole file. Raises StorageError where it is missing or larger than `limit` bytes."""
        with self.open() as file:
            try:
                if limit is not None and file.size() > limit:
                    raise StorageError(f"{self.uri} has {file.size():,} bytes, more than the {limit:,} allowed")
                return bytes(file.read())
            except OSError as error:
                raise StorageError(f"{self.uri} can't be read: {_first_line(error)}") from None

    def write_bytes(self, data: bytes) -> None:
        """Write `data` to the file, whole or not at all, making folders as needed."""
        try:
            if self.is_local:
                _write_aside(Path(self.path), data)
            else:
                if self.filesystem.type_name not in ("s3", "gcs"):  # object stores have no folders to make
                    self.filesystem.create_dir(self.path.rpartition("/")[0], recursive=True)
                with self.filesystem.open_output_stream(self.path) as file:
                    file.write(data)
        except OSError as error:
            raise StorageError(f"{self.uri} can't be written: {_first_line(error)}") from None

    def files(self) -> Iterator[Entry]:
        """Yield every file below this folder in order of path, without hidden ones; none where there is no folder.

        Folders are listed one after the other, so that no more than the largest of them is held. A folder that links lead to is
        listed once by a link, so that links in a circle end.
        """
        yield from self._files_below("", linked=False, seen=set())

    def _files_below(self, folder: str, *, linked: bool, seen: set[tuple[int, int]]) -> Iterator[Entry]:
        """seen: the folders listed so far, as device and number; linked: whether a link led to this one."""
        from pyarrow import fs

        path = f"{self.path}/{folder}".rstrip("/")
        if self.is_local:
            linked = linked or (bool(folder) and os.path.islink(path))
            with contextlib.suppress(OSError):
                status = os.stat(path)
                if linked and (status.st_dev, status.st_ino) in seen:
                    return
                seen.add((status.st_dev, status.st_ino))
        try:
            infos = self.filesystem.get_file_info(fs.FileSelector(path, allow_not_found=True))
        except OSError as error:
            raise StorageError(f"{self.uri} can't be listed: {_first_line(error)}") from None
        # a folder's name counts with its slash, so that the whole comes in order of path
        for info in sorted(infos, key=lambda info: info.path + "/" * (info.type == fs.FileType.Directory)):
            name = info.path.rpartition("/")[2]
            if name.startswith("."):
                continue
            if info.type == fs.FileType.Directory:
                yield from self._files_below(f"{folder}{name}/", linked=linked, seen=seen)
            elif info.type == fs.FileType.File:
                below = f"{folder}{name}"
                yield Entry((self / below).uri, below, info.size or 0)

    def delete(self) -> None:
        """Delete the file, if it is there."""
        with contextlib.suppress(FileNotFoundError, OSError):
            self.filesystem.delete_file(self.path)

    def _kind(self) -> str:
        try:
            return str(self.filesystem.get_file_info(self.path).type.name)
        except OSError as error:
            raise StorageError(f"{self.uri} can't be reached: {_first_line(error)}") from None


@functools.lru_cache(maxsize=64)
def _filesystem(root: str) -> tuple[Any, str]:
    """Return the filesystem of scheme://bucket and the path of its root; cached, because a client is expensive to make."""
    import fsspec
    import pyarrow as pa
    from pyarrow import fs

    try:
        filesystem, path = fs.FileSystem.from_uri(root)
        return filesystem, str(path)
    except pa.ArrowInvalid:
        pass  # a scheme that pyarrow doesn't know
    except OSError as error:
        raise StorageError(f"{root} can't be reached: {_first_line(error)}") from None
    try:
        filesystem, path = fsspec.core.url_to_fs(root)
    except (ValueError, ImportError) as error:
        raise StorageError(f"{root} can't be opened: {_first_line(error)}") from None
    return fs.PyFileSystem(fs.FSSpecHandler(filesystem)), path


def make_private(folder: Path) -> None:
    """Make a folder that only its owner may enter, and those above it, where they are missing; what is there stays as it is."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(exist_ok=True)  # raises where it is a file


@contextlib.contextmanager
def private_files() -> Iterator[None]:
    """Have files that others make in the block, such as a database's, readable by their owner alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _write_aside(path: Path, data: bytes) -> None:
    make_private(path.parent)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with open(aside, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _first_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).strip() or type(error).__name__).splitlines()[0]
