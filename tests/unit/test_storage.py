"""storage: bytes written whole or not at all, here and in object stores."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from beholder.errors import StorageError
from beholder.storage import Place


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")]


@pytest.fixture(params=["folder", "file URI", "memory", "s3"])
def place(request, tmp_path):
    """An empty folder of each kind of store."""
    if request.param == "folder":
        return Place.at(tmp_path)
    if request.param == "file URI":
        return Place.at(f"file://{tmp_path}")
    if request.param == "memory":
        return Place.at(f"memory://{tmp_path.name}")
    return Place.at(f"{request.getfixturevalue('s3')}/{tmp_path.name}")


def test_write_then_read(place):
    file = place / "deep/er/table.parquet"
    file.write_bytes(b"one")
    file.write_bytes(b"second")
    assert file.read_bytes() == b"second"
    assert Place.at(file.uri).read_bytes() == b"second"
    assert file.is_file()
    assert not (place / "deep").is_file()


def test_an_empty_file_is_a_file(place):
    (place / "empty").write_bytes(b"")
    assert (place / "empty").is_file()
    assert (place / "empty").read_bytes() == b""


def test_listing(place):
    for name in ("b.txt", "a/2.txt", "a/10.txt", ".hidden", "a/.aside.1234", ".folder/x.txt"):
        (place / name).write_bytes(b"x" * len(name))
    entries = list(place.files())
    assert [entry.path for entry in entries] == ["a/10.txt", "a/2.txt", "b.txt"]
    assert [entry.size for entry in entries] == [8, 7, 5]
    assert [Place.at(entry.uri).read_bytes() for entry in entries] == [b"x" * 8, b"x" * 7, b"x" * 5]


def test_a_missing_file(place):
    assert not (place / "none").is_file()
    assert list((place / "none").files()) == []
    (place / "none").delete()
    with pytest.raises(StorageError, match="none does not exist"):
        (place / "none").read_bytes()


def test_delete(place):
    (place / "x").write_bytes(b"x")
    (place / "x").delete()
    assert not (place / "x").is_file()


def test_a_size_limit(place):
    (place / "x").write_bytes(b"12345")
    assert (place / "x").read_bytes(5) == b"12345"
    with pytest.raises(StorageError, match="has 5 bytes, more than the 4 allowed"):
        (place / "x").read_bytes(4)


def test_names_with_signs_in_them(place):
    for name in ("a b.txt", "ü.txt", "50%.txt", "a+b=c.txt", "#1.txt"):
        (place / name).write_bytes(name.encode())
    for entry in place.files():
        assert Place.at(entry.uri).read_bytes().decode() == entry.path


def test_question_marks_in_local_names(tmp_path):
    folder = Place.at(tmp_path / "who?")
    (folder / "me?.txt").write_bytes(b"x")
    assert (tmp_path / "who?" / "me?.txt").read_bytes() == b"x"
    (entry,) = folder.files()
    assert entry.uri == str(tmp_path / "who?" / "me?.txt")


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("", "expected a path or a URI, got an empty one"),
        ("nonsense://x/y", "nonsense://x can't be opened"),
    ],
)
def test_a_place_nobody_can_go_to(uri, says):
    with pytest.raises(StorageError, match=says) as caught:
        Place.at(uri)
    assert "\n" not in str(caught.value)


def test_a_bucket_that_is_not_there(s3):
    with pytest.raises(StorageError) as caught:
        Place.at("s3://no-such-bucket/x").read_bytes()
    assert "\n" not in str(caught.value)


def test_home_and_relative_paths(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert Place.at("~/x").uri == str(tmp_path / "home" / "x")
    assert Place.at("x/../y").uri == str(tmp_path / "y")
    assert Place.at(tmp_path / "z").is_local


def test_a_query_stays_with_the_uri(s3):
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    place = Place.at(f"{s3}/query?endpoint_override={endpoint}") / "a/b.txt"
    place.write_bytes(b"x")
    assert place.uri == f"{s3}/query/a/b.txt?endpoint_override={endpoint}"
    assert Place.at(place.uri).read_bytes() == b"x"
    assert Place.at(f"{s3}/query/a/b.txt").read_bytes() == b"x"


# ---- whole or not at all


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    place = Place.at(tmp_path / "table")
    place.write_bytes(b"old")
    with pytest.raises(TypeError):
        place.write_bytes("text is no bytes")  # type: ignore[arg-type]
    assert place.read_bytes() == b"old"
    assert hidden(tmp_path) == []


def test_a_full_disk(tmp_path):
    """A process that may write no file over 64 KiB meets the error that a full disk gives."""
    code = """
