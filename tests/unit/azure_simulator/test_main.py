"""`python -m azure_simulator`: the simulator as a process of its own."""

import asyncio
import signal
import sys

import aiohttp
import pytest

from azure_simulator import Simulator
from azure_simulator.shapes import SHAPES


async def _start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "azure_simulator", *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_it_prints_its_variables_serves_and_ends_at_a_signal(number: signal.Signals) -> None:
    process = await _start("--port", "0", "--pace", "0", "--first-token-after", "0")
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        environment = {}
        while not (line := (await process.stdout.readline()).decode().strip()).startswith("#"):
            name, _, environment[name] = line.partition("=")
        assert environment.keys() == {
            "AZURE_OPENAI_ENDPOINT",
            "AZURE_OPENAI_DEPLOYMENT",
            "IDENTITY_ENDPOINT",
            "IDENTITY_HEADER",
        }
        assert line.startswith(f"# {len(SHAPES)} ")
        async with aiohttp.ClientSession() as session:
            response = await _ask(session, environment, "simulate: silence-mid-stream")
            await response.content.readany()
            process.send_signal(number)
            assert await process.wait() == 0
            response.close()
        assert await process.stderr.read() == b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _ask(
    session: aiohttp.ClientSession, environment: dict[str, str], message: str
) -> aiohttp.ClientResponse:
    async with session.get(
        environment["IDENTITY_ENDPOINT"],
        params={"api-version": "2019-08-01", "resource": "https://cognitiveservices.azure.com"},
        headers={"X-IDENTITY-HEADER": environment["IDENTITY_HEADER"]},
    ) as response:
        token = (await response.json())["access_token"]
    return await session.post(
        f"{environment['AZURE_OPENAI_ENDPOINT']}/openai/v1/chat/completions",
        json={
            "model": environment["AZURE_OPENAI_DEPLOYMENT"],
            "messages": [{"role": "user", "content": message}],
            "stream": True,
        },
        headers={"Authorization": f"Bearer {token}"},
    )


async def test_a_busy_port_is_one_clear_line() -> None:
    async with Simulator() as simulator:
        process = await _start("--port", str(simulator.port))
        output, errors = await process.communicate()

    assert process.returncode == 1
    assert output == b""
    assert errors.decode().splitlines() == [
        f"azure_simulator cannot listen on 127.0.0.1:{simulator.port}: the port is in use"
    ]
