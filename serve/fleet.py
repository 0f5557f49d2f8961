"""Fleet: how many replicas of each part there are, what each may use, and how much may wait for it."""

from dataclasses import dataclass

from beholder import memory, threads
from beholder.config import setting
from beholder.errors import ConfigError

REPLICA_ENV = {**memory.KEPT, **threads.BRIEF}


@dataclass(frozen=True)
class Crew:
    """The replicas of one part."""

    replicas: int = setting(1, "replicas at least")
    most: int = setting(1, "replicas at most; above `replicas` they grow and shrink with the load")
    cpus: float = setting(0.25, "cores that a replica reserves; below 1, several share one")
    gpus: float = setting(0.0, "GPUs of a replica; a fraction shares one")
    threads: int = setting(1, "threads of a replica's computations")
    ongoing: int = setting(16, "requests that a replica takes at a time")
    queued: int = setting(64, "requests that wait for a free replica; more are told to come again (503)")
    batch: int = setting(8, "requests that are worked on together, where the part can")
    wait_ms: float = setting(0.0, "milliseconds that a request waits for others to be worked on with it")

    def __post_init__(self) -> None:
        if min(self.replicas, self.threads, self.ongoing, self.batch) < 1 or self.most < self.replicas:
            raise ConfigError(f"replicas, threads, ongoing and batch must be at least 1, most at least replicas; got {self}")
        if self.queued < 1:
            raise ConfigError(f"queued must be at least 1, so that a queue always has an end; got {self.queued}")
        if min(self.cpus, self.gpus, self.wait_ms) < 0:
            raise ConfigError(f"cpus, gpus and wait_ms must be at least 0, got {self.cpus}, {self.gpus}, {self.wait_ms}")


@dataclass(frozen=True)
class Fleet:
    """All parts."""

    api: Crew = setting(Crew(ongoing=256, queued=256), "takes requests, and asks the others")
    editor: Crew = setting(Crew(), "draws pictures, and inverts photos")
    encoder: Crew = setting(Crew(), "looks at pictures")
    ranker: Crew = setting(Crew(threads=2), "knows people")
    nodes: int = setting(1, "machines that replicas may be on; several need a PostgreSQL")
    grow_seconds: float = setting(5.0, "of load before there are more replicas")
    shrink_seconds: float = setting(120.0, "of quiet before there are fewer")
    stop_seconds: float = setting(30.0, "that requests are given to finish when a replica stops")

    def __post_init__(self) -> None:
        if self.nodes < 1 or min(self.grow_seconds, self.shrink_seconds, self.stop_seconds) <= 0:
            raise ConfigError("serve.nodes must be at least 1, and grow_seconds, shrink_seconds and stop_seconds above 0")
