"""Limits: what a request may cost before it is refused."""

from dataclasses import dataclass

from beholder.config import setting
from beholder.errors import ConfigError


@dataclass(frozen=True)
class Limits:
    """What a request may cost."""

    body_kb: int = setting(64, "kilobytes of a request's body")
    images_mb: int = setting(17, "megabytes of a body that brings images")
    images: int = setting(16, "images of one request to be scored")
    recommendations: int = setting(16, "edits that one request may be recommended")
    seconds: float = setting(15.0, "after which a request is given up (504)")
    photo_seconds: float = setting(40.0, "the same for a photo, which has to be inverted")
    at_once: int = setting(2, "recommendations and predictions at a time, of one replica of the API; more are told when to come")
    inside: int = setting(128, "requests to one replica of the API at a time; more are told to come again (503)")
    retry_seconds: int = setting(1, "what a request that is refused because too many wait (503) is told to wait")
    origins: list[str] = setting([], "other sites whose pages may call this one (CORS); none by default")
    hosts: list[str] = setting([], "names that this service is called by; empty: any")

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, int | float) and value <= 0:
                raise ConfigError(f"limits.{name} must be above 0, got {value}")
