"""`beholder submit COMMAND key=value ... address=http://HEAD:8265`: another command as a job on a Ray cluster.

The other command's settings are checked here first. A small job then asks every node for its versions; where the package is on
none of them, it is sent along, unpacked: Ray would install a wheel with all that it depends on again, on every node.
"""

import contextlib
import inspect
import json
import logging
import os
import shlex
import socket
import sys
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import beholder
from beholder import cli
from beholder.config import setting
from beholder.errors import ConfigError
from beholder.jobs import _cluster_probe
from beholder.jobs._job_follower import JobClient, JobFollower

_CONNECT_S, _PROBE_S = 10.0, 180.0  # seconds to wait for a connection, and for the job that asks for versions


@dataclass(frozen=True)
class SubmitSettings:
    """Which cluster, and what it is sent. All other words are those of the command that is submitted."""

    common: ClassVar[tuple[str, ...]] = (
        "address",
        "send",
        "wheel",
        "no_wait",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder submit embed images=s3://bucket/photos workspace=s3://bucket/team address=http://HEAD:8265",
        "beholder submit train taste=mlp workspace=s3://bucket/team address=http://HEAD:8265 --no-wait",
    )
    address: str | None = setting(None, "the cluster's dashboard, http://HEAD:8265; null: RAY_API_SERVER_ADDRESS")
    send: bool = setting(False, "send this machine's package along whatever the cluster has; false: where the cluster has none")
    wheel: str | None = setting(None, "a wheel of the package that is sent along instead of this machine's")
    python: str = setting("python", "the cluster's Python that runs the command, as its shell finds it")
    no_wait: bool = setting(False, "return once the job is submitted, without following its output")

    def __post_init__(self) -> None:
        if self.address is not None and urlsplit(self.address).scheme not in ("http", "https"):
            raise ConfigError(f"address must be that of the cluster's dashboard, such as http://HEAD:8265; got {self.address!r}")


@dataclass(frozen=True)
class Package:
    """The package as it would be sent: its version, what it needs, and the folders that are sent."""

    version: str
    requires: list[str]
    requires_python: str
    folders: list[Path]

    @classmethod
    def of_distribution(cls, distribution: metadata.Distribution, folders: list[Path]) -> "Package":
        requires_python = distribution.metadata["Requires-Python"] or ""
        return cls(distribution.version, distribution.requires or [], requires_python, folders)


def main(settings: SubmitSettings, words: list[str]) -> int:
    entrypoint = compose(words, settings.python)
    address = (settings.address or os.environ.get("RAY_API_SERVER_ADDRESS", "")).rstrip("/")
    if not address:
        raise ConfigError("submit needs address=http://HEAD:8265, where the cluster's dashboard is (or RAY_API_SERVER_ADDRESS)")
    with package(settings.wheel) as ours, _one_line(address):
        client = connect(address)
        job_id, sent = start(client, entrypoint, ours, settings)
    ask = input if sys.stdin.isatty() and sys.stdout.isatty() else None
    follower = JobFollower(client, job_id, address=address, out=sys.stdout, ask=ask)
    how = f"with the package of this machine, {ours.version}" if sent else f"with the cluster's own package, {ours.version}"
    print(f"beholder: job {job_id} {how}", file=sys.stderr, flush=True)
    if settings.no_wait:
        print(follower.how_to_follow())
        return 0
    return follower.follow()


def start(client: JobClient, entrypoint: str, ours: Package, settings: SubmitSettings) -> tuple[str, bool]:
    """Start the job, and return its id and whether the package was sent along. Raises ConfigError as `probe` and `must_send` do."""
    nodes = probe(client, ours.requires, settings.python)
    sent = must_send(nodes, ours, always=settings.send or settings.wheel is not None)
    environment = runtime_env(ours) if sent else None
    return client.submit_job(entrypoint=entrypoint, runtime_env=environment, metadata={"job_name": "beholder"}), sent


