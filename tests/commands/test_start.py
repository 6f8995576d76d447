"""`make start`, as a newcomer runs it."""

from __future__ import annotations

import asyncio
import json
import shlex
import shutil
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from azure_simulator import Simulator

if TYPE_CHECKING:
    from .conftest import Checkout, Command

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


def curl(*arguments: str) -> str:
    return subprocess.run(
        ["curl", "--silent", "--no-buffer", *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout


def test_the_printed_curl_line_streams_and_ctrl_c_leaves_nothing(checkout: Checkout, port: int) -> None:
    command = checkout.start("make", "start", PORT=str(port))
    assert f"http://localhost:{port}" in command.wait_for("Ready at")
    line = shlex.split(command.wait_for("curl -N"))
    assert line[4] == f"http://localhost:{port}/api/stream"
    answer = curl(*line[2:])
    assert answer.startswith(
        'data: {"delta": "Azure Functions "}\n\ndata: {"delta": "scales automatically "}\n\n'
    )
    assert answer.endswith('event: done\ndata: {"status": "completed"}\n\n')
    assert command.survivors()
    # With a stream open that would never end by itself
    hanging = subprocess.Popen(
        ["curl", "--silent", "-N", "-d", '{"message": "simulate: silence-mid-stream"}',
         "-H", "Content-Type: application/json", line[4]],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    with hanging:
        assert hanging.stdout
        assert hanging.stdout.readline().startswith(b"data: ")
        command.interrupt()
        assert command.survivors() == []
        hanging.stdout.read()
    assert "Traceback" not in "".join(command.output)


def test_a_busy_port_is_one_clear_line(checkout: Checkout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = checkout.start(sys.executable, "dev/start.py", PORT=port)
        assert command.wait() == 1
    (line,) = command.output
    assert line.startswith(f"Port {port} is in use.")
    assert "PORT=8080 make start" in line
    assert command.survivors() == []


def test_a_port_that_is_none_is_one_clear_line(checkout: Checkout) -> None:
    command = checkout.start(sys.executable, "dev/start.py", PORT="http")
    assert command.wait() == 1
    assert command.output == ["PORT is 'http': it must be a number from 1 to 65535.\n"]


def test_an_app_that_does_not_load_shows_the_workers_error(checkout: Checkout, port: int) -> None:
    (checkout.root / "src/function_app.py").write_text("import nothing_of_that_name\n")
    command = checkout.start(sys.executable, "dev/start.py", PORT=str(port))
    assert command.wait() == 1
    output = "".join(command.output)
    assert "ModuleNotFoundError: No module named 'nothing_of_that_name'" in output
    assert "function_app.py" in output
    assert command.survivors() == []


async def test_services_named_in_the_environment_are_used_and_none_is_simulated(
    checkout: Checkout, port: int
) -> None:
    async with Simulator(deployment="own", identity_header="own-header") as own:
        command = checkout.start(
            sys.executable,
            "dev/start.py",
            **own.environment,
            PORT=str(port),
            STREAM_SYSTEM_PROMPT="From the environment.",
            APPLICATIONINSIGHTS_CONNECTION_STRING="InstrumentationKey=00000000-0000-0000-0000-000000000000",
        )
        await ask(command, port)
        assert own.completions[0].body["messages"][0]["content"] == "From the environment."
        assert own.completions[0].body["model"] == "own"
        assert len(own.token_requests) == 1
        command.interrupt()
    assert "simulated" not in "".join(command.output)


async def test_what_func_start_would_read_is_what_make_start_uses(checkout: Checkout, port: int) -> None:
    async with Simulator(deployment="from-file") as own:
        example = json.loads((checkout.root / "src/local.settings.json.example").read_text())
        example["Values"] |= own.environment | {"STREAM_SYSTEM_PROMPT": "From the file."}
        (checkout.root / "src/local.settings.json").write_text(json.dumps(example))
        command = checkout.start(sys.executable, "dev/start.py", PORT=str(port))
        await ask(command, port)
        assert own.completions[0].body["messages"][0]["content"] == "From the file."
        command.interrupt()
    assert "simulated" not in "".join(command.output)


async def test_a_function_key_is_asked_for_when_there_is_one(checkout: Checkout, port: int) -> None:
    command = checkout.start(sys.executable, "dev/start.py", PORT=str(port), FUNCTION_KEY="a-key")
    await asyncio.to_thread(command.wait_for, "Ready at")
    assert '-H "x-functions-key: $FUNCTION_KEY"' in command.wait_for("curl -N")
    assert await asyncio.to_thread(post, port) == ""
    answer = await asyncio.to_thread(post, port, "-H", "x-functions-key: a-key")
    assert answer.endswith('event: done\ndata: {"status": "completed"}\n\n')
    command.interrupt()
    assert "a-key" not in "".join(command.output)


async def test_the_example_settings_work_as_they_are(checkout: Checkout, port: int) -> None:
    """They name the simulator's own address, which `make simulator` serves for Core Tools."""
    source = checkout.root / "src"
    shutil.copy(source / "local.settings.json.example", source / "local.settings.json")
    with socket.socket() as candidate:
        taken = candidate.connect_ex(("127.0.0.1", 7072)) == 0
    command = checkout.start(sys.executable, "dev/start.py", PORT=str(port))
    await ask(command, port)
    command.interrupt()
    assert ("simulated at http://127.0.0.1:7072" in "".join(command.output)) != taken


async def test_the_examples_identity_is_not_used_for_another_endpoint(checkout: Checkout, port: int) -> None:
    source = checkout.root / "src"
    shutil.copy(source / "local.settings.json.example", source / "local.settings.json")
    async with Simulator() as own:
        command = checkout.start(
            sys.executable, "dev/start.py", PORT=str(port), AZURE_OPENAI_ENDPOINT=own.url, PATH="/nowhere"
        )
        await asyncio.to_thread(command.wait_for, "Ready at")
        answer = await asyncio.to_thread(post, port)
        # No managed identity, no Azure CLI: the chain ends without a token.
        assert '"code":"misconfigured"' in answer
        assert own.token_requests == []
        command.interrupt()
    assert "simulated" not in "".join(command.output)


async def ask(command: Command, port: int) -> str:
    """Waits until the app is ready, and lets it answer. In a thread: the simulator is in this one's loop."""
    await asyncio.to_thread(command.wait_for, "Ready at")
    answer = await asyncio.to_thread(
        curl,
        f"http://localhost:{port}/api/stream",
        "-H",
        "Content-Type: application/json",
        "-d",
        '{"message": "Hello"}',
    )
    assert answer.endswith('event: done\ndata: {"status": "completed"}\n\n')
    return answer


def post(port: int, *more: str) -> str:
    return curl(
        f"http://localhost:{port}/api/stream",
        *more,
        *("-H", "Content-Type: application/json", "-d", '{"message": "Hello"}'),
    )
