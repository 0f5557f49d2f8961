"""Latents from elsewhere: w, w+ or z as other programs save them: NVIDIA's projected_w.npz, e4e's latents.pt and others."""

import re
from typing import Any

import numpy as np
import torch

from beholder.editing.directions.formats import safe_load
from beholder.editing.generator import Generator
from beholder.editing.latent import Latent
from beholder.errors import EditError, nearest
from beholder.safe_pickle.interpreter import RefusedError, printable
from beholder.storage import Place

# What programs call the numbers that are wanted, the surest first.
_NAMES = ("w_plus", "wplus", "wp", "ws", "w+", "projected_w", "latent_code", "latents", "latent", "codes", "code", "w", "z")
_SHOWN = 8


def read(place: Place, generator: Generator, *, which: str | None = None) -> Latent:
    """Return the latent in a file, [1, num_ws, w_dim] on the generator's device.

    which: of a file with several: a number from 0, or a name in it. w counts for every row; z goes through the mapping.
    Raises EditError, in one line, for other shapes than this generator's, several latents of which none is named, and a file that
    can't be read; StorageError where it is missing.
    """
    content = safe_load.read(place, what="latents")
    try:
        name, values, rest = _numbers(content, which)
        return _latent(name, values, rest, generator)
    except RefusedError as error:
        raise EditError(f"{place.uri}: {error}") from None


def _numbers(content: Any, which: str | None, name: str = "") -> tuple[str, np.ndarray, str | None]:
    """The name of the numbers, the numbers, and what is still to be chosen among them."""
    if isinstance(content, dict):
        if not content:
            raise RefusedError("it is empty")
        wanted, rest = which, which
        if which in content:
            rest = None
        else:
            usual = [key for key in _NAMES if any(str(each).lower() == key for each in content)]
            wanted = next((each for each in content if usual and str(each).lower() == usual[0]), None)
            if wanted is None and len(content) == 1:
                wanted = next(iter(content))
        if wanted is None:
            shown = ", ".join(printable(key) for key in list(content)[:_SHOWN])
            if which is None:
                raise RefusedError(f"it holds {len(content)} things; say which with latent_row=NAME: {shown}")
            raise RefusedError(f"it holds no {which!r}{nearest(which, [str(key) for key in content][:50])}; it has {shown}")
        return _numbers(content[wanted], rest, str(wanted).lower())
    arrays = [each for each in content if isinstance(each, np.ndarray)] if isinstance(content, list) else []
    if arrays and len(arrays) == len(content) and len({each.shape for each in arrays}) == 1:
        content = np.stack(arrays)
    if isinstance(content, list) and len(content) == 1:
        return _numbers(content[0], which, name)
    return name, safe_load.array(content), which


def _latent(name: str, values: np.ndarray, which: str | None, generator: Generator) -> Latent:
    config, device = generator.config, generator.mapping.w_avg.device
    rows, dim = config.num_ws, config.w_dim
    if re.fullmatch(r"zs?", name) or (values.ndim < 3 and values.shape[-1] == config.z_dim != dim):
        z = _one(values.reshape(-1, values.shape[-1]), which, "z")
        if z.size != config.z_dim:
            raise RefusedError(f"its z has {z.size} numbers, this generator's {config.z_dim}")
        given = torch.from_numpy(z.astype(np.float32))[None].to(device)
        with torch.no_grad():
            return Latent(generator.mapping(given), given)
    while values.ndim > 3 and 1 in values.shape[:-1]:
        values = values.squeeze(values.shape.index(1))
    if values.ndim < 3 and values.size == rows * dim:
        values = values.reshape(1, rows, dim)
    elif values.ndim < 3 and values.shape[-1] == dim:
        # several w, or w+ of another generator: the rows of w that was repeated are all the same
        values = values.reshape(-1, 1, dim)
        if which is None and len(values) > 1 and (values == values[0]).all():
            values = values[:1]
        if which is None and len(values) > 1:
            raise RefusedError(
                f"it holds {len(values)} rows of {dim} numbers, and this generator's w+ has {rows}; where each is a w of its own, "
                f"say which with latent_row=0 .. {len(values) - 1}"
            )
    if values.ndim != 3 or values.shape[2] != dim:
        raise RefusedError(f"it holds numbers of shape {list(values.shape)}; this generator takes {dim} (w) or {rows} x {dim} (w+)")
    one = _one(values, which, "latents")
    if len(one) not in (1, rows):
        if not (one == one[0]).all():
            raise RefusedError(f"it holds {len(one)} different rows of w+, this generator has {rows} ({config.resolution} px)")
        one = one[:1]
    ws = torch.from_numpy(np.broadcast_to(one, (rows, dim)).astype(np.float32)).to(device)
    return Latent(ws[None])


def _one(values: np.ndarray, which: str | None, what: str) -> np.ndarray:
    if which is None and len(values) > 1:
        raise RefusedError(f"it holds {len(values)} {what}; say which with latent_row=0 .. {len(values) - 1}")
    if which is not None and (not which.isdecimal() or int(which) >= len(values)):
        raise RefusedError(f"it has no {what} {which!r}; there are 0..{len(values) - 1}")
    return np.asarray(values[int(which or 0)])
