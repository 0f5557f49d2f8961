"""Files of directions, as bytes, and what is expected of the step in one."""

import io
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from beholder.editing.directions.formats.source import SourceDirection


def npy(values: object) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(values))
    return file.getvalue()


def npz(**arrays: object) -> bytes:
    file = io.BytesIO()
    values: dict[str, Any] = {key: np.asarray(value) for key, value in arrays.items()}
    np.savez_compressed(file, **values)
    return file.getvalue()


def pt(value: object, *, legacy: bool = False) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def is_step(step: SourceDirection, values: ArrayLike, space: str, layers: tuple[int, int] | None) -> None:
    assert (step.space, step.layers) == (space, layers)
    assert step.values.shape == np.shape(values)
    assert np.allclose(step.values, values, rtol=1e-6)
