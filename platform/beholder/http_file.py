"""The bytes of a file at an http(s):// URL: bounded in size and time, tried again where the server says that it may work later."""

import http.client
import ipaddress
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from beholder.errors import StorageError

ATTEMPTS = 4
TIMEOUT_S = 20.0  # for connecting, and for each piece of the answer
TOTAL_S = 120.0  # for the whole file
_CHUNK = 1 << 16
_AGAIN = (408, 425, 429, 500, 502, 503, 504)


def read(
    url: str,
    *,
    max_bytes: int,
    private: bool = True,
    attempts: int = ATTEMPTS,
    sleep: Callable[[float], None] = time.sleep,
) -> bytes:
    """Return the bytes at a URL.

    A time-out, a broken connection and the statuses that mean "later" are tried again, after 0.5, 1, 2 s or what Retry-After says
    (10 s at most). private: whether the address may be of this machine or of a private network; where not, neither may that of a
    redirect be. Raises StorageError where that does not help, for another status, and above max_bytes.
    """
    for attempt in range(attempts):
        wait, reason = 0.5 * 2**attempt, ""
        try:
            return _read(url, max_bytes, private)
        except urllib.error.HTTPError as error:
            reason = f"{error.code} {error.reason}"
            if error.code not in _AGAIN:
                raise StorageError(f"{url} can't be read: {reason}") from None
            after = error.headers.get("Retry-After") or ""
            wait = max(wait, min(float(after), 10.0)) if after.isdecimal() else wait
        except (OSError, http.client.HTTPException) as error:
            cause = getattr(error, "reason", None) or error
            reason = str(cause).strip() or type(cause).__name__
        except ValueError as error:
            raise StorageError(f"{url} is no URL: {error}") from None
        if attempt < attempts - 1:
            sleep(wait)
    raise StorageError(f"{url} can't be read, tried {attempts} times: {reason}")


def _read(url: str, max_bytes: int, private: bool) -> bytes:
    began = time.monotonic()
    request = urllib.request.Request(url, headers={"User-Agent": "beholder"})
    handlers = [] if private else [_PublicHTTP(), _PublicHTTPS()]
    with urllib.request.build_opener(*handlers).open(request, timeout=TIMEOUT_S) as answer:
        chunks, total = [], 0
        while chunk := answer.read(_CHUNK):
            total += len(chunk)
            if total > max_bytes:
                raise StorageError(f"{url} has more than the {max_bytes:,} bytes allowed")
            if time.monotonic() - began > TOTAL_S:
                raise TimeoutError(f"took more than {TOTAL_S:.0f} s")
            chunks.append(chunk)
        expected = answer.headers.get("Content-Length")
        if expected is not None and expected.isdecimal() and int(expected) != total:
            raise ConnectionError(f"ended after {total:,} of {int(expected):,} bytes")
    return b"".join(chunks)


class _PublicConnection(http.client.HTTPConnection):
    """A connection that asks nothing of an address that is not public, whatever name led there."""

    def connect(self) -> None:
        super().connect()
        _check_public(self.sock, self.host)


class _PublicTLSConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _check_public(self.sock, self.host)


class _PublicHTTP(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(http.client.HTTPConnection if request.has_proxy() else _PublicConnection, request)


class _PublicHTTPS(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        through = getattr(request, "_tunnel_host", None) is not None  # a proxy, which decides itself
        return self.do_open(http.client.HTTPSConnection if through else _PublicTLSConnection, request)


def _check_public(connection: socket.socket, name: str) -> None:
    peer = ipaddress.ip_address(connection.getpeername()[0].partition("%")[0])
    peer = getattr(peer, "ipv4_mapped", None) or peer
    if not peer.is_global:
        connection.close()
        raise StorageError(f"{name} leads to {peer}, an address of a private network; expected a public one, or limits.roots=")
