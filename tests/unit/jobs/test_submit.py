"""submit: what is refused before anything is sent, who gets the package, and what the cluster is asked."""

import json
import shlex
import socket
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata
from pathlib import Path

import pytest
from ray.job_submission import JobStatus
from support.job_client_double import FakeJobClient, ScriptedJob, probed

from beholder.errors import ConfigError
from beholder.jobs import _cluster_probe, submit
from beholder.jobs.submit import Package, SubmitSettings

OURS = Package(
    "0.2.0", ["torch>=2.14", 'dlib>=20; extra == "faces"'], ">=3.11", [Path("/x/beholder"), Path("/x/beholder.dist-info")]
)
WORK = "workspace=s3://work/team"


def node(address: str = "10.0.0.1", *, beholder: str | None = "0.2.0", python: str = "3.11.9", lacks: tuple[str, ...] = ()) -> dict:
    return {"node": address, "beholder": beholder, "python": python, "lacks": list(lacks)}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "submit needs a command"),
        (["embd", WORK], "'embd' is not a command"),
        (["embed", "batch=3", WORK], "batch is not a setting of embed"),
        (["embed", "actors=-1", WORK], "actors"),
        (["embed"], "workspace=workspace would lie in the job's own folder"),
        (["embed", "workspace=team/work"], "workspace=team/work would lie in the job's own folder"),
        (["train", WORK, "ray.address=10.0.0.1:6379"], "leave ray.address=10.0.0.1:6379 out"),
        (["submit", "embed", WORK], "submit can't be submitted"),
        (["embed", WORK, "address=head:8265"], "address must be that of the cluster's dashboard, such as http://HEAD:8265"),
        (["embed", WORK, "address=ray://head:10001"], "address must be that of the cluster's dashboard"),
        (["embed", WORK], "submit needs address=http://HEAD:8265"),
        (["embed", WORK, "address=http://127.0.0.1:1"], "nobody answers at http://127.0.0.1:1 (Connection refused)"),
        (["embed", WORK, "address=http://127.0.0.1:x"], "address=http://127.0.0.1:x can't be read"),
        (["embed", WORK, "wheel=none.whl", "address=http://127.0.0.1:1"], "wheel=none.whl can't be read"),
    ],
)
def test_a_mistake_is_said_shortly_and_exit_code_2(beholder, monkeypatch, tmp_path, words, says):
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    monkeypatch.chdir(tmp_path)
    said = beholder("submit", *words)
    lines = 2 if "is not a command" in says else 1  # the second says where all commands are
    assert (said.code, said.out, len(said.err)) == (2, [], lines)
    assert says in said.err[0]
    assert list(tmp_path.iterdir()) == []


def test_the_commands_words_are_quoted_for_the_clusters_shell():
    words = ["train", "name=it's", WORK]
    line = submit.compose(words, "/opt/venv/bin/python")
    assert shlex.split(line) == ["/opt/venv/bin/python", "-m", "beholder", *words]


@pytest.mark.parametrize("workspace", ["s3://work", "/mnt/team", "~/work", "gs://work/team"])
def test_workspaces_that_outlive_the_job(workspace):
    assert f"workspace={workspace}" in shlex.split(submit.compose(["embed", f"workspace={workspace}"]))


def test_the_package_is_sent_where_no_node_has_it():
    nobody = [node(beholder=None), node("10.0.0.2", beholder=None)]
    assert submit.must_send(nobody, OURS, always=False)
    assert not submit.must_send([node(), node("10.0.0.2")], OURS, always=False)
    assert submit.must_send([node()], OURS, always=True)
    assert submit.must_send([node(beholder="0.1.0")], OURS, always=True)
    assert submit.must_send([node(), node("10.0.0.2", beholder=None)], OURS, always=False)


@pytest.mark.parametrize(
    ("nodes", "says"),
    [
        ([node(), node("10.0.0.2", beholder="0.1.0")], "node 10.0.0.2 has beholder 0.1.0, this machine 0.2.0"),
        ([node(beholder=None, python="3.10.4")], "node 10.0.0.1 has Python 3.10.4, and beholder needs >=3.11"),
        ([node(beholder=None, lacks=("torch>=2.14 (there: none)",))], "lacks what beholder needs: torch>=2.14 (there: none)"),
    ],
)
def test_a_cluster_that_can_not_run_it_is_told_in_one_line(nodes, says):
    with pytest.raises(ConfigError, match="node") as error:
        submit.must_send(nodes, OURS, always=False)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_the_cluster_is_asked_by_a_small_job():
    client = FakeJobClient(probed(node(), node("10.0.0.2")))
    assert submit.probe(client, OURS.requires, "python3", sleep=lambda seconds: None) == [node(), node("10.0.0.2")]
    ((entrypoint, runtime_env),) = client.submitted
    python, flag, source, requires = shlex.split(entrypoint)
    assert (python, flag, runtime_env) == ("python3", "-c", None)
    assert json.loads(requires) == OURS.requires
    compile(source, "probe", "exec")


@pytest.mark.parametrize(
    ("there", "settings", "sent"),
    [
        (None, SubmitSettings(), True),
        ("0.2.0", SubmitSettings(), False),
        ("0.2.0", SubmitSettings(send=True), True),
        ("0.1.0", SubmitSettings(wheel="x.whl"), True),
    ],
)
def test_the_job_is_started_with_what_the_nodes_lack(there, settings, sent):
    client = FakeJobClient(probed(node(beholder=there)), ScriptedJob())
    assert submit.start(client, "python -m beholder embed", OURS, settings) == ("job-1", sent)
    entrypoint, runtime_env = client.submitted[1]
    assert entrypoint == "python -m beholder embed"
    assert runtime_env == (submit.runtime_env(OURS) if sent else None)


