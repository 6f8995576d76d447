"""Bytes in, events out: every spelling of Server-Sent Events and every shape of a chunk."""

from __future__ import annotations

import json

import pytest

from streaming_chat.chunks import (
    MAX_EVENT_BYTES,
    ChunkDecoder,
    Delta,
    Event,
    EventDecoder,
    Finish,
    UpstreamFailure,
    Usage,
)
from streaming_chat.problems import (
    CONTENT_FILTER,
    THROTTLED,
    UPSTREAM_FAILED,
    UPSTREAM_INCOMPLETE,
    UPSTREAM_INVALID,
)

STOP = Finish("stop", "completed")


def chunk(**choice: object) -> bytes:
    """One event with one choice, as Azure OpenAI writes it."""
    return event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [{"index": 0, **choice}]})


def event(document: object) -> bytes:
    return f"data: {json.dumps(document)}\n\n".encode()


def text(content: str | None) -> bytes:
    return chunk(delta={"content": content}, finish_reason=None)


STOP_CHUNK = chunk(delta={}, finish_reason="stop")
DONE = b"data: [DONE]\n\n"


def decode(*reads: bytes) -> list[Event]:
    """All events of a body that arrives in these reads and then ends."""
    decoder = ChunkDecoder()
    return [found for data in reads for found in decoder.feed(data)] + decoder.end()


