"""A route of a resource, which has more than its own methods: HEAD where it has GET, OPTIONS, and JSON that is read strictly."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from beholder.serve import problem_details
from beholder.serve.security.request_syntax import StrictRequest


class ResourceRoute(APIRoute):
    """Answers HEAD as GET, whose content the middleware leaves out, and OPTIONS with what there is (RFC 9110, 9.1).

    A deprecated GET has no HEAD: it is deprecated because it keeps something, which nobody who sends HEAD wants. Neither is in the
    OpenAPI document, where they would say nothing new.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return super().matches(self._as_ours(scope))

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS":
            allow = problem_details.allowed(scope["app"].routes, scope)
            await Response(status_code=204, headers={"Allow": allow})(scope, receive, send)
            return
        await super().handle(self._as_ours(scope), receive, send)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(StrictRequest(request.scope, request.receive))

        return strict

    def _as_ours(self, scope: Scope) -> Scope:
        """Return a scope whose method is one of the route's, where it means one of them."""
        methods = self.methods or set()
        if scope["type"] != "http" or scope["method"] not in ("HEAD", "OPTIONS") or scope["method"] in methods:
            return scope
        if scope["method"] == "OPTIONS":
            return {**scope, "method": min(methods)}
        return {**scope, "method": "GET"} if "GET" in methods and not self.deprecated else scope
