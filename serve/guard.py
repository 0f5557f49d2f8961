"""Guard: routes that ask the gate before they read a body, so that nobody without a key can have megabytes read."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from fastapi import Depends, Request, Response, Security, params
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from beholder.keys import SCOPES

if TYPE_CHECKING:
    from beholder.serve.api import Gate

_TOLD = "a key of `beholder keys`, for one or more of: " + "; ".join(f"**{name}**: {what}" for name, what in SCOPES.items())
_SCHEME = HTTPBearer(scheme_name="key", bearerFormat="beholder_ID_SECRET", description=_TOLD, auto_error=False)


async def _open() -> None:
    """Nobody is asked."""


def needs(scope: str, gate: "Gate | None") -> Any:
    """What a route that needs a scope depends on, and tells in the OpenAPI document."""
    return Depends(_open) if gate is None else Security(_SCHEME, scopes=[scope])


def routes(gate: "Gate | None") -> type[APIRoute]:
    """Routes before which the gate stands."""
    if gate is None:
        return APIRoute

    class Guarded(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handler = super().get_route_handler()
            scopes = [scope for each in self.dependencies if isinstance(each, params.Security) for scope in each.scopes or ()]

            async def guarded(request: Request) -> Response:
                for scope in scopes:
                    await gate(request, scope)
                return await handler(request)

            return guarded

    return Guarded
