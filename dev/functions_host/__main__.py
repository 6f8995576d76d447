"""`python -m functions_host APP_DIRECTORY [--port N]`: runs a function app here, like `func start`."""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from .errors import FunctionsHostError
from .host import FunctionsHost
from .settings_file import local_settings

_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def _run(app_directory: Path, port: int) -> int:
    """The exit code: 0 after a signal, 1 when the app does not run or its worker has ended."""
    # Explicitly: a shell starts what it runs in the background with SIGINT ignored.
    signalled = asyncio.Event()
    for number in _ENDING_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, signalled.set)
    try:
        host = FunctionsHost(app_directory, port=port, environment=local_settings(app_directory, os.environ))
        serving = asyncio.create_task(_serve(host))
        stopping = asyncio.create_task(signalled.wait())
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
        if stopping.done():
            serving.cancel()
            await asyncio.wait((serving,))
            return 0
        stopping.cancel()
        await serving
    except FunctionsHostError as error:
        print(error, file=sys.stderr)
    return 1


async def _serve(host: FunctionsHost) -> None:
    async with host:
        await host.worker_exited


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m functions_host", description="Run a function app.")
    parser.add_argument("app_directory", type=Path, help="the folder of function_app.py and host.json")
    parser.add_argument("--port", type=int, default=7071, help="default: %(default)s; 0: a free one")
    arguments = parser.parse_args()
    if not arguments.app_directory.is_dir():
        parser.error(f"{arguments.app_directory} is not a folder")
    sys.exit(asyncio.run(_run(arguments.app_directory, arguments.port)))


if __name__ == "__main__":
    main()
