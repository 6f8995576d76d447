"""The host's side of the worker process: starts it, speaks with it, ends it."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from .errors import AppLoadError

_GRACE_SECONDS = 1  # for a process that does not notice the end of its input
_PACKAGE_PARENT = str(Path(__file__).parent.parent)


class WorkerError(NamedTuple):
    """Why an invocation failed, as the worker tells it."""

    message: str
    stack_trace: str


@dataclass(frozen=True)
class IndexedFunction:
    """A function as the worker library indexed it."""

    function_id: str
    name: str
    bindings: Sequence[dict[str, Any]]


class LoadedApp(NamedTuple):
    """What the worker tells about the app it loaded."""

    http_uri: str | None  # None: the app does not use HTTP streaming
    functions: Sequence[IndexedFunction] | None  # None: there is nothing to index


class WorkerProcess:
    """A running worker process. Create it with `start`, and always `stop` it."""

    def __init__(self, process: asyncio.subprocess.Process, log: Callable[[str], None]) -> None:
        loop = asyncio.get_running_loop()
        self._process = process
        self._log = log
        self._loading: asyncio.Future[LoadedApp] = loop.create_future()
        self._invocations: dict[str, asyncio.Future[WorkerError | None]] = {}
        self._watching = loop.create_task(self._watch())
        self.exited: asyncio.Future[int] = loop.create_future()
        """The exit code (negative: the signal that ended the process), whatever made it end."""

    @classmethod
    async def start(cls, directory: Path, environment: Mapping[str, str], log: Callable[[str], None]) -> Self:
        """Start the process in a directory; each line that it logs or prints goes to `log`."""
        path = [environment.get("PYTHONPATH"), _PACKAGE_PARENT]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "functions_host.worker",
            cwd=directory,
            env={
                **environment,
                "FUNCTIONS_WORKER_RUNTIME": "python",
                "PYTHONPATH": os.pathsep.join(filter(None, path)),
            },
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in a terminal reaches the host alone
        )
        return cls(process, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def load(self, app_directory: Path) -> LoadedApp:
        """Load the app as a worker does that starts with it. Raises AppLoadError."""
        self._send(type="load", app_directory=str(app_directory))
        return await self._loading

    async def specialize(self, app_directory: Path, environment: Mapping[str, str]) -> LoadedApp:
        """Load the app as a worker does that was started without one. Raises AppLoadError."""
        self._send(type="specialize", app_directory=str(app_directory), environment=dict(environment))
        return await self._loading

    def invoke(self, invocation_id: str, **invocation: Any) -> asyncio.Future[WorkerError | None]:
        """Run a function. The future's result is its error; None when it succeeded."""
        future = asyncio.get_running_loop().create_future()
        self._invocations[invocation_id] = future
        self._send(type="invoke", invocation_id=invocation_id, **invocation)
        return future

    def cancel(self, invocation_id: str) -> None:
        """End an invocation whose HTTP request will not come. No effect on one that has ended."""
        if invocation_id in self._invocations:
            self._send(type="cancel", invocation_id=invocation_id)

    async def stop(self) -> None:
        """End the process, and what it has started, at once.

        The end of its input is its end. Not SIGTERM: its HTTP server would wait for the open streams.
        """
        if self._process.stdin is not None:
            self._process.stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self.exited), _GRACE_SECONDS)
        self._kill()
        await self._watching

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _send(self, **request: Any) -> None:
        if self.exited.done():
            raise ConnectionError("the worker process has ended")
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.write(json.dumps(request).encode() + b"\n")

    async def _watch(self) -> None:
        assert self._process.stdout is not None and self._process.stderr is not None  # noqa: S101, PT018
        logging = asyncio.create_task(self._pass_on_log(self._process.stderr))
        try:
            async for line in _lines(self._process.stdout):
                self._receive(json.loads(line))
        finally:
            # The channel's other end closes when the process ends. What the app has started may live on and
            # hold the log's pipe open: it goes too.
            self._kill()
            await asyncio.wait((logging,))
            self.exited.set_result(await self._process.wait())
            self._fail_what_waits(self.exit_text)

    async def _pass_on_log(self, stream: asyncio.StreamReader) -> None:
        async for line in _lines(stream):
            self._log(line)

    def _receive(self, response: dict[str, Any]) -> None:
        match response.pop("type"):
            case "loaded":
                self._loading.set_result(_loaded_app(**response))
            case "failed":
                error = WorkerError(**response)
                self._loading.set_exception(AppLoadError(error.stack_trace or error.message))
            case "invoked":
                error = response["error"]
                future = self._invocations.pop(response["invocation_id"])
                if not future.done():
                    future.set_result(error and WorkerError(**error))

    def _fail_what_waits(self, reason: str) -> None:
        if not self._loading.done():
            self._loading.set_exception(AppLoadError(f"{reason} It was loading the app."))
            self._loading.exception()  # nobody may be waiting
        for future in self._invocations.values():
            if not future.done():
                future.set_result(WorkerError(reason, ""))
        self._invocations.clear()

    @property
    def exit_text(self) -> str:
        """One sentence on how the process ended."""
        code = self.exited.result()
        how = f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
        return f"The worker process ended ({how})."


def _loaded_app(http_uri: str | None, functions: list[dict[str, Any]] | None) -> LoadedApp:
    if functions is None:
        return LoadedApp(http_uri, None)
    return LoadedApp(
        http_uri,
        [
            IndexedFunction(
                each["function_id"], each["name"], [json.loads(text) for text in each["raw_bindings"]]
            )
            for each in functions
        ],
    )


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Lines of any length, without their ends."""
    rest = b""
    while chunk := await stream.read(1 << 16):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")
