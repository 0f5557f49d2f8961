"""`beholder doctor`: what this machine has and lacks for the project, and how to get what is missing."""

import importlib.util
import os
import platform
import re
import shutil
import sys
import tempfile
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import ClassVar

from beholder import process
from beholder.config import setting
from beholder.errors import BeholderError, ConfigError
from beholder.runs import Run

# What each extra of the package brings, and a module that is there where it is installed.
EXTRAS = {
    "faces": ("photos of faces: found by MTCNN, cut out and put back", "facenet_pytorch"),
    "dlib": ("detector=dlib, to compare with; not for commercial use", "face_recognition_models"),
    "heic": ("photos of iPhones (HEIC)", "pillow_heif"),
    "mlflow": ("runs recorded in MLflow: tracking=mlflow", "mlflow"),
    "wandb": ("runs recorded in Weights & Biases: tracking=wandb", "wandb"),
    "faiss": ("`beholder export` as a FAISS index", "faiss"),
    "client": ("`beholder.client`, the HTTP client of the service", "httpx"),
    "diffusion": ("`beholder diffuse` and editor=diffusion, edits by a diffusion pipeline", "diffusers"),
    "docs": ("`make docs`, the site of the documents", "mkdocs"),
    "bench": ("`beholder bench serve` and others that load a service", "aiohttp"),
}
_GIB = 2**30
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "firefox", "safari", "microsoft-edge")
_SCRIPTS = {
    "Chinese, Japanese and Korean": ("CJK", "PingFang", "Hiragino", "YaHei", "WenQuanYi", "MS Gothic"),
    "Arabic": ("Arab", "Amiri", "Geeza"),
}
_MARKS = {"ok": "ok", "note": "--", "warning": "!!", "missing": "XX"}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. state: ok, note (not needed), warning (works, but), missing (needed); remedy: what to do."""

    name: str
    state: str
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class DoctorSettings:
    common: ClassVar[tuple[str, ...]] = ("port", "workspace", "ray")
    examples: ClassVar[tuple[str, ...]] = ("beholder doctor", "beholder doctor port=8080", "beholder doctor --json")
    run_folder: ClassVar[str] = "never"
    port: int = setting(8000, "the port at which the page is to be served")
    ray: bool = setting(False, "start a Ray as well, and compute in it; takes some seconds")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ConfigError(f"port must be between 1 and 65535, got {self.port}")


def main(settings: DoctorSettings, run: Run) -> int:
    found = []
    for finding in findings(port=settings.port, workspace=settings.workspace, start_ray=settings.ray):
        found.append(finding)
        print("\n".join(_lines(finding)), flush=True)
    counts = Counter(each.state for each in found)
    run.write_json("metrics.json", [vars(each) for each in found])
    verdict = {
        "missing": f"{counts['missing']} missing",
        "warning": f"{counts['warning']} to look at",
        "note": f"{counts['note']} not installed or not used",
    }
    said = [text for state, text in verdict.items() if counts[state]]
    print(
        f"\n{'Not everything is there' if counts['missing'] else 'Everything needed is there'}{': ' * bool(said)}{', '.join(said)}."
    )
    return 1 if counts["missing"] else 0


def _lines(finding: Finding) -> list[str]:
    """Return a finding as lines of the terminal's width: its mark, its name, what was found, and below that what to do."""
    width = max(40, min(shutil.get_terminal_size((80, 24)).columns, 110))
    head = f"{_MARKS[finding.state]} {finding.name:<12} "
    first, *rest = textwrap.wrap(finding.found, width - len(head), break_long_words=False, break_on_hyphens=False) or [""]
    lines = [head + first, *(" " * len(head) + line for line in rest)]
    remedy = textwrap.wrap(finding.remedy, width - len(head) - 3, break_long_words=False, break_on_hyphens=False)
    return lines + [" " * len(head) + ("-> " if at == 0 else "   ") + line for at, line in enumerate(remedy)]


def findings(*, port: int, workspace: str, start_ray: bool) -> Iterator[Finding]:
    """Yield what is found, one after the other, what is quick first."""
    yield _python()
    yield packages()
    yield from extras()
    yield shipped_weights()
    yield _cached_weights()
    yield _processor()
    yield free_disk(workspace)
    yield _shared_memory()
    yield workspace_state(workspace)
    yield port_state(port)
    yield _browser()
    yield _fonts()
    yield _gpu()
    yield _ray(start_ray)


