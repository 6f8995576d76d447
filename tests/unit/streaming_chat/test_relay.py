"""A relay's life with a server and an upstream that misbehave in ways that real ones seldom do."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from azure_simulator import shapes
from streaming_chat import relay as relay_module
from streaming_chat.contract import StreamRequest
from streaming_chat.relay import Relay
from streaming_chat.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from streaming_chat.azure_openai import AzureOpenAI

TEXT = shapes.role() + shapes.delta("text")
END = shapes.finish() + shapes.DONE


class Upstream:
    """What AzureOpenAI is to a relay; `play` yields the reads."""

    def __init__(self, play: Callable[[], AsyncIterator[bytes]]) -> None:
        self._play = play
        self.request_id = "upstream-1"
        self.closed = False

    @asynccontextmanager
    async def complete(self, _request: object, *, retry_until: float) -> AsyncGenerator[Upstream]:
        try:
            yield self
        finally:
            self.closed = True

    def reads(self) -> AsyncIterator[bytes]:
        return self._play()


class Server:
    """An ASGI server: `messages` are what it was sent; `send` may be made to block or to fail."""

    def __init__(self, send: Callable[[dict[str, Any]], Awaitable[None]] | None = None) -> None:
        self.messages: list[dict[str, Any]] = []
        self.gone = asyncio.Event()
        self._send = send

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if self._send:
            await self._send(message)
        self.messages.append(message)

    @property
    def statuses(self) -> list[int]:
        return [message["status"] for message in self.messages if message["type"] == "http.response.start"]

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)


def relay_of(upstream: Upstream, delivery: str = "streamed", **settings: str) -> Relay:
    environment = {
        "AZURE_OPENAI_ENDPOINT": "https://name.openai.azure.com",
        "AZURE_OPENAI_DEPLOYMENT": "chat",
        **{f"STREAM_{name.upper()}": value for name, value in settings.items()},
    }
    return Relay(
        cast("AzureOpenAI", upstream),
        StreamRequest(message="m"),
        settings=Settings.from_environment(environment),
        delivery=cast("Any", delivery),
        request_id="id-1",
    )


async def serve(relay: Relay, server: Server) -> None:
    await relay({"type": "http"}, server.receive, server.send)


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    """No task outlives a relay."""
    yield
    left = [task for task in asyncio.all_tasks() if "Relay." in repr(task.get_coro())]
    if left:
        await asyncio.wait(left, timeout=1)
    assert [task for task in left if not task.done()] == []


async def never() -> None:
    await asyncio.Event().wait()


async def test_an_error_that_nobody_expected_is_an_internal_error(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> AsyncIterator[bytes]:
        yield TEXT
        raise TimeoutError("an OSError, but not the client's leaving")

    upstream, server = Upstream(play), Server()
    await serve(relay_of(upstream), server)
    assert b'"code": "internal_error"' in server.body
    assert server.body.count(b"event: ") == 1
    assert upstream.closed
    assert "The relay failed" in caplog.text


async def test_a_send_that_fails_is_a_client_that_left(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> AsyncIterator[bytes]:
        yield TEXT
        await never()

    async def broken(_message: dict[str, Any]) -> None:
        raise BrokenPipeError

    caplog.set_level("INFO")
    upstream = Upstream(play)
    await serve(relay_of(upstream), Server(broken))
    assert upstream.closed
    assert "status=client_disconnected" in caplog.text


async def test_an_error_event_that_is_not_taken_is_given_up(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before the whole-stream deadline: task, upstream and memory are released."""
    monkeypatch.setattr(relay_module, "TRAILER_SECONDS", 0.05)
    blocked = asyncio.Event()

    async def play() -> AsyncIterator[bytes]:
        yield TEXT
        await never()

    async def stops_at_the_error(message: dict[str, Any]) -> None:
        if b"event: error" in message.get("body", b""):
            blocked.set()
            await never()

    upstream = Upstream(play)
    server = Server(stops_at_the_error)
    await serve(relay_of(upstream, idle_timeout="0.05"), server)
    assert blocked.is_set()
    assert upstream.closed
    assert "error_code=idle_timeout" in caplog.text


async def test_a_keep_alive_that_is_not_taken_ends_with_the_stream() -> None:
    blocked = asyncio.Event()

    async def play() -> AsyncIterator[bytes]:
        await never()
        yield b""

    async def stops(_message: dict[str, Any]) -> None:
        blocked.set()
        await never()

    server = Server(stops)
    serving = asyncio.create_task(serve(relay_of(Upstream(play), hold_back="0.01"), server))
    await blocked.wait()
    server.gone.set()
    await serving


async def test_a_connection_that_is_handed_over_late_gets_one_status() -> None:
    failed = asyncio.Event()

    async def play() -> AsyncIterator[bytes]:
        failed.set()
        raise ValueError
        yield b""

    relay = relay_of(Upstream(play), hold_back="0.01")
    await failed.wait()
    server = Server()
    await serve(relay, server)
    assert server.statuses == [500]


async def test_a_deadline_before_the_connection_is_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "TRAILER_SECONDS", 0.05)

    async def play() -> AsyncIterator[bytes]:
        await never()
        yield b""

    relay = relay_of(Upstream(play), first_token_timeout="0.01")
    await relay.task
    server = Server()
    await serve(relay, server)  # the server answers 500 for an application that sent nothing
    assert server.messages == []


async def test_a_server_that_stops_ends_the_stream() -> None:
    begun = asyncio.Event()

    async def play() -> AsyncIterator[bytes]:
        yield TEXT
        begun.set()
        await never()

    upstream = Upstream(play)
    serving = asyncio.create_task(serve(relay_of(upstream), Server()))
    await begun.wait()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert upstream.closed


async def test_a_buffered_answer_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "MAX_BUFFERED_BYTES", 1000)

    async def play() -> AsyncIterator[bytes]:
        while True:
            yield TEXT

    upstream, server = Upstream(play), Server()
    await serve(relay_of(upstream, "buffered"), server)
    assert server.statuses == [200]
    assert b'"code": "upstream_invalid"' in server.body
    assert upstream.closed


@pytest.mark.parametrize("delivery", ["streamed", "buffered"])
async def test_the_plain_way(delivery: str) -> None:
    async def play() -> AsyncIterator[bytes]:
        yield TEXT
        yield END

    upstream, server = Upstream(play), Server()
    await serve(relay_of(upstream, delivery), server)
    assert server.body == b'data: {"delta": "text"}\n\nevent: done\ndata: {"status": "completed"}\n\n'
    assert [message.get("more_body") for message in server.messages][-1] is False
    assert upstream.closed
