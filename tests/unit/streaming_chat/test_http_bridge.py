"""The bridge, where a handler or a client does what none should."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from azure.functions import HttpResponse
from starlette.requests import Request

from streaming_chat.http_bridge import streamed

if TYPE_CHECKING:
    import azure.functions as func
    import pytest

CONTEXT = SimpleNamespace(invocation_id="5a7f0c2e-8f0b-4d7e-9a55-0d6a1c3f2b10", function_name="f")


def request(*messages: dict[str, Any]) -> Request:
    """A request whose body comes in these ASGI messages."""
    left = list(messages)

    async def receive() -> dict[str, Any]:
        return left.pop(0)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [],
        "server": ("localhost", 80),
    }
    return Request(scope, receive)


async def test_a_handler_that_fails_is_an_internal_error(caplog: pytest.LogCaptureFixture) -> None:
    @streamed
    async def handler(req: func.HttpRequest, context: func.Context) -> HttpResponse:
        raise ValueError("a secret")

    response = await handler(request({"type": "http.request", "body": b""}), CONTEXT)
    assert response.status_code == 500
    document = json.loads(bytes(response.body))
    assert document["code"] == "internal_error"
    assert document["request_id"] == CONTEXT.invocation_id
    assert b"secret" not in bytes(response.body)
    assert "ValueError: a secret" in caplog.text


async def test_a_client_that_leaves_in_its_body_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    @streamed
    async def handler(req: func.HttpRequest, context: func.Context) -> HttpResponse:
        raise AssertionError("there is no whole request")

    begun = {"type": "http.request", "body": b"{", "more_body": True}
    await handler(request(begun, {"type": "http.disconnect"}), CONTEXT)
    assert caplog.text == ""


async def test_the_handler_gets_the_request_whole() -> None:
    seen: list[bytes] = []

    @streamed
    async def handler(req: func.HttpRequest, context: func.Context) -> HttpResponse:
        seen.append(req.get_body())
        return HttpResponse("fine", mimetype="text/plain", headers={"X-Own": "kept"})

    parts = [{"type": "http.request", "body": part, "more_body": part != b"c"} for part in (b"a", b"b", b"c")]
    response = await handler(request(*parts), CONTEXT)
    assert seen == [b"abc"]
    assert (response.status_code, bytes(response.body)) == (200, b"fine")
    assert response.headers["X-Own"] == "kept"
    assert response.headers["X-Request-Id"] == CONTEXT.invocation_id
