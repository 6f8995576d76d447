"""HTTP through a real host to a real worker: one shared app, see conftest.SHARED_APP."""

import asyncio
import io
import os
import re
import uuid
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import ClientSession
from yarl import URL

from functions_host import FunctionsHost

from .conftest import LogLines


@pytest.fixture
def gate() -> str:
    return uuid.uuid4().hex


async def raw_exchange(host: FunctionsHost, request: bytes) -> bytes:
    """Everything that the host answers to a request that asks it to close the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(host.url).port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


async def test_what_the_function_sees(client: ClientSession, host: FunctionsHost) -> None:
    headers = [
        ("X-Two", "1"),
        ("X-Two", "2"),
        ("X-Ms-Invocation-Id", "mine"),
        ("X-Hop", "1"),
        ("TE", "trailers"),
    ]
    headers += [("Connection", "X-Hop"), ("X-Forwarded-For", "10.0.0.1")]
    url = URL(f"{host.url}/api/echo/%41%20b%2Fc/7?q=%2F+x&q=2", encoded=True)
    async with client.post(url, data=b"body", headers=headers) as response:
        seen = await response.json()
    assert seen["method"] == "POST"
    assert seen["path"] == "/api/echo/%41%20b%2Fc/7"
    assert seen["query"] == "q=%2F+x&q=2"
    assert seen["parameters"] == {"name": "A b/c", "number": "7"}
    assert seen["body"] == "body"
    names = [name for name, _ in seen["headers"]]
    values = dict(seen["headers"])
    assert [value for name, value in seen["headers"] if name == "x-two"] == ["1", "2"]
    assert [value for name, value in seen["headers"] if name == "x-ms-invocation-id"] == [
        seen["invocation_id"]
    ]
    assert not {"x-hop", "te", "connection", "transfer-encoding"} & set(names)
    assert values["content-length"] == "4"
    assert values["x-forwarded-for"] == "10.0.0.1, 127.0.0.1"
    assert values["x-forwarded-host"] == f"127.0.0.1:{URL(host.url).port}"
    assert values["x-forwarded-proto"] == "http"
    assert seen["cwd"] == seen["sys_path"]


async def test_nothing_is_added_to_a_bare_request(host: FunctionsHost) -> None:
    answer = await raw_exchange(host, b"GET /api/echo/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    for name in (b"user-agent", b"accept", b"accept-encoding", b"content-type"):
        assert b'["' + name + b'"' not in answer


async def test_trace_context(client: ClientSession) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with client.get("echo/x", headers={"traceparent": parent, "tracestate": "a=1"}) as response:
        seen = await response.json()
    assert (seen["traceparent"], seen["tracestate"]) == (parent, "a=1")
    for broken in ("00-" + "0" * 32 + "-b7ad6b7169203331-01", "garbage", parent + "-x"):
        async with client.get("echo/x", headers={"traceparent": broken, "tracestate": "a=1"}) as response:
            seen = await response.json()
        assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", seen["traceparent"])
        assert seen["traceparent"] != broken
        assert seen["tracestate"] == ""


async def test_routes_and_methods(client: ClientSession, host: FunctionsHost) -> None:
    async with client.get("LITERAL/Exact") as response:
        assert await response.text() == "exact"
    async with client.get("literal/other") as response:
        assert await response.text() == "parameter"
    async with client.get("echo/x/not-a-number") as response:
        assert (response.status, await response.read()) == (404, b"")
    async with client.get(f"{host.url}/literal/exact") as response:
        assert response.status == 404
    async with client.put("literal/exact") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET")
    async with client.request("PROPFIND", "echo/x") as response:
        assert response.status == 405
    async with client.options("echo/x") as response:
        assert (await response.json())["method"] == "OPTIONS"


async def test_a_stream_is_not_buffered(client: ClientSession, gate: str) -> None:
    async with client.get(f"gated/{gate}") as response:
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert await response.content.readany() == b"first"
        async with client.post(f"open/{gate}") as opened:
            assert opened.status == 204
        assert await response.content.read() == b"second"


async def test_a_request_body_streams(client: ClientSession, gate: str) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b""  # makes this test's own client send the head
        for received, piece in ((0, b"one"), (3, b"two")):
            async with client.get(f"await/{gate}-{received}") as response:
                assert await response.text() == "open"
            yield piece

    async with client.post(f"upload/{gate}", data=body()) as response:
        assert await response.read() == b"onetwo"


async def test_a_large_body_passes(client: ClientSession, gate: str) -> None:
    body = os.urandom(8 << 20)
    async with client.post(
        f"upload/{gate}", data=io.BytesIO(body), headers={"Expect": "100-continue"}
    ) as response:
        assert await response.read() == body


async def test_a_compressed_body_is_not_touched(host: FunctionsHost) -> None:
    answer = await raw_exchange(
        host,
        b"POST /api/echo/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Encoding: gzip\r\n"
        b"Content-Length: 5\r\n\r\nplain",
    )
    assert b'"body": "plain"' in answer


@pytest.mark.parametrize("moment", ["stream", "before", "upload"])
async def test_a_disconnect_reaches_the_function(
    client: ClientSession, host: FunctionsHost, log: LogLines, gate: str, moment: str
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(host.url).port)
    method = "POST" if moment == "upload" else "GET"
    length = "Content-Length: 100\r\n" if moment == "upload" else ""
    writer.write(f"{method} /api/disconnect/{moment}/{gate} HTTP/1.1\r\nHost: h\r\n{length}\r\n".encode())
    if moment == "stream":
        await reader.readuntil(b"first")
    else:
        writer.write(b"part" if moment == "upload" else b"")
        async with client.get(f"await/{gate}-entered") as response:
            assert response.status == 200
    log.clear()
    writer.transport.abort()
    async with asyncio.timeout(5), client.get(f"await/{gate}") as response:
        assert response.status == 200
    await log.until(f"Executed 'Functions.disconnect_{moment}' (Failed")
    await log.until("The client closed the connection.")


async def test_a_response_that_breaks_off_is_seen_to(client: ClientSession, log: LogLines) -> None:
    log.clear()
    async with client.get("break") as response:
        assert await response.content.readany() == b"first"
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.content.read()
    await log.until("Executed 'Functions.break_off' (Failed")
    await log.until("The worker's response broke off")


async def test_response_headers(client: ClientSession, host: FunctionsHost) -> None:
    async with client.get("headers") as response:
        assert response.headers.getall("Set-Cookie") == ["a=1", "b=2"]
        assert response.headers["X-Kept"] == "2"
        assert response.headers["Content-Length"] == "4"
        assert "X-Mine" not in response.headers
        assert "Content-Type" not in response.headers
        assert response.headers["Server"] == "uvicorn"
    answer = await raw_exchange(host, b"HEAD /api/headers HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert b"content-length: 4\r\n" in answer.lower()


@pytest.mark.parametrize("status", [204, 302, 304, 418, 503])
async def test_a_status_passes(client: ClientSession, status: int) -> None:
    async with client.get(f"status/{status}", allow_redirects=False) as response:
        assert (response.status, await response.read()) == (status, b"")
        assert response.headers["Location"] == "/elsewhere"


async def test_a_head_that_the_worker_refuses_ends_the_invocation(host: FunctionsHost, log: LogLines) -> None:
    log.clear()
    fields = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 8000) for number in range(20))
    request = b"GET /api/echo/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + fields + b"\r\n"
    answer = await raw_exchange(host, request)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 502"))
    await log.until("Executed 'Functions.echo' (Failed")
    await log.until("its HTTP request never came")


async def test_what_the_app_prints_does_not_break_the_channel(client: ClientSession, log: LogLines) -> None:
    for _ in range(2):
        log.clear()
        async with client.get("noise") as response:
            assert await response.text() == "noise"
        await log.until('{"type": "invoked"}')
        await log.until('{"type": "loaded"}')


async def test_log_lines_carry_the_invocation_id(client: ClientSession, log: LogLines) -> None:
    log.clear()
    async with client.get("log") as response:
        assert await response.text() == "logged"
    executing = await log.until("Executing 'Functions.log'")
    found = re.fullmatch(r"Executing 'Functions.log' \(Id=([0-9a-f-]{36})\)", executing)
    assert found
    number = found[1]
    line = await log.until("in the handler")
    assert re.fullmatch(rf"\d\d:\d\d:\d\d\.\d{{3}} INFO     shared\.app: in the handler \[{number}\]", line)
    assert (await log.until("in a task")).endswith(f"WARNING  shared.app: in a task [{number}]")
    executed = await log.until("Executed 'Functions.log'")
    assert re.fullmatch(rf"Executed 'Functions.log' \(Succeeded, Id={number}, Duration=\d+ms\)", executed)
    assert not any("azure.functions" in line or "GET /api" in line for line in log)


async def test_a_function_without_async_logs_its_invocation_id(client: ClientSession, log: LogLines) -> None:
    log.clear()
    async with client.get("log/sync") as response:
        assert await response.text() == "logged"
    number = (await log.until("Executing 'Functions.log_sync'"))[-37:-1]
    assert (await log.until("in a thread")).endswith(f"ERROR    shared.app: in a thread [{number}]")
    await log.until("ZeroDivisionError: division by zero")


async def test_a_failed_invocation(client: ClientSession, log: LogLines) -> None:
    log.clear()
    async with client.get("fail") as response:
        assert (response.status, await response.text()) == (500, "Internal Server Error")
    executed = await log.until("Executed 'Functions.fail' (Failed, Id=")
    assert log[log.index(executed) + 1] == "ValueError: as ordered"
    assert log[log.index(executed) + 2] == "Traceback (most recent call last):"


async def test_a_hundred_requests_at_once_have_ids_of_their_own(client: ClientSession, gate: str) -> None:
    entered = [client.get(f"gated/{gate}") for _ in range(100)]
    responses = await asyncio.gather(*entered)
    async with client.post(f"open/{gate}"):
        pass
    assert [await response.read() for response in responses] == [b"firstsecond"] * 100

    async def echo(number: int) -> tuple[str, str]:
        async with client.get(f"echo/n{number}") as response:
            seen = await response.json()
        return seen["parameters"]["name"], seen["invocation_id"]

    seen = await asyncio.gather(*map(echo, range(100)))
    assert [name for name, _ in seen] == [f"n{number}" for number in range(100)]
    assert len({number for _, number in seen}) == 100
