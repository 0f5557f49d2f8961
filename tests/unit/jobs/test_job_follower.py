"""_job_follower: the output as it comes, Ctrl-C, and the exit code."""

import io

import pytest
from ray.job_submission import JobStatus
from support.job_client_double import FakeJobClient, ScriptedJob

from beholder.errors import ConfigError
from beholder.jobs._job_follower import JobFollower

FOLDER = "s3://work/runs/embed-20261127T155706Z"
FOLLOW = "ray job logs job-0 --address http://head:8265 --follow"


def followed(job: ScriptedJob, *, ask=None) -> tuple[int, str, FakeJobClient]:
    """The exit code, what was written, and the client."""
    client, out = FakeJobClient(job), io.StringIO()
    job_id = client.submit_job(entrypoint="beholder embed")
    follower = JobFollower(client, job_id, address="http://head:8265", out=out, ask=ask, pause_s=0, attempts=3)
    return follower.follow(), out.getvalue(), client


def test_the_output_is_written_and_the_exit_code_is_the_jobs(capsys):
    assert followed(ScriptedJob(["one\n", f"two\n{FOLDER}\n"]))[:2] == (0, f"one\ntwo\n{FOLDER}\n")
    assert followed(ScriptedJob(["beholder: no images\n"], JobStatus.FAILED, 2))[:2] == (2, "beholder: no images\n")
    assert followed(ScriptedJob([], JobStatus.FAILED, -9))[0] == 137
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("output", "last"),
    [
        (f"{FOLDER}\n(raylet) a node has left\n", FOLDER),
        (f"{FOLDER}", FOLDER),
        ("/mnt/team/runs/train-20261127T155706Z-2\nbye\n", "/mnt/team/runs/train-20261127T155706Z-2"),
        ("s3://work/runs/train-20261127T155706Z-0a1b2c3d\n", "s3://work/runs/train-20261127T155706Z-0a1b2c3d"),
        ("it read s3://work/runs/other\n", "it read s3://work/runs/other"),
    ],
)
def test_the_run_folder_is_the_last_line(output, last):
    code, written, _ = followed(ScriptedJob([output]))
    assert code == 0
    assert written.endswith("\n")
    assert written.splitlines()[-1] == last
    assert written.count(last) == (2 if "\n" in output.rstrip() else 1)


def test_a_broken_connection_is_made_again_and_nothing_is_written_twice():
    job = ScriptedJob(["first ", ConnectionError("lost"), "second ", RuntimeError("closed"), "third\n"])
    code, written, _ = followed(job)
    assert (code, written) == (0, "first second third\n")


def test_a_cluster_that_stays_away_is_given_up(capsys):
    job = ScriptedJob(["first\n", *(ConnectionError(f"refused {at}\nmore") for at in range(9))])
    with pytest.raises(
        ConfigError, match=r"can't be reached any more \(refused 2\); the job may go on: ray job logs job-0"
    ) as error:
        followed(job)
    assert "\n" not in str(error.value)


def test_ctrl_c_without_a_terminal_leaves_the_job_running(capsys):
    code, written, client = followed(ScriptedJob(["one\n", KeyboardInterrupt(), "two\n"]))
    assert (code, written, client.stopped) == (130, "one\n", [])
    assert capsys.readouterr().err == f"beholder: the job goes on: {FOLLOW}\n"


def test_ctrl_c_asks_before_it_stops_the_job(capsys):
    asked = []

    def ask(question: str) -> str:
        asked.append(question)
        return "y"

    code, _, client = followed(ScriptedJob(["one\n", KeyboardInterrupt(), "two\n"]), ask=ask)
    assert (code, client.stopped, len(asked)) == (130, ["job-0"], 1)
    assert "was stopped" in capsys.readouterr().err


def test_another_answer_goes_on_following():
    code, written, client = followed(ScriptedJob(["one\n", KeyboardInterrupt(), "two\n"]), ask=lambda question: "")
    assert (code, written, client.stopped) == (0, "one\ntwo\n", [])


def test_a_second_ctrl_c_leaves_the_job_running(capsys):
    def ask(question: str) -> str:
        raise KeyboardInterrupt

    code, _, client = followed(ScriptedJob(["one\n", KeyboardInterrupt(), "two\n"]), ask=ask)
    assert (code, client.stopped) == (130, [])
    assert FOLLOW in capsys.readouterr().err


def test_a_terminated_follower_says_that_the_job_goes_on(capsys):
    with pytest.raises(SystemExit) as stopped:
        followed(ScriptedJob(["one\n", SystemExit(143)]))
    assert stopped.value.code == 143
    assert FOLLOW in capsys.readouterr().err


def test_a_job_that_never_started_is_one_line(capsys):
    code, _, _ = followed(ScriptedJob([], JobStatus.FAILED, None, "runtime_env setup failed:\n  no space left"))
    assert code == 1
    assert capsys.readouterr().err == "beholder: job job-0 failed: runtime_env setup failed: no space left\n"
