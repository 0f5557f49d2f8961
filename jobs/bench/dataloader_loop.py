"""The peer of `beholder embed`: the loop that people write themselves, a torch DataLoader with Pillow and open_clip's model.

`python -m beholder.jobs.bench.dataloader_loop FOLDER CONFIG` with the encoder's config as JSON prints a line of JSON.
"""

import dataclasses
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from beholder.encoder import EncoderConfig
from beholder.errors import BeholderError


def measure(folder: str, encoder: EncoderConfig) -> dict[str, float]:
    """Run the loop over a folder of JPEG files in a process of its own; return images/s, whole and steady, and `cpu` seconds.

    The images/s begin when the model is loaded; the CPU seconds are all that the process and its workers took.
    """
    command = [sys.executable, "-m", __name__, folder, json.dumps(dataclasses.asdict(encoder))]
    before = _cpu_seconds()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BeholderError(f"the DataLoader loop failed: {(done.stderr.strip() or '?').splitlines()[-1]}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return {**figures, "cpu": _cpu_seconds() - before}


def _cpu_seconds() -> float:
    """Return what ended child processes have taken, theirs included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _main(folder: str, config: dict[str, Any]) -> None:
    import numpy as np
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    from beholder.encoder import Encoder

    encoder = Encoder.load(EncoderConfig(**config))
    on_gpu = encoder.device != "cpu"
    size, batch = encoder.config.size, 256 if on_gpu else 32
    cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(1)

    class Files(Dataset[Any]):
        def __init__(self) -> None:
            self.files = sorted(str(path) for path in Path(folder).rglob("*") if path.is_file())

        def __len__(self) -> int:
            return len(self.files)

        def __getitem__(self, at: int) -> Any:
            image = Image.open(self.files[at])
            image.draft("RGB", (size, size))
            return torch.from_numpy(np.array(image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)))

    began, first, done = time.time(), 0.0, 0
    for pixels in DataLoader(Files(), batch_size=batch, num_workers=max(cores - on_gpu, 1), pin_memory=on_gpu):
        x = pixels.to(encoder.device, non_blocking=True).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode(), encoder.autocast():
            done += len(torch.nn.functional.normalize(encoder.model.encode_image(x).float(), dim=-1).cpu())
        first = first or time.time()
    ended = time.time()
    whole = done / (ended - began)
    print(json.dumps({"whole": whole, "steady": (done - batch) / (ended - first) if done > batch else whole}))


if __name__ == "__main__":
    _main(sys.argv[1], json.loads(sys.argv[2]))
