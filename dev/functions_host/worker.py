"""The worker process: runs `azure_functions_runtime`, the library in which Azure runs Python functions.

Started by `worker_process.py` as `python -m functions_host.worker`, in the app's folder. It does what Azure's
own worker process does around the library (Azure/azure-functions-python-worker, workers/proxy_worker), with
JSON lines over the standard streams in place of gRPC, and plain records in place of protobuf messages.

Requests, one a line on standard input (its end means that the host is gone, and ends this process):
    {"type": "load", "app_directory": str}                        worker_init_request
    {"type": "specialize", "app_directory": str, "environment": {str: str}}
                                                                  function_environment_reload_request
    {"type": "invoke", "invocation_id": str, "function_id": str, "parameter": str, "http": {...},
     "traceparent": str, "tracestate": str}                       invocation_request
    {"type": "cancel", "invocation_id": str}

Responses, one a line on standard output:
    {"type": "loaded", "http_uri": str | null,
     "functions": [{"function_id": str, "name": str, "raw_bindings": [str]}] | null}
    {"type": "failed", "message": str, "stack_trace": str}        the app does not load
    {"type": "invoked", "invocation_id": str, "error": null | {"message": str, "stack_trace": str}}
"""

import asyncio
import json
import logging
import os
import sys
import threading
import traceback
from types import SimpleNamespace
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import azure_functions_runtime as runtime

from .worker_logging import InvocationTask, set_up_logging

_ADDRESS = "127.0.0.1"


class _Record(SimpleNamespace):
    """A message of the library: what it constructs, and what it reads."""


class _StatusResult(_Record):
    Failure = 0
    Success = 1


class _BindingInfo(_Record):
    undefined = 0  # data_type
    out = 1  # direction
    inout = 2


class _OneOf(_Record):
    """A message of which the member named by `kind` is set."""

    kind: str | None

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - protobuf's name
        return self.kind


# What the library looks up in the module that protobuf generates.
_MESSAGES = SimpleNamespace(
    BindingInfo=_BindingInfo,
    FunctionEnvironmentReloadResponse=_Record,
    FunctionMetadataResponse=_Record,
    InvocationResponse=_Record,
    ParameterBinding=_Record,
    RpcException=_Record,
    RpcFunctionMetadata=_Record,
    RpcRetryOptions=_Record,
    StatusResult=_StatusResult,
    TypedData=_Record,
    WorkerInitResponse=_Record,
    WorkerMetadata=_Record,
)


_NEVER_CAME = {
    "message": "The invocation was cancelled: its HTTP request never came.",
    "stack_trace": "",
}


