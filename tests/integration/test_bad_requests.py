"""What is refused, with which status and problem, and without a word to Azure OpenAI."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from azure_simulator import Simulator
from support.app import read

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.app import Answer, App, Apps

MAX_BODY = 1024 * 1024


@pytest.fixture(scope="module")
async def guarded(apps: Apps) -> AsyncIterator[App]:
    """An app whose Azure OpenAI must never be called."""
    async with Simulator() as simulator:
        app = await apps.start(simulator)
        yield app
        assert simulator.completions == []
        assert simulator.token_requests == []
        await app.session.close()
        await app.host.stop()


async def send(
    app: App, body: bytes | None, query: str = "", content_type: str = "application/json"
) -> Answer:
    headers = {"Content-Type": content_type} if content_type else {}
    url = f"{app.url}/api/stream{query}"
    async with app.session.post(
        url, data=io.BytesIO(body) if body else None, headers=headers, skip_auto_headers=["Content-Type"]
    ) as response:
        return await read(response)


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"",
        b" \n",
        b"message",
        b"{",
        b'{"message": NaN}',
        b'{"message": "m", "temperature": Infinity}',
        b'{"message": "\xff"}',
        b"\xff\xfe{\x00}\x00",
        b"[" * 100_000,
    ],
    ids=["none", "empty", "blank", "not JSON", "cut", "NaN", "Infinity", "not UTF-8", "UTF-16", "deep"],
)
async def test_what_is_not_json(guarded: App, body: bytes | None) -> None:
    answer = await send(guarded, body)
    assert answer.status == 400
    assert answer.problem["code"] == "malformed_json"
    assert answer.problem["retryable"] is False
    assert answer.problem["type"] == "about:blank"
    assert answer.problem["title"] == "Bad Request"
    assert answer.problem["instance"] == f"urn:uuid:{answer.headers['X-Request-Id']}"


def turns(count: int, content: str = "x", role: str = "user") -> list[dict[str, str]]:
    return [{"role": role, "content": content}] * count


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], "body"),
        ("text", "body"),
        (None, "body"),
        ({}, "message"),
        ({"message": ""}, "message"),
        ({"message": " \t\n\u2003"}, "message"),
        ({"message": "x" * 32_001}, "message"),
        ({"message": 5}, "message"),
        ({"message": ["m"]}, "message"),
        ({"message": "m", "Message": "m"}, "Message"),
        ({"message": "m", "model": "other"}, "model"),
        ({"message": "m", "history": turns(1, role="system")}, "history.0.role"),
        ({"message": "m", "history": turns(51)}, "history"),
        ({"message": "m", "history": turns(1, content="x" * 32_001)}, "history.0.content"),
        ({"message": "m", "history": turns(10, content="x" * 20_001)}, "history"),
        ({"message": "m", "history": {"role": "user"}}, "history"),
        ({"message": "m", "max_output_tokens": 0}, "max_output_tokens"),
        ({"message": "m", "max_output_tokens": 16_385}, "max_output_tokens"),
        ({"message": "m", "max_output_tokens": "5"}, "max_output_tokens"),
        ({"message": "m", "temperature": -0.1}, "temperature"),
        ({"message": "m", "temperature": 1e999}, "temperature"),
        ({"message": "m", "include_usage": "yes"}, "include_usage"),
        ({"message": "m", "system_prompt": "x" * 8_001}, "system_prompt"),
    ],
)
async def test_what_breaks_the_contract(guarded: App, document: Any, field: str) -> None:
    # 1e999 is JSON; what it overflows to is not.
    answer = await send(guarded, json.dumps(document).replace("Infinity", "1e999").encode())
    assert answer.status == 422
    assert answer.problem["code"] == "invalid_request"
    assert [error["field"] for error in answer.problem["errors"]] == [field]
    assert field in answer.problem["detail"]


@pytest.mark.parametrize("delivery", ["fast", "", "Streamed", "streamed&delivery=buffered"])
async def test_an_unknown_delivery(guarded: App, delivery: str) -> None:
    answer = await send(guarded, b'{"message": "m"}', f"?delivery={delivery}")
    assert answer.status == 422
    assert answer.problem["errors"][0]["field"] == "delivery"


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_wrong_content_type(guarded: App, content_type: str) -> None:
    answer = await send(guarded, b'{"message": "m"}', content_type=content_type)
    assert answer.status == 415
    assert answer.problem["code"] == "unsupported_media_type"


async def test_a_body_over_the_limit(guarded: App) -> None:
    body = b'{"message": "%b"}' % (b"x" * MAX_BODY)
    answer = await send(guarded, body)
    assert answer.status == 413
    assert answer.problem["code"] == "payload_too_large"


@pytest.mark.parametrize("declared", [True, False], ids=["content-length", "chunked"])
async def test_a_body_over_the_limit_is_refused_before_it_is_read_whole(guarded: App, declared: bool) -> None:
    """The answer comes while the client still holds most of the body back."""
    url = urlsplit(guarded.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    length = b"Content-Length: 104857600" if declared else b"Transfer-Encoding: chunked"
    writer.write(
        b"POST /api/stream HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + length + b"\r\n\r\n"
    )
    if not declared:
        writer.write(b"%x\r\n%b\r\n" % (MAX_BODY + 1, b" " * (MAX_BODY + 1)))
    assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()


async def test_the_limit_itself_is_accepted(app: App) -> None:
    body = b'{"message": "at the limit"' + b" " * (MAX_BODY - 27) + b"}"
    assert len(body) == MAX_BODY
    assert (await send(app, body)).status == 200


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/problem+json"]
)
async def test_json_by_any_of_its_names(app: App, content_type: str) -> None:
    assert (await send(app, b'{"message": "typed"}', content_type=content_type)).status == 200


@pytest.mark.parametrize("depth", [900, 950, 980, 997, 2_000, 5_000, 20_000])
async def test_deep_nesting(guarded: App, depth: int) -> None:
    answer = await send(guarded, b'{"message": %b%b}' % (b"[" * depth, b"]" * depth))
    assert answer.problem["code"] in {"malformed_json", "invalid_request"}


async def test_a_bad_request_gets_a_short_answer(guarded: App) -> None:
    """What is sent back costs every stream of the instance time."""
    many = json.dumps({f"name{number}": 0 for number in range(60_000)}).encode()
    turns_of_one = json.dumps({"message": "m", "history": [{"role": "user", "x": 1}] * 50}).encode()
    long = json.dumps({"message": "m", "x" * 1_000_000: 0}).encode()
    for body in (many, turns_of_one, long, b"[%b]" % (b"0," * 400_000 + b"0")):
        answer = await send(guarded, body)
        assert answer.status == 422
        assert len(answer.body) < 20_000


async def test_10_000_turns_are_too_many(guarded: App) -> None:
    answer = await send(guarded, json.dumps({"message": "m", "history": turns(10_000)}).encode())
    assert answer.problem["detail"] == "The request is not valid. body: must not hold more than 1,000 values."


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[]", "must be a JSON object"),
        (b"{}", "is required"),
        (b'{"message": "m", "x": 1}', "is not a field of this request"),
    ],
)
async def test_messages_are_a_clients_words(guarded: App, body: bytes, message: str) -> None:
    assert (await send(guarded, body)).problem["errors"][0]["message"] == message


async def test_a_client_that_leaves_while_it_uploads(guarded: App) -> None:
    url = urlsplit(guarded.url)
    _, writer = await asyncio.open_connection(url.hostname, url.port)
    head = b"POST /api/stream HTTP/1.1\r\nHost: leaves-early\r\nContent-Type: application/json\r\n"
    seen = len(guarded.log.lines)
    writer.write(head + b"Content-Length: 100\r\n\r\n{")
    await guarded.log.line("Executing", after=seen)
    writer.close()
    await guarded.log.line("The client closed the connection.", after=seen)
    assert not any("Traceback" in line for line in guarded.log.lines[seen:])


async def test_several_fields_at_fault_are_all_named(guarded: App) -> None:
    answer = await send(guarded, b'{"temperature": 3, "extra": 1}')
    assert {error["field"] for error in answer.problem["errors"]} == {"message", "temperature", "extra"}
