"""`make start`: the app on this machine, on the local Functions host.

Where the environment or src/local.settings.json name Azure OpenAI, the app talks to that. Otherwise
Azure OpenAI and the managed identity are simulated.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from azure_simulator import Simulator
from azure_simulator.__main__ import DEFAULT_PORT, FIRST_TOKEN_AFTER, PACE
from functions_host import FunctionsHost, FunctionsHostError, PortInUseError, local_settings

APP = Path(__file__).resolve().parent.parent / "src"

SIMULATED = "Azure OpenAI is simulated at {url}; set AZURE_OPENAI_ENDPOINT for a real one.\n"
OTHER_IDENTITY = "IDENTITY_ENDPOINT is set: the simulated Azure OpenAI does not accept its tokens.\n"
EXAMPLE_ENDPOINT = f"http://127.0.0.1:{DEFAULT_PORT}"
BANNER = """
{simulated}Ready at {url}. Ctrl-C ends it. Try:

  curl -N -X POST {url}/api/stream {key}-H "Content-Type: application/json" \
-d '{{"message": "Explain Azure Functions scaling in three short points."}}'
"""


async def start() -> None:
    """Runs until it is cancelled. Raises FunctionsHostError when the app cannot run."""
    environment = local_settings(APP, os.environ)
    port = _port(environment)
    simulated = ""
    async with AsyncExitStack() as stack:
        simulator = _simulator(environment)
        if simulator:
            try:
                await stack.enter_async_context(simulator)
            except OSError as error:
                raise FunctionsHostError(f"The simulator cannot listen: {error.strerror}.") from error
            environment = simulator.environment | {k: v for k, v in environment.items() if v}
            simulated = SIMULATED.format(url=simulator.url)
            if environment["IDENTITY_ENDPOINT"] != simulator.environment["IDENTITY_ENDPOINT"]:
                simulated += OTHER_IDENTITY
        elif environment["AZURE_OPENAI_ENDPOINT"] != EXAMPLE_ENDPOINT and environment.get(
            "IDENTITY_ENDPOINT", ""
        ).startswith(EXAMPLE_ENDPOINT):
            # The example's simulated identity has no tokens for another Azure OpenAI.
            del environment["IDENTITY_ENDPOINT"]
            environment.pop("IDENTITY_HEADER", None)
        key = environment.pop("FUNCTION_KEY", None)
        host = FunctionsHost(APP, port=port, environment=environment, function_key=key or None)
        await stack.enter_async_context(host)
        header = '-H "x-functions-key: $FUNCTION_KEY" ' if key else ""
        print(BANNER.format(simulated=simulated, url=host.url, key=header), flush=True)
        await host.worker_exited
        raise FunctionsHostError("The app's process has ended.")


def _simulator(environment: dict[str, str]) -> Simulator | None:
    """The simulated Azure, or None where the environment or the settings file name another.

    local.settings.json.example names the simulator's own address, so that Core Tools find it there:
    with those settings it is started at that address, unless it runs there already.
    """
    endpoint = environment.get("AZURE_OPENAI_ENDPOINT")
    if not endpoint:
        port = 0
    elif (
        endpoint == EXAMPLE_ENDPOINT
        and not os.environ.get("AZURE_OPENAI_ENDPOINT")
        and _is_free(DEFAULT_PORT)
    ):
        port = DEFAULT_PORT
    else:
        return None
    return Simulator(
        port=port,
        pace=PACE,
        first_token_after=FIRST_TOKEN_AFTER,
        deployment=environment.get("AZURE_OPENAI_DEPLOYMENT") or "chat",
        record=False,
    )


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        return candidate.connect_ex(("127.0.0.1", port)) != 0


def _port(environment: dict[str, str]) -> int:
    value = environment.get("PORT") or "7071"
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise FunctionsHostError(f"PORT is {value!r}: it must be a number from 1 to 65535.")
    return int(value)


async def until_signalled() -> None:
    """Runs `start` until SIGINT, SIGTERM or SIGHUP. Raises FunctionsHostError."""
    loop = asyncio.get_running_loop()
    starting = loop.create_task(start())
    # Explicitly: a shell starts what it runs in the background with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, starting.cancel)
    with suppress(asyncio.CancelledError):
        await starting


def main() -> int:
    """Returns the exit code."""
    try:
        asyncio.run(until_signalled())
    except PortInUseError as error:
        print(f"{error} For example: PORT=8080 make start", file=sys.stderr)
        return 1
    except FunctionsHostError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
