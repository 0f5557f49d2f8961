"""`beholder serve` on a Ray that counts a GPU which is not there: what is reserved can be seen, and nothing computes on it.

`python -m support.pretended_gpu_service '["serve=gpu", ...]'` starts a Ray of eight such cores and one such GPU, serves in it with
these settings, and prints a JSON line once it does: what of both is free. It ends when its input does.
"""

import json
import sys

import ray

from beholder import config
from beholder.serve.app import running
from beholder.serve.settings import ServeSettings


def main() -> None:
    ray.init(num_cpus=8, num_gpus=1, include_dashboard=False, log_to_driver=False)
    settings = config.load(ServeSettings, command="serve", overrides=json.loads(sys.argv[1]))
    with running(settings):
        free = ray.available_resources()
        print(json.dumps({name: round(free.get(name, 0.0), 3) for name in ("CPU", "GPU")}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
