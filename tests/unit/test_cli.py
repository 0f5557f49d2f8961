"""cli: exit codes, one line for a mistake, help."""

import json
import os
import re
import subprocess
import sys
from importlib import metadata

import pytest

from beholder import command_index


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("help",)])
def test_alone_it_tells_the_commands_in_groups(beholder, words):
    said = beholder(*words)
    assert said.code == 0
    for name, command in command_index.commands().items():
        assert any(line.strip().split("  ")[0] == name for line in said.out)
        assert command.about[:40] in " ".join(said.out)
    assert [line.partition(":")[0] for line in said.out if line.partition(":")[0] in command_index.GROUPS] == [
        group for group in command_index.GROUPS if group != "other"
    ]


@pytest.mark.parametrize("word", ["--version", "version"])
def test_version(beholder, word):
    assert beholder(word).out == [metadata.version("beholder")]


def test_an_unknown_command_is_answered_in_two_short_lines(beholder):
    said = beholder("frobnicate")
    assert (said.code, said.out) == (2, [])
    assert said.err == ["beholder: 'frobnicate' is not a command", "`beholder help` lists them."]
    assert "did you mean study {close|" in beholder("study").err[0]


def test_help_of_a_command_may_come_first(beholder):
    assert beholder("help", "runs").out == beholder("runs", "-h").out


@pytest.fixture
def a_metric(a_command, tmp_path):
    """a_metric(*options): what a command that prints a word and keeps a figure says with these options."""
    command = a_command(
        'import os, sys; print("word"); os.system("echo child"); print("note", file=sys.stderr); run.metrics({"x": 1})'
    )

    def run(*options: str) -> subprocess.CompletedProcess:
        return subprocess.run([*command, *options, f"workspace={tmp_path}/w"], capture_output=True, text=True, timeout=60)

    return run


def test_json_is_alone_on_stdout(a_metric):
    ran = a_metric("--json")
    assert ran.returncode == 0
    assert json.loads(ran.stdout) == {"x": 1}
    assert set(ran.stderr.split()) >= {"word", "child", "note"}


def test_quiet_leaves_the_run_folder_alone(a_metric):
    ran = a_metric("--quiet")
    assert ran.returncode == 0
    assert ran.stderr == ""
    (line,) = ran.stdout.splitlines()
    assert "/w/runs/play-" in line


def test_json_and_quiet_together(a_metric):
    ran = a_metric("--json", "-q")
    assert (json.loads(ran.stdout), ran.stderr) == ({"x": 1}, "")


