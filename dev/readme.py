"""Writes into README.md what its commands print, from a run of them. With --check, only compares.

A command is the code block after the line `<!-- output of the command -->`; its output is the block after it.
The app runs for it on a port of its own, against the simulated Azure.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

from azure_simulator import Simulator
from functions_host import FunctionsHost

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
EXAMPLE = re.compile(
    r"(?P<head><!-- output of the command -->\n\n```bash\n(?P<command>.*?)```\n\n```text\n)"
    r"(?P<output>.*?)(?P<tail>```\n)",
    re.DOTALL,
)


async def with_outputs(text: str) -> str:
    """The text, with the output of each command as it is now."""
    async with (
        Simulator() as simulator,
        FunctionsHost(
            ROOT / "src", environment={**os.environ, **simulator.environment}, log=lambda _: None
        ) as host,
    ):
        for example in EXAMPLE.finditer(text):
            command = example["command"].replace("http://localhost:7071", host.url)
            output = await asyncio.to_thread(run, command)
            text = text.replace(example[0], f"{example['head']}{output.rstrip()}\n{example['tail']}")
    return text


def run(command: str) -> str:
    """What the command prints. Raises CalledProcessError when it fails."""
    shell = ["bash", "-euo", "pipefail", "-c"]
    finished = subprocess.run([*shell, command], check=True, capture_output=True, text=True, timeout=60)
    return finished.stdout


def main() -> int:
    """Returns the exit code: 1 when --check finds a difference."""
    before = README.read_text()
    after = asyncio.run(with_outputs(before))
    if "--check" in sys.argv:
        if before != after:
            print("README.md does not show what its commands print: run `make readme`", file=sys.stderr)
        return int(before != after)
    README.write_text(after)
    return 0


if __name__ == "__main__":
    sys.exit(main())
