"""The host's front end: routes HTTP requests to functions, as Azure's Functions host does."""

import asyncio
import hmac
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from aiohttp import hdrs, web
from yarl import URL

from .forwarding import remove_default_content_type
from .functions import HttpFunction, http_functions, route_table
from .invocation import Invoker
from .listening import listen
from .routing import RouteMatch, RouteTable
from .settings_file import route_prefix
from .worker_process import LoadedApp, WorkerProcess

if TYPE_CHECKING:
    import socket

_MAX_HEADER_BYTES = 32 * 1024  # Kestrel's MaxRequestHeadersTotalSize
_BASIC_VARIABLES = (
    "HOME",
    "LANG",
    "LD_LIBRARY_PATH",
    "PATH",
    "TMPDIR",
)  # what Python itself may need to start
_GRACE_SECONDS = 0.1  # at a stop, for handlers that do not end although their worker is gone


_print = partial(print, flush=True)


class FunctionsHost:
    """Runs one function app. An async context manager: starts on enter, stops on exit.

    Args:
        app_directory: the folder of function_app.py and host.json.
        port: listens on "localhost", both families where there are both; 0 takes a free port of 127.0.0.1.
        environment: all environment variables of the app; by default those of this process.
        log: called with each line of the host's and the app's output, without its end.
        function_key: the access key that functions ask for which are not anonymous (`x-functions-key`, or
            `code` in the query); by default they ask for none, as under `func start`.
        placeholder: load the app into a worker that was started without one, as Azure does on scale-out
            (function_environment_reload_request in place of worker_init_request).
    """

    def __init__(
        self,
        app_directory: Path,
        *,
        port: int = 0,
        environment: Mapping[str, str] | None = None,
        log: Callable[[str], None] = _print,
        function_key: str | None = None,
        placeholder: bool = False,
    ) -> None:
        self._app_directory = app_directory.resolve()
        self._port = port
        self._environment = dict(os.environ if environment is None else environment)
        self._log = log
        self._function_key = function_key
        self._placeholder = placeholder
        self._sockets: list[socket.socket] = []
        self._worker: WorkerProcess | None = None
        self._invoker: Invoker | None = None
        self._runner: web.AppRunner | None = None
        self._routes: RouteTable[HttpFunction] = RouteTable([])
        self._stopping = False
        self.url = ""
        """Where the host listens, such as "http://localhost:7071"; set by the start."""
        self.functions: Sequence[HttpFunction] = ()
        """The functions that HTTP requests reach; set by the start."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Load the app and listen. A start that fails or is cancelled leaves nothing behind.

        Raises:
            PortInUseError, AppLoadError, FunctionsHostError: as their texts say.
        """
        self._sockets = listen(self._port)
        try:
            name, port = "localhost" if self._port else "127.0.0.1", self._sockets[0].getsockname()[1]
            self.url = f"http://{name}:{port}"
            prefix = route_prefix(self._app_directory)
            app = await self._start_worker()
            script = self._environment.get("PYTHON_SCRIPT_FILE_NAME", "function_app.py")
            self.functions = http_functions(app, self._app_directory, script, f"{self.url}/{prefix}")
            self._routes = route_table(self.functions)
            await self._serve(URL(app.http_uri or ""))
        except BaseException:
            await self.stop()
            raise
        self._log("Functions:")
        for function in self.functions:
            self._log(f"\t{function.name}: [{','.join(function.methods)}] {function.url}")

    async def stop(self) -> None:
        """End everything at once: open streams are cut. Harmless when there is nothing to end."""
        self._stopping = True
        if self._worker is not None:
            await self._worker.stop()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._invoker is not None:
            await self._invoker.close()
        for sock in self._sockets:
            sock.close()

    @property
    def worker_pid(self) -> int:
        """The process id of the worker of a started host."""
        return self._started_worker.pid

    @property
    def worker_exited(self) -> Awaitable[int]:
        """Ends with the worker process. Its result is the exit code (negative: the signal's number)."""
        return asyncio.shield(self._started_worker.exited)

    @property
    def _started_worker(self) -> WorkerProcess:
        if self._worker is None:
            raise RuntimeError("the host is not started")
        return self._worker

    async def _start_worker(self) -> LoadedApp:
        if not self._placeholder:
            self._worker = worker = await WorkerProcess.start(
                self._app_directory, self._environment, self._log
            )
            return await worker.load(self._app_directory)
        # A placeholder has seen neither the app nor its environment. Nor has the library been asked to load
        # anything: Azure's process hands a folder without function_app.py to another library.
        with tempfile.TemporaryDirectory() as empty:
            basics = {name: os.environ[name] for name in _BASIC_VARIABLES if name in os.environ}
            self._worker = worker = await WorkerProcess.start(Path(empty), basics, self._log)
            environment = {**self._environment, "FUNCTIONS_WORKER_RUNTIME": "python"}
            return await worker.specialize(self._app_directory, environment)

    async def _serve(self, worker_url: URL) -> None:
        self._started_worker.exited.add_done_callback(self._on_worker_exit)
        self._invoker = Invoker(self._started_worker, worker_url, self._log)
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        application.on_response_prepare.append(remove_default_content_type)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            auto_decompress=False,
            handle_signals=False,
            handler_cancellation=True,  # when the client disconnects
            max_field_size=_MAX_HEADER_BYTES,
            shutdown_timeout=_GRACE_SECONDS,
        )
        await self._runner.setup()
        for sock in self._sockets:
            await web.SockSite(self._runner, sock).start()

    def _on_worker_exit(self, _exited: asyncio.Future[int]) -> None:
        if not self._stopping:
            self._log(f"{self._started_worker.exit_text} Every request is answered with 503 from now on.")

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        worker, invoker = self._started_worker, self._invoker
        assert invoker is not None  # noqa: S101 - there is one before there is a request
        match = self._routes.match(request.method, request.rel_url.raw_path)
        if not isinstance(match, RouteMatch):
            # Azure's host is reported to answer 404 for a method that a route does not have
            # (azure-functions-host#10098). 405 serves the author of a client better.
            if match:
                return web.Response(status=405, headers={hdrs.ALLOW: ", ".join(sorted(match))})
            return web.Response(status=404)
        if match.target.needs_key and not self._has_key(request):
            return web.Response(status=401)
        if worker.exited.done():
            return web.Response(status=503, text=worker.exit_text)
        return await invoker.invoke(match.target, request, match.parameters)

    def _has_key(self, request: web.Request) -> bool:
        # The header comes first where a request has both (azure-functions-host, AuthenticationLevelHandler).
        if self._function_key is None:
            return True
        given = request.headers.get("x-functions-key") or request.query.get("code") or ""
        return hmac.compare_digest(given.encode(errors="surrogateescape"), self._function_key.encode())
