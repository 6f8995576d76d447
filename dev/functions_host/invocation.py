"""Invocations: one HTTP request each, announced to the worker and forwarded to its HTTP server."""

import asyncio
import re
import secrets
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from yarl import URL

from .forwarding import Forwarding, ForwardingError, forwarding_session
from .functions import HttpFunction
from .worker_process import WorkerError, WorkerProcess

# https://www.w3.org/TR/trace-context/#traceparent-header; only versions above 00 may append fields.
_TRACEPARENT = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?P<more>-.*)?"
)


class Invoker:
    """Invokes the functions of a worker. Create it in a running event loop, and `close` it."""

    def __init__(self, worker: WorkerProcess, worker_url: URL, log: Callable[[str], None]) -> None:
        self._worker = worker
        self._worker_url = worker_url
        self._log = log
        self._session = forwarding_session()
        self._reports: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        for report in self._reports:
            report.cancel()
        await self._session.close()

    async def invoke(
        self, function: HttpFunction, request: web.BaseRequest, parameters: Mapping[str, str]
    ) -> web.StreamResponse:
        """Run the function for the request. The response is written when this returns, or is an error's.

        Cancel it when the client has disconnected: that closes the connection to the worker.
        """
        invocation_id = str(uuid.uuid4())
        self._log(f"Executing 'Functions.{function.name}' (Id={invocation_id})")
        invoked = self._worker.invoke(invocation_id, **_invocation(function, request, parameters))
        forwarded: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        report = asyncio.create_task(self._report(function, invocation_id, invoked, forwarded))
        self._reports.add(report)
        report.add_done_callback(self._reports.discard)
        forwarding = Forwarding(request, invocation_id)
        client_gone = False
        failure: str | None = "The host failed to forward the request."
        try:
            response = await forwarding.run(self._session, self._worker_url)
            failure = None
            return response
        except ForwardingError as error:
            failure = str(error)
            return web.Response(status=503 if self._worker.exited.done() else 502)
        except (asyncio.CancelledError, ConnectionError):
            client_gone, failure = True, "The client closed the connection."
            raise
        finally:
            # The invocation waits for its HTTP request. That may never have been sent, or the worker's HTTP
            # server may have answered by itself (a head that it does not accept): then the wait has to end.
            # A function that runs when its client goes is not cancelled; it is told by its HTTP request.
            if not (client_gone and forwarding.reached_worker):
                self._worker.cancel(invocation_id)
            forwarded.set_result(failure)

    async def _report(
        self,
        function: HttpFunction,
        invocation_id: str,
        invoked: asyncio.Future[WorkerError | None],
        forwarded: asyncio.Future[str | None],
    ) -> None:
        """Log an invocation's end. As in Azure, it ends with the forwarding, and fails when that fails."""
        clock = asyncio.get_running_loop().time
        started = clock()
        error, failure = await invoked, await forwarded
        result = "Succeeded" if error is None and failure is None else "Failed"
        duration = round((clock() - started) * 1000)
        self._log(
            f"Executed 'Functions.{function.name}' ({result}, Id={invocation_id}, Duration={duration}ms)"
        )
        if failure is not None:
            self._log(failure)
        if error is not None:
            for line in (error.message, *error.stack_trace.splitlines()):
                self._log(line)


def _invocation(
    function: HttpFunction, request: web.BaseRequest, parameters: Mapping[str, str]
) -> dict[str, Any]:
    """The arguments of `WorkerProcess.invoke`. The body goes to the worker's HTTP server alone."""
    traceparent, tracestate = _trace_context(request)
    return {
        "function_id": function.function_id,
        "parameter": function.parameter,
        "http": {
            "method": request.method,
            "url": str(request.url),
            "headers": {name: ", ".join(request.headers.getall(name)) for name in request.headers},
            "params": dict(parameters),
            "query": {name: ",".join(request.query.getall(name)) for name in request.query},
        },
        "traceparent": traceparent,
        "tracestate": tracestate,
    }


def _trace_context(request: web.BaseRequest) -> tuple[str, str]:
    """The client's trace, or a new one that is sampled."""
    traceparent = request.headers.get("traceparent", "")
    match = _TRACEPARENT.fullmatch(traceparent)
    if match and (match["more"] is None or match["version"] != "00"):
        return traceparent, ",".join(request.headers.getall("tracestate", []))
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01", ""