class TestEventDecoder:
    """The framing, after the HTML Standard's own examples."""

    @pytest.mark.parametrize(
        ("stream", "events"),
        [
            (b"data: a\n\n", [b"a"]),
            (b"data:a\n\n", [b"a"]),
            (b"data:  a\n\n", [b" a"]),
            (b"data: a\r\n\r\n", [b"a"]),
            (b"data: a\r\r", [b"a"]),
            (b"data: a\r\n\r\ndata: b\n\ndata: c\r\r", [b"a", b"b", b"c"]),
            (b"data: a\ndata: b\n\n", [b"a\nb"]),
            (b"data\n\n", [b""]),
            (b"data:\n\n", [b""]),
            (b"data: a\ndata\ndata: b\n\n", [b"a\n\nb"]),
            (b": comment\n\ndata: a\n:\n\n", [b"a"]),
            (b"event: x\nid: 1\nretry: 5\nunknown: y\nnonsense\ndata: a\n\n", [b"a"]),
            (b"event: x\nid: 1\n\n", []),
            (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
            (b"\n\n\ndata: a\n\n\n\n", [b"a"]),
            (b"data: a", []),
            (b"data: a\n", []),
            (b"database: a\n\n", []),
        ],
    )
    def test_spellings(self, stream: bytes, events: list[bytes]) -> None:
        whole = EventDecoder()
        assert whole.feed(stream) == events
        for cut in range(len(stream) + 1):
            decoder = EventDecoder()
            assert decoder.feed(stream[:cut]) + decoder.feed(stream[cut:]) == events, cut
        decoder = EventDecoder()
        one_by_one = [found for i in range(len(stream)) for found in decoder.feed(stream[i : i + 1])]
        assert one_by_one == events


class TestEndings:
    """A finish reason ends an answer, and nothing else does."""

    @pytest.mark.parametrize(
        ("reason", "status"),
        [
            ("stop", "completed"),
            ("length", "truncated"),
            ("content_filter", "filtered"),
            ("something_new", "completed"),
        ],
    )
    def test_finish_reasons(self, reason: str, status: str) -> None:
        events = decode(text("a"), chunk(delta={}, finish_reason=reason), DONE)
        assert events == [Delta("a"), Finish(reason, status)]  # pyright: ignore[reportArgumentType]

    def test_text_in_the_same_chunk_as_the_finish_reason_comes_before_it(self) -> None:
        assert decode(chunk(delta={"content": "a"}, finish_reason="stop")) == [Delta("a"), STOP]

    def test_a_refusal_is_text_and_ends_as_refused(self) -> None:
        events = decode(chunk(delta={"refusal": "I can't"}), chunk(delta={"refusal": " help."}), STOP_CHUNK)
        assert events == [Delta("I can't"), Delta(" help."), Finish("stop", "refused")]

    def test_no_done_line_is_needed(self) -> None:
        assert decode(text("a"), STOP_CHUNK) == [Delta("a"), STOP]

    @pytest.mark.parametrize("tail", [b"", DONE, b"data: [DO", text("b")[:-1]])
    def test_an_end_without_a_finish_reason_is_a_failure(self, tail: bytes) -> None:
        *events, last = decode(text("a"), tail)
        assert events == [Delta("a")]
        assert isinstance(last, UpstreamFailure)
        assert last.problem is UPSTREAM_INCOMPLETE

    def test_an_empty_body_is_a_failure(self) -> None:
        (failure,) = decode()
        assert isinstance(failure, UpstreamFailure)
        assert failure.problem is UPSTREAM_INCOMPLETE

    @pytest.mark.parametrize(
        "after",
        [
            text("more"),
            chunk(delta={}, finish_reason="content_filter"),
            event({"error": {"code": "500"}}),
            b"data: {broken\n\n",
            b"x" * (MAX_EVENT_BYTES + 1),
        ],
    )
    def test_nothing_after_the_finish_reason_changes_the_ending(self, after: bytes) -> None:
        assert decode(text("a"), STOP_CHUNK, after) == [Delta("a"), STOP]

    def test_done_without_a_finish_reason_is_a_failure_at_once(self) -> None:
        (failure,) = ChunkDecoder().feed(DONE)
        assert isinstance(failure, UpstreamFailure)
        assert failure.problem is UPSTREAM_INCOMPLETE

    def test_nothing_after_done_is_read(self) -> None:
        decoder = ChunkDecoder()
        assert decoder.feed(text("a") + STOP_CHUNK + DONE + text("b")) == [Delta("a"), STOP]
        assert decoder.done
        assert decoder.feed(text("c") + event({"usage": {"prompt_tokens": 1}})) == []

    def test_nothing_follows_a_failure(self) -> None:
        events = decode(event({"error": {"code": "500"}}), text("a"), STOP_CHUNK)
        assert [type(found) for found in events] == [UpstreamFailure]


class TestShapes:
    """What Azure OpenAI and its like put into a stream."""

    @pytest.mark.parametrize(
        "silent",
        [
            event({"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}),
            event({"choices": None}),
            chunk(delta={"content": "", "role": "assistant", "refusal": None}),
            text(None),
            chunk(delta={}),
            chunk(delta=None),
            chunk(content_filter_offsets={"check_offset": 1}, content_filter_results={}, finish_reason=None),
            event({"obfuscation": "xyz", "usage": None, "choices": []}),
            event({"choices": [{"index": 1, "delta": {"content": "another answer"}}]}),
            event({}),
            b": ping\n\n",
            b"data:\n\n",
        ],
    )
    def test_chunks_without_text(self, silent: bytes) -> None:
        assert decode(silent, text("a"), silent, STOP_CHUNK, silent, DONE) == [Delta("a"), STOP]

    def test_usage_comes_after_the_finish_reason(self) -> None:
        tokens = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12, "latency_checkpoint": {}}
        events = decode(text("a"), STOP_CHUNK, event({"choices": [], "usage": tokens}), DONE)
        assert events == [Delta("a"), STOP, Usage(9, 3, 12)]

    @pytest.mark.parametrize(
        ("error", "problem"),
        [
            ({"code": "content_filter", "message": "secret"}, CONTENT_FILTER),
            ({"code": "429"}, THROTTLED),
            ({"code": 429}, THROTTLED),
            ({"code": "rate_limit_exceeded"}, THROTTLED),
            ({"code": "InternalServerError", "message": "secret"}, UPSTREAM_FAILED),
            ({"message": "secret"}, UPSTREAM_FAILED),
            ("secret", UPSTREAM_FAILED),
        ],
    )
    def test_an_error_frame_in_mid_stream(self, error: object, problem: object) -> None:
        *events, failure = decode(text("a"), event({"error": error}))
        assert events == [Delta("a")]
        assert isinstance(failure, UpstreamFailure)
        assert failure.problem is problem
        assert "secret" not in failure.cause

    @pytest.mark.parametrize(
        "bad",
        [
            b"data: {broken\n\n",
            b"data: 5\n\n",
            b'data: {"choices": 5}\n\n',
            b'data: {"choices": [{"delta": {"content": 5}}]}\n\n',
            b"data: " + b"[" * 100_000 + b"\n\n",
            b'data: {"error": ' + b"[" * 100_000 + b"\n\n",
            b"x" * (MAX_EVENT_BYTES + 1),
            (b"data: " + b"x" * 1_000_000 + b"\n") * 5,
        ],
    )
    def test_what_is_no_chunk_is_a_failure(self, bad: bytes) -> None:
        (failure,) = decode(bad)
        assert isinstance(failure, UpstreamFailure)
        assert failure.problem is UPSTREAM_INVALID


class TestText:
    """Text passes exactly."""

    @pytest.mark.parametrize(
        "content",
        [
            "😀 family 👨‍👩‍👧",
            "e\u0301 combining",
            "שלום עולם \u202e",
            "line\u2028separator\u2029",
            "new\nline\r\n",
            "NUL\x00 bell\x07 \x7f",
            '"quotes" \\ / ',
            "x" * 200_000,
        ],
    )
    def test_exactly(self, content: str) -> None:
        escaped = text(content)
        raw = f"data: {json.dumps({'choices': [{'delta': {'content': content}}]}, ensure_ascii=False)}\n\n"
        for stream in (escaped, raw.encode()):
            assert decode(stream, STOP_CHUNK) == [Delta(content), STOP]

    @pytest.mark.parametrize(
        "payload",
        [
            b'{"choices": [{"delta": {"content": "a\\ud83dz"}}]}',
            b'{"choices": [{"delta": {"content": "a\\ude00z"}}]}',
            b'{"choices": [{"delta": {"content": "a\xffz"}}]}',
        ],
    )
    def test_what_no_text_can_hold_is_replaced(self, payload: bytes) -> None:
        assert decode(b"data: " + payload + b"\n\n", STOP_CHUNK) == [Delta("a\ufffdz"), STOP]

    def test_a_stream_cut_at_every_position_decodes_the_same(self) -> None:
        stream = text("Grüße, ") + b": ping\r\n\r\n" + text("世界 😀") + STOP_CHUNK + DONE
        whole = [Delta("Grüße, "), Delta("世界 😀"), STOP]
        for cut in range(len(stream) + 1):
            assert decode(stream[:cut], stream[cut:]) == whole
        assert decode(*(bytes([byte]) for byte in stream)) == whole
