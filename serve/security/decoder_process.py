"""A process that decodes strangers' pictures and says whether they can be: one that can be killed, and that crashes alone.

A helper process: a request's head is {"max_bytes", "max_pixels"}, the bytes are the file; the answer is {"pixels": N} or {"error":
"...", "kind": the name of its class}. Its memory is limited, and its environment empty.
"""

import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np

from beholder import helper_process, images
from beholder.errors import ImageError
from beholder.images import ImageLimits

_MOST_SCANS = 100  # of a progressive JPEG; cameras and libjpeg-turbo write some 10
_MOST_CLAIMED = 10_000  # pixels for each byte of a file: one colour alone compresses that far
_SCAN = b"\xff\xda"


def check(data: bytes, limits: ImageLimits) -> int:
    """Return how many pixels a picture has, after decoding it. Raises ImageError for what is none, and what would cost too much."""
    if data.startswith(b"\xff\xd8") and (scans := data.count(_SCAN)) > _MOST_SCANS:
        raise ImageError(f"the JPEG has {scans:,} scans, more than the {_MOST_SCANS} that are decoded")
    width, height = images.shape(data, limits=limits)
    if width * height > _MOST_CLAIMED * len(data):
        raise ImageError(f"{width:,} x {height:,} pixels are more than {len(data):,} bytes can hold")
    images.check_decodes(data, limits=limits)
    return width * height


def answer(head: dict[str, Any], data: bytes) -> dict[str, Any]:
    """Return the answer to a request."""
    try:
        return {"pixels": check(data, ImageLimits(max_pixels=head["max_pixels"], max_bytes=head["max_bytes"]))}
    except ImageError as error:
        return {"error": str(error), "kind": type(error).__name__}
    except MemoryError:
        return {"error": "the image needs more memory than one may take"}


def main(memory_mb: int) -> None:
    """Answer requests until the input ends."""
    images.check_decodes(images.encode(np.zeros((8, 8, 3), np.uint8), format="JPEG"))  # loads what decoders need
    most = _address_space() + (memory_mb << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    helper_process.serve(answer)


def _address_space() -> int:
    """Return the bytes of address space that this process has now; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


if __name__ == "__main__":
    main(int(sys.argv[1]))