def compose(words: list[str], python: str = "python") -> str:
    """Return the shell command that runs these words on the cluster. Raises ConfigError for what could not run there."""
    if not words:
        raise ConfigError("submit needs a command: beholder submit embed images=s3://BUCKET/faces ... address=http://HEAD:8265")
    name, settings, rest = cli.parse(words)
    if isinstance(settings, SubmitSettings):
        raise ConfigError("submit can't be submitted: give the command that is to run on the cluster")
    workspace = getattr(settings, "workspace", None)
    if workspace is not None and "://" not in workspace and not workspace.startswith(("/", "~")):
        raise ConfigError(
            f"workspace={workspace} would lie in the job's own folder, which Ray deletes: give a URI that every node reaches, "
            "such as workspace=s3://BUCKET/work, or the absolute path of a disk that all nodes share"
        )
    ray = getattr(settings, "ray", None)
    if ray is not None and ray.address not in (None, "auto"):
        raise ConfigError(f"a submitted command uses the cluster it is submitted to: leave ray.address={ray.address} out")
    return f"{python} -m beholder {shlex.join([*name.split(), *rest])}"


@contextlib.contextmanager
def package(wheel: str | None) -> Iterator[Package]:
    """Give the package of this machine, or of a wheel, for the length of the block. Raises ConfigError for another file."""
    with tempfile.TemporaryDirectory(prefix="beholder-") as folder:
        if wheel is None:
            yield _installed(Path(folder))
        else:
            yield _unpacked(Path(wheel), Path(folder))


def _installed(folder: Path) -> Package:
    """The package as it is imported here, an editable checkout included, with a copy of its metadata in `folder`."""
    distribution = metadata.distribution("beholder")
    about = folder / f"beholder-{distribution.version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or "")
    (about / "entry_points.txt").write_text(distribution.read_text("entry_points.txt") or "")
    return Package.of_distribution(distribution, [Path(beholder.__path__[0]), about])


def _unpacked(wheel: Path, folder: Path) -> Package:
    try:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    except (OSError, zipfile.BadZipFile) as error:
        raise ConfigError(f"wheel={wheel} can't be read: {error}") from None
    found = [each for each in metadata.distributions(path=[str(folder)]) if each.name == "beholder"]
    if len(found) != 1 or not (folder / "beholder").is_dir():
        raise ConfigError(f"wheel={wheel} is no wheel of beholder; `make wheel` builds dist/beholder-<version>-py3-none-any.whl")
    return Package.of_distribution(found[0], sorted(path for path in folder.iterdir() if path.is_dir()))


def connect(address: str, *, timeout_s: float = _CONNECT_S) -> JobClient:
    """Return a client of the cluster's job server. Raises ConfigError where it can't be reached, or wants another token."""
    _knock(address, timeout_s)
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    for name in ("ray", *(each.__module__ for each in JobSubmissionClient.__mro__)):  # they note uploads and closed connections
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with _environment(RAY_API_SERVER_ADDRESS=address):  # Ray prefers a variable, of whatever cluster, to the argument
            client: JobClient = JobSubmissionClient(address, headers=_token_header(os.environ))
    except AuthenticationError as error:
        missing = "required" in str(error).partition(":")[0]
        problem = "asks for a token, and none was sent" if missing else "refuses the token that was sent"
        raise ConfigError(
            f"the cluster at {address} {problem}: set RAY_AUTH_TOKEN to the cluster's token, or RAY_AUTH_TOKEN_PATH to a file of it"
        ) from None
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise ConfigError(f"expected a Ray dashboard at {address}; got: {_line(error)}") from None
    return client


@contextlib.contextmanager
def _one_line(address: str) -> Iterator[None]:
    """Raise ConfigError for what the job client raises where the cluster breaks off or refuses what it is sent."""
    from ray.exceptions import RayError

    try:
        yield
    except (OSError, RuntimeError, RayError) as error:
        raise ConfigError(f"the cluster at {address} did not take the job: {_line(error)}") from None


