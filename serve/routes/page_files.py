"""The page's files over HTTP: compressed where that is taken, with an ETag, and for ever where their name carries their digest."""

import gzip
import mimetypes
import os
import re
from collections.abc import Mapping
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Match, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from beholder.cache import BoundedCache
from beholder.serve.routes import negotiation

_API = ("/v1/", "/healthz", "/readyz", "/metrics")
_DIGEST = re.compile(r"\.[0-9a-f]{12}\.\w+$")
_TEXT = ("text/", "application/json", "image/svg+xml")
_LEAST = 512  # bytes below which a file does not get smaller
_ALWAYS = "no-cache"  # kept, and asked about by its ETag
_FOR_EVER = "public, max-age=31536000, immutable"
_compressed: BoundedCache[str, bytes] = BoundedCache(64)


class PageMount(Mount):
    """Files for everything but the API, whose own routes know best which methods they take."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and scope["path"].startswith(_API):
            return Match.NONE, {}
        return super().matches(scope)


class PageFiles(StaticFiles):
    """The files of a folder, whose types are those of their names."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        path = Path(full_path)
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        kept = _FOR_EVER if _DIGEST.search(path.name) else _ALWAYS
        return answer(path.read_bytes(), media_type, scope, kept=kept, status=status_code)


def answer(
    data: bytes,
    media_type: str,
    scope: Scope,
    *,
    kept: str = _ALWAYS,
    status: int = 200,
    more: Mapping[str, str] | None = None,
) -> Response:
    """Return a response of these bytes: gzip where the client takes it and it helps, 304 where it has them already.

    kept: its Cache-Control; more: further header fields.
    """
    asked, etag = Headers(scope=scope), negotiation.tag(data)
    text = media_type.startswith(_TEXT)
    headers = {"Cache-Control": kept, **(more or {})}
    if text:
        headers["Vary"] = "Accept-Encoding"
    if text and len(data) >= _LEAST and negotiation.takes_gzip(asked.get("accept-encoding")):
        plain, etag = etag, f'{etag[:-1]}-gzip"'  # another representation, so another strong tag
        data = _compressed.get_or_make(plain, lambda: gzip.compress(data, 9, mtime=0))
        headers["Content-Encoding"] = "gzip"
    headers["ETag"] = etag
    if status == 200 and negotiation.has(asked.get("if-none-match"), etag):
        headers.pop("Content-Encoding", None)
        return Response(status_code=304, headers=headers)
    return Response(data, status, headers, media_type)