class _Worker:
    def __init__(self, responses: BinaryIO) -> None:
        self._responses = responses
        self._tasks: set[asyncio.Task[Any]] = set()
        self._invocations: dict[str, asyncio.Task[Any]] = {}

    def handle(self, request: dict[str, Any]) -> None:
        match request["type"]:
            case "load":
                self._start(self._load(request["app_directory"]))
            case "specialize":
                self._start(self._specialize(request["app_directory"], request["environment"]))
            case "invoke":
                invocation_id = request["invocation_id"]
                task = self._start(self._invoke(request))
                task.invocation_id = invocation_id
                self._invocations[invocation_id] = task
                # Not at the coroutine's end: one that is cancelled before its first step has none.
                task.add_done_callback(lambda task: self._invoked(invocation_id, task))
            case "cancel":
                task = self._invocations.get(request["invocation_id"])
                if task is not None:
                    task.cancel()
            case unknown:
                raise ValueError(f"unknown request: {unknown}")

    def _start(self, work: Any) -> InvocationTask:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        assert isinstance(task, InvocationTask)  # noqa: S101 - by the loop's task factory
        return task

    def _respond(self, **response: Any) -> None:
        self._responses.write(json.dumps(response).encode() + b"\n")
        self._responses.flush()

    async def _load(self, app_directory: str) -> None:
        runtime.start_threadpool_executor()
        request = _Record(capabilities={}, function_app_directory=app_directory)
        await self._report_app(await runtime.worker_init_request(_wrap(worker_init_request=request)))

    async def _specialize(self, app_directory: str, environment: dict[str, str]) -> None:
        """The library appends the app's folder to the path; Azure's process puts it in front before."""
        sys.path.insert(0, app_directory)
        runtime.start_threadpool_executor()
        request = _Record(function_app_directory=app_directory, environment_variables=environment)
        await self._report_app(
            await runtime.function_environment_reload_request(
                _wrap(function_environment_reload_request=request)
            )
        )

    async def _report_app(self, response: Any) -> None:
        if response.result.status != _StatusResult.Success:
            error = response.result.exception
            self._respond(type="failed", message=error.message, stack_trace=error.stack_trace)
            return
        metadata = await runtime.functions_metadata_request(_wrap())
        http_uri = response.capabilities.get("HttpUri")
        if http_uri is not None:
            await _until_listening(http_uri)
        functions = metadata.function_metadata_results
        self._respond(
            type="loaded",
            http_uri=http_uri,
            functions=functions
            and [
                {"function_id": each.function_id, "name": each.name, "raw_bindings": list(each.raw_bindings)}
                for each in functions
            ],
        )

    async def _invoke(self, request: dict[str, Any]) -> dict[str, str] | None:
        """Returns the function's error, None when it succeeded."""
        response = await runtime.invocation_request(_wrap(invocation_request=_invocation(request)))
        succeeded = response.result.status == _StatusResult.Success
        return None if succeeded else vars(response.result.exception)

    def _invoked(self, invocation_id: str, task: asyncio.Task[Any]) -> None:
        del self._invocations[invocation_id]
        error = _NEVER_CAME if task.cancelled() else task.result()
        self._respond(type="invoked", invocation_id=invocation_id, error=error)


def _wrap(**content: Any) -> Any:
    return _Record(request=_Record(**content), properties={"host": _ADDRESS, "protos": _MESSAGES})


def _invocation(request: dict[str, Any]) -> Any:
    http = _Record(**request["http"], body=_OneOf(kind=None))
    data = _OneOf(kind="http", http=http)
    return _Record(
        invocation_id=request["invocation_id"],
        function_id=request["function_id"],
        trace_context=_Record(
            trace_parent=request["traceparent"], trace_state=request["tracestate"], attributes={}
        ),
        retry_context=_Record(retry_count=0, max_retry_count=0, exception=None),
        trigger_metadata={},
        input_data=[_OneOf(kind="data", name=request["parameter"], data=data)],
    )


async def _until_listening(http_uri: str) -> None:
    """The library starts its HTTP server in a task of its own and hands out the address at once.

    If the server can not start, uvicorn ends this process.
    """
    address = urlsplit(http_uri)
    while True:
        try:
            _, writer = await asyncio.open_connection(address.hostname, address.port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.005)
        else:
            writer.close()
            return


def _take_channel() -> tuple[BinaryIO, BinaryIO]:
    """The standard streams as private files, out of the reach of the app's `print` and `input`."""
    requests, responses = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # pyright: ignore[reportAttributeAccessIssue]
    return requests, responses


def _read_requests(requests: BinaryIO, loop: asyncio.AbstractEventLoop, worker: _Worker) -> None:
    for line in requests:
        loop.call_soon_threadsafe(worker.handle, json.loads(line))
    os._exit(0)


async def _run(requests: BinaryIO, responses: BinaryIO) -> None:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, work, **options: InvocationTask(work, loop=loop, **options))
    worker = _Worker(responses)
    threading.Thread(target=_read_requests, args=(requests, loop, worker), daemon=True).start()
    await loop.create_future()


def main() -> None:
    requests, responses = _take_channel()
    if sys.path[0] != str(os.getcwd()):  # noqa: PTH109
        sys.path.insert(0, str(os.getcwd()))  # noqa: PTH109
    set_up_logging()
    code = 1
    try:
        asyncio.run(_run(requests, responses))
    except SystemExit as exit_request:
        code = exit_request.code if isinstance(exit_request.code, int) else 1
    except BaseException:
        traceback.print_exc()
    logging.shutdown()
    os._exit(code)  # whatever threads the app has started


if __name__ == "__main__":
    main()
