"""Request syntax: what of a request may be read in one way alone: its host, its origin, its address, and the members of its JSON.

Where two readers could take a request differently, a proxy and this service for one, it is refused and not guessed.
"""

import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from fastapi import HTTPException, Request
from starlette.types import Scope

# RFC 9110, 7.2: a name, an IPv4 or an IPv6 address, and a port; no user, path, query or fragment, which some parsers would drop.
_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_])?\.?|\[[0-9A-Fa-f:.]{2,45}\]"
_HOST = re.compile(rf"(?P<name>{_NAME})(?::(?P<port>[0-9]{{0,5}}))?")
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>[^/?#@\s]+)")
_PORTS = {"http": 80, "https": 443}
_MOST_FIELDS = 100  # of a query

# A host's name in small letters, without brackets, and its port, None for the usual one.
Address = tuple[str, int | None]


def address_of(host: str) -> Address | None:
    """Return the name and the port of a Host field; None where it is none by RFC 9110."""
    match = _HOST.fullmatch(host)
    if match is None:
        return None
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 65536:
        return None
    return match["name"].lower().strip("[]"), port


def host_of(hosts: Sequence[str]) -> Address | None:
    """Return what all Host lines of a request say; None where there is not exactly one, or it is no host."""
    return address_of(hosts[0]) if len(hosts) == 1 else None


def is_same_origin(origin: str, scheme: str, host: Address, *, fetch_site: str | None) -> bool:
    """Tell whether an Origin is this service's own: scheme, name and port (RFC 6454).

    scheme: of the request as it came here. Behind a proxy that ends TLS it is not the browser's; there the browser's own word
    counts, `Sec-Fetch-Site: same-origin`, which no page can write.
    """
    match = _ORIGIN.fullmatch(origin)
    other = None if match is None else address_of(match["host"])
    if match is None or other is None:
        return False
    if fetch_site == "same-origin":
        return other[0] == host[0]
    usual = _PORTS.get(scheme)
    return (match["scheme"], other[0], other[1] or _PORTS[match["scheme"]]) == (scheme, host[0], host[1] or usual)


def fault_of_target(scope: Scope) -> tuple[int, str] | None:
    """Return the status and the reason why a request's path or query is refused: bytes that are no UTF-8, a field given twice."""
    query = scope.get("query_string", b"")
    for part in (scope.get("raw_path") or b"", query):
        if b"%" in part or not part.isascii():
            try:
                unquote_to_bytes(part).decode()
            except UnicodeDecodeError:
                return 400, "expected an address in UTF-8, percent-encoded"
    if query and scope["path"].startswith("/v1/"):
        names = [name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)]
        if len(names) > _MOST_FIELDS:
            return 422, f"expected at most {_MOST_FIELDS} fields in the query"
        if (twice := _repeated(names)) is not None:
            return 422, f"expected {twice[:60]!r} once in the query, got it more than once"
    return None


def check_members(body: bytes) -> Any:
    """Return what a body of JSON says. Raises HTTPException (422) where an object has a member twice, ValueError for no JSON."""
    return json.loads(body, object_pairs_hook=_once)


class StrictRequest(Request):
    """A request whose JSON has each member once."""

    async def json(self) -> Any:
        if not hasattr(self, "_members"):
            self._members = check_members(await self.body())
        return self._members


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        twice = _repeated([name for name, _ in pairs]) or ""
        raise HTTPException(422, f"expected the member {twice[:60]!r} once, got it more than once")
    return members


def _repeated(names: Sequence[str]) -> str | None:
    """Return the first name that stands twice, None where each stands once."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
