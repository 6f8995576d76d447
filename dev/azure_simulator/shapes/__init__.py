"""The bytes that Azure OpenAI writes: one function per event of a stream, and `SHAPES`, by name.

A `Shape` is one way in which a request can be answered: well, oddly, badly or not at all. Clients of the
service should get through every one of them.
"""

from . import chunks, faults, framing
from .events import (
    DONE,
    FINGERPRINT,
    MODEL,
    PROMPT_SAFE,
    SAFE,
    annotation,
    choices_null,
    delta,
    error_frame,
    event,
    finish,
    latency_checkpoint,
    null_content,
    padding,
    prompt_filter,
    refusal,
    role,
    usage,
    usage_chunk,
)
from .shape import Shape

SHAPES: dict[str, Shape] = {shape.name: shape for shape in (*chunks.SHAPES, *framing.SHAPES, *faults.SHAPES)}

__all__ = [
    "DONE",
    "FINGERPRINT",
    "MODEL",
    "PROMPT_SAFE",
    "SAFE",
    "SHAPES",
    "Shape",
    "annotation",
    "choices_null",
    "delta",
    "error_frame",
    "event",
    "finish",
    "latency_checkpoint",
    "null_content",
    "padding",
    "prompt_filter",
    "refusal",
    "role",
    "usage",
    "usage_chunk",
]
