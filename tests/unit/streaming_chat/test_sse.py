"""Frames, byte for byte."""

from __future__ import annotations

import json

import pytest

from streaming_chat import sse
from streaming_chat.chunks import Usage
from streaming_chat.problems import IDLE_TIMEOUT, ProblemError


def test_delta() -> None:
    assert sse.delta("Azure Functions ") == b'data: {"delta": "Azure Functions "}\n\n'


@pytest.mark.parametrize("text", ["Grüße 😀", "a\u2028b", "\x00", '"\\', "a\r\nb\n\n"])
def test_text_is_utf8_on_one_line(text: str) -> None:
    frame = sse.delta(text)
    assert json.loads(frame.removeprefix(b"data: ")) == {"delta": text}
    assert frame.count(b"\n") == 2
    assert b"\r" not in frame
    assert b"\\u00fc" not in frame


def test_done() -> None:
    assert sse.done("completed") == b'event: done\ndata: {"status": "completed"}\n\n'


def test_usage() -> None:
    assert sse.usage(Usage(9, 3, 12)) == (
        b'event: usage\ndata: {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}\n\n'
    )


def test_error() -> None:
    assert sse.error(ProblemError(IDLE_TIMEOUT, 'It said "no".'), "id-1") == (
        b'event: error\ndata: {"status": "failed", "code": "idle_timeout", "message": "It said \\"no\\".", '
        b'"retryable": true, "request_id": "id-1"}\n\n'
    )


def test_keep_alive_is_a_comment() -> None:
    assert sse.KEEP_ALIVE == b": keep-alive\n\n"
