"""A script that prints what the nodes of a Ray cluster have: sent as text, it runs there as a job and needs nothing of ours.

`python -c SOURCE REQUIREMENTS` with a JSON list of requirements (as in a package's metadata) prints MARK and a JSON list, an
object for each node that is alive: node (its address), python, beholder (the version, or null), lacks (the requirements that
are not met, as text).
"""

import json
import logging
import sys
from typing import Any

MARK = "beholder-nodes:"


def describe(requirements: list[str]) -> dict[str, Any]:
    """Return python, beholder and lacks of the node that this runs on."""
    import platform
    from importlib import metadata

    from packaging.requirements import Requirement  # Ray itself needs it

    def version(name: str) -> str | None:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return None

    lacks = []
    for requirement in map(Requirement, requirements):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        found = version(requirement.name)
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            lacks.append(f"{requirement.name}{requirement.specifier} (there: {found or 'none'})")
    return {"python": platform.python_version(), "beholder": version("beholder"), "lacks": lacks}


def nodes(requirements: list[str]) -> list[dict[str, Any]]:
    """Return what `describe` says on every node; nodes that leave meanwhile are left out."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ray.init(log_to_driver=False, logging_level=logging.ERROR)
    task = ray.remote(num_cpus=0, max_retries=0)(describe)
    here, result, futures = ray.get_runtime_context().get_node_id(), [], []
    for node in ray.nodes():
        address = node["NodeManagerAddress"]
        if node["NodeID"] == here:
            result.append({"node": address, **describe(requirements)})
        elif node["Alive"]:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            futures.append((address, task.options(scheduling_strategy=there).remote(requirements)))
    for address, future in futures:
        try:
            found: dict[str, Any] = ray.get(future, timeout=60)
            result.append({"node": address, **found})
        except ray.exceptions.RayError:
            continue
    return result


if __name__ == "__main__":
    print(MARK, json.dumps(nodes(json.loads(sys.argv[1]))))
