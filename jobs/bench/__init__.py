"""Benchmarks: how fast it is, beside the limit of the machine and beside a peer. They need the extra `bench` (aiohttp).

bench_embed, bench_tune, bench_bayes, bench_lora, bench_editor, bench_serve, bench_chance, bench_chaos, bench_abuse (the
commands); baseline
(one process with the library), dataloader_loop (the loop that people write themselves), limit (what the library does at most),
process_use (memory and processor time), loadtest (many clients), chaos (while replicas are killed), simulated_cluster (several
nodes on this machine), deployed_service (the service on them).
"""

from importlib.util import find_spec

from beholder.errors import ConfigError

EXTRA = ("aiohttp",)


def check_extra(packages: tuple[str, ...] = EXTRA) -> None:
    """Raise ConfigError where a package of the extra `bench` is not installed."""
    if missing := [name for name in packages if find_spec(name) is None]:
        raise ConfigError(f'this benchmark needs {" and ".join(missing)}: pip install "beholder[bench]"')
