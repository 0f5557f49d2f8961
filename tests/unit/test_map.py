"""The map: who may import whom, and the one door of each heavy dependency."""

import ast
import platform
import sys
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY, JOBS, SERVE = "platform/beholder/*", "jobs/*", "serve/*"

# A dependency -> the only files that may import it. (fnmatch: * reaches into folders.)
DOORS = {
    "ray": (JOBS, SERVE, "platform/beholder/ray_connection.py"),
    "fastapi": (SERVE,),
    "starlette": (SERVE,),
    "uvicorn": (SERVE,),
    "prometheus_client": ("serve/metrics.py",),
    "open_clip": ("platform/beholder/light_import.py",),
    "PIL": ("platform/beholder/images.py", "jobs/bench/dataloader_loop.py"),
    "torchvision": ("platform/beholder/images.py", "platform/beholder/light_import.py"),
    "transformers": (),
    "hydra": ("platform/beholder/config.py",),
    "omegaconf": ("platform/beholder/config.py",),
    "yaml": ("platform/beholder/config.py",),
    "openpyxl": ("platform/beholder/importing/workbook.py",),
    "fsspec": ("platform/beholder/storage.py", "platform/beholder/image_lists.py"),
    "pyarrow.fs": ("platform/beholder/storage.py",),
    "rich": ("platform/beholder/progress.py",),
    "pickle": (),
    "peft": ("platform/beholder/taste/lora.py",),
    "lightgbm": ("platform/beholder/recommending/rankers/boosted_trees.py",),
    "sqlalchemy": (
        "platform/beholder/recommending/store/*",
        "platform/beholder/studies/stored_study.py",
        "platform/beholder/studies/study_store.py",
        "platform/beholder/studies/study_tables.py",
        "platform/beholder/studies/trial_assignment.py",
    ),
    "alembic": ("platform/beholder/recommending/store/*",),
    "psycopg": (),
    "cryptography": ("platform/beholder/api_keys.py", "platform/beholder/person_tokens.py"),
    "dlib": ("platform/beholder/editing/faces/landmarks.py",),
    "faiss": ("platform/beholder/embedding/exports.py",),
    "diffusers": ("platform/beholder/editing/diffusion/diffusion_pipeline.py",),
    "matplotlib": ("platform/beholder/plots.py",),
    "optuna": (JOBS,),
    "psutil": (JOBS, "platform/beholder/process.py", "serve/watchdog.py"),
    "mlflow": ("platform/beholder/tracking.py",),
    "wandb": ("platform/beholder/tracking.py",),
    "aiohttp": ("jobs/bench/loadtest.py",),
    "httpx": ("platform/beholder/client/http_client.py",),
}
# Who -> what they must not import of our own.
WALLS = {
    LIBRARY: ("beholder.jobs", "beholder.serve"),
    JOBS: ("beholder.serve",),
    SERVE: ("beholder.jobs",),
}


def sources(root: Path = ROOT) -> dict[str, str]:
    """Path below the root -> source, of every module that is installed."""
    folders = ("platform/beholder", "jobs", "serve", "configs", "data")
    found = (p for folder in folders for p in sorted((root / folder).rglob("*.py")))
    return {str(p.relative_to(root)): p.read_text() for p in found if not _through_a_link(p.relative_to(root))}


def _through_a_link(path: Path) -> bool:
    """Tell whether a path below the root passes one of the links of platform/beholder."""
    return any((ROOT / parent).is_symlink() for parent in path.parents)


