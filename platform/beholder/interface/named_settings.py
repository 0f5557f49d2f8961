"""Named settings: the choices of configs/taste and configs/encoder by name, for programs that have no YAML."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from beholder.config import groups, load, setting
from beholder.encoder import EncoderConfig
from beholder.errors import ConfigError, InputError, nearest
from beholder.taste.taste_factory import TasteConfig

ENCODER = "portraits"  # the CLIP that ships with the project, for its drawn portraits
TASTE = "bayes"
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class _NamedSettings:
    taste: TasteConfig = setting(TasteConfig(), "a taste")
    encoder: EncoderConfig = setting(EncoderConfig(), "an encoder")


def taste_config(taste: "str | TasteConfig", settings: Settings | None = None) -> TasteConfig:
    """Return the settings of a taste.

    taste: "bayes", "population", "mlp", "ensemble" or another choice of the command's taste=, or its settings. settings: those that
    differ from it, such as {"mlp.fit.epochs": 20}. Raises InputError for an unknown choice, ConfigError for an unknown setting.

    >>> taste_config("bayes", {"bayes.iterations": 5}).bayes.iterations
    5
    """
    if isinstance(taste, TasteConfig):
        if settings:
            raise InputError("settings go with the name of a taste; a TasteConfig has its own")
        return taste
    _check("taste", taste)
    if not settings and taste in ("bayes", "population"):  # whose values are all defaults
        return TasteConfig(kind=taste)
    words = {f"taste.{key.removeprefix('taste.')}": value for key, value in (settings or {}).items()}
    return _load((f"taste={taste}", *(f"{key}={_word(value)}" for key, value in words.items()))).taste


def encoder_config(encoder: "str | EncoderConfig", settings: Settings | None = None) -> EncoderConfig:
    """Return the settings of an encoder.

    encoder: "portraits", "vit_b_32" or another choice of the command's encoder=, or its settings. settings: those that differ from
    it, such as {"weights": "openai"}. Raises InputError for an unknown choice, ConfigError for an unknown setting.
    """
    if isinstance(encoder, EncoderConfig):
        return encoder
    _check("encoder", encoder)
    words = {f"encoder.{key.removeprefix('encoder.')}": value for key, value in (settings or {}).items()}
    return _load((f"encoder={encoder}", *(f"{key}={_word(value)}" for key, value in words.items()))).encoder


def _check(group: str, name: Any) -> None:
    known = groups()[group]
    if name not in known:
        raise InputError(f"{group}={name!r} is none of the choices{nearest(str(name), known)}; known: {', '.join(known)}")


def _word(value: Any) -> str:
    """Return a value as the command line takes it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{','.join(map(_word, value))}]" if isinstance(value, (list, tuple)) else str(value)


@functools.lru_cache(maxsize=16)
def _load(words: tuple[str, ...]) -> _NamedSettings:
    try:
        return load(_NamedSettings, command="evaluate", overrides=words)
    except ConfigError as error:  # the command whose groups these are is nobody's concern here
        raise ConfigError(str(error).replace(" is not a setting of evaluate", " is not a setting")) from None
