"""Commands on a Ray that counts GPUs which are not there: who reserves them can be seen, and nothing computes on them.

`python -m support.pretended_gpus '[["train", "taste=mlp", ...], ...]'` starts a Ray of two cores and two such GPUs, runs the
command lines in it one after another, and prints a JSON line: their exit codes, and how two workers would be spread.
"""

import json
import sys
from dataclasses import replace

import ray

from beholder import cli
from beholder.jobs import _placement
from beholder.jobs.train import TrainConfig, scaling
from beholder.taste.taste_factory import TasteConfig


def main() -> None:
    ray.init(num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False)
    auto = TasteConfig(kind="mlp")
    cpu = replace(auto, mlp=replace(auto.mlp, fit=replace(auto.mlp.fit, device="cpu")))
    nodes = _placement.nodes()
    spread = {name: scaling(taste, nodes, TrainConfig(workers=2)).use_gpu for name, taste in (("auto", auto), ("cpu", cpu))}
    spread["three"] = scaling(auto, nodes, TrainConfig(workers=3)).use_gpu
    codes = [cli.main(words) for words in json.loads(sys.argv[1])]
    print(json.dumps({"codes": codes, "spread": spread}))


if __name__ == "__main__":
    main()