def test_nothing_is_started_on_a_cluster_with_another_version():
    client = FakeJobClient(probed(node(beholder="0.1.0")))
    with pytest.raises(ConfigError, match=r"has beholder 0\.1\.0"):
        submit.start(client, "python -m beholder embed", OURS, SubmitSettings())
    assert len(client.submitted) == 1


def test_a_python_without_ray_is_told_with_its_last_line():
    client = FakeJobClient(ScriptedJob(["Traceback\n", "ModuleNotFoundError: No module named 'ray'\n"], JobStatus.FAILED, 1))
    with pytest.raises(ConfigError, match=r"the cluster's `python` can't tell its versions \(ModuleNotFoundError: No module"):
        submit.probe(client, [], "python", sleep=lambda seconds: None)


def test_a_cluster_that_takes_no_job_is_given_up():
    client = FakeJobClient(ScriptedJob([], JobStatus.PENDING))
    with pytest.raises(ConfigError, match="took no job within 0 s"):
        submit.probe(client, [], "python", timeout_s=0, sleep=lambda seconds: None)
    assert client.stopped == ["job-0"]


def test_a_node_says_what_it_lacks():
    said = _cluster_probe.describe(["numpy>=1", "numpy>=9999", "no-such-package", 'no-such-extra; extra == "faces"'])
    assert said["lacks"] == [f"numpy>=9999 (there: {metadata.version('numpy')})", "no-such-package (there: none)"]
    assert said["beholder"] == metadata.version("beholder")


def test_this_machines_package_is_the_folder_that_is_imported_and_its_metadata(root):
    with submit.package(None) as ours:
        code, about = ours.folders
        assert code.resolve() == (root / "platform" / "beholder").resolve()
        (found,) = metadata.distributions(path=[str(about.parent)])
        assert (found.name, found.version) == ("beholder", ours.version)
        assert {entry.name for entry in found.entry_points if entry.group == "beholder.commands"} == {"commands", "jobs", "serve"}
        assert any(requirement.startswith("torch>=") for requirement in ours.requires)
        assert submit.runtime_env(ours) == {"py_modules": [str(code), str(about)], "excludes": ["__pycache__"]}
    assert not about.exists()


def wheel_of(path: Path, name: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}/__init__.py", "")
        about = f"Name: {name}\nVersion: 9.9\nRequires-Python: >=3.12\nRequires-Dist: torch>=99\n"
        archive.writestr(f"{name}-9.9.dist-info/METADATA", about)
    return path


def test_a_wheel_is_sent_unpacked(tmp_path):
    with submit.package(str(wheel_of(tmp_path / "x.whl", "beholder"))) as ours:
        assert (ours.version, ours.requires, ours.requires_python) == ("9.9", ["torch>=99"], ">=3.12")
        assert [folder.name for folder in ours.folders] == ["beholder", "beholder-9.9.dist-info"]
        assert (ours.folders[0] / "__init__.py").is_file()


def test_another_wheel_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="is no wheel of beholder"), submit.package(str(wheel_of(tmp_path / "x.whl", "other"))):
        pass


@pytest.fixture
def answering():
    """answering(status, body): the address of a server that answers everything so, and the headers that it was sent."""
    servers = []

    def start(status: int, body: bytes) -> tuple[str, list[dict[str, str]]]:
        headers: list[dict[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                headers.append(dict(self.headers))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}", headers

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, b"no", "asks for a token, and none was sent: set RAY_AUTH_TOKEN"),
        (403, b"no", "refuses the token that was sent: set RAY_AUTH_TOKEN"),
        (404, b"no", "expected a Ray dashboard at"),
        (500, b"no", "expected a Ray dashboard at"),
        (200, b"<html>", "expected a Ray dashboard at"),
        (200, b"{}", "expected a Ray dashboard at"),
        (200, b'{"ray_version": "1.2.0"}', "Ray version 1.2.0 is running on the cluster"),
    ],
)
def test_what_is_no_cluster_for_us_is_one_line(answering, monkeypatch, status, body, says):
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    address, _ = answering(status, body)
    with pytest.raises(ConfigError) as error:
        submit.connect(address)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_the_token_is_sent_and_another_clusters_variable_is_not_believed(answering, monkeypatch, tmp_path):
    address, headers = answering(200, b'{"ray_version": "2.60.0"}')
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:1")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    submit.connect(address)
    assert headers[-1]["Authorization"] == "Bearer secret"
    (tmp_path / "token").write_text("of a file\n")
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    submit.connect(address)
    assert headers[-1]["Authorization"] == "Bearer of a file"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"RAY_AUTH_TOKEN_PATH=.* can't be read"):
        submit.connect(address)


def test_an_address_that_swallows_everything_is_given_up():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        with pytest.raises(ConfigError, match="nobody answers at"):
            submit.connect(f"http://127.0.0.1:{port}", timeout_s=0.3)
        for each in waiting:
            each.close()


def test_a_cluster_that_breaks_off_is_one_line():
    says = "did not take the job: Request failed with status code 500"
    with pytest.raises(ConfigError, match=says) as error, submit._one_line("x"):
        raise RuntimeError("Request failed with status code 500: a\nlong\ntraceback")
    assert "\n" not in str(error.value)
