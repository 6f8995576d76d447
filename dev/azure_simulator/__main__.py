"""`python -m azure_simulator`: the simulator alone, for a person who runs the app locally."""

import argparse
import asyncio
import errno
import signal
import sys

from . import shapes
from .simulator import Simulator

DEFAULT_PORT = 7072
"""The address that local.settings.json.example names."""
PACE = 0.03
"""Seconds between tokens: about as fast as a model."""
FIRST_TOKEN_AFTER = 0.4
"""Seconds to the first token."""


def main() -> int:
    """Serves until SIGINT, SIGTERM or SIGHUP; returns the exit code: 0, or 1 if it cannot listen."""
    parser = argparse.ArgumentParser(prog="python -m azure_simulator", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="port on 127.0.0.1 (default: %(default)s)"
    )
    parser.add_argument(
        "--pace", type=float, default=PACE, help="seconds between tokens (default: %(default)s)"
    )
    parser.add_argument(
        "--first-token-after",
        type=float,
        default=FIRST_TOKEN_AFTER,
        help="seconds to the first token (default: %(default)s)",
    )
    options = parser.parse_args()
    if not 0 <= options.port <= 65535:
        parser.error("--port must be from 0 (a free one) to 65535")
    simulator = Simulator(
        port=options.port, pace=options.pace, first_token_after=options.first_token_after, record=False
    )
    try:
        asyncio.run(_serve(simulator))
    except OSError as failure:
        if failure.errno not in {errno.EADDRINUSE, errno.EACCES}:
            raise
        reason = "the port is in use" if failure.errno == errno.EADDRINUSE else failure.strerror
        print(f"azure_simulator cannot listen on 127.0.0.1:{options.port}: {reason}", file=sys.stderr)
        return 1
    return 0


async def _serve(simulator: Simulator) -> None:
    ended = asyncio.Event()
    # Explicit handlers: a shell starts background jobs with SIGINT ignored, and asyncio would leave it so.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with simulator:
        for name, value in simulator.environment.items():
            print(f"{name}={value}")
        # As a comment, so that the output is a valid file of environment variables.
        print(f"# {len(shapes.SHAPES)} stream shapes and faults: send the message `simulate: ?`", flush=True)
        await ended.wait()


if __name__ == "__main__":
    sys.exit(main())
