"""One request to chat completions, and what becomes of it: the handle through which a script answers."""

import asyncio
import json
import socket
import struct
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

type Play = Callable[["Exchange"], Awaitable[None]]
"""Answers one request: a coroutine function over its exchange."""


@dataclass(frozen=True)
class Pace:
    """How fast tokens come, in seconds."""

    first_token_after: float = 0.0
    between_tokens: float = 0.0


class Exchange:
    """One request to chat completions. A script answers it with `start`, `send` and `end`, or breaks it.

    body: the request's JSON object ({} when it was none); headers: its headers; message: the text of its last
    user message ("" without one); received: `loop.time()` of its arrival.
    closed: set as soon as the connection to the client is gone or the response is complete.
    closed_at: `loop.time()` when the peer's connection was lost before the response was complete, else None.
    completed: the whole response was sent.
    error: what the script raised (`CancelledError` if it was cancelled), else None. A script that only met
    the end of the connection made no error.
    """

    def __init__(
        self, request: web.Request, body: dict[str, Any], message: str, pace: Pace, stopped: asyncio.Event
    ) -> None:
        """For the simulator. stopped: the simulator sets it when it stops."""
        if request.transport is None:
            raise ConnectionResetError("the client left while its request was read")
        self.body = body
        self.headers: CIMultiDictProxy[str] = request.headers
        self.message = message
        self.pace = pace
        self.received = asyncio.get_running_loop().time()
        self.closed = asyncio.Event()
        self.closed_at: float | None = None
        self.completed = False
        self.error: BaseException | None = None
        self._request = request
        self._transport: asyncio.Transport = request.transport
        self._stopped = stopped
        self._response: web.StreamResponse | None = None
        self._due: float | None = None

    async def start(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Sends the status line and the headers of an Azure stream; `headers` add to them or replace them.

        Raises RuntimeError if the response has started, ConnectionResetError if the client is gone.
        """
        await self._start(status, headers or {})

    async def send(self, data: bytes) -> None:
        """Sends exactly these bytes as one write (one HTTP chunk), after the headers if need be.

        Raises ConnectionResetError if the client is gone.
        """
        response = self._response or await self._start(200, {})
        await response.write(data)

    async def end(self) -> None:
        """Ends the body properly. A script that returns without it has the same effect."""
        response = self._response or await self._start(200, {})
        await response.write_eof()
        self.completed = True
        self.closed.set()

    def abort(self) -> None:
        """Breaks the connection so that the peer sees a reset."""
        self.closed.set()
        if (connection := self._transport.get_extra_info("socket")) is not None and connection.fileno() >= 0:
            # Lingering for 0 s makes the kernel send RST instead of FIN.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def close(self) -> None:
        """Closes the connection in mid-body: what was sent arrives, the final chunk never comes."""
        self.closed.set()
        self._transport.close()

    async def answer_json(
        self, status: int, document: object, headers: Mapping[str, str] | None = None
    ) -> None:
        """Answers with one JSON document, as the service does for errors and without `stream`."""
        data = json.dumps(document).encode()
        fixed = {"content-type": "application/json", "content-length": str(len(data))}
        await self.start(status, {**fixed, **(headers or {})})
        await self.send(data)
        await self.end()

    async def pause(self) -> None:
        """Waits until the next token is due at the simulator's pace; without a pace, lets others run."""
        now = asyncio.get_running_loop().time()
        if self._due is None:
            self._due = self.received + self.pace.first_token_after
        else:
            # On a grid, so that lateness does not add up; a script that stood still starts a new grid.
            self._due = max(self._due + self.pace.between_tokens, now)
        await asyncio.sleep(max(0.0, self._due - now))

    async def silence(self) -> None:
        """Waits until the simulator stops. A client that leaves earlier ends the script, as always."""
        await self._stopped.wait()

    async def run(self, play: Play) -> web.StreamResponse:
        """For the simulator: plays the script to its end and returns the response that it began.

        aiohttp cancels this coroutine when the connection is lost (`handler_cancellation`). The script runs
        in a task of its own, so that the moment is noted whatever the script waits for, and a script that
        cancels itself is told apart from a client that leaves.
        """
        script = asyncio.create_task(self._script(play))
        try:
            await asyncio.wait({script})
        except asyncio.CancelledError:
            self._lost()
            script.cancel()
            await asyncio.wait({script})
            if not script.cancelled():
                self._note(script.exception())
            raise
        self._note(asyncio.CancelledError() if script.cancelled() else script.exception())
        return self._response or web.StreamResponse()

    async def _start(self, status: int, headers: Mapping[str, str]) -> web.StreamResponse:
        if self._response is not None:
            raise RuntimeError("the response has started")
        merged = CIMultiDict(
            {
                "content-type": "text/event-stream; charset=utf-8",
                "apim-request-id": str(uuid.uuid4()),
                "x-request-id": str(uuid.uuid4()),
                "x-ms-region": "Sweden Central",
                "x-ms-rai-invoked": "true",
                "azureml-model-session": "d20260317-simulated",
                "x-content-type-options": "nosniff",
            }
        )
        merged.update(headers)
        response = web.StreamResponse(status=status, headers=merged)
        await response.prepare(self._request)
        self._response = response
        return response

    async def _script(self, play: Play) -> None:
        await play(self)
        if not self.closed.is_set():
            await self.end()

    def _note(self, error: BaseException | None) -> None:
        """Tells a client that left, met in a write, from an error of the script."""
        if isinstance(error, ConnectionError) and self._transport.is_closing():
            self._lost()
        elif error is not None:
            self.error = error
            self.abort()

    def _lost(self) -> None:
        """The connection is gone. Unless this side ended it, that was the peer."""
        if not self.closed.is_set() and not self._stopped.is_set():
            self.closed_at = asyncio.get_running_loop().time()
        self.closed.set()
