"""Every shape, played over a real connection and read by a reader that follows the standard."""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from azure_simulator import Simulator, shapes
from azure_simulator.shapes import SHAPES

from .conftest import Client

HTTP_STATUS = {
    "prompt-blocked": 400,
    "context-length-exceeded": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "deployment-not-found": 404,
    "request-timeout": 408,
    "conflict": 409,
    "throttled": 429,
    "internal-error": 500,
    "unavailable": 503,
    "redirect": 307,
}
RESET = {"reset-before-headers", "reset-after-headers", "reset-mid-stream"}
SILENT = {
    "silence-before-headers",
    "silence-before-first-token",
    "silence-mid-stream",
    "open-after-done",
}
ENDED = sorted(SHAPES.keys() - HTTP_STATUS.keys() - RESET - SILENT)


@dataclass
class Read:
    """What a right client makes of a body."""

    deltas: list[str] = field(default_factory=list)
    finish_reason: str | None = None
    failed: bool = False

    def event(self, data: str) -> None:
        if data == "[DONE]" or self.finish_reason or self.failed:
            return
        try:
            document: dict[str, Any] = json.loads(data)
        except ValueError:
            self.failed = True
            return
        self.failed = "error" in document
        for choice in document.get("choices") or []:
            delta = choice.get("delta") or {}
            self.deltas += [text for name in ("content", "refusal") if (text := delta.get(name))]
            self.finish_reason = choice.get("finish_reason")


def read(body: bytes) -> Read:
    """Reads an event stream as the HTML Living Standard says."""
    told = Read()
    data: list[str] = []
    for line in re.split("\r\n|\r|\n", body.decode("utf-8-sig")):
        name, _, value = line.partition(":")
        if not line and data:
            told.event("\n".join(data))
            data = []
        elif name == "data":
            data.append(value.removeprefix(" "))
    return told


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """All that comes until the body ends or breaks."""
    body = b""
    try:
        async for data in response.content.iter_any():
            body += data
    except aiohttp.ClientPayloadError:
        pass
    return body


@pytest.mark.parametrize("name", ENDED)
async def test_a_stream_says_what_its_shape_promises(simulator: Simulator, client: Client, name: str) -> None:
    shape = SHAPES[name]
    response = await client.say(f"simulate: {name}")
    told = read(await _body(response))

    assert response.status == 200
    assert tuple(told.deltas) == shape.deltas
    assert (None if told.failed else told.finish_reason) == shape.finish_reason
    exchange = simulator.completions[-1]
    await exchange.closed.wait()
    assert exchange.completed == (name != "cut-mid-stream")
    assert (exchange.closed_at, exchange.error) == (None, None)


@pytest.mark.parametrize(("name", "status"), HTTP_STATUS.items())
async def test_a_fault_has_its_status_and_document(client: Client, name: str, status: int) -> None:
    response = await client.say(f"simulate: {name}")

    assert response.status == status
    assert SHAPES[name].deltas == ()
    if name == "redirect":
        assert response.headers["location"]
    else:
        assert (await response.json())["error"]["code"]


async def test_the_details_that_clients_look_at(client: Client) -> None:
    blocked = (await (await client.say("simulate: prompt-blocked")).json())["error"]
    assert blocked["code"] == "content_filter"
    assert blocked["innererror"]["content_filter_result"]["violence"]["filtered"] is True

    throttled = await client.say("simulate: throttled")
    assert (throttled.headers["retry-after"], throttled.headers["retry-after-ms"]) == ("1", "1000")

    page = await client.say("simulate: html-page")
    assert (page.status, page.content_type) == (200, "text/html")


@pytest.mark.parametrize("name", sorted(RESET))
async def test_a_reset_breaks_the_connection(simulator: Simulator, client: Client, name: str) -> None:
    with pytest.raises(aiohttp.ClientError, match="Connection reset by peer"):
        await (await client.say(f"simulate: {name}")).read()

    exchange = simulator.completions[-1]
    assert (exchange.completed, exchange.closed_at, exchange.error) == (False, None, None)


@pytest.mark.parametrize("name", sorted(SILENT - {"silence-before-headers"}))
async def test_a_silent_stream_ends_with_the_client(simulator: Simulator, client: Client, name: str) -> None:
    shape = SHAPES[name]
    response = await client.say(f"simulate: {name}")
    body = b""
    while tuple(read(body).deltas) != shape.deltas or read(body).finish_reason != shape.finish_reason:
        body += await response.content.readany()
    exchange = simulator.completions[-1]
    assert not exchange.closed.is_set()
    response.close()

    await exchange.closed.wait()
    assert exchange.closed_at is not None


async def test_silence_before_the_headers_ends_with_the_client(simulator: Simulator, client: Client) -> None:
    request = asyncio.create_task(client.say("simulate: silence-before-headers"))
    exchange = await simulator.exchange("simulate: silence-before-headers")
    request.cancel()

    await exchange.closed.wait()
    assert exchange.closed_at is not None


async def test_silence_ends_with_the_simulator(connect: Callable[[Simulator], Client]) -> None:
    async with Simulator() as simulator:
        response = await connect(simulator).say("simulate: silence-mid-stream")
    with pytest.raises(aiohttp.ClientError):
        await response.read()
    assert simulator.completions[-1].closed_at is None


def test_shapes_have_kebab_case_names_and_one_line_descriptions() -> None:
    for name, shape in SHAPES.items():
        assert name == shape.name
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
        assert shape.description
        assert "\n" not in shape.description


def test_padding_hides_the_length() -> None:
    sizes = {len(text) + len(shapes.padding(text)) for text in ("", "a", "a longer text")}
    assert sizes == {16}
