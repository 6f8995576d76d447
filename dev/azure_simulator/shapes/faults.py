"""Shapes of failure: HTTP errors, broken connections, silence, and answers that are no stream."""

from collections.abc import Mapping

from ..errors import error, invalid_request
from ..exchange import Exchange
from . import events
from .shape import TEXTS, Shape, begun, cut, reset, silence, stream

RETRY_AFTER = {"retry-after": "1", "retry-after-ms": "1000"}
"""The headers with which the service asks for patience: seconds and milliseconds."""


def _answer(
    name: str, description: str, status: int, document: object, headers: Mapping[str, str] | None = None
) -> Shape:
    """An HTTP error with a JSON document."""

    async def play(exchange: Exchange) -> None:
        await exchange.answer_json(status, document, headers)

    return Shape(name, f"{status}: {description}", play)


async def _html_page(exchange: Exchange) -> None:
    await exchange.start(200, {"content-type": "text/html; charset=utf-8"})
    await exchange.send(b"<!DOCTYPE html><title>Sign in</title><p>This network asks you to sign in.</p>\n")
    await exchange.end()


async def _redirect(exchange: Exchange) -> None:
    await exchange.start(307, {"location": "/elsewhere", "content-length": "0"})
    await exchange.end()


_BLOCKED_PROMPT = invalid_request(
    "content_filter", "prompt", "The content management policy blocked the prompt."
)
_BLOCKED_PROMPT["error"] |= {
    "status": 400,
    "type": None,
    "innererror": {
        "code": "ResponsibleAIPolicyViolation",
        "content_filter_result": {
            **events.PROMPT_SAFE,
            "violence": {"filtered": True, "severity": "medium"},
        },
    },
}

SHAPES: tuple[Shape, ...] = (
    _answer("prompt-blocked", "the content filter blocked the prompt", 400, _BLOCKED_PROMPT),
    _answer(
        "context-length-exceeded",
        "the messages have more tokens than the model takes",
        400,
        invalid_request(
            "context_length_exceeded", "messages", "The messages have more tokens than the model's context."
        ),
    ),
    _answer(
        "unauthorized", "the access token is not accepted", 401, error("401", "Access denied: invalid token.")
    ),
    _answer(
        "forbidden",
        "the identity lacks a role",
        403,
        error("PermissionDenied", "The principal lacks the data action for chat completions."),
    ),
    _answer(
        "deployment-not-found",
        "no deployment of that name",
        404,
        error("DeploymentNotFound", "This resource has no deployment with the name in 'model'."),
    ),
    _answer("request-timeout", "the service gave up", 408, error("Timeout", "The operation timed out.")),
    _answer("conflict", "another operation is going on", 409, error("Conflict", "The request conflicts.")),
    _answer(
        "throttled",
        "too many requests or tokens, with retry-after and retry-after-ms",
        429,
        error("RateLimitReached", "The deployment is over its token rate limit; retry after 1 second."),
        RETRY_AFTER,
    ),
    _answer(
        "internal-error",
        "an error in the service",
        500,
        error("InternalServerError", "The server had an error.", param=None, type="server_error"),
    ),
    _answer(
        "unavailable",
        "the service is overloaded",
        503,
        error("ServiceUnavailable", "The server is overloaded."),
    ),
    Shape("reset-before-headers", "the connection is reset before the response", reset),
    stream(
        "reset-after-headers",
        "the connection is reset after the headers",
        deltas=(),
        finish_reason=None,
        last=reset,
    ),
    stream(
        "reset-mid-stream", "the connection is reset after text", *begun(), finish_reason=None, last=reset
    ),
    stream(
        "cut-mid-stream", "the body is cut without the final chunk", *begun(), finish_reason=None, last=cut
    ),
    Shape("silence-before-headers", "nothing comes at all", silence),
    stream(
        "silence-before-first-token",
        "headers and the role, then nothing",
        events.role(),
        deltas=(),
        finish_reason=None,
        last=silence,
    ),
    stream(
        "silence-mid-stream", "text, then nothing", *begun(), deltas=TEXTS, finish_reason=None, last=silence
    ),
    Shape("html-page", "200: an HTML page, as of a captive portal", _html_page),
    Shape("redirect", "307: a redirect", _redirect),
)
