"""A shape: one named way to answer a request, and what a right client makes of it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..exchange import Exchange, Play
from . import events

TEXTS = ("Streams ", "arrive ", "in pieces.")
"""The text of most shapes, delta by delta."""


@dataclass(frozen=True)
class Shape:
    """One way to answer a request.

    deltas: the texts that a right client shows. Text right before a reset may be lost on the way: there a
    client may show fewer of them.
    finish_reason: what a right client reports as the end of the answer; None: no answer, or a broken one.
    """

    name: str
    description: str
    play: Play
    deltas: tuple[str, ...] = ()
    finish_reason: str | None = None


async def end(exchange: Exchange) -> None:
    """Ends the body properly."""
    await exchange.end()


async def reset(exchange: Exchange) -> None:
    """Breaks the connection with a reset."""
    exchange.abort()


async def cut(exchange: Exchange) -> None:
    """Closes the connection without the final chunk."""
    exchange.close()


async def silence(exchange: Exchange) -> None:
    """Sends nothing any more."""
    await exchange.silence()


def answered(texts: tuple[str, ...] = TEXTS) -> tuple[bytes, ...]:
    """The events of a plain, complete answer."""
    return (events.role(), *map(events.delta, texts), events.finish(), events.DONE)


def begun() -> tuple[bytes, ...]:
    """The events of an answer that has said all its text and not ended."""
    return (events.role(), *map(events.delta, TEXTS))


def stream(
    name: str,
    description: str,
    *writes: bytes,
    deltas: tuple[str, ...] = TEXTS,
    finish_reason: str | None = "stop",
    last: Callable[[Exchange], Awaitable[None]] = end,
    paced: bool = True,
) -> Shape:
    """A shape with status 200 that sends the writes one by one, then does the last thing.

    paced: at the simulator's pace for tokens; else as fast as possible.
    """

    async def play(exchange: Exchange) -> None:
        await exchange.start()
        for write in writes:
            await (exchange.pause() if paced else asyncio.sleep(0))
            await exchange.send(write)
        await last(exchange)

    return Shape(name, description, play, deltas, finish_reason)
