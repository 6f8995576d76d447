"""The commands of the README, run as processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.checkout import copy_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass
class Command:
    """A running `make` target. Its descendants carry `marker` in their environment."""

    process: subprocess.Popen[str]
    marker: str
    output: list[str] = field(default_factory=list[str])

    def wait_for(self, text: str) -> str:
        """The first line that holds the text; fails when the output ends without one."""
        assert self.process.stdout
        for line in self.output:
            if text in line:
                return line
        for line in self.process.stdout:
            self.output.append(line)
            if text in line:
                return line
        raise AssertionError(f"{text!r} was not printed:\n{''.join(self.output)}")

    def interrupt(self) -> int:
        """Ctrl-C: the terminal sends SIGINT to the whole foreground group. Returns the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.wait()

    def wait(self) -> int:
        assert self.process.stdout
        self.output += self.process.stdout.readlines()
        return self.process.wait()

    def survivors(self) -> list[int]:
        """Processes that this command has left."""
        return [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdecimal() and self.marker.encode() in _environment_of(entry)
        ]


def _environment_of(entry: Path) -> bytes:
    try:
        return (entry / "environ").read_bytes()
    except OSError:  # it has ended meanwhile
        return b""


@dataclass
class Checkout:
    """A copy of the project, in which commands are started."""

    root: Path
    _stack: ExitStack

    def start(self, *arguments: str, **environment: str) -> Command:
        marker = f"marker-{uuid.uuid4()}"
        process = subprocess.Popen(
            arguments,
            cwd=self.root,
            env={**_plain_environment(os.environ), "COMMAND_MARKER": marker, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        command = Command(process, marker)
        self._stack.callback(_end, command)
        return command


def _plain_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what would change the app's settings, or measure a copy's coverage."""
    ours = ("AZURE_", "COVERAGE", "STREAM_", "IDENTITY_", "APPLICATIONINSIGHTS_", "MAKE", "MFLAGS")
    return {name: value for name, value in environment.items() if not name.startswith((*ours, "PORT"))}


def _end(command: Command) -> None:
    if command.process.poll() is None:
        os.killpg(command.process.pid, signal.SIGKILL)
    assert command.process.stdout
    command.process.stdout.close()
    command.process.wait()


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    with ExitStack() as stack:
        yield Checkout(copy_tree(tmp_path), stack)


@pytest.fixture
def port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        number: int = candidate.getsockname()[1]
        return number
