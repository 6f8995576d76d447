"""Frames on the wire: what this endpoint sends, byte for byte.

The format is WHATWG's Server-Sent Events (HTML Standard, "Server-sent events"). Text is UTF-8 and
not escaped beyond what JSON asks for. Nothing here does I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from streaming_chat.chunks import Status, Usage
    from streaming_chat.problems import ProblemError

CONTENT_TYPE = "text/event-stream; charset=utf-8"

KEEP_ALIVE = b": keep-alive\n\n"
"""A comment: clients skip it, proxies and load balancers see a living connection."""

_json = msgspec.json.Encoder()


def delta(text: str) -> bytes:
    """A piece of the answer's text."""
    return b'data: {"delta": ' + _json.encode(text) + b"}\n\n"


def usage(tokens: Usage) -> bytes:
    """The tokens that the answer took, sent before `done` when the client asked for it."""
    return b'event: usage\ndata: {"prompt_tokens": %d, "completion_tokens": %d, "total_tokens": %d}\n\n' % (
        tokens.prompt_tokens,
        tokens.completion_tokens,
        tokens.total_tokens,
    )


def done(status: Status) -> bytes:
    """The end of an answer to which upstream gave a finish reason."""
    return b'event: done\ndata: {"status": "%b"}\n\n' % status.encode()


def error(failure: ProblemError, request_id: str) -> bytes:
    """The end of an answer that failed after its first byte was sent."""
    return (
        b'event: error\ndata: {"status": "failed", "code": %b, "message": %b, "retryable": %b, '
        b'"request_id": %b}\n\n'
    ) % (
        _json.encode(failure.problem.code),
        _json.encode(failure.detail),
        _json.encode(failure.problem.retryable),
        _json.encode(request_id),
    )
