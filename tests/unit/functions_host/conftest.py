import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import aiohttp
import pytest

from functions_host import FunctionsHost

PREAMBLE = """
import asyncio, json, logging, os, subprocess, sys
import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, Response, StreamingResponse
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
"""


class LogLines(list[str]):
    """Collects a host's lines, and waits for the one that holds a text."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[tuple[str, asyncio.Future[str]]] = []

    def __call__(self, line: str) -> None:
        self.append(line)
        for text, future in self._waiting:
            if text in line and not future.done():
                future.set_result(line)

    async def until(self, text: str) -> str:
        for line in self:
            if text in line:
                return line
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((text, future))
        async with asyncio.timeout(10):
            return await future


def write_app(directory: Path, source: str, preamble: str = PREAMBLE) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "function_app.py").write_text(preamble + dedent(source))
    return directory


def plain_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable]:
    """Start a host for an app's source; it is stopped after the test."""
    hosts: list[FunctionsHost] = []

    async def start_host(source: str, log: LogLines, **options: Any) -> FunctionsHost:
        options.setdefault("environment", plain_environment())
        host = FunctionsHost(write_app(tmp_path / "app", source), log=log, **options)
        hosts.append(host)
        await host.start()
        return host

    yield start_host
    for host in hosts:
        await host.stop()


SHARED_APP = """
print("loading")
gates = {}

def gate(name):
    return gates.setdefault(name, asyncio.Event())

@app.route(route="echo/{name}/{number:int?}")
async def echo(req: Request, context: func.Context) -> Response:
    body = await req.body()
    return Response(json.dumps({
        "method": req.method, "path": req.scope["raw_path"].decode(), "query": req.url.query,
        "parameters": dict(req.path_params), "headers": req.headers.items(), "body": body.decode(),
        "invocation_id": context.invocation_id, "traceparent": context.trace_context.trace_parent,
        "tracestate": context.trace_context.trace_state, "cwd": os.getcwd(), "sys_path": sys.path[0],
    }), media_type="application/json")

@app.route(route="literal/{name}", methods=["GET"])
async def parameter(req: Request) -> Response:
    return Response("parameter")

@app.route(route="literal/exact", methods=["GET"])
async def exact(req: Request) -> Response:
    return Response("exact")

@app.route(route="open/{gate}", methods=["POST"])
async def open_gate(req: Request) -> Response:
    gate(req.path_params["gate"]).set()
    return Response(status_code=204)

@app.route(route="await/{gate}", methods=["GET"])
async def await_gate(req: Request) -> Response:
    await gate(req.path_params["gate"]).wait()
    return Response("open")

@app.route(route="gated/{gate}")
async def gated(req: Request) -> StreamingResponse:
    async def chunks():
        yield "first"
        await gate(req.path_params["gate"]).wait()
        yield "second"
    return StreamingResponse(chunks(), media_type="text/event-stream")

@app.route(route="upload/{gate}", methods=["POST"])
async def upload(req: Request) -> Response:
    body = bytearray()
    gate(req.path_params["gate"] + "-0").set()
    async for chunk in req.stream():
        body += chunk
        gate(req.path_params["gate"] + f"-{len(body)}").set()
    return Response(bytes(body))

@app.route(route="disconnect/stream/{gate}")
async def disconnect_stream(req: Request) -> StreamingResponse:
    async def chunks():
        try:
            yield "first"
            await asyncio.Event().wait()
        finally:
            gate(req.path_params["gate"]).set()
    return StreamingResponse(chunks())

@app.route(route="disconnect/before/{gate}")
async def disconnect_before(req: Request) -> Response:
    gate(req.path_params["gate"] + "-entered").set()
    while (await req.receive())["type"] != "http.disconnect":
        pass
    gate(req.path_params["gate"]).set()
    return Response("nobody reads this")

@app.route(route="disconnect/upload/{gate}", methods=["POST"])
async def disconnect_upload(req: Request) -> Response:
    try:
        async for chunk in req.stream():
            gate(req.path_params["gate"] + "-entered").set()
    finally:
        gate(req.path_params["gate"]).set()
    return Response("nobody reads this")

@app.route(route="noise")
async def noise(req: Request) -> Response:
    print('{"type": "invoked"}')
    os.write(1, b'{"type": "loaded"}\\n')
    subprocess.run(["cat"], check=True)  # reads standard input, which is not the channel
    return Response("noise")

@app.route(route="log")
async def log(req: Request) -> Response:
    logging.getLogger("shared.app").info("in the handler")
    await asyncio.create_task(in_a_task())
    return Response("logged")

async def in_a_task():
    logging.getLogger("shared.app").warning("in a task")

@app.route(route="log/sync")
def log_sync(req: Request) -> Response:
    try:
        1 / 0
    except ZeroDivisionError:
        logging.getLogger("shared.app").exception("in a thread")
    return Response("logged")

@app.route(route="fail")
async def fail(req: Request) -> Response:
    raise ValueError("as ordered")

@app.route(route="break")
async def break_off(req: Request) -> StreamingResponse:
    async def chunks():
        yield "first"
        raise ValueError("in mid-stream")
    return StreamingResponse(chunks())

@app.route(route="headers")
async def headers(req: Request) -> Response:
    response = Response("body", headers={"Connection": "X-Mine", "X-Mine": "1", "X-Kept": "2"})
    response.raw_headers.extend([(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")])
    return response

@app.route(route="status/{status:int}")
async def status(req: Request) -> Response:
    return Response(status_code=int(req.path_params["status"]), headers={"Location": "/elsewhere"})
"""


@pytest.fixture(scope="session")
async def log() -> LogLines:
    return LogLines()


@pytest.fixture(scope="session")
async def host(log: LogLines, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FunctionsHost]:
    """A host of one app that most tests share."""
    directory = write_app(tmp_path_factory.mktemp("shared"), SHARED_APP)
    async with FunctionsHost(directory, environment=plain_environment(), log=log) as host:
        yield host


@pytest.fixture(scope="session")
async def client(host: FunctionsHost) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        f"{host.url}/api/", connector=connector, timeout=aiohttp.ClientTimeout(20)
    ) as session:
        yield session
