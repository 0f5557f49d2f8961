"""Content negotiation: a picture's media type by Accept, gzip, and whether a client has the content by its ETag (RFC 9110)."""

import hashlib

from beholder.recommending.image_library import FORMATS

KINDS = tuple(FORMATS)  # in the server's order of preference: webp, png, jpeg
_ANY = "image/png"  # for clients that take anything: without loss, and known everywhere


def negotiate(accept: str | None) -> str | None:
    """Return the media type to answer with, or None where the client takes none of ours, or its Accept can't be read."""
    ranges = [_range(part) for part in (accept or "*/*").split(",") if part.strip()]
    best, chosen = 0.0, None
    for kind in sorted(KINDS, key=lambda kind: kind != _ANY):
        quality, exact = _quality(kind, ranges)
        if quality > best or (quality == best > 0 and exact and chosen is not None and KINDS.index(kind) < KINDS.index(chosen)):
            best, chosen = quality, kind
    return chosen


def tag(data: bytes) -> str:
    """Return a strong entity tag of these bytes."""
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


def has(if_none_match: str | None, etag: str) -> bool:
    """Tell whether a client's If-None-Match names this entity tag."""
    if if_none_match is None:
        return False
    tags = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    return "*" in tags or etag in tags


def takes_gzip(accept_encoding: str | None) -> bool:
    """Tell whether a client takes gzip: where it says so, and not with a quality of 0 (RFC 9110, 12.5.3)."""
    codings = dict(_range(part) for part in (accept_encoding or "").split(",") if part.strip())
    return codings.get("gzip", codings.get("*", 0.0)) > 0


def _range(part: str) -> tuple[str, float]:
    kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = min(max(float(value), 0.0), 1.0)
            except ValueError:
                quality = 0.0
    return kind, quality


def _quality(kind: str, ranges: list[tuple[str, float]]) -> tuple[float, bool]:
    """Return the quality value of a media type by its most specific range, and whether that range is the type itself."""
    for name in (kind, "image/*", "*/*"):
        qualities = [quality for given, quality in ranges if given == name]
        if qualities:
            return (max(qualities) if max(qualities) == max(qualities) else 0.0), name == kind
    return 0.0, False
