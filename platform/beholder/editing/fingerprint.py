"""Fingerprint: a short name for a generator's numbers, the same from whatever format they were read."""

import hashlib

from beholder.editing.generator import Generator

_LENGTH = 16  # hexadecimal digits: chance makes two networks share them about never


def fingerprint(generator: Generator) -> str:
    """The first 16 hexadecimal digits of a sha256 over the names, shapes and float32 values of mapping and synthesis.

    The noise pictures and the mean w are left out: some formats don't keep them, and no direction depends on them.
    """
    found = hashlib.sha256()
    for name, value in sorted(generator.state_dict().items()):
        if name.startswith(("mapping.", "synthesis.")) and not name.endswith((".noise_const", ".w_avg")):
            numbers = value.detach().cpu().float().contiguous().numpy().astype("<f4", copy=False)
            found.update(f"{name}{list(numbers.shape)}".encode())
            found.update(numbers.data)
    return found.hexdigest()[:_LENGTH]
