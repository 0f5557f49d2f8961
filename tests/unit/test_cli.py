"""cli: exit codes, one line for a mistake, help."""

import dataclasses
import importlib
import json
import os
import re
import subprocess
import sys
from importlib import metadata

import pytest

from beholder import cli, config


def test_alone_it_tells_the_commands(beholder):
    for words in ((), ("--help",), ("-h",), ("help",)):
        said = beholder(*words)
        assert said.code == 0
        for name, (_, about) in cli.commands().items():
            assert any(line.strip().split("  ")[0] == name for line in said.out)
            assert about[:40] in " ".join(said.out)


def test_version(beholder):
    assert beholder("--version").out == [metadata.version("beholder")]


@pytest.mark.parametrize("name", sorted(cli.commands()))
def test_help_tells_every_setting_with_default_and_meaning(beholder, name):
    module = importlib.import_module(cli.commands()[name][0])
    said = beholder(*name.split(), "--help")
    assert said.code == 0
    text = " ".join(" ".join(said.out).split())
    rows = said.out[said.out.index(next(line for line in said.out if line.startswith("setting "))) :]
    knobs = config.setting_specs(cli.settings_type(module), command=name)
    told = {knob.key.partition(".")[0] for knob in knobs}  # a group without files of its own shows only what is in it
    assert told == {field.name for field in dataclasses.fields(cli.settings_type(module))}
    for knob in knobs:
        (line,) = [line for line in rows if line.startswith(f"{knob.key} ")]
        assert knob.help, f"{knob.key} has no help"
        assert (knob.default.split() or [""])[0][:16] in line
        assert knob.help.split()[0] in line
        assert knob.help.split()[-1] in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["imprt"], "'imprt' is not a command; did you mean import?"),
        (["benchembed"], "did you mean bench embed?"),
        (["source=x"], "'source=x' is not a command"),
        (["import", "sorce=x"], "sorce is not a setting of import; did you mean source?"),
        (["import", "x"], "'x' is not of the form key=value"),
        (["import"], "import needs one of source=DIR (spreadsheets), embeddings=FILE encoder_id=NAME, and generator=FILE"),
        (["import", "source=x", "limits.max_pixels=0"], "limits.max_pixels must be at least 1, got 0"),
        (["import", "embeddings=x.npz"], "embeddings need encoder_id=NAME"),
        (["import", "embeddings=x.npz", "encoder_id=../x"], "embeddings need encoder_id=NAME"),
        (["import", "source=x", "encoder_id=y"], "encoder_id goes with embeddings=FILE"),
        (["import", "source=x", "attributes=[]"], "attributes must name at least one column"),
        (["embed", "encoder=vit"], "encoder=vit is not a choice"),
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
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
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
