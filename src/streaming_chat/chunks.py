"""Bytes from Azure OpenAI, decoded: Delta, Finish, Usage, UpstreamFailure.

Two state machines over bytes that do no I/O: `EventDecoder` knows Server-Sent Events, and
`ChunkDecoder` what Azure OpenAI writes into them. Everything that decides how an answer ended is in
this file: a finish reason ends it, and whatever follows (text, an error, silence) cannot change
that; input that ends without one is a failure.
"""

from __future__ import annotations

import json
from typing import Any, Literal

import msgspec

from streaming_chat.problems import UPSTREAM_INCOMPLETE, UPSTREAM_INVALID, Problem, upstream_problem
from streaming_chat.surrogates import replace_lone_surrogates

Status = Literal["completed", "truncated", "filtered", "refused"]
"""How an answer with a finish reason ended."""

MAX_EVENT_BYTES = 4 * 1024 * 1024
"""A longer event is no completion chunk: an upstream gone wrong must not fill the memory."""


class Delta(msgspec.Struct, frozen=True, gc=False):
    """A piece of the answer's text, never empty."""

    text: str


class Finish(msgspec.Struct, frozen=True, gc=False):
    """The finish reason as upstream gave it, and the status that it is to our client."""

    reason: str
    status: Status


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of the whole request."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class UpstreamFailure(msgspec.Struct, frozen=True, gc=False):
    """The answer cannot be completed. `cause` is for the log: upstream's code or what was wrong."""

    problem: Problem
    cause: str


Event = Delta | Finish | Usage | UpstreamFailure


class EventDecoder:
    """Server-Sent Events' framing: bytes in, the data of each dispatched event out.

    Follows the HTML Standard's "Interpreting an event stream": lines end in LF, CRLF or CR; one space
    after the colon is dropped; an event's data lines are joined by LF; comments and fields other than
    `data` are skipped, an event without a data line is not dispatched, and one that no blank line ends is
    dropped. The bytes may be cut anywhere.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._after_cr = False
        self._at_start = True

    @property
    def pending_bytes(self) -> int:
        """Bytes held for an event that has not ended yet."""
        return len(self._line) + self._data_bytes

    def feed(self, data: bytes) -> list[bytes]:
        """The data of each event that `data` completes."""
        if not data:
            return []
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
            self._after_cr = False
            if not data:
                return []
        self._after_cr = data.endswith(b"\r")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, *lines = data.split(b"\n")
        self._line += first
        if not lines:
            return []
        complete = [bytes(self._line), *lines]
        self._line = bytearray(complete.pop())
        if self._at_start:
            complete[0] = complete[0].removeprefix(b"\xef\xbb\xbf")
            self._at_start = False
        events: list[bytes] = []
        for line in complete:
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
                self._data_bytes += len(line)
            elif line == b"data":
                self._data.append(b"")
                self._data_bytes += len(line)
            elif not line and self._data:
                events.append(b"\n".join(self._data))
                self._data.clear()
                self._data_bytes = 0
        return events


class ChunkDecoder:
    """Azure OpenAI's stream of chat completion chunks.

    `feed` bytes as they come, then `end` when upstream has no more. At most one Finish or
    UpstreamFailure comes out of both, Usage may follow a Finish, and nothing follows a failure.
    Content and refusals are both text for the reader. Never raises.
    """

    def __init__(self) -> None:
        self._events = EventDecoder()
        self._refused = False
        self._finished = False
        self._failed = False
        self._done = False

    @property
    def done(self) -> bool:
        """Whether upstream said that nothing follows (`data: [DONE]`)."""
        return self._done

    def feed(self, data: bytes) -> list[Event]:
        """What `data` completes, in order."""
        events: list[Event] = []
        for payload in self._events.feed(data):
            if self._done or self._failed:
                break
            if payload == b"[DONE]":
                self._done = True
                self._incomplete(events)
                break
            if payload:
                self._decode(payload, events)
        if self._events.pending_bytes > MAX_EVENT_BYTES:
            self._fail(UPSTREAM_INVALID, f"an event of more than {MAX_EVENT_BYTES} bytes", events)
        return events

    def end(self) -> list[Event]:
        """What the end of upstream's body means: a failure unless a finish reason came before."""
        events: list[Event] = []
        self._incomplete(events)
        return events

    def _decode(self, payload: bytes, events: list[Event]) -> None:
        try:
            chunk = _decode_chunk(payload)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            self._fail(UPSTREAM_INVALID, f"a chunk that is no chunk: {type(error).__name__}", events)
            return
        if chunk.error is not None:
            code = _error_code(chunk.error)
            self._fail(upstream_problem(None, code), f"an error frame, code {code!r:.80}", events)
            return
        for choice in chunk.choices or ():
            if choice.index == 0 and not self._finished:
                self._choice(choice, events)
        if chunk.usage is not None:
            events.append(chunk.usage)

    def _choice(self, choice: _Choice, events: list[Event]) -> None:
        if (delta := choice.delta) is not None:
            if delta.content:
                events.append(Delta(delta.content))
            if delta.refusal:
                self._refused = True
                events.append(Delta(delta.refusal))
        if choice.finish_reason:
            self._finished = True
            events.append(Finish(choice.finish_reason, self._status(choice.finish_reason)))

    def _status(self, reason: str) -> Status:
        if reason == "length":
            return "truncated"
        if reason == "content_filter":
            return "filtered"
        return "refused" if self._refused else "completed"

    def _incomplete(self, events: list[Event]) -> None:
        self._fail(UPSTREAM_INCOMPLETE, "the stream ended without a finish reason", events)

    def _fail(self, problem: Problem, cause: str, events: list[Event]) -> None:
        if not self._finished and not self._failed:
            self._failed = True
            events.append(UpstreamFailure(problem, cause))


# The fields of a chunk that are read. All are optional: asynchronous filter chunks have no delta,
# the usage chunk has no choices, and `choices`, `content` and `usage` may be null.


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: Usage | None = None
    error: Any = None


_chunk_decoder = msgspec.json.Decoder(_Chunk)


def _decode_chunk(payload: bytes) -> _Chunk:
    try:
        return _chunk_decoder.decode(payload)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Not UTF-8, or half a surrogate pair (an emoji cut in two): the standard library reads both,
        # and what no text can hold becomes U+FFFD, as the HTML Standard asks of an event stream.
        text = payload.decode("utf-8", "replace")
        return msgspec.convert(replace_lone_surrogates(json.loads(text)), _Chunk)


def _error_code(error: Any) -> str | None:
    match error:
        case {"code": str() | int() as code}:
            return str(code)
        case _:
            return None
