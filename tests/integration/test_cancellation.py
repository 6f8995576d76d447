"""The client leaves: upstream is released at once, the log says so, and the next request works."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from azure_simulator import Exchange, shapes

if TYPE_CHECKING:
    from azure_simulator.exchange import Play
    from support.app import App

RELEASE_SECONDS = 0.1
"""How soon upstream is released, by the contract."""


async def speak_and_wait(exchange: Exchange) -> None:
    await exchange.send(shapes.role() + shapes.delta("some text"))
    await asyncio.Event().wait()


async def wait(exchange: Exchange) -> None:
    await asyncio.Event().wait()


async def leave(app: App, message: str, query: str, *, after: bytes) -> tuple[Exchange, float]:
    """Begins a request, leaves it, and returns upstream's side with the seconds until it was released."""
    request = asyncio.create_task(read_until(app, message, query, after))
    exchange = await app.simulator.exchange(message)
    if after:
        await request
    else:
        request.cancel()
    left = asyncio.get_running_loop().time()
    await exchange.closed.wait()
    assert exchange.closed_at is not None
    return exchange, exchange.closed_at - left


async def read_until(app: App, message: str, query: str, after: bytes) -> None:
    async with app.post(message, query) as response:
        await response.content.readuntil(after)
        response.close()


@pytest.mark.parametrize(
    ("phase", "play", "query", "after"),
    [
        ("mid-stream", speak_and_wait, "", b"\n\n"),
        ("before the first token", wait, "", b""),
        ("buffered", speak_and_wait, "?delivery=buffered", b""),
    ],
)
async def test_upstream_is_released(app: App, phase: str, play: Play, query: str, after: bytes) -> None:
    seconds: list[float] = []
    for number in range(5):
        message = f"leave {phase} {number}"
        app.simulator.script(message, play)
        _, released = await leave(app, message, query, after=after)
        seconds.append(released)
    assert max(seconds) < RELEASE_SECONDS
    assert (await app.ask("still there?")).terminal == ("done", {"status": "completed"})


async def test_the_log_has_one_line_that_says_so(app: App) -> None:
    app.simulator.script("leave and be logged", speak_and_wait)
    async with app.post("leave and be logged") as response:
        await response.content.readuntil(b"\n\n")
        response.close()
    line = await app.outcome(response.headers["X-Request-Id"])
    assert "status=client_disconnected" in line
    assert "deltas=1" in line
