"""Following a job on a Ray cluster: its output as it comes, Ctrl-C, and what became of it."""

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol, TextIO

from beholder.errors import ConfigError

_RUN_FOLDER = re.compile(r"^\S*/runs/\S+-\d{8}T\d{6}Z(-[0-9a-f]{8})?(-\d+)?$", re.MULTILINE)
_KEPT = 20_000  # characters of the output's end in which the run folder is looked for


class JobClient(Protocol):
    """What we use of ray.job_submission.JobSubmissionClient."""

    def submit_job(
        self, *, entrypoint: str, runtime_env: dict[str, Any] | None = None, metadata: dict[str, str] | None = None
    ) -> str: ...
    def get_job_info(self, job_id: str) -> Any: ...
    def get_job_logs(self, job_id: str) -> str: ...
    def tail_job_logs(self, job_id: str) -> AsyncIterator[str]: ...
    def stop_job(self, job_id: str) -> bool: ...


class JobFollower:
    """Follows one job: writes its output, asks on Ctrl-C whether the job is to be stopped, and reconnects where the line breaks.

    ask: asks the user a question and returns the answer; None where nobody can be asked, and Ctrl-C leaves the job running.
    """

    def __init__(
        self,
        client: JobClient,
        job_id: str,
        *,
        address: str,
        out: TextIO,
        ask: Callable[[str], str] | None,
        pause_s: float = 0.5,
        attempts: int = 120,
    ):
        self._client, self._job_id, self._address, self._out = client, job_id, address, out
        self._ask, self._pause_s, self._attempts = ask, pause_s, attempts
        self._shown = 0  # characters of the output that were written
        self._end = ""  # the last of them

    def follow(self) -> int:
        """Write the job's output until the job ends; return the exit code: the job's own, 130 where it was stopped or left alone.

        The run folder that the job prints last is the last line here too, whatever the cluster writes after it. Raises
        ConfigError where the cluster can't be reached any more.
        """
        failures = 0
        while True:
            before = self._shown
            try:
                asyncio.run(self._write_output())
                info = self._client.get_job_info(self._job_id)
                if info.status.is_terminal():
                    return self._finish(info)
                failures = 0
            except KeyboardInterrupt:
                if not self._go_on():
                    self._say(f"the job goes on: {self.how_to_follow()}")
                    return 130
            except SystemExit:
                self._say(f"the job goes on: {self.how_to_follow()}")
                raise
            except Exception as error:  # aiohttp's, requests' and Ray's, which have no base in common
                failures = 1 if self._shown > before else failures + 1
                if failures >= self._attempts:
                    reason = (str(error).splitlines() or [type(error).__name__])[0]
                    raise ConfigError(
                        f"the cluster can't be reached any more ({reason}); the job may go on: {self.how_to_follow()}"
                    ) from None
            time.sleep(self._pause_s)

    def how_to_follow(self) -> str:
        """Return the command that follows the job."""
        return f"ray job logs {self._job_id} --address {self._address} --follow"

    async def _write_output(self) -> None:
        """Write what the job prints; what was written before a connection broke is not written again."""
        skip = self._shown
        async for text in self._client.tail_job_logs(self._job_id):
            fresh = text[skip:]
            skip = max(0, skip - len(text))
            self._shown += len(fresh)
            self._end = (self._end + fresh)[-_KEPT:]
            self._out.write(fresh)
            self._out.flush()

    def _go_on(self) -> bool:
        """Ask whether to stop the job, and stop it where wanted; return False where it is to be left alone."""
        if self._ask is None:
            return False
        try:
            answer = self._ask("\nStop the job? y stops it, Ctrl-C leaves it running, anything else goes on following: ")
        except (KeyboardInterrupt, EOFError):
            print(file=sys.stderr)  # after the ^C that the terminal shows
            return False
        if answer.strip().lower() in ("y", "yes"):
            self._client.stop_job(self._job_id)
        return True

    def _finish(self, info: Any) -> int:
        if self._end and not self._end.endswith("\n"):
            self._out.write("\n")
        status = str(info.status.value)
        if status == "STOPPED":
            self._say(f"job {self._job_id} was stopped; what was finished is kept, and the same command goes on from there")
            return 130
        if status == "SUCCEEDED":
            folders = [match[0] for match in _RUN_FOLDER.finditer(self._end)]
            if folders and self._end.rstrip().splitlines()[-1] != folders[-1]:
                self._out.write(f"{folders[-1]}\n")
            return 0
        code = info.driver_exit_code
        if code is None:  # the job's environment could not be made, or its node was lost
            self._say(f"job {self._job_id} failed: {' '.join(str(info.message).split())[:1000]}")
            return 1
        return 128 - code if code < 0 else int(code)

    def _say(self, text: str) -> None:
        self._out.flush()
        print(f"beholder: {text}", file=sys.stderr, flush=True)
