"""What the unit tests share: pictures with known content, spreadsheets, a small CLIP, an S3 on loopback, the command line."""

import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("BEHOLDER_SHARED", ROOT / ".." / "shared")).resolve()


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def omi() -> Path:
    """The folder of the OMI faces; they may not lie in the repository."""
    folder = SHARED / "data" / "omi"
    if not folder.is_dir():
        pytest.skip(f"the OMI faces are not at {folder}; BEHOLDER_SHARED tells where shared/ is")
    return folder


@pytest.fixture(scope="session")
def scene() -> Callable[..., np.ndarray]:
    """scene(width, height, seed): uint8 RGB [height, width, 3] with soft shapes and some detail, like a photograph."""

    def draw(width: int, height: int, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[0:height, 0:width] / max(width, height)
        planes = []
        for _ in range(3):
            waves = sum(
                rng.uniform(0.2, 1) * np.sin(rng.uniform(2, 25) * x + rng.uniform(2, 25) * y + rng.uniform(0, 6)) for _ in range(5)
            )
            planes.append(waves)
        pixels = np.stack(planes, axis=-1)
        pixels = (pixels - pixels.min()) / max(np.ptp(pixels), 1e-9)
        return np.round(pixels * 255).astype(np.uint8)

    return draw


@pytest.fixture(scope="session")
def saved() -> Callable[..., bytes]:
    """saved(array or Pillow image, format, **options): the bytes of an image file, written by Pillow."""

    def save(picture: np.ndarray | Image.Image, format: str = "PNG", **options: Any) -> bytes:
        image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
        buffer = io.BytesIO()
        image.save(buffer, format=format, **options)
        return buffer.getvalue()

    return save


@pytest.fixture(scope="session")
def sheet() -> Callable[..., Path]:
    """sheet(path, header, rows): an .xlsx file with one sheet, written by openpyxl."""
    from openpyxl import Workbook

    def write(path: Path, header: list, rows: list) -> Path:
        book = Workbook()
        page = book.active
        page.title = "data"
        for line in [header, *rows]:
            page.append(list(line))
        path.parent.mkdir(parents=True, exist_ok=True)
        book.save(path)
        return path

    return write


@dataclass(frozen=True)
class Said:
    """What a command line did: its exit code and its lines."""

    code: int
    out: list[str]
    err: list[str]

    @property
    def run(self) -> Path:
        """The run folder, which is the last line of stdout."""
        return Path(self.out[-1])

    @property
    def metrics(self) -> dict:
        return json.loads((self.run / "metrics.json").read_text())


@pytest.fixture
def beholder(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """beholder("import", "source=..."): one command line in this process."""
    import signal

    from beholder.cli import main

    monkeypatch.setenv("COLUMNS", "200")
    before = signal.getsignal(signal.SIGTERM)

    def run(*words: object) -> Said:
        capsys.readouterr()
        code = main([str(word) for word in words])
        signal.signal(signal.SIGTERM, before)
        printed = capsys.readouterr()
        return Said(code, printed.out.splitlines(), printed.err.splitlines())

    return run


@pytest.fixture(scope="session")
def small_clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a CLIP of 1 M parameters that open_clip has been told of: ViT with 16 px patches at 64 px, 32 dimensions."""
    import open_clip

    name = "beholder-test-clip"
    config = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    }
    path = tmp_path_factory.mktemp("clip") / f"{name}.json"
    path.write_text(json.dumps(config))
    open_clip.add_model_config(path)
    return name


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An S3 on loopback with an empty bucket; the environment says where, as a user would. Returns the bucket's URI."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        boto3.client("s3").create_bucket(Bucket="faces")
        yield "s3://faces"
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        server.stop()
