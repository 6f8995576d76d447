"""Starts, failures to start, and ends of a host and of its worker process."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from functions_host import AppLoadError, FunctionsHost, FunctionsHostError, PortInUseError

from .conftest import PREAMBLE, LogLines, plain_environment, write_app

HELLO = """
@app.route(route="hello", methods=["GET"])
async def hello(req: Request) -> Response:
    return Response(json.dumps({"environment": dict(os.environ), "cwd": os.getcwd(), "path": sys.path}))
"""
STREAM = """
@app.route(route="stream")
async def stream(req: Request) -> StreamingResponse:
    async def chunks():
        yield "first"
        await asyncio.Event().wait()
    return StreamingResponse(chunks())

@app.route(route="die")
async def die(req: Request) -> Response:
    os._exit(7)
"""


async def has_ended(pid: int) -> None:
    """Return when a process that is not this one's child is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, ended.set)
    async with asyncio.timeout(5):
        await ended.wait()
    asyncio.get_running_loop().remove_reader(descriptor)
    os.close(descriptor)


@pytest.mark.parametrize("placeholder", [False, True])
async def test_the_app_gets_its_environment_and_no_other(
    start: Callable, monkeypatch: pytest.MonkeyPatch, placeholder: bool
) -> None:
    monkeypatch.setenv("OF_THE_HOST", "1")
    log = LogLines()
    host = await start(HELLO, log, environment={"OF_THE_APP": "ä"}, placeholder=placeholder)
    async with aiohttp.request("GET", f"{host.url}/api/hello") as response:
        seen = await response.json(content_type=None)
    assert seen["environment"].pop("LC_CTYPE", "C.UTF-8")  # set by Python itself
    seen["environment"].pop("PYTHONPATH", None)
    assert seen["environment"] == {"OF_THE_APP": "ä", "FUNCTIONS_WORKER_RUNTIME": "python"}
    assert seen["path"][0] == seen["cwd"]
    assert [(each.name, each.methods, each.url) for each in host.functions] == [
        ("hello", ["GET"], f"{host.url}/api/hello")
    ]
    assert log[-2:] == ["Functions:", f"\thello: [GET] {host.url}/api/hello"] or log.count("Functions:") == 1
    assert host.worker_pid != os.getpid()


async def test_an_empty_route_prefix(start: Callable, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "host.json").write_text('{"extensions": {"http": {"routePrefix": ""}}}')
    host = await start(HELLO, LogLines())
    async with aiohttp.request("GET", f"{host.url}/hello") as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("preamble", "source", "text"),
    [
        ("def (", "", "SyntaxError"),
        ("import no_such_module", "", "No module named 'no_such_module'"),
        (PREAMBLE, "", "no function with an HTTP trigger"),
        (PREAMBLE, "1 / 0", "ZeroDivisionError"),
        (PREAMBLE, "sys.exit(3)", "exit code 3"),
        (PREAMBLE, HELLO.replace('"hello"', '"{x:colour}"'), "'hello': the constraint 'colour'"),
        (PREAMBLE, HELLO.replace("Request)", "func.HttpRequest)"), "FunctionLoadError"),
        (
            "import azure.functions as func\napp = func.FunctionApp()\n",
            '@app.route(route="x")\ndef x(req: func.HttpRequest) -> func.HttpResponse: ...\n',
            "does not use HTTP streaming",
        ),
    ],
)
async def test_an_app_that_does_not_load(tmp_path: Path, preamble: str, source: str, text: str) -> None:
    app = write_app(tmp_path, source, preamble)
    host = FunctionsHost(app, environment=plain_environment(), log=LogLines())
    with pytest.raises(AppLoadError) as raised:
        await host.start()
    assert text in str(raised.value)
    await host.worker_exited


@pytest.mark.parametrize("placeholder", [False, True])
async def test_a_folder_without_an_app(tmp_path: Path, placeholder: bool) -> None:
    with pytest.raises(AppLoadError, match=r"has no function_app\.py"):
        await FunctionsHost(tmp_path, log=LogLines(), placeholder=placeholder).start()


async def test_a_broken_host_json(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text("{")
    with pytest.raises(FunctionsHostError, match="line 1, column 2"):
        await FunctionsHost(tmp_path, log=LogLines()).start()


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
async def test_a_busy_port(tmp_path: Path, family: socket.AddressFamily) -> None:
    with socket.socket(family) as other:
        try:
            other.bind(("localhost", 0))
        except OSError:
            pytest.skip("no IPv6 here")
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortInUseError) as raised:
            await FunctionsHost(tmp_path, port=port, log=LogLines()).start()
    assert str(raised.value).startswith(f"Port {port} is in use. Stop what is listening there")


async def test_a_stop_with_an_open_stream_is_immediate(start: Callable) -> None:
    log = LogLines()
    host = await start(STREAM, log)
    async with aiohttp.request("GET", f"{host.url}/api/stream") as response:
        assert await response.content.readany() == b"first"
        async with asyncio.timeout(1):
            await host.stop()
        with pytest.raises(aiohttp.ClientError):
            await response.content.read()
    await host.worker_exited
    with pytest.raises(ProcessLookupError):
        os.kill(host.worker_pid, 0)
    assert not any("The worker process ended" in line for line in log)
    await host.stop()


async def test_a_worker_that_dies(start: Callable) -> None:
    log = LogLines()
    host = await start(STREAM, log)
    async with aiohttp.request("GET", f"{host.url}/api/stream") as stream:
        assert await stream.content.readany() == b"first"
        async with aiohttp.request("GET", f"{host.url}/api/die") as response:
            assert response.status in {502, 503}
        with pytest.raises(aiohttp.ClientPayloadError):
            await stream.content.read()
    assert await host.worker_exited == 7
    assert await log.until("The worker process ended (exit code 7).")
    assert await log.until("Executed 'Functions.die' (Failed")
    async with aiohttp.request("GET", f"{host.url}/api/stream") as response:
        assert response.status == 503


async def run_command(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "functions_host",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
async def test_the_worker_ends_with_the_host(tmp_path: Path, number: signal.Signals) -> None:
    app = write_app(tmp_path, STREAM + '\nprint("worker", os.getpid())\n')
    (app / "local.settings.json").write_text('{"IsEncrypted": false, "Values": {"A": "1"}}')
    process = await run_command(str(app), "--port", "0")
    assert process.stdout is not None
    output = ""
    while "/api/stream" not in output or "worker" not in output:
        output += (await process.stdout.readline()).decode()
    found = re.search(r"http://127\.0\.0\.1:\d+", output)
    pid = re.search(r"worker (\d+)", output)
    assert found
    assert pid
    async with aiohttp.request("GET", f"{found[0]}/api/stream") as response:
        assert await response.content.readany() == b"first"
        process.send_signal(number)
        async with asyncio.timeout(5):
            rest = (await process.stdout.read()).decode()
            code = await process.wait()
    assert code == (-signal.SIGKILL if number is signal.SIGKILL else 0)
    assert "Traceback" not in rest
    await has_ended(int(pid[1]))


async def test_the_command_says_what_is_wrong_and_exits_with_1(tmp_path: Path) -> None:
    process = await run_command(str(tmp_path), "--port", "0")
    output, _ = await process.communicate()
    assert process.returncode == 1
    assert output.decode() == f"{tmp_path} has no function_app.py.\n"
