"""Who may ask what: a bearer token with a scope for every request, checked before a body is read, and a rate limit for each key."""

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import Depends, Request, Response, Security, params
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from beholder import api_keys
from beholder.api_keys import SCOPES, ApiKey
from beholder.config import setting
from beholder.errors import ConfigError
from beholder.recommending.store.key_store import KeyStore
from beholder.serve.problem_details import ProblemError
from beholder.serve.protocols import Authorizer, RequestMetrics

_SCOPES = "a key of `beholder keys`, for one or more of: " + "; ".join(f"**{name}**: {what}" for name, what in SCOPES.items())
_SCHEME = HTTPBearer(scheme_name="key", bearerFormat="beholder_ID_SECRET", description=_SCOPES, auto_error=False)


async def _open() -> None:
    """Ask nobody."""


def needs(scope: str, authorizer: Authorizer | None) -> Any:
    """Return the dependency of a route that needs a scope, which the OpenAPI document shows."""
    return Depends(_open) if authorizer is None else Security(_SCHEME, scopes=[scope])


def routes(authorizer: Authorizer | None) -> type[APIRoute]:
    """Return the class of routes that ask the authorizer before they read a body, so that nobody without a key sends megabytes."""
    if authorizer is None:
        return APIRoute

    asked = authorizer

    class AuthorizedRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handler = super().get_route_handler()
            scopes = [scope for each in self.dependencies if isinstance(each, params.Security) for scope in each.scopes or ()]

            async def authorized(request: Request) -> Response:
                for scope in scopes:
                    await asked(request, scope)
                return await handler(request)

            return authorized

    return AuthorizedRoute


_MOST = 10_000  # keys in memory


@dataclass(frozen=True)
class ApiKeysConfig:
    """Who may send requests, and how many."""

    required: bool | None = setting(None, "whether keys are asked for; null: unless bound to loopback")
    per_minute: int = setting(
        3000, "rate limit: requests of a key per minute, at each replica of the API; beyond: 429, Retry-After"
    )
    burst: int = setting(300, "rate limit: requests of one key at once (the size of its token bucket)")
    fresh_seconds: float = setting(5.0, "seconds that a key is cached, which is how long a revoked one may go on")

    def __post_init__(self) -> None:
        if min(self.per_minute, self.burst) < 1 or self.fresh_seconds < 0:
            raise ConfigError("keys.per_minute and keys.burst must be at least 1, keys.fresh_seconds at least 0")


class TokenBuckets:
    """A token bucket for each key: it holds `burst`, and `per_minute` are added each minute."""

    def __init__(self, per_minute: float, burst: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self.burst, self._clock = per_minute / 60, float(burst), clock
        self._left: dict[str, tuple[float, float]] = {}  # tokens, and when there were so many

    def take(self, name: str) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        now = self._clock()
        left, then = self._left.get(name, (self.burst, now))
        left = min(self.burst, left + (now - then) * self.rate)
        if left < 1:
            return (1 - left) / self.rate
        if name not in self._left and len(self._left) >= _MOST:
            self._left = {each: (n, at) for each, (n, at) in self._left.items() if n + (now - at) * self.rate < self.burst}
        self._left[name] = (left - 1, now)
        return 0.0


class KeyAuth:
    """Implements Authorizer: a key for the scope (else 401, 403), within its rate limit (else 429)."""

    def __init__(
        self,
        keys: KeyStore,
        config: ApiKeysConfig | None = None,
        *,
        metrics: RequestMetrics | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.keys, self.config, self.metrics, self._clock, self._now = keys, config or ApiKeysConfig(), metrics, clock, now
        self._buckets = TokenBuckets(self.config.per_minute, self.config.burst, clock=clock)
        self._known: dict[str, tuple[ApiKey, float]] = {}  # only keys that there are: forged ids leave nothing here

    async def __call__(self, request: Request, scope: str) -> None:
        given = request.headers.getlist("authorization")
        if not given:
            raise _refused(401, "a key is needed: Authorization: Bearer KEY")
        kind, _, text = given[0].partition(" ")
        parts = api_keys.split(text.strip()) if len(given) == 1 and kind.lower() == "bearer" else None
        if parts is None:
            raise _refused(401, "expected one key as Authorization: Bearer KEY", 'error="invalid_request"')
        key = await self._find(parts[0])
        if key is None or not key.opens(parts[1], self._now()):
            raise _refused(401, "this key is unknown, has expired or was revoked", 'error="invalid_token"')
        wait = self._buckets.take(key.key_id)
        if wait > 0:
            if self.metrics is not None:
                self.metrics.counted("rejected", "rate")
            most = f"{self.config.per_minute} requests a minute"
            raise ProblemError(429, f"this key may make {most} and has made them", {"Retry-After": str(math.ceil(wait))})
        if not key.may(scope):
            raise _refused(403, f"this key is not for {scope}", f'error="insufficient_scope", scope="{scope}"')

    async def _find(self, key_id: str) -> ApiKey | None:
        """Return a key as it was at most `fresh_seconds` ago; None for an unknown one."""
        now = self._clock()
        cached = self._known.get(key_id)
        if cached is not None and now < cached[1]:
            return cached[0]
        key = await asyncio.to_thread(self.keys.find, key_id)
        if key is not None:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key_id] = (key, now + self.config.fresh_seconds)
        return key


def _refused(status: int, detail: str, more: str = "") -> ProblemError:
    """Return a refusal with the WWW-Authenticate of RFC 6750."""
    return ProblemError(status, detail, {"WWW-Authenticate": ", ".join(filter(None, ['Bearer realm="beholder"', more]))})
