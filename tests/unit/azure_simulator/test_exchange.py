"""Scripts: what a test can do with one request, and what it learns of the client."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from azure_simulator import Exchange, Simulator, answers, shapes

from .conftest import Client

type Connect = Callable[[Simulator], Client]
type Script = Callable[[Exchange], Awaitable[None]]


async def test_a_gate_stands_between_two_tokens(simulator: Simulator, client: Client) -> None:
    gate = asyncio.Event()

    async def play(exchange: Exchange) -> None:
        await exchange.send(shapes.delta("one"))
        await gate.wait()
        await exchange.send(shapes.delta("two"))
        await exchange.end()

    simulator.script("gated", play)
    response = await client.say("gated")

    assert await response.content.readany() == shapes.delta("one")
    exchange = await simulator.exchange("gated")
    assert not exchange.closed.is_set()
    gate.set()
    assert await response.content.readany() == shapes.delta("two")
    assert await response.content.readany() == b""
    assert exchange.completed


async def test_a_script_that_returns_ends_its_response(simulator: Simulator, client: Client) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.send(b"x")

    simulator.script("short", play)
    response = await client.say("short")

    assert await response.read() == b"x"
    assert simulator.completions[-1].completed


async def test_a_write_is_one_http_chunk(simulator: Simulator, client: Client) -> None:
    async def play(exchange: Exchange) -> None:
        for data in (b"one", b"t", b"wo"):
            await exchange.send(data)

    simulator.script("chunks", play)
    response = await client.say("chunks")

    assert [data async for data, ended in response.content.iter_chunks() if ended] == [b"one", b"t", b"wo"]


async def test_a_script_is_replaced_and_meets_its_message_only(simulator: Simulator, client: Client) -> None:
    def says(data: bytes) -> Script:
        async def play(exchange: Exchange) -> None:
            await exchange.send(data)

        return play

    simulator.script("scripted", says(b"first"))
    assert await (await client.say("scripted")).read() == b"first"
    assert await (await client.say("scripted")).read() == b"first"
    simulator.script("scripted", says(b"second"))
    assert await (await client.say("scripted")).read() == b"second"
    assert answers.answer(["hello"])[0] in await (await client.say("hello")).text()


async def test_exchange_waits_for_the_message_and_gives_the_newest(
    simulator: Simulator, client: Client
) -> None:
    waiting = asyncio.create_task(simulator.exchange("second"))
    await (await client.say("first")).read()
    assert not waiting.done()
    await (await client.say("second")).read()
    assert await waiting is simulator.completions[1]
    await (await client.say("second")).read()
    assert await simulator.exchange("second") is simulator.completions[2]


@pytest.mark.parametrize("sent", [b"", b"data: x\n\n"], ids=["before-headers", "mid-stream"])
async def test_a_client_that_leaves_is_noticed_while_the_script_waits(
    simulator: Simulator, client: Client, sent: bytes
) -> None:
    async def play(exchange: Exchange) -> None:
        if sent:
            await exchange.send(sent)
        await asyncio.Event().wait()

    simulator.script("gated", play)
    request = asyncio.create_task(client.say("gated"))
    exchange = await simulator.exchange("gated")
    if sent:
        response = await request
        await response.content.readany()
        left = asyncio.get_running_loop().time()
        response.close()
    else:
        left = asyncio.get_running_loop().time()
        request.cancel()

    async with asyncio.timeout(5):
        await exchange.closed.wait()
    assert exchange.closed_at is not None
    assert 0 <= exchange.closed_at - left < 1
    assert exchange.error is None
    assert not exchange.completed


async def test_leaving_is_noted_before_a_script_has_cleaned_up(simulator: Simulator, client: Client) -> None:
    cleaned_up = asyncio.Event()

    async def play(exchange: Exchange) -> None:
        try:
            await exchange.send(b"x")
            await asyncio.Event().wait()
        finally:
            await cleaned_up.wait()

    simulator.script("slow", play)
    (await client.say("slow")).close()
    exchange = await simulator.exchange("slow")

    await exchange.closed.wait()
    assert exchange.closed_at is not None
    cleaned_up.set()


async def test_an_error_after_the_client_left_is_kept(simulator: Simulator, client: Client) -> None:
    failure = ValueError("a bug in the clean-up")

    async def play(exchange: Exchange) -> None:
        try:
            await exchange.send(b"x")
            await asyncio.Event().wait()
        finally:
            raise failure

    simulator.script("bug", play)
    (await client.say("bug")).close()
    exchange = await simulator.exchange("bug")

    await exchange.closed.wait()
    await (await client.say("hello")).read()  # the script has ended before the next request is answered
    assert exchange.error is failure
    assert exchange.closed_at is not None


async def test_a_script_that_writes_to_a_client_that_left_made_no_error(
    simulator: Simulator, client: Client
) -> None:
    async def play(exchange: Exchange) -> None:
        while True:
            await exchange.send(b"x" * 65536)
            await exchange.pause()

    simulator.script("flood", play)
    (await client.say("flood")).close()
    exchange = await simulator.exchange("flood")

    await exchange.closed.wait()
    assert exchange.closed_at is not None
    assert exchange.error is None


async def test_abort_resets_the_connection(simulator: Simulator, client: Client) -> None:
    gate = asyncio.Event()

    async def play(exchange: Exchange) -> None:
        await exchange.send(b"x")
        await gate.wait()
        exchange.abort()

    simulator.script("abort", play)
    response = await client.say("abort")
    assert await response.content.readany() == b"x"
    gate.set()

    with pytest.raises(aiohttp.ClientError, match="Connection reset by peer"):
        await response.content.read()
    exchange = simulator.completions[-1]
    assert (exchange.closed.is_set(), exchange.completed) == (True, False)
    assert (exchange.closed_at, exchange.error) == (None, None)


async def test_close_truncates_the_body(simulator: Simulator, client: Client) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.send(b"x")
        exchange.close()

    simulator.script("close", play)
    response = await client.say("close")

    with pytest.raises(aiohttp.ClientPayloadError) as caught:
        await response.content.read()
    assert "reset" not in str(caught.value)
    exchange = simulator.completions[-1]
    assert (exchange.closed.is_set(), exchange.completed) == (True, False)
    assert (exchange.closed_at, exchange.error) == (None, None)


async def test_a_test_can_break_an_exchange_from_outside(simulator: Simulator, client: Client) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.send(b"x")
        await exchange.silence()

    simulator.script("outside", play)
    response = await client.say("outside")
    exchange = await simulator.exchange("outside")
    exchange.abort()

    with pytest.raises(aiohttp.ClientError):
        await response.read()
    assert (exchange.closed_at, exchange.error) == (None, None)


async def test_a_failing_script_aborts_and_leaves_its_error(
    simulator: Simulator, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    failure = ValueError("a bug in the script")

    async def play(exchange: Exchange) -> None:
        await exchange.start()
        raise failure

    simulator.script("failing", play)
    with caplog.at_level(logging.DEBUG), pytest.raises(aiohttp.ClientError):
        await (await client.say("failing")).read()

    assert simulator.completions[-1].error is failure
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_script_that_cancels_itself_leaves_the_cancellation(
    simulator: Simulator, client: Client
) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.start()
        raise asyncio.CancelledError

    simulator.script("cancelling", play)
    with pytest.raises(aiohttp.ClientError):
        await (await client.say("cancelling")).read()

    exchange = simulator.completions[-1]
    assert isinstance(exchange.error, asyncio.CancelledError)
    assert exchange.closed_at is None


async def test_a_response_starts_once(simulator: Simulator, client: Client) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.start()
        await exchange.start()

    simulator.script("twice", play)
    with pytest.raises(aiohttp.ClientError):
        await (await client.say("twice")).read()
    assert isinstance(simulator.completions[-1].error, RuntimeError)


async def test_headers_add_to_those_of_azure_or_replace_them(simulator: Simulator, client: Client) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.start(203, {"Content-Type": "text/plain", "X-Request-Id": "mine", "x-more": "1"})

    simulator.script("headers", play)
    response = await client.say("headers")

    assert response.status == 203
    assert response.headers.getall("content-type") == ["text/plain"]
    assert response.headers.getall("x-request-id") == ["mine"]
    assert response.headers["x-more"] == "1"
    assert "apim-request-id" in response.headers


async def test_answer_json_sends_one_document(simulator: Simulator, client: Client) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.answer_json(429, {"error": {"code": "x"}}, {"retry-after": "7"})

    simulator.script("error", play)
    response = await client.say("error")

    assert (response.status, response.headers["retry-after"]) == (429, "7")
    assert await response.json() == {"error": {"code": "x"}}
    assert int(response.headers["content-length"]) > 0


async def test_pauses_keep_the_pace(connect: Connect) -> None:
    """The first token is due after its own time, each further one a pace later, whatever sending took."""
    async with Simulator(pace=0.01, first_token_after=0.02) as simulator:
        dues: list[float] = []

        async def play(exchange: Exchange) -> None:
            for _ in range(3):
                await exchange.pause()
                dues.append(asyncio.get_running_loop().time() - exchange.received)

        simulator.script("paced", play)
        await (await connect(simulator).say("paced")).read()

    assert all(due >= expected - 0.001 for due, expected in zip(dues, (0.02, 0.03, 0.04), strict=True))


async def test_stopping_is_immediate_with_streams_open(connect: Connect) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.send(b"x")
        await asyncio.Event().wait()

    async with Simulator() as simulator:
        simulator.script("open", play)
        response = await connect(simulator).say("open")
        stopping = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - stopping < 1
    with pytest.raises(aiohttp.ClientError):
        await response.read()

    (exchange,) = simulator.completions
    assert exchange.closed.is_set()
    assert (exchange.closed_at, exchange.error) == (None, None)


async def test_without_a_record_nothing_is_kept(connect: Connect) -> None:
    async with Simulator(record=False) as simulator:
        await (await connect(simulator).say("hello")).read()
        assert (simulator.completions, simulator.token_requests) == ([], [])
        with pytest.raises(RuntimeError):
            await simulator.exchange("hello")


async def test_the_url_is_known_after_the_start() -> None:
    simulator = Simulator()
    with pytest.raises(RuntimeError):
        _ = simulator.url
    async with simulator:
        assert simulator.url.startswith("http://127.0.0.1:")
