"""The client alone: its wheel is built, installed into a Python that has httpx and nothing of ours, and talks to a service."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from support.served_process import ServedProcess

from beholder.client import Client

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "platform" / "beholder" / "client"
VISIT = """
import asyncio, io, sys
from beholder.client import AnswerConflict, AsyncClient, Client, InvalidRequest, NotFound

with Client() as client:
    assert client.readiness() == {"editor": True, "encoder": True, "ranker": True}
    image = client.add_seed(7)
    face = client.picture("seed-11", size=256)
    photo = client.add_photo("ana", io.BytesIO(face.data), aligned=True)
    try:
        client.add_photo("ana", b"not a photo")
    except InvalidRequest as error:
        assert error.kind == "image-format", error.type
    for _ in range(3):
        question = client.ask("ana", photo.image_id)
        assert client.edited_picture(photo.image_id, question.left.edit, size=64, media_type="image/webp").data
        answered = client.answer(question.question_id, "left", event_id="mine-" + question.question_id)
        assert not client.answer(question.question_id, "left", event_id="mine-" + question.question_id).counted
    assert answered.rounds == 3
    try:
        client.answer(question.question_id, "right")
    except AnswerConflict as error:
        assert error.kind == "answered-otherwise", error.type
    best = client.recommend("ana", photo.image_id, count=2)
    assert best.known and len(best.recommendations) == 2
    assert client.score("ana", photo.image_id, [{"smile": 1.5}]).scores[0].words == "more of a smile"
    assert client.predict("ana", images=[face.data], question="who is smiling?").predictions[0].index == 0
    taste = client.export_taste("ana")
    assert client.import_taste("bo", taste.to_json() | {"choices": []}).added == 0
    assert client.retract(question.question_id).undone
    assert {each.name for each in client.directions().directions} > {"smile"}
    assert client.person("ana").images == [photo.image_id]

async def erase():
    async with AsyncClient() as client:
        erased, person = await asyncio.gather(client.erase("ana"), client.person("bo"))
        return erased.images, person.rounds

assert asyncio.run(erase()) == (1, 0)
print(sorted(name.partition(".")[0] for name in sys.modules if name.startswith("beholder") and name.count(".") == 1))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, out = tmp_path_factory.mktemp("source") / "client", tmp_path_factory.mktemp("built")
    shutil.copytree(FOLDER, source, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", out, source], check=True, capture_output=True
    )
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel and what it requires, copied from this one so that nothing is downloaded."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False)
    packages = next((folder / "lib").glob("python*/site-packages"))
    for name in requirements("httpx"):
        for file in importlib.metadata.files(name) or ():
            if file.parts[0] != ".." and "__pycache__" not in file.parts:
                (packages / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(file.locate()), packages / file)
    install: list[str | Path] = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", packages, wheel]
    subprocess.run(install, check=True, capture_output=True)
    return folder / "bin" / "python"


def requirements(name: str) -> set[str]:
    """A package and all that it requires."""
    found = {name}
    for each in map(Requirement, importlib.metadata.requires(name) or ()):
        if each.marker is None or each.marker.evaluate({"extra": ""}):
            found |= requirements(each.name)
    return found


def test_the_wheel_is_small_and_typed_and_has_the_client_alone(wheel: Path):
    import zipfile

    assert wheel.name.startswith("beholder_client-")
    assert wheel.stat().st_size < 1 << 20
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if "dist-info" not in name]
        (metadata,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("METADATA"))
    assert set(names) == {f"beholder/client/{path.name}" for path in FOLDER.iterdir() if path.suffix in (".py", ".typed")}
    assert re.findall(r"^Requires-Dist: (.*)$", metadata, re.MULTILINE) == ["httpx>=0.28"]


def test_the_client_alone_talks_to_a_served_service(bare: Path, tmp_path: Path):
    service = ServedProcess(
        tmp_path, "components.candidates.count=60", "components.ranking.exact=3", "image_library.refinement.steps=0"
    )
    service.start()
    try:
        environment = {"BEHOLDER_URL": service.url, "PATH": os.defpath}
        ran = subprocess.run([bare, "-c", VISIT], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert ran.returncode == 0, ran.stderr + service.log.read_text()
        assert ran.stdout.strip() == str(["beholder"])
        with Client(service.url) as client:
            assert client.health() == {"status": "alive"}
    finally:
        service.stop()