def test_an_error_is_said_in_quiet_too(a_command, tmp_path):
    body = "from beholder.errors import BeholderError; raise BeholderError('too few people')"
    ran = subprocess.run([*a_command(body), "-q", f"workspace={tmp_path}/w"], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", "beholder: too few people\n")


@pytest.mark.parametrize("words", [["doctor"], ["runs"], ["completion", "bash"], ["edit", "seed=7", "out=x.png", "edits=smile=99"]])
def test_what_keeps_nothing_makes_no_workspace(beholder, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    beholder(*words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["train", "lerning_rate=1"], "did you mean taste.mlp.fit.learning_rate?"),
        (["embed", "images"], "'images' is not of the form key=value; did you mean images=...?"),
        (["import", "sorce=x"], "sorce is not a setting of import; did you mean source?"),
        (["import", "x"], "'x' is not of the form key=value"),
        (["import"], "import needs one of source=DIR (spreadsheets), embeddings=FILE encoder_id=NAME, and generator=FILE"),
        (["import", "source=x", "limits.max_pixels=0"], "limits.max_pixels must be at least 1, got 0"),
        (["import", "embeddings=x.npz"], "embeddings need encoder_id=NAME"),
        (["import", "embeddings=x.npz", "encoder_id=../x"], "embeddings need encoder_id=NAME"),
        (["import", "source=x", "encoder_id=y"], "encoder_id goes with embeddings=FILE"),
        (["import", "source=x", "attributes=[]"], "attributes must name at least one column"),
        (["embed", "encoder=vit"], "encoder=vit is not a choice"),
        (["train", "attributes=attractive"], "attributes: expected a list, such as attributes=[attractive], got attractive"),
        (["ask", "user=a", "seed=x"], "seed: expected a whole number or null, got x"),
        (["runs", "count=many"], "count: expected a whole number, got many"),
        (["runs", "count="], "count: expected a whole number, got nothing"),
        (["evaluate", "crowd=perhaps"], "crowd: expected true or false, got perhaps"),
        (["evaluate", "sure=high"], "sure: expected a number, got high"),
        (["evaluate", "shots=5,10"], "shots: expected a list of whole numbers, such as shots=[1,2], got 5,10"),
        (["evaluate", "shots=[5,x]"], "shots: expected a list of whole numbers, such as shots=[1,2], got [5,x]"),
        (["evaluate", "beside=[mlp"], "beside: expected a list, such as beside=[mlp], got [mlp"),
        (
            ["train", "taste.lora.texts=x"],
            "taste.lora.texts: expected names and values, such as taste.lora.texts.NAME=VALUE, got x",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(beholder, tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    said = beholder(*words)
    assert said.code == 2
    assert said.out == []
    assert len(said.err) == 1
    assert said.err[0].startswith("beholder: ")
    assert says in said.err[0]
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_inside_a_job(beholder, tmp_path):
    (tmp_path / "none").mkdir()
    (tmp_path / "w").mkdir()  # a workspace that was not there is not left by a mistake
    said = beholder("import", f"source={tmp_path}/none", f"workspace={tmp_path}/w")
    assert (said.code, said.out, len(said.err)) == (2, [], 1)
    assert "none of the spreadsheets" in said.err[0]
    (run,) = (tmp_path / "w" / "runs").iterdir()
    assert "none of the spreadsheets" in (run / "log.txt").read_text()
    assert (run / "config.yaml").is_file()
    assert not (run / "metrics.json").exists()


def test_the_last_line_is_the_run_folder(beholder, tmp_path):
    import numpy as np

    np.savez(tmp_path / "x.npz", a=np.ones(3, np.float32))
    said = beholder("import", f"embeddings={tmp_path}/x.npz", "encoder_id=e", f"workspace={tmp_path}/w")
    assert said.code == 0
    assert re.fullmatch(re.escape(f"{tmp_path}/w/runs/import-") + r"\d{8}T\d{6}Z", said.out[-1])
    assert said.metrics["embeddings"] == 1
    assert json.loads((said.run / "environment.json").read_text())["python"]
    assert "encoder_id: e" in (said.run / "config.yaml").read_text()
    assert "encoder_id=e" in (said.run / "log.txt").read_text()


@pytest.fixture
def a_command(tmp_path, monkeypatch):
    """a_command(body): a command `play` that is installed with that body, in a process of its own."""

    def install(body: str) -> list[str]:
        (tmp_path / "site" / "play-1.dist-info").mkdir(parents=True)
        (tmp_path / "site" / "play-1.dist-info" / "METADATA").write_text("Name: play\nVersion: 1\n")
        entry = "[beholder.commands]\nplay = play:COMMANDS\n"
        (tmp_path / "site" / "play-1.dist-info" / "entry_points.txt").write_text(entry)
        (tmp_path / "site" / "play.py").write_text(
            "from dataclasses import dataclass\nfrom beholder.config import setting\n"
            'COMMANDS = {"play": ("play", "a game")}\n'
            "@dataclass(frozen=True)\nclass PlaySettings:\n"
            '    workspace: str = setting("workspace", "where")\n'
            f"def main(settings: PlaySettings, run):\n    {body}\n"
        )
        paths = [str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
        return [sys.executable, "-c", "import sys; from beholder.cli import main; sys.exit(main())", "play"]

    return install


def test_a_fault_of_ours_has_a_traceback_and_exit_code_1(a_command, tmp_path):
    ran = subprocess.run([*a_command("1 / 0"), f"workspace={tmp_path}/w"], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1
    assert "ZeroDivisionError" in ran.stderr
    (log,) = (tmp_path / "w").rglob("log.txt")
    assert "ZeroDivisionError" in log.read_text()


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_stopped_by_a_signal(a_command, tmp_path, name, code):
    import signal

    body = 'import time; print("up", flush=True); time.sleep(60)'
    command = [*a_command(body), f"workspace={tmp_path}/w"]

    def hear() -> None:  # tests that run in a shell's background inherit deaf ears
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hear)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    os.kill(process.pid, getattr(signal, name))
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert "Traceback" not in err
    (log,) = (tmp_path / "w").rglob("log.txt")
    assert "stopped by" in log.read_text()


def test_a_reader_that_goes_away(a_command, tmp_path):
    """`beholder play | head -1` is no traceback."""
    command = [*a_command("[print('x' * 1000) for _ in range(1000)]"), f"workspace={tmp_path}/w"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=30) != 0
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()


def test_a_switch_with_two_dashes_is_true(beholder) -> None:
    said = beholder("demo", "--onc")
    assert said.err == ["beholder: onc is not a setting of demo; did you mean once?"]
