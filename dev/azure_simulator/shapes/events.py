"""The building blocks: the bytes of one event of the stream, as Azure OpenAI writes it.

Each function takes further top-level fields of its chunk as keyword arguments; they add to the fixed ones or
replace them: `delta("Hi", usage=None, obfuscation="Xk2")`. Rules: "Azure OpenAI v1 REST API reference" and
"Content streaming in Azure OpenAI" (prompt annotations, annotations of the asynchronous filter).
"""

import json
from typing import Any

MODEL = "gpt-5.4-mini-2026-03-17"
FINGERPRINT = "fp_7c41f0d2a9"
COMPLETION_ID = "chatcmpl-D4hQz8Vt1mXyK0sWn6RcLbJ2pEfAu"
CREATED = 1793491200

_SAFE_CATEGORIES: dict[str, Any] = {
    category: {"filtered": False, "severity": "safe"}
    for category in ("hate", "self_harm", "sexual", "violence")
}
_NOT_DETECTED = {"detected": False, "filtered": False}
PROMPT_SAFE: dict[str, Any] = {**_SAFE_CATEGORIES, "jailbreak": _NOT_DETECTED}
"""The content filter's results for a prompt in which it found nothing."""
SAFE: dict[str, Any] = {
    **_SAFE_CATEGORIES,
    "protected_material_code": _NOT_DETECTED,
    "protected_material_text": _NOT_DETECTED,
}
"""The content filter's results for an answer in which it found nothing."""
_FOUND = {"protected_material_text": {"detected": True, "filtered": True}}

DONE = b"data: [DONE]\n\n"
"""The event that ends the stream."""


def event(document: object) -> bytes:
    """One event with the JSON document as its data, in one line."""
    return b"data: " + encode(document) + b"\n\n"


def encode(document: object) -> bytes:
    """JSON as the service writes it: sorted, without spaces, characters beyond ASCII as UTF-8."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def chunk(choices: object, **more: object) -> dict[str, Any]:
    """A chunk as a document."""
    return {
        "choices": choices,
        "created": CREATED,
        "id": COMPLETION_ID,
        "model": MODEL,
        "object": "chat.completion.chunk",
        "system_fingerprint": FINGERPRINT,
        **more,
    }


def choice(
    change: dict[str, Any], finish_reason: str | None = None, filtered: object = None
) -> dict[str, Any]:
    """One choice with its delta. filtered: the content filter's results, by default none."""
    return {
        "content_filter_results": filtered or {},
        "delta": change,
        "finish_reason": finish_reason,
        "index": 0,
        "logprobs": None,
    }


def prompt_filter(**more: object) -> bytes:
    """What the content filter found in the prompt: the first event, without choices, id and model."""
    results = [{"content_filter_results": PROMPT_SAFE, "prompt_index": 0}]
    anonymous = {"created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": results}
    return event({"choices": [], **anonymous, **more})


def role(**more: object) -> bytes:
    """The first delta: the role, and an empty text."""
    return event(chunk([choice({"content": "", "refusal": None, "role": "assistant"})], **more))


def delta(text: str, **more: object) -> bytes:
    """A piece of the answer."""
    return event(chunk([choice({"content": text}, filtered=SAFE)], **more))


def null_content(**more: object) -> bytes:
    """A delta whose content is null."""
    return event(chunk([choice({"content": None})], **more))


def refusal(text: str, **more: object) -> bytes:
    """A piece of the text with which the model refuses to answer; it stands in `refusal`, not `content`."""
    return event(chunk([choice({"refusal": text})], **more))


def finish(reason: str = "stop", **more: object) -> bytes:
    """The end of the answer: an empty delta with the finish reason."""
    found = _FOUND if reason == "content_filter" else None
    return event(chunk([choice({}, reason, found)], **more))


def choices_null(**more: object) -> bytes:
    """A chunk whose choices are null."""
    return event(chunk(None, **more))


def annotation(start: int, end: int, finish_reason: str | None = None, **more: object) -> bytes:
    """The asynchronous filter's word on characters start to end: a choice without delta, with offsets.

    finish_reason: "content_filter" where the filter ends the answer.
    """
    offsets = {"check_offset": start, "end_offset": end, "start_offset": start}
    told = {
        "content_filter_offsets": offsets,
        "content_filter_results": _FOUND if finish_reason else _SAFE_CATEGORIES,
        "finish_reason": finish_reason,
        "index": 0,
    }
    return event({"choices": [told], "created": 0, "id": "", "model": "", "object": "", **more})


def usage_chunk(counted: dict[str, Any], **more: object) -> bytes:
    """The last chunk if the request had `stream_options.include_usage`: no choices, the usage."""
    return event({**chunk([], **more), "usage": counted})


def usage(prompt_tokens: int, completion_tokens: int, **more: object) -> dict[str, Any]:
    """The counts of a request. `latency_checkpoint=...` adds the service's account of the time."""
    return {
        "completion_tokens": completion_tokens,
        "completion_tokens_details": {
            "accepted_prediction_tokens": 0,
            "audio_tokens": 0,
            "reasoning_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
        "prompt_tokens": prompt_tokens,
        "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 0},
        "total_tokens": prompt_tokens + completion_tokens,
        **more,
    }


def latency_checkpoint(first_token_after: float, between_tokens: float, tokens: int) -> dict[str, int]:
    """Where the time went, in milliseconds (ttft, ttlt: time to first, last token; tbt: between tokens)."""
    first = round(first_token_after * 1000)
    last = round((first_token_after + between_tokens * max(tokens - 1, 0)) * 1000)
    between = round(between_tokens * 1000)
    return {
        "engine_tbt_ms": between,
        "engine_ttft_ms": first,
        "engine_ttlt_ms": last,
        "pre_inference_ms": 0,
        "service_tbt_ms": between,
        "service_ttft_ms": first,
        "service_ttlt_ms": last,
        "total_duration_ms": last,
        "user_visible_ttft_ms": first,
    }


def error_frame(message: str = "The server had an error while processing your request.") -> bytes:
    """An error in mid-stream: the status was 200 long ago, so it comes as an event."""
    document = {"code": "internal_error", "message": message, "param": None, "type": "server_error"}
    return event({"error": document})


def padding(text: str) -> str:
    """`obfuscation`: filling that hides from an observer of encrypted traffic how long a text is."""
    return "aV3kR9pLxT0qWc7Z"[len(text.encode()) % 16 :]
