"""What time does to a stream: hold-back, keep-alive, deadlines, retries, and a client that does not read."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from azure_simulator import Exchange, shapes

if TYPE_CHECKING:
    from azure_simulator.exchange import Play
    from support.app import App, Apps

KEEP_ALIVE = b": keep-alive\n\n"


@pytest.fixture(scope="module")
async def restless(apps: Apps) -> App:
    """The app with a short hold-back and heart-beat, and deadlines that do not come into play."""
    return await apps.start(
        STREAM_HOLD_BACK="0.3", STREAM_HEARTBEAT_INTERVAL="0.2", STREAM_FIRST_TOKEN_TIMEOUT="60"
    )


async def test_after_the_hold_back_a_thinking_model_is_kept_alive(restless: App) -> None:
    held = asyncio.Event()

    async def play(exchange: Exchange) -> None:
        await exchange.send(shapes.role())
        await held.wait()
        await exchange.send(shapes.delta("at last") + shapes.finish() + shapes.DONE)

    restless.simulator.script("think", play)
    async with restless.post("think") as response:
        # The headers alone would not leave the host: the first comment comes with them.
        assert response.status == 200
        assert await response.content.readexactly(len(KEEP_ALIVE)) == KEEP_ALIVE
        assert await response.content.readexactly(len(KEEP_ALIVE)) == KEEP_ALIVE
        held.set()
        rest = (await response.content.read()).replace(KEEP_ALIVE, b"")
    assert rest == b'data: {"delta": "at last"}\n\nevent: done\ndata: {"status": "completed"}\n\n'


async def test_silence_in_mid_stream_is_kept_alive(restless: App) -> None:
    held = asyncio.Event()

    async def play(exchange: Exchange) -> None:
        await exchange.send(shapes.role() + shapes.delta("a"))
        await held.wait()
        await exchange.send(shapes.finish() + shapes.DONE)

    restless.simulator.script("pause", play)
    async with restless.post("pause") as response:
        assert await response.content.readuntil(b"\n\n") == b'data: {"delta": "a"}\n\n'
        assert await response.content.readexactly(len(KEEP_ALIVE)) == KEEP_ALIVE
        held.set()
        assert b"event: done" in await response.content.read()


async def test_buffered_delivery_has_neither_hold_back_nor_keep_alive(restless: App) -> None:
    held = asyncio.Event()

    async def play(exchange: Exchange) -> None:
        await exchange.send(shapes.role())
        await held.wait()
        exchange.abort()

    restless.simulator.script("buffered think", play)
    request = asyncio.create_task(restless.ask("buffered think", "?delivery=buffered"))
    await restless.simulator.exchange("buffered think")
    # A streamed request that begins later is past its hold-back: so is the buffered one.
    restless.simulator.script("later", play)
    async with restless.post("later") as later:
        assert await later.content.readexactly(len(KEEP_ALIVE)) == KEEP_ALIVE
        held.set()
        assert b'"code": "upstream_unreachable"' in await later.content.read()
    answer = await request
    assert answer.status == 502
    assert answer.problem["code"] == "upstream_unreachable"


FIRST_TOKEN = {"STREAM_HOLD_BACK": "0.1", "STREAM_FIRST_TOKEN_TIMEOUT": "1"}
IDLE = {"STREAM_IDLE_TIMEOUT": "0.3"}
TOTAL = dict.fromkeys(
    [
        *(f"STREAM_{name}_TIMEOUT" for name in ("TOTAL", "IDLE", "FIRST_TOKEN", "CONNECT")),
        "STREAM_HEARTBEAT_INTERVAL",
        "STREAM_HOLD_BACK",
    ],
    "0.3",
)


@pytest.mark.parametrize(
    ("settings", "shape", "code"),
    [
        (FIRST_TOKEN, "silence-before-headers", "first_token_timeout"),
        (FIRST_TOKEN, "silence-before-first-token", "first_token_timeout"),
        (IDLE, "silence-mid-stream", "idle_timeout"),
        (TOTAL, "silence-mid-stream", "total_timeout"),
    ],
)
async def test_a_deadline_after_the_status_is_an_error_event(
    apps: Apps, settings: dict[str, str], shape: str, code: str
) -> None:
    app = await apps.start(**settings)
    await app.ask("the first request also fetches a token")
    answer = await app.ask(f"simulate: {shape}")
    assert answer.status == 200
    name, data = answer.terminal
    assert (name, data["code"], data["status"]) == ("error", code, "failed")
    exchange = await app.simulator.exchange(f"simulate: {shape}")
    await exchange.closed.wait()
    assert exchange.closed_at is not None
    await app.host.stop()


async def test_each_phase_has_its_own_deadline(apps: Apps) -> None:
    """One timer serves all: it must not sleep through one that begins with the first token or the end."""

    async def finish_and_wait(exchange: Exchange) -> None:
        await exchange.send(shapes.role() + shapes.delta("a") + shapes.finish())
        await exchange.silence()

    app = await apps.start(STREAM_IDLE_TIMEOUT="0.3", STREAM_HOLD_BACK="8")
    app.simulator.script("no usage", finish_and_wait)
    # This one's timer waits for the end of the hold-back, before which the others must have ended.
    thinking = asyncio.create_task(first_bytes(app, "simulate: silence-before-headers"))
    idle = await app.ask("simulate: silence-mid-stream")
    assert idle.terminal[1]["code"] == "idle_timeout"
    # What follows the finish reason is waited for a little, and does not change the ending.
    answer = await app.ask("no usage", include_usage=True)
    assert answer.body == b'data: {"delta": "a"}\n\nevent: done\ndata: {"status": "completed"}\n\n'
    assert not thinking.done()
    assert await thinking == KEEP_ALIVE
    await app.host.stop()


async def first_bytes(app: App, message: str) -> bytes:
    async with app.post(message) as response:
        return await response.content.readexactly(len(KEEP_ALIVE))


def answering(*steps: Play) -> Play:
    """Answers each request for a message with the next step, and the last one from then on."""
    left = list(steps)

    async def play(exchange: Exchange) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(exchange)

    return play


def status(number: int, **headers: str) -> Play:
    async def play(exchange: Exchange) -> None:
        await exchange.answer_json(
            number, {"error": {"code": str(number)}}, {n.replace("_", "-"): v for n, v in headers.items()}
        )

    return play


async def reset(exchange: Exchange) -> None:
    exchange.abort()


@pytest.mark.parametrize(
    "failure",
    [
        status(408),
        status(409),
        status(429, retry_after_ms="1"),
        status(429, retry_after="0"),
        status(503),
        reset,
    ],
    ids=["408", "409", "429 ms", "429 s", "503", "reset"],
)
async def test_a_failure_before_the_first_byte_is_tried_again(
    app: App, failure: Play, request: pytest.FixtureRequest
) -> None:
    message = f"retry {request.node.name}"
    app.simulator.script(message, answering(failure, shapes.SHAPES["plain"].play))
    answer = await app.ask(message)
    assert answer.terminal == ("done", {"status": "completed"})
    assert sum(exchange.message == message for exchange in app.simulator.completions) == 2


async def test_tries_are_counted(app: App) -> None:
    app.simulator.script("always throttled", status(429, retry_after_ms="1"))
    answer = await app.ask("always throttled")
    assert (answer.status, answer.problem["code"]) == (429, "throttled")
    assert answer.headers["Retry-After"] == "1"
    assert sum(exchange.message == "always throttled" for exchange in app.simulator.completions) == 3


async def test_a_wait_beyond_the_hold_back_is_not_taken(app: App) -> None:
    app.simulator.script("come back later", status(429, retry_after="30"))
    answer = await app.ask("come back later")
    assert answer.status == 429
    assert answer.headers["Retry-After"] == "30"
    assert sum(exchange.message == "come back later" for exchange in app.simulator.completions) == 1


async def test_nothing_is_asked_twice_after_a_token_was_sent(app: App) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.send(shapes.role() + shapes.delta("once"))
        exchange.abort()

    app.simulator.script("ask once", play)
    answer = await app.ask("ask once")
    assert answer.terminal[0] == "error"
    assert sum(exchange.message == "ask once" for exchange in app.simulator.completions) == 1


async def test_a_full_instance_says_so_at_once(apps: Apps) -> None:
    app = await apps.start(STREAM_MAX_CONCURRENT="1")
    async with app.post("simulate: silence-mid-stream") as first:
        await first.content.readuntil(b"\n\n")
        second = await app.ask("one too many")
        assert (second.status, second.problem["code"]) == (503, "at_capacity")
        assert second.headers["Retry-After"] == "1"
        first.close()
    await app.outcome(first.headers["X-Request-Id"])
    assert (await app.ask("there is room again")).status == 200
    await app.host.stop()


async def test_a_client_that_does_not_read_is_given_up_at_the_deadline(apps: Apps) -> None:
    flooded = asyncio.Event()

    async def flood(exchange: Exchange) -> None:
        text = shapes.delta("x" * 100_000)
        while not flooded.is_set():
            await exchange.send(text)

    app = await apps.start(**dict.fromkeys(TOTAL, "2"))
    app.simulator.script("flood", flood)
    url = urlsplit(app.url)
    body = b'{"message": "flood"}'
    with socket.create_connection((url.hostname or "", url.port or 0)) as deaf:
        deaf.sendall(
            b"POST /api/stream HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        exchange = await app.simulator.exchange("flood")
        await exchange.closed.wait()
        assert exchange.closed_at is not None
        line = await app.log.line("Stream ended:", "error_code=total_timeout")
        assert "the client stopped reading" in line
    flooded.set()
    assert (await app.ask("and now?")).status == 200
    await app.host.stop()


async def test_a_connection_that_is_not_accepted_ends_at_its_deadline(apps: Apps) -> None:
    # Linux drops a SYN for which the backlog has no room: the client waits.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        with socket.create_connection(address), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(address)
            app = await apps.start(
                AZURE_OPENAI_ENDPOINT=f"http://127.0.0.1:{address[1]}",
                STREAM_CONNECT_TIMEOUT="0.3",
                STREAM_FIRST_TOKEN_TIMEOUT="5",
                STREAM_MAX_RETRIES="0",
            )
            answer = await app.ask("hello")
            assert (answer.status, answer.problem["code"]) == (502, "upstream_unreachable")
            await app.host.stop()


@pytest.mark.parametrize(
    "value", ["inf", "nan", "-1", "1e30", "soon", "Fri, 31 Dec 99999999999999999999 23:59:59 GMT"]
)
async def test_a_retry_after_without_sense(app: App, value: str) -> None:
    app.simulator.script(f"retry-after {value}", status(429, retry_after=value))
    answer = await app.ask(f"retry-after {value}")
    assert (answer.status, answer.problem["code"]) == (429, "throttled")
    assert answer.headers.get("Retry-After") in {None, "0"}


async def test_an_answer_that_is_refused_for_its_headers_is_closed(app: App) -> None:
    for name, headers in {
        "page": {"content-type": "text/html"},
        "gzip": {"content-encoding": "gzip"},
    }.items():

        async def play(exchange: Exchange, headers: dict[str, str] = headers) -> None:
            await exchange.start(200, headers)
            await exchange.silence()

        app.simulator.script(name, play)
        answer = await app.ask(name)
        assert (answer.status, answer.problem["code"]) == (502, "upstream_invalid")
        exchange = await app.simulator.exchange(name)
        await exchange.closed.wait()
        assert exchange.closed_at is not None
