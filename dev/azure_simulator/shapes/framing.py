"""Shapes of the framing: how a stream's events stand in bytes and writes.

Rules: "HTML Living Standard", section "Server-sent events", parsing an event stream.
"""

import json

from . import events
from .shape import TEXTS, Shape, answered, stream

_UNICODE_TEXTS = ("Zürich, ", "日本 ", "👩🏽‍💻 ", "one\u2028two\u2029three\u0085four ", "end.")


def _over_several_lines(text: str) -> bytes:
    """A delta whose JSON stands in several data lines: a reader joins them with line feeds."""
    document = events.chunk([events.choice({"content": text}, filtered=events.SAFE)])
    lines = json.dumps(document, indent=1).splitlines()
    return "".join(f"data: {line}\n" for line in lines).encode() + b"\n"


def _no_space(data: bytes) -> bytes:
    return data.replace(b"data: ", b"data:", 1)


def _split_line_endings(data: bytes) -> tuple[bytes, ...]:
    """CRLF line endings, cut into writes between CR and LF."""
    first, *lines, _ = data.split(b"\n")
    return (first + b"\r", *(b"\n" + line + b"\r" for line in lines), b"\n")


SHAPES: tuple[Shape, ...] = (
    stream("line-endings-lf", "lines end with LF", *answered()),
    stream(
        "line-endings-crlf",
        "lines end with CRLF",
        *(data.replace(b"\n", b"\r\n") for data in answered()),
    ),
    stream("line-endings-cr", "lines end with CR", *(data.replace(b"\n", b"\r") for data in answered())),
    stream(
        "line-endings-crlf-split",
        "lines end with CRLF, and every write ends between CR and LF",
        *_split_line_endings(b"".join(answered())),
    ),
    stream("no-space-after-colon", "`data:` without a space behind the colon", *map(_no_space, answered())),
    stream(
        "data-over-several-lines",
        "the data of one event over several `data:` lines",
        events.role(),
        *map(_over_several_lines, TEXTS),
        events.finish(),
        events.DONE,
    ),
    stream(
        "comments",
        "comments before, between and inside events",
        b": connected\n\n",
        *(b":\n: keep-alive\n" + data for data in answered()),
        b": bye\n\n",
    ),
    stream(
        "other-fields",
        "id, retry, event, unknown fields and a field without colon beside the data",
        b"retry: 3000\n\n",
        *(b"id: 7\nevent: message\nx-unknown: 1\nnothing\n" + data for data in answered()),
    ),
    stream(
        "byte-order-mark",
        "a byte order mark before the first event",
        b"\xef\xbb\xbf" + answered()[0],
        *answered()[1:],
    ),
    stream("several-events-in-one-write", "the whole stream in one write", b"".join(answered())),
    stream(
        "one-byte-a-write",
        "every byte in a write of its own, inside characters of several bytes too",
        *(bytes([byte]) for byte in b"".join(answered(_UNICODE_TEXTS))),
        deltas=_UNICODE_TEXTS,
        paced=False,
    ),
    stream(
        "unicode",
        "texts with characters that are line ends to Unicode, but not to the format",
        *answered(_UNICODE_TEXTS),
        deltas=_UNICODE_TEXTS,
    ),
)
