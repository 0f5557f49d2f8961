"""open_clip and torchvision imported without what they import for others' sake.

Imported as they are, both bring the compiler of torch (torch._dynamo), and open_clip also timm and transformers, for which every
process would wait before it loads a CLIP; but only architectures that are built of timm and transformers need them, and nothing
here compiles. They are left out in this thread for the length of the import, and can be imported by anybody afterwards.
"""

import contextlib
import importlib.util
import json
import sys
import threading
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

_OTHERS = ("timm", "transformers")  # packages that open_clip does without where they are not installed
_COMPILER = "torch._dynamo.utils"  # of which torchvision.ops asks one function, for what it compiles
_lock = threading.RLock()


def open_clip(model: str | None = None) -> Any:
    """Return the module open_clip; model: open_clip's name of an architecture that it is to build, or a .json that describes one.

    Imported without timm and transformers unless the architecture needs them, or they are there already.
    """
    with _lock:
        whole = model is not None and _needs_others(model)
        known = sys.modules.get("open_clip")
        if known is not None and not (whole and getattr(known, "_beholder_light", False)):
            return known
        told = _told(known)
        if known is not None:
            _forget("open_clip")
        torchvision()
        with _absent(() if whole else _OTHERS) as absent:
            import open_clip
        for path in told:
            open_clip.add_model_config(path)
        open_clip._beholder_light = absent.asked
        return open_clip


def torchvision() -> Any:
    """Return the module torchvision."""
    with _lock:
        if "torchvision" not in sys.modules and "torch._dynamo" not in sys.modules:
            import torch  # noqa: F401  (whole before its compiler is left out)

            compiler: Any = ModuleType(_COMPILER)
            compiler.is_compile_supported = lambda device: False
            sys.modules[_COMPILER] = compiler
            try:
                import torchvision
            except ImportError:  # another version, which asks for more
                _forget("torchvision")
            finally:
                if sys.modules.get(_COMPILER) is compiler:
                    del sys.modules[_COMPILER]
        import torchvision

        return torchvision


class _Absent(MetaPathFinder):
    """Says of some packages, to the thread that made it, that they are not installed. asked: whether it was asked for one."""

    def __init__(self, packages: tuple[str, ...]) -> None:
        self._packages, self._thread, self.asked = packages, threading.get_ident(), False

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        if fullname in self._packages and threading.get_ident() == self._thread:
            self.asked = True
            raise ModuleNotFoundError(f"{fullname} is not needed here", name=fullname)


@contextlib.contextmanager
def _absent(packages: tuple[str, ...]) -> Iterator[_Absent]:
    finder = _Absent(packages)
    sys.meta_path.insert(0, finder)
    try:
        yield finder
    finally:
        sys.meta_path.remove(finder)


def _needs_others(model: str) -> bool:
    """Tell whether an architecture is built of timm or transformers; so is, perhaps, one that open_clip has no description of."""
    spec = importlib.util.find_spec("open_clip")
    folder = Path(spec.origin).parent / "model_configs" if spec is not None and spec.origin else Path()
    try:
        described = json.loads((Path(model) if model.endswith(".json") else folder / f"{model}.json").read_text())
    except (OSError, ValueError):
        return not _is_registered(model)
    return _uses_others(described)


def _told(known: Any) -> list[Path]:
    """Return the descriptions of architectures that the module open_clip was told of; [] before it was imported."""
    own: list[Path] = getattr(known.factory, "_MODEL_CONFIG_PATHS", [])[1:] if known is not None else []
    return own


def _is_registered(model: str) -> bool:
    """Tell whether open_clip was told of an architecture, which needs neither timm nor transformers."""
    known: Any = sys.modules.get("open_clip")
    described = known.get_model_config(model) if known is not None else None
    return described is not None and not _uses_others(described)


def _uses_others(described: dict[str, Any]) -> bool:
    towers = [described.get("vision_cfg") or {}, described.get("text_cfg") or {}]
    return any(name in tower for tower in towers for name in ("timm_model_name", "hf_model_name", "hf_tokenizer_name"))


def _forget(package: str) -> None:
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]
