"""Who may ask what: a key or a person's token with a scope for every request, checked before a body is read; rate limits.

Whose people, questions and photos a caller may see is decided in `ownership`, from the Caller that is found here.
"""

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

from beholder import api_keys, person_tokens
from beholder.api_keys import SCOPES, ApiKey
from beholder.config import setting
from beholder.errors import AccessError, ConfigError
from beholder.person_tokens import SELF_SCOPES, PersonToken
from beholder.recommending.store.key_store import KeyStore
from beholder.recommending.store.person_owners import Caller
from beholder.serve.admission import TokenBuckets
from beholder.serve.problem_details import ProblemError
from beholder.serve.protocols import Authorizer, RequestMetrics
from beholder.serve.routes.resource_route import ResourceRoute
from beholder.serve.security.ownership import CALLER

_SCOPES = (
    "a key of `beholder keys`, which is an application's, for one or more of: "
    + "; ".join(f"**{name}**: {what}" for name, what in SCOPES.items())
    + "; or a token of one person, a JSON Web Token that the application signed with its key, for "
    + ", ".join(SELF_SCOPES)
)
_SCHEME = HTTPBearer(scheme_name="key", bearerFormat="beholder_ID_SECRET", description=_SCOPES, auto_error=False)


async def _open() -> None:
    """Ask nobody."""


def needs(scope: str, authorizer: Authorizer | None) -> Any:
    """Return the dependency of a route that needs a scope, which the OpenAPI document shows."""
    return Depends(_open) if authorizer is None else Security(_SCHEME, scopes=[scope])


def routes(authorizer: Authorizer | None) -> type[APIRoute]:
    """Return the class of routes that ask the authorizer before they read a body, so that nobody without a key sends megabytes."""
    if authorizer is None:
        return ResourceRoute

    asked = authorizer

    class AuthorizedRoute(ResourceRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handler = super().get_route_handler()
            scopes = [scope for each in self.dependencies if isinstance(each, params.Security) for scope in each.scopes or ()]

            async def authorized(request: Request) -> Response:
                for scope in scopes:
                    CALLER.set(await asked(request, scope))
                return await handler(request)

            return authorized

    return AuthorizedRoute


_MOST = 10_000  # keys in memory
_FAILURES = 20  # wrong keys of one peer at once


@dataclass(frozen=True)
class ApiKeysConfig:
    """Who may send requests, and how many."""

    required: bool | None = setting(None, "whether keys are asked for; null: unless bound to loopback")
    per_minute: int = setting(
        3000, "rate limit: requests of a key per minute, at each replica of the API; beyond: 429, Retry-After"
    )
    burst: int = setting(300, "rate limit: requests of one key at once (the size of its token bucket)")
    fresh_seconds: float = setting(5.0, "seconds that a key is cached, which is how long a revoked one may go on")
    failures_per_minute: int = setting(
        60, "wrong keys of one address a minute, at each replica of the API; beyond: 429 for keys that were never seen"
    )

    def __post_init__(self) -> None:
        if min(self.per_minute, self.burst) < 1 or self.fresh_seconds < 0:
            raise ConfigError("keys.per_minute and keys.burst must be at least 1, keys.fresh_seconds at least 0")
        if self.failures_per_minute < 1:
            raise ConfigError(f"keys.failures_per_minute must be at least 1, got {self.failures_per_minute}")


class KeyAuth:
    """Implements Authorizer: a key or a person's token for the scope (else 401, 403), within its rate limit (else 429).

    Who sends wrong keys is made to wait, while keys that were right before go on, so that nobody behind the same address suffers.
    """

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
        self._failures = TokenBuckets(self.config.failures_per_minute, _FAILURES, clock=clock)
        self._known: dict[str, tuple[ApiKey, float]] = {}  # only keys that there are: forged ids leave nothing here

    async def __call__(self, request: Request, scope: str) -> Caller:
        given = request.headers.getlist("authorization")
        if not given:
            raise _refused(401, "a key is needed: Authorization: Bearer KEY")
        kind, _, text = given[0].partition(" ")
        text = text.strip()
        one = len(given) == 1 and kind.lower() == "bearer"
        token = person_tokens.parse(text) if one else None
        parts = api_keys.split(text) if one and token is None else None
        key_id = token.key_id if token is not None else parts[0] if parts is not None else None
        if key_id is None:
            raise _refused(401, "expected one key, or a person's token, as Authorization: Bearer KEY", 'error="invalid_request"')
        peer = request.client.host if request.client is not None else ""
        key = await self._find(key_id, peer)
        try:
            caller = None if key is None else self._caller(key, token, parts)
        except AccessError as error:
            self._failed(peer)
            raise _refused(401, str(error), 'error="invalid_token"') from None
        if key is None or caller is None:
            self._failed(peer)
            raise _refused(401, "this key is unknown, has expired or was revoked", 'error="invalid_token"')
        self._limit(caller)
        if not (key.may(scope) if token is None else _token_may(token, key, scope)):
            raise _refused(403, f"this key is not for {scope}", f'error="insufficient_scope", scope="{scope}"')
        return caller

    def _caller(self, key: ApiKey, token: PersonToken | None, parts: tuple[str, str] | None) -> Caller | None:
        """Return who a key or a token says it is; None for a wrong secret. Raises AccessError for a token that is none any more."""
        now = self._now()
        if token is None:
            assert parts is not None
            right = key.opens(parts[1], now)
            return Caller(key.key_id, key.people, admin="admin" in key.scopes) if right else None
        token.check(key.public_key, now)
        return Caller(key.key_id, key.people, person=token.user_id) if key.state(now) == "valid" else None

    def _limit(self, caller: Caller) -> None:
        """Raise ProblemError (429) where a key has made as many requests as it may, or one of its people has."""
        wait = self._buckets.take(caller.name)
        if wait > 0:
            if self.metrics is not None:
                self.metrics.counted("rejected", "rate")
            most = f"{self.config.per_minute} requests a minute"
            raise ProblemError(429, f"this key may make {most} and has made them", {"Retry-After": str(math.ceil(wait))})

    def _failed(self, peer: str) -> None:
        self._failures.take(peer)
        if self.metrics is not None:
            self.metrics.counted("rejected", "key")

    async def _find(self, key_id: str, peer: str) -> ApiKey | None:
        """Return a key as it was at most `fresh_seconds` ago; None for an unknown one.

        Raises ProblemError (429) for one that was never seen where its sender has sent too many wrong ones.
        """
        now = self._clock()
        cached = self._known.get(key_id)
        if cached is not None and now < cached[1]:
            return cached[0]
        if cached is None and (wait := self._failures.wait(peer)) > 0:
            if self.metrics is not None:
                self.metrics.counted("rejected", "guess")
            raise ProblemError(429, "too many wrong keys came from there", {"Retry-After": str(math.ceil(wait))})
        key = await asyncio.to_thread(self.keys.find, key_id)
        if key is not None:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key_id] = (key, now + self.config.fresh_seconds)
        return key


def _token_may(token: PersonToken, key: ApiKey, scope: str) -> bool:
    """Return whether a token is for a scope, and its key is, which can't give what it has not."""
    return key.may(scope) and any(SELF_SCOPES[each] == scope for each in token.scopes)


def _refused(status: int, detail: str, more: str = "") -> ProblemError:
    """Return a refusal with the WWW-Authenticate of RFC 6750."""
    return ProblemError(status, detail, {"WWW-Authenticate": ", ".join(filter(None, ['Bearer realm="beholder"', more]))})
