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
from contextlib import AsyncExitStack
from pathlib import Path

from azure_simulator import Simulator
from azure_simulator.__main__ import DEFAULT_PORT as SIMULATOR_PORT
from functions_host import FunctionsHost, FunctionsHostError, local_settings

APP = Path(__file__).resolve().parent.parent / "src"
# A humane pace, in seconds
FIRST_TOKEN_AFTER = 0.4
TOKEN_EVERY = 0.03

BANNER = """
Ready at {url}. Ctrl-C ends it. Try:

  curl -N -X POST {url}/api/stream -H "Content-Type: application/json" \
-d '{{"message": "Explain Azure Functions scaling in three short points."}}'
"""


async def start() -> None:
    """Runs until a signal ends it. Raises FunctionsHostError."""
    environment = local_settings(APP, os.environ)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    async with AsyncExitStack() as stack:
        simulator = _simulator(environment)
        if simulator:
            await stack.enter_async_context(simulator)
            environment = {**simulator.environment, **{k: v for k, v in environment.items() if v}}
            print(f"Azure OpenAI is simulated at {simulator.url}; set AZURE_OPENAI_ENDPOINT for a real one.")
        host = FunctionsHost(APP, port=_port(environment), environment=environment)
        await stack.enter_async_context(host)
        print(BANNER.format(url=host.url), flush=True)
        await stopped.wait()


def _simulator(environment: dict[str, str]) -> Simulator | None:
    """The simulated Azure, or None where the environment or the settings file name another.

    local.settings.json.example names the simulator's own address, so that Core Tools find it there:
    with those settings it is started at that address, unless it runs there already.
    """
    endpoint = environment.get("AZURE_OPENAI_ENDPOINT")
    if not endpoint:
        port = 0
    elif (
        endpoint == f"http://127.0.0.1:{SIMULATOR_PORT}"
        and not os.environ.get("AZURE_OPENAI_ENDPOINT")
        and _is_free(SIMULATOR_PORT)
    ):
        port = SIMULATOR_PORT
    else:
        return None
    return Simulator(
        port=port,
        pace=TOKEN_EVERY,
        first_token_after=FIRST_TOKEN_AFTER,
        deployment=environment.get("AZURE_OPENAI_DEPLOYMENT") or "chat",
    )


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        return candidate.connect_ex(("127.0.0.1", port)) != 0


def _port(environment: dict[str, str]) -> int:
    value = environment.get("PORT") or "7071"
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise FunctionsHostError(f"PORT is {value!r}: it must be a number from 1 to 65535.")
    return int(value)


def main() -> int:
    try:
        asyncio.run(start())
    except FunctionsHostError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
