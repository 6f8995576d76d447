"""The running app for tests: on the local Functions host, against a simulated Azure, with a client."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from functions_host import FunctionsHost

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from multidict import CIMultiDictProxy

    from azure_simulator import Simulator

APP_DIRECTORY = Path(__file__).resolve().parents[2] / "src"


@dataclass
class Answer:
    """A response that was read to its end."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def frames(self) -> list[bytes]:
        """The events on the wire, comments included."""
        *frames, rest = self.body.split(b"\n\n")
        assert rest == b"", f"the last frame is not ended: {rest!r}"
        return frames

    @property
    def deltas(self) -> list[str]:
        return [
            json.loads(frame[6:])["delta"] for frame in self.frames if frame.startswith(b'data: {"delta": ')
        ]

    @property
    def terminal(self) -> tuple[str, dict[str, Any]]:
        """The last event's name and data."""
        name, data = self.frames[-1].split(b"\n")
        return name.removeprefix(b"event: ").decode(), json.loads(data.removeprefix(b"data: "))

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["Content-Type"] == "application/problem+json"
        document: dict[str, Any] = json.loads(self.body)
        assert document["status"] == self.status
        assert document["request_id"] == self.headers["X-Request-Id"]
        assert self.headers["Cache-Control"] == "no-cache, no-transform"
        assert self.headers["X-Accel-Buffering"] == "no"
        assert self.headers["X-Content-Type-Options"] == "nosniff"
        return document


class Log:
    """The host's output, line by line as it comes."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._more = asyncio.Event()

    def write(self, line: str) -> None:
        self.lines.append(line)
        self._more.set()

    async def line(self, *parts: str, after: int = 0) -> str:
        """The first line that holds all parts, of those after the first `after`; waits for it."""
        seen = after
        while True:
            for line in self.lines[seen:]:
                if all(part in line for part in parts):
                    return line
            seen = len(self.lines)
            self._more.clear()
            await self._more.wait()


@dataclass
class App:
    """The running app, and a client of it."""

    url: str
    host: FunctionsHost
    simulator: Simulator
    session: aiohttp.ClientSession
    log: Log

    def post(self, message: str, query: str = "", **fields: Any) -> aiohttp.client._RequestContextManager:
        """Sends a request; its response is read by the caller."""
        return self.session.post(f"{self.url}/api/stream{query}", json={"message": message, **fields})

    async def ask(self, message: str, query: str = "", **fields: Any) -> Answer:
        async with self.post(message, query, **fields) as response:
            return await read(response)

    async def outcome(self, request_id: str) -> str:
        """The one line in which the app says how the stream ended."""
        line = await self.log.line(request_id, "Stream ended:")
        assert sum(request_id in other and "Stream ended:" in other for other in self.log.lines) == 1
        return line


async def read(response: aiohttp.ClientResponse) -> Answer:
    return Answer(response.status, response.headers, await response.read())


def inherited_environment() -> dict[str, str]:
    """What an app's process needs of this one's environment: to start, and to measure coverage."""
    return {name: value for name, value in os.environ.items() if name.startswith(("COVERAGE", "PATH"))}


class Apps:
    """Starts apps that differ in their settings, each against the same simulator."""

    def __init__(self, stack: AsyncExitStack, simulator: Simulator) -> None:
        self._stack = stack
        self._simulator = simulator

    async def start(self, simulator: Simulator | None = None, /, **settings: str) -> App:
        """An app with these settings; it ends with the tests."""
        simulator = simulator or self._simulator
        log = Log()
        environment = {**inherited_environment(), **simulator.environment, **settings}
        host = FunctionsHost(APP_DIRECTORY, environment=environment, log=log.write)
        await self._stack.enter_async_context(host)
        # No connection is used twice, so that no request is sent again behind a test's back.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        session = await self._stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        return App(host.url, host, simulator, session, log)