def _token_header(env: Mapping[str, str]) -> dict[str, str] | None:
    """Return the header of the token that the variables name; None without them: Ray then looks where RAY_AUTH_MODE says.

    Ray itself sends a token only where RAY_AUTH_MODE=token, and reads that once, when it is imported. Raises ConfigError for a file
    that can't be read.
    """
    token, path = env.get("RAY_AUTH_TOKEN"), env.get("RAY_AUTH_TOKEN_PATH")
    if token is None and path is None:
        return None
    try:
        text = token if token is not None else Path(path or "").expanduser().read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"RAY_AUTH_TOKEN_PATH={path} can't be read: {_line(error)}") from None
    return {"Authorization": f"Bearer {text.strip()}"}


def _knock(address: str, timeout_s: float) -> None:
    """Raise ConfigError where nobody listens at the address: the client would wait for minutes."""
    parts = urlsplit(address)
    try:
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise ConfigError(f"address={address} can't be read: {error}") from None
    if parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(host):
        return  # the proxy connects, and not this machine
    try:
        socket.create_connection((host, port), timeout_s).close()
    except OSError as error:
        raise ConfigError(
            f"nobody answers at {address} ({error.strerror or error}): expected the cluster's dashboard, port 8265 of the head; "
            "`ray dashboard deploy/aws.yaml` or `kubectl port-forward` brings it here"
        ) from None


def probe(
    client: JobClient, requires: list[str], python: str, *, timeout_s: float = _PROBE_S, sleep: Callable[[float], None] = time.sleep
) -> list[dict[str, Any]]:
    """Return what _cluster_probe says of each node: node, python, beholder, lacks. Raises ConfigError where it does not run."""
    source = inspect.getsource(_cluster_probe)
    entrypoint = f"{python} -c {shlex.quote(source)} {shlex.quote(json.dumps(requires))}"
    job_id = client.submit_job(entrypoint=entrypoint, metadata={"job_name": "beholder: versions of the nodes"})
    until = time.monotonic() + timeout_s
    while not (info := client.get_job_info(job_id)).status.is_terminal():
        if time.monotonic() > until:
            client.stop_job(job_id)
            raise ConfigError(f"the cluster took no job within {timeout_s:.0f} s: `ray status` on its head says why")
        sleep(0.2)
    output = client.get_job_logs(job_id).splitlines()
    for line in reversed(output):
        if line.startswith(_cluster_probe.MARK):
            result: list[dict[str, Any]] = json.loads(line.removeprefix(_cluster_probe.MARK))
            return result
    last = next((line.strip() for line in reversed(output) if line.strip()), info.message or "no output")
    raise ConfigError(
        f"the cluster's `{python}` can't tell its versions ({last}): it must be the Python that Ray runs in there; python=PATH "
        "names another"
    )


def must_send(nodes: list[dict[str, Any]], ours: Package, *, always: bool) -> bool:
    """Tell whether the package is sent along: where it is told to, or no node has it.

    nodes: as of `probe`. Raises ConfigError for a node that has another version, or lacks what the package needs.
    """
    if not always and all(node["beholder"] == ours.version for node in nodes):
        return False
    if not always and (other := [node for node in nodes if node["beholder"] not in (None, ours.version)]):
        raise ConfigError(
            f"node {other[0]['node']} has beholder {other[0]['beholder']}, this machine {ours.version}: install the same version "
            "on every node, or send this one along with send=true"
        )
    for node in nodes:
        if not _allows(ours.requires_python, node["python"]):
            raise ConfigError(f"node {node['node']} has Python {node['python']}, and beholder needs {ours.requires_python}")
        if node["lacks"]:
            raise ConfigError(
                f"node {node['node']} lacks what beholder needs: {', '.join(node['lacks'])}; install "
                f"beholder=={ours.version} on every node, or use an image that has it"
            )
    return True


def _allows(requires_python: str, version: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(requires_python).contains(version, prereleases=True)


def runtime_env(ours: Package) -> dict[str, Any]:
    """Return Ray's runtime environment that brings the package along."""
    return {"py_modules": [str(folder) for folder in ours.folders], "excludes": ["__pycache__"]}


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
