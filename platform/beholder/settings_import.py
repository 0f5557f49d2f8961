"""A command's module imported for its settings alone, in a fraction of a second: without torch, Ray, pandas and the like.

A setting is a field of a dataclass in the file of what it configures, which imports whatever it computes with. To say that a
setting is misspelt, none of that is needed: here the packages in `HEAVY` are stand-ins while a command's module is imported, and
everything of ours that was imported on them is forgotten afterwards, so that the work itself begins with the real ones.
(Sphinx's autodoc_mock_imports does the same to read docstrings.)
"""

import contextlib
import sys
import threading
from abc import ABCMeta
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# What the code imports at module level, and what takes long: a check of settings never computes with it.
HEAVY = frozenset(
    [
        "ray",
        "torch",
        "torchvision",
        "open_clip",
        "peft",
        "safetensors",
        "pandas",
        "scipy",
        "sklearn",
        "lightgbm",
        "optuna",
        "matplotlib",
        "PIL",
        "fsspec",
        "sqlalchemy",
        "alembic",
        "psycopg",
        "fastapi",
        "starlette",
        "pydantic",
        "uvicorn",
        "anyio",
        "prometheus_client",
        "cryptography",
        "cachetools",
        "psutil",
        "openpyxl",
        "aiohttp",
    ]
)
_PACKAGE = "beholder"
_lock = threading.RLock()


class StandInUsed(Exception):
    """A check of settings computed with a package that was left out: it needs the real ones."""


@contextlib.contextmanager
def settings_only() -> Iterator[None]:
    """Leave out, while this lasts, what is heavy, and forget at its end what of ours was imported on stand-ins.

    Where a heavy package is imported already, nothing is left out: it would get stand-ins of the others to work with.
    """
    if not HEAVY.isdisjoint(sys.modules):
        yield
        return
    with _lock:
        before = set(sys.modules)
        finder = _Finder(threading.get_ident())
        sys.meta_path.insert(0, finder)
        try:
            yield
        finally:
            sys.meta_path.remove(finder)
            _forget(set(sys.modules) - before)


def _forget(names: set[str]) -> None:
    for name in names:
        module = sys.modules[name]
        top = name.partition(".")[0]
        if not isinstance(module, _StandInModule) and (top != _PACKAGE or name in _LASTING):
            continue
        del sys.modules[name]
        parent, _, last = name.rpartition(".")
        if parent in sys.modules and getattr(sys.modules[parent], last, None) is module:
            delattr(sys.modules[parent], last)


# Of ours, what imports nothing heavy and whose exceptions and settings others hold.
_LASTING = frozenset(f"{_PACKAGE}.{name}" for name in ("config", "configs", "errors", "identifiers", "settings_import"))


class StandIn:
    """Stands for anything of a package that was left out: it can be called, derived from, subscripted, a decorator or a type."""

    def __init__(self, name: str) -> None:
        self.__name__ = self.__qualname__ = name

    def __getattr__(self, name: str) -> "StandIn":
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn(f"{self.__name__}.{name}")

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if len(arguments) == 1 and not named and callable(arguments[0]) and not isinstance(arguments[0], StandIn):
            return arguments[0]  # a decorator
        return self

    def __getitem__(self, key: Any) -> "StandIn":
        return self

    def __or__(self, other: Any) -> "StandIn":
        return self

    __ror__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __pow__ = __rpow__ = (
        __or__
    )
    __lt__ = __le__ = __gt__ = __ge__ = __matmul__ = __rmatmul__ = __or__

    def __neg__(self) -> "StandIn":
        return self

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        first = next(base for base in bases if isinstance(base, StandIn))
        return (_StandInBase,) if first is self else ()

    def __bool__(self) -> bool:
        raise StandInUsed(self.__name__)

    def __iter__(self) -> Iterator[Any]:
        raise StandInUsed(self.__name__)


class _StandInType(ABCMeta):
    """The type of classes that are derived from a stand-in: what they would have from their base is a stand-in, too."""

    def __getattr__(cls, name: str) -> StandIn:
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn(f"{cls.__name__}.{name}")


class _StandInBase(metaclass=_StandInType):
    """The base of a class that is derived from a stand-in."""

    def __init_subclass__(cls, **named: Any) -> None:
        """Take whatever the real base would."""


class _StandInModule(ModuleType):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []  # a package: it has modules, which are found by the finder

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return StandIn(f"{self.__name__}.{name}")


class _Finder(MetaPathFinder, Loader):
    """Finds a stand-in for every module of a heavy package that one thread imports."""

    def __init__(self, thread: int) -> None:
        self._thread = thread

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name.partition(".")[0] not in HEAVY or threading.get_ident() != self._thread:
            return None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _StandInModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Leave it empty: what is asked of it is a stand-in."""
