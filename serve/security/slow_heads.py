"""uvicorn's protocol with a deadline and a limit for the head of a request, which uvicorn has not."""

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

_HEAD_S = 10.0  # seconds from the first byte, or from the connection, to the end of a head
_HEAD_BYTES = 64 << 10
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class PromptHeadProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """Closes connections on which a head is not complete in time, or too large; how slowly bodies may come the middleware says."""

    head_seconds = _HEAD_S

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._between_requests():
            self._stop_waiting()
            return
        self._head_bytes += len(data)
        if self._head_bytes > _HEAD_BYTES:
            if self.cycle is None and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
            self.transport.close()  # after an answer what comes may be the rest of a body that nobody read
            return
        if self._deadline is None:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _between_requests(self) -> bool:
        """Tell whether the head of a request is awaited."""
        return self.cycle is None or self.cycle.response_complete

    def _expect_head(self) -> None:
        self._deadline = asyncio.get_running_loop().call_later(self.head_seconds, self._give_up)

    def _stop_waiting(self) -> None:
        self._head_bytes = 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self._between_requests() and not self.transport.is_closing():
            self.transport.close()
