"""The toolkit's decorators on the worker's HTTP streaming.

With streaming on, the worker hands its handlers the extension's `Request` and takes an ASGI response
back, while `@with_context`, `@openapi` and `@validate_http` know `func.HttpRequest` and
`func.HttpResponse`. `@streamed` stands between the two, right under `@app.route`:

    worker ─ Request ─▶ @streamed ─ func.HttpRequest ─▶ decorators ▶ handler
    worker ◀─ Response ─ @streamed ◀─ func.HttpResponse or EventStream ─ decorators

Importing the extension is what switches streaming on, for the whole app.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import azure.functions as func
from azure_functions_logging import get_logger, logging_context
from azurefunctions.extensions.http.fastapi import Request  # pyright: ignore[reportMissingTypeStubs]
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from streaming_chat.contract import MAX_BODY_BYTES, request_problem
from streaming_chat.problems import INTERNAL_ERROR, PAYLOAD_TOO_LARGE, ProblemError
from streaming_chat.responses import PROBLEM_TYPE, common_headers, problem_response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request as StarletteRequest
    from starlette.types import Receive, Scope, Send

    from streaming_chat.relay import Relay

    Handler = Callable[..., Awaitable[func.HttpResponse]]

logger = get_logger(__name__)

_request_id: ContextVar[str] = ContextVar("request_id")


class EventStream(func.HttpResponse):
    """A response that is still to come. `@validate_http` lets it pass as the HttpResponse that it is."""

    def __init__(self, relay: Relay) -> None:
        super().__init__(mimetype="text/event-stream")
        self.relay = relay


def streamed(handler: Handler) -> Callable[..., Awaitable[Response]]:
    """Makes `handler(req, context)` callable by the worker.

    A `ProblemError` that the handler raises becomes its HTTP problem, any other exception
    `internal_error`, with its traceback in the log and not in the answer.
    """

    async def worker_handler(req: Any, context: Any) -> Response:
        request_id: str = context.invocation_id
        _request_id.set(request_id)
        try:
            response = await handler(req=await _http_request(req), context=context)
        except ProblemError as failure:
            return problem_response(failure, request_id)
        except ClientDisconnect:
            # Nobody is there to read it, but the worker waits for a response.
            return Response(status_code=400)
        except Exception:
            with logging_context(context):
                logger.exception("The handler failed")
            return problem_response(ProblemError(INTERNAL_ERROR), request_id)
        if isinstance(response, EventStream):
            return _Handover(response.relay)
        return _finished(response, request_id)

    # The worker reads the name, the signature and the annotations, and follows __wrapped__ to the
    # inner function, whose parameters it could not bind: so neither wraps() nor more than these.
    worker_handler.__name__ = handler.__name__
    worker_handler.__doc__ = handler.__doc__
    worker_handler.__module__ = handler.__module__
    worker_handler.__annotations__ = {"req": Request, "context": func.Context}
    return worker_handler


def problem_document(error: Exception, status: int) -> dict[str, Any]:
    """`@validate_http`'s error formatter: what is wrong with a request, as a problem (RFC 9457)."""
    return {**request_problem(error, status).document(_request_id.get())}


class _Handover(Response):
    """Hands the connection to a relay."""

    def __init__(self, relay: Relay) -> None:
        super().__init__()
        self._relay = relay

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._relay(scope, receive, send)


async def _http_request(request: StarletteRequest) -> func.HttpRequest:
    """The request as the toolkit knows it. Raises ProblemError when its body is too large to read."""
    if int(request.headers.get("content-length", 0)) > MAX_BODY_BYTES:
        raise ProblemError(PAYLOAD_TOO_LARGE)
    body = bytearray()
    async for data in request.stream():
        body += data
        if len(body) > MAX_BODY_BYTES:
            raise ProblemError(PAYLOAD_TOO_LARGE)
    return func.HttpRequest(
        method=request.method,
        url=str(request.url),
        headers=dict(request.headers),
        params=dict(request.query_params),
        route_params=dict(request.path_params),
        body=bytes(body),
    )


def _finished(response: func.HttpResponse, request_id: str) -> Response:
    """A response whose body is there. Those of error statuses are problems."""
    media_type = PROBLEM_TYPE if response.status_code >= 400 else response.mimetype
    headers = {name: value for name, value in response.headers.items() if name.lower() != "content-type"}
    return Response(
        response.get_body(), response.status_code, {**headers, **common_headers(request_id)}, media_type
    )
