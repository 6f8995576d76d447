"""The worker's log: one line a record, with the id of the invocation that wrote it."""

import asyncio
import logging
import os
from collections.abc import Coroutine, Generator
from typing import Any

import azure_functions_runtime as runtime

_RUNTIME_LOGGERS = ("azure.functions", "azure_functions_runtime")


class InvocationTask(asyncio.Task[Any]):
    """A task that belongs to an invocation, and hands that on to the tasks that it creates.

    Azure's worker does the same (ContextEnabledTask in workers/proxy_worker/dispatcher.py), so an id that is
    missing in a log line here is missing in Azure too.
    """

    def __init__(
        self,
        work: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
        *,
        loop: asyncio.AbstractEventLoop,
        **options: Any,
    ) -> None:
        self.invocation_id: str | None = getattr(asyncio.current_task(loop), "invocation_id", None)
        super().__init__(work, loop=loop, **options)  # pyright: ignore[reportArgumentType]


def _current_invocation_id() -> str | None:
    try:
        task = asyncio.current_task()
    except (
        RuntimeError
    ):  # no loop in this thread: the library sets the variable for functions without `async`
        return runtime.invocation_id_cv.get()
    return getattr(task, "invocation_id", None)


class _LineFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03d %(levelname)-8s %(name)s: %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class's name
        line = super().formatMessage(record)
        # The attribute is set by the ContextFilter of azure-functions-logging.
        invocation_id = getattr(record, "invocation_id", None) or _current_invocation_id()
        first, newline, rest = line.partition("\n")
        return f"{first} [{invocation_id}]{newline}{rest}" if invocation_id else line


def _is_of_interest(record: logging.LogRecord) -> bool:
    """Without the library's own chatter, which Azure keeps from the app's log and console too."""
    return (
        record.levelno >= logging.WARNING
        or logging.getLogger().level <= logging.DEBUG
        or not record.name.startswith(_RUNTIME_LOGGERS)
    )


def set_up_logging() -> None:
    """Install the root handler. The level is INFO, or DEBUG with PYTHON_ENABLE_DEBUG_LOGGING, as in Azure."""
    debug = os.environ.get("PYTHON_ENABLE_DEBUG_LOGGING", "").strip().lower() in {
        "1",
        "true",
        "t",
        "yes",
        "y",
    }
    handler = logging.StreamHandler()
    handler.setFormatter(_LineFormatter())
    handler.addFilter(_is_of_interest)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    # uvicorn resets levels and handlers when it starts; filters stay. Its notices name a port that is not the
    # host's, and a line for each request is what the host writes.
    logging.getLogger("uvicorn.access").addFilter(lambda _: False)
    logging.getLogger("uvicorn.error").addFilter(lambda record: record.levelno >= logging.WARNING)
