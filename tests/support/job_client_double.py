"""A job client without a cluster: jobs whose output, end and broken connections are written down beforehand."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from ray.job_submission import JobStatus

from beholder.jobs._cluster_probe import MARK


@dataclass
class ScriptedJob:
    """What a job prints, piece by piece, and how it ends. An exception among the pieces is raised in their place, once."""

    output: list[str | BaseException] = field(default_factory=list)
    status: JobStatus = JobStatus.SUCCEEDED
    code: int | None = 0
    message: str = ""


class FakeJobClient:
    """Runs scripted jobs, one for each that is submitted, in order; keeps what was submitted and stopped."""

    def __init__(self, *jobs: ScriptedJob):
        self._jobs = list(jobs)
        self._by_id: dict[str, ScriptedJob] = {}
        self.submitted: list[tuple[str, dict[str, Any] | None]] = []
        self.stopped: list[str] = []

    def submit_job(
        self, *, entrypoint: str, runtime_env: dict[str, Any] | None = None, metadata: dict[str, str] | None = None
    ) -> str:
        job_id = f"job-{len(self.submitted)}"
        self.submitted.append((entrypoint, runtime_env))
        self._by_id[job_id] = self._jobs.pop(0)
        return job_id

    def get_job_info(self, job_id: str) -> Any:
        job = self._by_id[job_id]
        broken = any(isinstance(piece, BaseException) for piece in job.output)
        status = JobStatus.STOPPED if job_id in self.stopped else JobStatus.RUNNING if broken else job.status
        return SimpleNamespace(status=status, driver_exit_code=job.code, message=job.message)

    def get_job_logs(self, job_id: str) -> str:
        return "".join(piece for piece in self._by_id[job_id].output if isinstance(piece, str))

    async def tail_job_logs(self, job_id: str) -> AsyncIterator[str]:
        for piece in list(self._by_id[job_id].output):
            if isinstance(piece, BaseException):
                self._by_id[job_id].output.remove(piece)
                raise piece
            yield piece

    def stop_job(self, job_id: str) -> bool:
        self.stopped.append(job_id)
        return True


def probed(*nodes: dict[str, Any]) -> ScriptedJob:
    """The job that tells these nodes' versions."""
    return ScriptedJob([f"a line of Ray's\n{MARK} {json.dumps(nodes)}\n"])