def packages(required: list[str] | None = None, version: Callable[[str], str] = metadata.version) -> Finding:
    """Tell which packages that the project needs are missing or too old. required: as package metadata has them."""
    lines = [line for line in (metadata.requires("beholder") if required is None else required) or [] if "extra ==" not in line]
    wrong = []
    for line in lines:
        name = re.split(r"[\s\[<>=!~;]", line, maxsplit=1)[0]
        floor = re.search(r">=\s*([\d.]+)", line)
        try:
            there = version(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        if floor is not None and _numbers(there) < _numbers(floor[1]):
            wrong.append(f"{name} is {there}, {floor[1]} is needed")
    if wrong:
        return Finding(
            "packages", "missing", "; ".join(wrong), 'pip install --upgrade "beholder" in this environment, or `make setup`'
        )
    return Finding("packages", "ok", f"{len(lines)} that are needed are there, beholder is {_version('beholder')}")


def extras() -> Iterator[Finding]:
    """Yield a finding for each extra."""
    for name, (brings, module) in EXTRAS.items():
        if importlib.util.find_spec(module) is not None:
            yield Finding(f"[{name}]", "ok", brings)
        else:
            yield Finding(f"[{name}]", "note", f"not installed: {brings}", f'pip install "beholder[{name}]"')


def shipped_weights() -> Finding:
    """Tell whether the networks that ship with the project are whole."""
    from beholder import weights

    names = sorted(path.stem for path in weights.folder().glob("*.json"))
    broken = [name for name in names if not (weights.folder() / f"{name}.safetensors").is_file()]
    pointers = [path.stem for path in weights.folder().glob("*.safetensors") if path.stat().st_size < 1000]  # Git LFS's
    if broken or pointers or not names:
        lost = ", ".join(broken + pointers) or "all of them"
        return Finding(
            "weights", "missing", f"{lost} can't be read in {weights.folder()}", "install the package again, or `git lfs pull`"
        )
    size = sum(path.stat().st_size for path in weights.folder().glob("*.safetensors")) / 2**20
    return Finding(
        "weights", "ok", f"{len(names)} networks ship with the project ({size:.0f} MiB): nothing is downloaded by default"
    )


def free_disk(workspace: str, usage: Callable[[str], tuple[int, int, int]] = shutil.disk_usage) -> Finding:
    """Tell how much space there is for the workspace and for Ray's temporary files."""
    folders = {"temporary files": os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()}
    if "://" not in workspace:
        folders["the workspace"] = str(
            next(each for each in (Path(workspace).absolute(), *Path(workspace).absolute().parents) if each.exists())
        )
    states, said = ["ok"], []
    for what, folder in folders.items():
        total, _, free = usage(folder)
        said.append(f"{free / _GIB:.1f} GiB free for {what} ({folder})")
        if free < _GIB:
            states.append("missing")
        elif free < 5 * _GIB or free < 0.05 * total:
            states.append("warning")
    worst = "missing" if "missing" in states else states[-1]
    remedy = "" if worst == "ok" else "make room: Ray stops keeping data when a disk is 95 % full; RAY_TMPDIR moves its files"
    return Finding("disk", worst, ", ".join(said), remedy)


def workspace_state(uri: str) -> Finding:
    """Tell what is in the workspace, and whether it can be written to."""
    if "://" in uri:
        return Finding("workspace", "note", f"{uri} is not on this machine; its first use says whether it can be reached")
    path = Path(uri)
    if not path.exists():
        return Finding("workspace", "note", f"there is none at {uri} yet", "`beholder demo` or `beholder import` makes one")
    if not path.is_dir() or not os.access(path, os.W_OK | os.X_OK):
        return Finding("workspace", "missing", f"{uri} can't be written to", "give another one: workspace=FOLDER")
    tables = sorted(
        each.name for each in path.iterdir() if each.is_dir() and each.name not in ("runs",) and not each.name.startswith(".")
    )
    count = len(list((path / "runs").iterdir())) if (path / "runs").is_dir() else 0
    return Finding("workspace", "ok", f"{uri} has {', '.join(tables) or 'no tables'}, and {count} runs")


def port_state(port: int) -> Finding:
    """Tell whether the page can be served at a port of this machine."""
    try:
        process.check_port("127.0.0.1", port)
    except BeholderError as error:
        return Finding("port", "warning", str(error))
    return Finding("port", "ok", f"{port} is free for the page")


def _python() -> Finding:
    found = f"{platform.python_version()} in {sys.prefix}, on {platform.system()} {platform.machine()}"
    if platform.system() == "Windows":
        return Finding("Python", "warning", found, "tested on Linux alone; on Windows use WSL 2")
    return Finding("Python", "ok", found)


def _cached_weights() -> Finding:
    hub = Path(os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface") / "hub")
    models = sorted(path.name.removeprefix("models--").replace("--", "/") for path in hub.glob("models--*")) if hub.is_dir() else []
    clips = [name for name in models if "clip" in name.lower()]
    if clips:
        return Finding("larger CLIPs", "ok", f"{', '.join(clips)} in {hub}")
    return Finding(
        "larger CLIPs", "note", f"none in {hub}", "encoder=vit_l_14 downloads one at its first use, or encoder.weights=FILE"
    )


def _processor() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = 0.0
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _GIB
    said = f"{cores} core{'s' * (cores != 1)}, {memory:.1f} GiB of memory"
    if memory and memory < 4:
        return Finding(
            "machine", "warning", said, "Ray with the demo takes about 4 GiB; `beholder serve local=true` does without Ray"
        )
    return Finding("machine", "ok", said)


def _shared_memory() -> Finding:
    path = "/dev/shm"
    if not os.path.isdir(path):
        return Finding("shared memory", "note", "this system has no /dev/shm; Ray keeps its objects in temporary files")
    size = shutil.disk_usage(path).total / _GIB
    if size < 1:
        return Finding(
            "shared memory", "warning", f"{path} has {size:.2f} GiB: Ray is slow with so little", "docker run --shm-size=2g"
        )
    return Finding("shared memory", "ok", f"{path} has {size:.1f} GiB")


def _browser() -> Finding:
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None and platform.system() not in ("Darwin", "Windows"):
        return Finding(
            "browser", "note", "none on this machine: the page and reports open in one elsewhere", "apt-get install chromium"
        )
    return Finding("browser", "ok", found or "the system's")


def _fonts() -> Finding:
    folders = [
        Path(each) for each in ("/usr/share/fonts", "/usr/local/share/fonts", "/System/Library/Fonts", Path.home() / ".fonts")
    ]
    names = " ".join(path.name for folder in folders if folder.is_dir() for path in folder.rglob("*.[to]t[fc]"))
    lacking = [script for script, words in _SCRIPTS.items() if not any(word.lower() in names.lower() for word in words)]
    if lacking:
        return Finding(
            "fonts",
            "note",
            f"figures are drawn in DejaVu Sans; none here for {' and '.join(lacking)}, in which names show as boxes in .png files",
            "apt-get install fonts-noto-cjk fonts-noto-core",
        )
    return Finding("fonts", "ok", "for Latin, Greek, Cyrillic, " + ", ".join(_SCRIPTS))


def _gpu() -> Finding:
    driver = Path("/proc/driver/nvidia/version").is_file()
    try:
        import torch
    except Exception as error:  # a wheel for another system, or half of one
        return Finding(
            "GPU", "missing", f"torch can't be imported: {str(error).splitlines()[0]}", "`make setup`, or pip install torch"
        )
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        return Finding("GPU", "ok", f"{', '.join(names)}; torch {torch.__version__}, CUDA {torch.version.cuda}")
    if driver:
        built = (
            f"torch {torch.__version__} is built for CUDA {torch.version.cuda}"
            if torch.version.cuda
            else f"torch {torch.__version__} is built without CUDA"
        )
        return Finding(
            "GPU",
            "warning",
            f"there is a driver, but torch sees no GPU: {built}",
            "update the driver, or install torch's wheel for it",
        )
    return Finding("GPU", "note", f"none: torch {torch.__version__} computes on the CPU, which is enough for what ships")


def _ray(start: bool) -> Finding:
    version, address = _version("ray"), os.environ.get("RAY_ADDRESS")
    if not start:
        where = f"RAY_ADDRESS={address}" if address else "a command starts one of its own, or joins the one of this machine"
        return Finding("Ray", "ok", f"{version}; {where}", "" if address else "ray=true starts one, to see whether that works")
    from beholder.ray_connection import RayConfig, cluster_resources, connect

    try:
        with connect(RayConfig()):
            resources = cluster_resources()
    except BeholderError as error:
        return Finding("Ray", "missing", f"{version}: {error}", "docs/troubleshooting says more")
    cores, gpus = resources.get("CPU", 0), resources.get("GPU", 0)
    return Finding("Ray", "ok", f"{version} starts, and computes: {cores:g} cores, {gpus:g} GPUs")


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])
