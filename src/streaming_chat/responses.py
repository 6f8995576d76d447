"""The HTTP side of an answer: the headers that every response carries, and problems as responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from streaming_chat.problems import ProblemError

PROBLEM_TYPE = "application/problem+json"


def common_headers(request_id: str) -> dict[str, str]:
    """Headers of every response of `/api/stream`.

    No cache, proxy or compressor between here and the client may hold a stream back
    (`no-transform`: RFC 9111, 5.2.2.6; `X-Accel-Buffering`: nginx, proxy_buffering), and the request
    id is the invocation's, under which the log has everything.
    """
    return {
        "Cache-Control": "no-cache, no-transform",
        "X-Accel-Buffering": "no",
        "X-Content-Type-Options": "nosniff",
        "X-Request-Id": request_id,
    }


def problem_response(failure: ProblemError, request_id: str) -> JSONResponse:
    """The failure as an HTTP problem (RFC 9457)."""
    headers = common_headers(request_id)
    if failure.retry_after is not None:
        headers["Retry-After"] = str(failure.retry_after)
    return JSONResponse(failure.document(request_id), failure.status, headers, media_type=PROBLEM_TYPE)
