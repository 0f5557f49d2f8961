"""Diffusion directions: what a pipeline can move a photo along, an instruction in words or a slider adapter, and the file of them.

A file is JSON: {"directions": [{"name": "winter", "instruction": "make it winter"}, {"name": "older", "adapter":
"age.safetensors", "scale": 2.0, "range": [-3, 3], "labels": ["younger", "older"]}]}. Adapters lie beside the file. Of an
instruction alpha is how far its guidance goes; of an adapter, a Concept Slider (Gandikota et al., "Concept Sliders", 2023), how
strongly it is laid over the weights.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beholder.errors import EditError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_KEYS = ("name", "instruction", "adapter", "scale", "range", "labels")
_WORDS = 400  # characters of an instruction
_BYTES = 1 << 20  # of a file


@dataclass(frozen=True)
class DiffusionDirection:
    """A direction of the diffusion editor; signs Slider.

    instruction: in words; or adapter: the path of a .safetensors file, whose strength at alpha 1 is `scale`.
    """

    name: str
    instruction: str = ""
    adapter: str = ""
    scale: float = 1.0
    range: tuple[float, float] = (0.0, 2.0)
    labels: tuple[str, str] = ("", "")


DEFAULT = {
    each.name: each
    for each in (
        DiffusionDirection("winter", "make it winter, with snow", labels=("as it is", "winter")),
        DiffusionDirection("autumn", "make it autumn", labels=("as it is", "autumn")),
        DiffusionDirection("night", "make it night", labels=("as it is", "night")),
        DiffusionDirection("sunset", "make it sunset", labels=("as it is", "sunset")),
        DiffusionDirection("fog", "add fog", labels=("as it is", "fog")),
        DiffusionDirection("rain", "make it rain", labels=("as it is", "rain")),
        DiffusionDirection("watercolour", "make it a watercolour painting", labels=("as it is", "a watercolour")),
        DiffusionDirection("oil_painting", "make it an oil painting", labels=("as it is", "an oil painting")),
        DiffusionDirection("pencil", "make it a pencil drawing", labels=("as it is", "a pencil drawing")),
    )
}


def read(path: str) -> dict[str, DiffusionDirection]:
    """Return the directions of a file, name -> direction. Raises EditError, in one line, for whatever is wrong in it."""
    file = Path(path)
    try:
        if file.stat().st_size > _BYTES:
            raise EditError(f"{path} has more than {_BYTES >> 20} MiB, which is no list of directions")
        record = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise EditError(f"{path} can't be read: {error.strerror}") from None
    except ValueError:
        record = None
    rows = record.get("directions") if isinstance(record, dict) else None
    if not isinstance(rows, list) or not rows:
        raise EditError(f'{path} is no list of directions: expected JSON with "directions": [{{"name": ..., "instruction": ...}}]')
    result: dict[str, DiffusionDirection] = {}
    for row in rows:
        direction = _direction(row, file)
        if direction.name in result:
            raise EditError(f"{path}: {direction.name} comes twice; give each direction once")
        result[direction.name] = direction
    return result


def _direction(row: Any, file: Path) -> DiffusionDirection:
    """Return a direction of a row of the file."""
    if not isinstance(row, Mapping) or not _NAME.fullmatch(str(row.get("name", ""))):
        raise EditError(f"{file}: expected directions with a name of a-z, 0-9 and _, got {str(row)[:60]}")
    name = str(row["name"])
    unknown = sorted(str(key) for key in row if key not in _KEYS)
    if unknown:
        raise EditError(f"{file}: {name}: {unknown[0][:40]} is none of {', '.join(_KEYS)}")
    instruction, adapter = row.get("instruction", ""), row.get("adapter", "")
    if not (isinstance(instruction, str) and isinstance(adapter, str)) or bool(instruction.strip()) == bool(adapter):
        raise EditError(f"{file}: {name}: expected either an instruction or an adapter")
    if len(instruction) > _WORDS:
        raise EditError(f"{file}: {name}: expected an instruction of at most {_WORDS} characters, got {len(instruction)}")
    adapter = str(file.parent / adapter) if adapter else ""
    if adapter and not (adapter.endswith(".safetensors") and Path(adapter).is_file()):
        raise EditError(f"{file}: {name}: expected an adapter that is a .safetensors file, got {adapter}")
    low, high = _numbers(row.get("range", [-2.0, 2.0] if adapter else [0.0, 2.0]), 2, file, name, "range")
    if not low <= 0 <= high or low == high:
        raise EditError(f"{file}: {name}: expected a range from at most 0 to at least 0, got {low:g}..{high:g}")
    scale = _numbers([row.get("scale", 1.0)], 1, file, name, "scale")[0]
    labels = row.get("labels", ["as it is" if low == 0 else f"less {name}", name.replace("_", " ")])
    if not isinstance(labels, list) or len(labels) != 2 or not all(isinstance(each, str) for each in labels):
        raise EditError(f"{file}: {name}: expected labels as two texts, of the low and the high end")
    return DiffusionDirection(name, instruction.strip(), adapter, scale, (low, high), (labels[0][:80], labels[1][:80]))


def _numbers(values: Any, count: int, file: Path, name: str, what: str) -> list[float]:
    if (
        not isinstance(values, list)
        or len(values) != count
        or not all(isinstance(each, int | float) and not isinstance(each, bool) and math.isfinite(each) for each in values)
    ):
        raise EditError(f"{file}: {name}: expected {what} as {'a finite number' if count == 1 else f'{count} finite numbers'}")
    return [float(each) for each in values]