import resource, signal, sys
from beholder.storage import Place
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from beholder.errors import StorageError
place = Place.at(sys.argv[1]) / "table"
place.write_bytes(b"old")
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
try:
    place.write_bytes(bytes(200_000))
except StorageError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert ran.stdout == f"{tmp_path}/table can't be written: File too large\n", ran.stderr
    assert (tmp_path / "table").read_bytes() == b"old"
    assert hidden(tmp_path) == []


def test_a_killed_writer_leaves_no_half_file(tmp_path):
    """Killed again and again while it writes, a file is always one of the whole ones."""
    code = """
import sys
from beholder.storage import Place
place = Place.at(sys.argv[1]) / "table"
print("ready", flush=True)
while True:
    for letter in b"abc":
        place.write_bytes(bytes([letter]) * 3_000_000)
"""
    in_flight = 0
    for attempt in range(4):
        writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
        try:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.05 + 0.013 * attempt)
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        in_flight += len(hidden(tmp_path))
        if (tmp_path / "table").exists():
            data = (tmp_path / "table").read_bytes()
            assert len(data) == 3_000_000
            assert len(set(data)) == 1
        for name in hidden(tmp_path):
            (tmp_path / name).unlink()
    assert (tmp_path / "table").exists()
    assert in_flight, "no kill fell into a write: the test did not test"


def test_an_aside_file_is_never_listed(tmp_path):
    (tmp_path / ".table.1234abcd").write_bytes(b"half")
    assert list(Place.at(tmp_path).files()) == []


def test_a_place_that_is_a_file_already(tmp_path):
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(StorageError, match="x/y can't be written"):
        (Place.at(tmp_path / "x") / "y").write_bytes(b"y")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="can't be written"):
        Place.at(tmp_path / "folder").write_bytes(b"y")
    assert hidden(tmp_path) == []


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc, which nobody can write to")
def test_a_folder_that_can_not_be_written():
    with pytest.raises(StorageError, match="/proc/beholder/x can't be written"):
        Place.at("/proc/beholder/x").write_bytes(b"x")


def test_a_read_only_folder():
    code = """
import os, sys
from pyarrow import fs
from beholder.errors import StorageError
from beholder.storage import Place
if os.geteuid() == 0:
    os.setuid(65534)  # root may write everywhere
try:
    Place.at(sys.argv[1] + "/x").write_bytes(b"x")
except StorageError as error:
    print(error)
"""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        ran = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, timeout=60)
        assert ran.stdout == f"{folder}/x can't be written: Permission denied\n", ran.stderr
        assert os.listdir(folder) == []


def test_reading_a_folder_as_a_file(tmp_path):
    with pytest.raises(StorageError, match=r"can't be read|does not exist"):
        Place.at(tmp_path).read_bytes()


class Denied(BaseHTTPRequestHandler):
    """An S3 that denies everything."""

    def do_GET(self) -> None:
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_PUT = do_POST = do_HEAD = do_DELETE = do_GET

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    "words", [["import", "source=SAMPLE"], ["train", "taste=population"], ["predict", "taste=a", "attribute=b"]]
)
def test_a_bucket_without_rights_is_one_line(beholder, root, monkeypatch, words):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Denied)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    where = f"s3://locked/work?scheme=http&endpoint_override=127.0.0.1:{server.server_address[1]}&region=us-east-1"
    ran = beholder(*(word.replace("SAMPLE", str(root / "data" / "sample")) for word in words), f"workspace={where}")
    server.shutdown()
    server.server_close()
    assert ran.code == 2
    (line,) = ran.err
    assert line.startswith("beholder: s3://locked/work/")
    assert "ACCESS_DENIED" in line


def test_links_in_a_circle_end_and_links_to_elsewhere_are_followed(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside / "a", inside / "b", outside):
        folder.mkdir(parents=True)
        (folder / "picture.png").write_bytes(b"x")
    for name, target in {"self": inside, "again": inside, "a/b": inside / "b", "b/a": inside / "a", "far": outside}.items():
        (inside / name).symlink_to(target)
    (inside / "dangling").symlink_to(tmp_path / "nowhere")
    listed = [entry.path for entry in Place.at(inside).files()]
    assert {"a/picture.png", "b/picture.png", "far/picture.png"} <= set(listed)
    assert len(listed) <= 6  # a folder once as itself, and once by a link