def imports(source: str) -> set[str]:
    """Every dotted name that the source imports, anywhere in it: `from a import b` is a and a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def touches(names: set[str], package: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for name in names)


def trespasses(files: dict[str, str]) -> list[str]:
    """`file imports name`, for all that the map forbids."""
    found = []
    for path, source in files.items():
        names = imports(source)
        for package, doors in DOORS.items():
            if touches(names, package) and not any(fnmatch(path, door) for door in doors):
                found.append(f"{path} imports {package}")
        for room, forbidden in WALLS.items():
            if fnmatch(path, room):
                found += [f"{path} imports {package}" for package in forbidden if touches(names, package)]
    return found


def test_nobody_leaves_the_map():
    assert trespasses(sources()) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("platform/beholder/images.py", "import ray"),
        ("platform/beholder/taste/mlp.py", "def f():\n    from ray import tune"),
        ("platform/beholder/images.py", "from beholder.jobs import embed"),
        ("platform/beholder/images.py", "from beholder import serve"),
        ("jobs/embed.py", "import beholder.serve.app"),
        ("serve/app.py", "from beholder.jobs.embed import main"),
        ("jobs/embed.py", "from PIL import Image"),
        ("platform/beholder/tables.py", "from pyarrow import fs"),
        ("platform/beholder/runs.py", "import rich.console as c"),
    ],
)
def test_a_trespass_is_seen(path, source):
    assert len(trespasses({path: source})) == 1


def test_what_the_map_allows():
    allowed = {
        "jobs/embed.py": "import ray\nfrom beholder import images\nfrom beholder import ray_connection",
        "platform/beholder/storage.py": "import rayleigh\nfrom pyarrow import fs",
        "serve/app.py": "import fastapi, ray",
    }
    assert trespasses(allowed) == []


def test_no_relative_imports():
    for path, source in sources().items():
        nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
        assert all(node.level == 0 for node in nodes), path


def test_every_file_opens_with_its_caption():
    for path, source in sources().items():
        assert ast.get_docstring(ast.parse(source)), f"{path} has no docstring"


def test_the_floor_plan_has_every_room():
    plan = ast.get_docstring(ast.parse((ROOT / "platform/beholder/__init__.py").read_text()))
    assert plan is not None
    rooms = {line.split()[0] for line in plan.splitlines()[2:]}
    there = {path.name + "/" * path.is_dir() for path in (ROOT / "platform/beholder").iterdir()}
    assert rooms == {name.removesuffix(".py") for name in there if not name.startswith("__") and name != "py.typed"}


def test_no_file_is_named_for_nothing():
    nothing = {"utils", "util", "helpers", "helper", "common", "core", "base", "manager", "misc"}
    assert not [path for path in sources() if Path(path).stem.strip("_") in nothing]


def test_platform_is_still_the_standard_module(monkeypatch):
    assert not (ROOT / "platform" / "__init__.py").exists()
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.delitem(sys.modules, "platform")
    import platform as found

    assert found.system() == platform.system() != ""
    assert "site-packages" not in str(found.__file__)
    assert not str(found.__file__).startswith(str(ROOT / "platform"))


def modules() -> dict[str, str]:
    """Path -> source of the library, jobs and serve alone."""
    return {path: source for path, source in sources().items() if not path.startswith(("configs", "data"))}


def test_no_public_class_name_stands_twice():
    where: dict[str, list[str]] = {}
    for path, source in modules().items():
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where.setdefault(node.name, []).append(path)
    assert {name: paths for name, paths in where.items() if len(paths) > 1} == {}


def test_no_file_name_stands_twice():
    """`evaluation` inside its own subject's folder aside."""
    where: dict[str, list[str]] = {}
    for path in modules():
        if Path(path).stem not in ("__init__", "evaluation"):
            where.setdefault(Path(path).stem.strip("_"), []).append(path)
    assert {name: paths for name, paths in where.items() if len(paths) > 1} == {}


def module_of(path: str) -> str:
    """The dotted name under which a file is imported."""
    parts = (
        Path(path.replace("platform/beholder", "beholder") if path.startswith("platform") else f"beholder/{path}")
        .with_suffix("")
        .parts
    )
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def runtime_imports(source: str) -> set[str]:
    """What is imported when the module is: neither inside functions nor for type checkers alone."""
    top = [node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return imports(ast.unparse(ast.Module(body=list(top), type_ignores=[])))


def test_no_module_imports_itself_through_others():
    known = {module_of(path): path for path in modules()}
    graph = {
        name: {each for each in runtime_imports(modules_source) if each in known and each != name}
        for name, modules_source in ((module_of(path), source) for path, source in modules().items())
    }
    TopologicalSorter(graph).prepare()  # CycleError names the circle


@pytest.mark.parametrize("room", ["editing", "recommending"])
def test_what_is_built_on_portraits_is_not_built_into_rooms_below(room):
    for path, source in modules().items():
        if path.startswith(f"platform/beholder/{room}/"):
            names = imports(source)
            assert not touches(names, "beholder.portraits"), path
            assert not touches(names, "beholder.simulation"), path


def test_rooms_stay_small_enough_to_be_looked_over():
    """At most 16 rooms in recommending and 18 files in serve; at most 25 library modules of fewer than 60 lines, packages' captions
    and migrations aside."""
    recommending = ROOT / "platform/beholder/recommending"
    rooms = [path for path in recommending.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()]
    assert len(rooms) - 1 <= 16
    assert len(list((ROOT / "serve").glob("*.py"))) <= 18
    small = [
        path
        for path, source in sources().items()
        if path.startswith("platform") and "/migrations/" not in path and "__init__" not in path and source.count("\n") < 60
    ]
    assert len(small) <= 25, small


def test_every_folder_is_a_package():
    for path in sources():
        assert (ROOT / path).parent.joinpath("__init__.py").is_file(), f"{path} lies in a folder without __init__.py"


def test_the_package_is_whole_below_the_source_root():
    """Wheel, type checker and editor follow platform/beholder alone; the folders at the top are links there."""
    for folder in ("jobs", "serve", "configs", "data"):
        link = ROOT / "platform/beholder" / folder
        assert link.is_symlink()
        assert link.readlink() == Path("../..") / folder
        assert link.resolve() == ROOT / folder
