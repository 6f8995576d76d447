"""From the request to the last frame."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from azure_simulator import Exchange, shapes

if TYPE_CHECKING:
    from support.app import App, Apps

QUESTION = "Explain Azure Functions scaling in three short points."


def answer_in(*texts: str) -> bytes:
    return b"".join([shapes.role(), *map(shapes.delta, texts), shapes.finish(), shapes.DONE])


async def test_the_frames_are_the_contracts_byte_for_byte(app: App) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.send(answer_in("Azure Functions ", "scales automatically "))

    app.simulator.script("two tokens", play)
    answer = await app.ask("two tokens")
    assert answer.status == 200
    assert answer.body == (
        b'data: {"delta": "Azure Functions "}\n\n'
        b'data: {"delta": "scales automatically "}\n\n'
        b'event: done\ndata: {"status": "completed"}\n\n'
    )
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache, no-transform"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert UUID(answer.headers["X-Request-Id"])
    assert "Content-Length" not in answer.headers


async def test_a_token_arrives_before_the_next_is_generated(app: App) -> None:
    held = asyncio.Event()

    async def play(exchange: Exchange) -> None:
        await exchange.send(shapes.role() + shapes.delta("first"))
        await held.wait()
        await exchange.send(shapes.delta("second") + shapes.finish() + shapes.DONE)

    app.simulator.script("gate", play)
    async with app.post("gate") as response:
        assert await response.content.readuntil(b"\n\n") == b'data: {"delta": "first"}\n\n'
        # Only now does the simulator go on: had anything on the way buffered, this line would not be reached.
        held.set()
        assert await response.content.read() == (
            b'data: {"delta": "second"}\n\nevent: done\ndata: {"status": "completed"}\n\n'
        )


async def test_buffered_delivery_holds_everything_until_the_end(app: App) -> None:
    held = asyncio.Event()

    async def play(exchange: Exchange) -> None:
        await exchange.send(shapes.role() + shapes.delta("first"))
        await held.wait()
        await exchange.send(shapes.delta("second") + shapes.finish() + shapes.DONE)

    app.simulator.script("buffered gate", play)
    buffered = asyncio.create_task(app.ask("buffered gate", "?delivery=buffered"))
    await app.simulator.exchange("buffered gate")
    # Another whole stream goes through meanwhile, and still nothing of the first has come.
    await app.ask(QUESTION)
    assert not buffered.done()
    held.set()
    answer = await buffered
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert answer.body == (await app.ask("buffered gate")).body


async def test_buffered_delivery_by_setting_and_streamed_by_query(apps: Apps) -> None:
    app = await apps.start(STREAM_DELIVERY="buffered")
    buffered = await app.ask(QUESTION)
    streamed = await app.ask(QUESTION, "?delivery=streamed")
    assert buffered.headers["Content-Length"] == str(len(buffered.body))
    assert "Content-Length" not in streamed.headers
    assert buffered.body == streamed.body


async def test_an_unknown_delivery_is_refused(app: App) -> None:
    answer = await app.ask("never asked", "?delivery=fast")
    assert answer.status == 422
    assert answer.problem["errors"][0]["field"] == "delivery"


async def test_the_request_that_azure_openai_sees(app: App) -> None:
    history = [{"role": "user", "content": "before"}, {"role": "assistant", "content": "answer"}]
    await app.ask("seen upstream", history=history, system_prompt="Be brief.", max_output_tokens=50)
    exchange = await app.simulator.exchange("seen upstream")
    assert exchange.body == {
        "model": "chat",
        "messages": [
            {"role": "system", "content": "Be brief."},
            *history,
            {"role": "user", "content": "seen upstream"},
        ],
        "max_completion_tokens": 50,
        "stream": True,
    }
    assert exchange.headers["Accept-Encoding"] == "identity"


async def test_the_temperature_is_sent_when_given(app: App) -> None:
    await app.ask("warm", temperature=1)
    assert (await app.simulator.exchange("warm")).body["temperature"] == 1


async def test_what_is_not_asked_for_is_not_sent(app: App) -> None:
    await app.ask("plain request")
    exchange = await app.simulator.exchange("plain request")
    assert set(exchange.body) == {"model", "messages", "stream"}


async def test_usage_comes_before_done_when_asked_for(app: App) -> None:
    answer = await app.ask(QUESTION, include_usage=True)
    *_, usage, done = answer.frames
    name, data = usage.split(b"\n")
    assert name == b"event: usage"
    tokens = json.loads(data.removeprefix(b"data: "))
    assert set(tokens) == {"prompt_tokens", "completion_tokens", "total_tokens"}
    assert tokens["total_tokens"] == tokens["prompt_tokens"] + tokens["completion_tokens"] > 0
    assert done == b'event: done\ndata: {"status": "completed"}'


async def test_a_running_usage_is_not_the_last_word(app: App) -> None:
    """Some model servers send with each chunk what it is so far."""

    async def play(exchange: Exchange) -> None:
        await exchange.send(shapes.delta("a", usage=shapes.usage(9, 1)))
        await exchange.send(shapes.finish())
        await exchange.send(shapes.usage_chunk(shapes.usage(9, 2)) + shapes.DONE)

    app.simulator.script("running usage", play)
    answer = await app.ask("running usage", include_usage=True)
    assert answer.frames[1].endswith(b'{"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}')


async def test_what_upstream_says_cannot_forge_a_line_of_the_log(app: App) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.send(
            shapes.delta("a") + shapes.finish("stop\nforged line " + "x" * 1000) + shapes.DONE
        )

    app.simulator.script("forge", play)
    answer = await app.ask("forge")
    line = await app.outcome(answer.headers["X-Request-Id"])
    assert len(line) < 500
    assert not any(other.startswith("forged") for other in app.log.lines)


async def test_done_does_not_wait_for_what_follows_the_finish_reason(app: App) -> None:
    held = asyncio.Event()

    async def play(exchange: Exchange) -> None:
        await exchange.send(shapes.role() + shapes.delta("all") + shapes.finish())
        await held.wait()

    app.simulator.script("slow trailer", play)
    answer = await app.ask("slow trailer")
    assert answer.terminal == ("done", {"status": "completed"})
    held.set()
    # The rest of the body is read all the same, so that the connection can be used again.
    exchange = await app.simulator.exchange("slow trailer")
    await exchange.closed.wait()
    assert exchange.closed_at is None
    assert exchange.completed


async def test_several_events_of_one_read_leave_in_one_write(app: App) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.send(answer_in(*"abcde"))

    app.simulator.script("burst", play)
    async with app.post("burst") as response:
        data, _ = await response.content.readchunk()
        assert data.count(b"\n\n") == 6


async def test_the_highest_max_output_tokens_is_a_setting(apps: Apps, app: App) -> None:
    assert (await app.ask("long enough", max_output_tokens=16_384)).status == 200
    answer = await app.ask("too long", max_output_tokens=16_385)
    assert answer.status == 422
    assert answer.problem["errors"] == [
        {"field": "max_output_tokens", "message": "must not be greater than 16384"}
    ]


@pytest.mark.parametrize("query", ["", "?delivery=buffered"])
async def test_200_at_once_each_get_their_own_answer(app: App, query: str) -> None:
    opened = asyncio.Event()

    async def play(exchange: Exchange) -> None:
        await exchange.send(shapes.role() + shapes.delta(f"{exchange.message} "))
        await opened.wait()
        await exchange.send(shapes.delta(exchange.message) + shapes.finish() + shapes.DONE)

    messages = [f"number {number} {query}" for number in range(200)]
    for message in messages:
        app.simulator.script(message, play)
    requests = [asyncio.create_task(app.ask(message, query)) for message in messages]
    # All of them are in mid-stream together before any may end.
    await asyncio.gather(*map(app.simulator.exchange, messages))
    opened.set()
    answers = await asyncio.gather(*requests)
    assert [answer.deltas for answer in answers] == [[f"{message} ", message] for message in messages]
    assert all(answer.terminal == ("done", {"status": "completed"}) for answer in answers)
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == 200


async def test_the_log_has_one_line_a_stream_with_its_ids(app: App) -> None:
    answer = await app.ask(QUESTION)
    line = await app.outcome(answer.headers["X-Request-Id"])
    assert "status=completed" in line
    assert "deployment=chat" in line
    assert "finish_reason=stop" in line
    assert f"deltas={len(answer.deltas)}" in line
