"""A complete answer as the service gives it: a stream of chunks, or one JSON document."""

import secrets
import time
from collections.abc import Sequence
from typing import Any

from . import answers, chat_request
from .exchange import Exchange
from .shapes import events


async def play(exchange: Exchange, tokens: Sequence[str]) -> None:
    """Answers with the tokens at the simulator's pace, cut to the request's `max_completion_tokens`."""
    limit = exchange.body.get("max_completion_tokens") or len(tokens)
    told = tokens[:limit]
    finish_reason = "length" if len(told) < len(tokens) else "stop"
    if exchange.body.get("stream"):
        await _stream(exchange, told, finish_reason)
    else:
        await _document(exchange, told, finish_reason)


async def _stream(exchange: Exchange, tokens: Sequence[str], finish_reason: str) -> None:
    with_usage = (exchange.body.get("stream_options") or {}).get("include_usage") is True
    no_usage: dict[str, Any] = {"usage": None} if with_usage else {}
    common = {"id": _completion_id(), "created": int(time.time()), **no_usage}

    await exchange.send(events.prompt_filter(**no_usage))
    await exchange.send(events.role(**common, obfuscation=events.padding("")))
    for token in tokens:
        await exchange.pause()
        await exchange.send(events.delta(token, **common, obfuscation=events.padding(token)))
    await exchange.send(events.finish(finish_reason, **common, obfuscation=events.padding("")))
    if with_usage:
        await exchange.send(events.usage_chunk(_usage(exchange, tokens), **common))
    await exchange.send(events.DONE)
    await exchange.end()


async def _document(exchange: Exchange, tokens: Sequence[str], finish_reason: str) -> None:
    for _ in tokens:
        await exchange.pause()
    document = {
        "id": _completion_id(),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": events.MODEL,
        "system_fingerprint": events.FINGERPRINT,
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": events.PROMPT_SAFE}],
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "".join(tokens),
                    "refusal": None,
                    "annotations": [],
                },
                "finish_reason": finish_reason,
                "logprobs": None,
                "content_filter_results": events.SAFE,
            }
        ],
        "usage": _usage(exchange, tokens),
    }
    await exchange.answer_json(200, document)


def _completion_id() -> str:
    return f"chatcmpl-{secrets.token_hex(14)}"


def _usage(exchange: Exchange, tokens: Sequence[str]) -> dict[str, Any]:
    # Every message costs a few tokens beyond its text, for its role and its borders.
    prompt_tokens = sum(4 + len(answers.tokens(text)) for text in chat_request.texts(exchange.body))
    return events.usage(
        prompt_tokens,
        len(tokens),
        latency_checkpoint=events.latency_checkpoint(
            exchange.pace.first_token_after, exchange.pace.between_tokens, len(tokens)
        ),
    )
