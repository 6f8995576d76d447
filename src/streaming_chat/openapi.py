"""The API described for machines (OpenAPI 3.1): what `@openapi` adds to what the models already say.

Examples are made by the code that makes the real thing, so that they stay true. OpenAPI 3.2 could
describe the events of a stream one by one, but the tools that read it are few: the frames are told
in words and by example.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from azure_functions_openapi import generate_openapi_spec
from pydantic import TypeAdapter

from streaming_chat import problems, sse
from streaming_chat.chunks import Usage
from streaming_chat.contract import StreamQuery, StreamRequest, invalid_fields
from streaming_chat.problems import Problem, ProblemDocument, ProblemError
from streaming_chat.responses import PROBLEM_TYPE

TITLE = "Azure OpenAI, streamed from Azure Functions"
VERSION = "0.1.0"

_PROBLEM_SCHEMA = {"$ref": "#/components/schemas/ProblemDocument"}
_REQUEST_ID = "5a7f0c2e-8f0b-4d7e-9a55-0d6a1c3f2b10"
_TEXTS = ("Azure Functions ", "scales automatically ")
_STREAMED = b"".join(map(sse.delta, _TEXTS))

_FRAMES = """\
Server-Sent Events. `data: {"delta": "…"}` frames carry the answer's text, in order. Exactly one event
ends the stream: `event: done` with the status `completed`, `truncated` (the output limit), `filtered`
(the content filter) or `refused` (by the model); or `event: error` with `code`, `message`, `retryable`
and `request_id`. Before `done` comes `event: usage` when the request asked for it. Comments
(`: keep-alive`) may stand anywhere. A stream that ends with neither `done` nor `error` was cut by the
network. With `?delivery=buffered` the same bytes come as one body."""

_STREAM_EXAMPLES: dict[str, tuple[str, bytes]] = {
    "completed": ("A complete answer", _STREAMED + sse.done("completed")),
    "usage": (
        "With include_usage",
        _STREAMED + sse.usage(Usage(21, 2, 23)) + sse.done("completed"),
    ),
    "failed": (
        "Upstream fell silent in mid-stream",
        _STREAMED + sse.error(ProblemError(problems.IDLE_TIMEOUT), _REQUEST_ID),
    ),
}

_REQUEST_ID_HEADER = {
    "X-Request-Id": {
        "description": "The invocation's id, which every log line of the request carries.",
        "schema": {"type": "string", "format": "uuid"},
    }
}
_HOST_RESPONSES = {
    401: {"description": "The function key is missing or wrong. The Functions host says so, without a body."},
    404: {"description": "No such route. The Functions host says so, without a body."},
    405: {"description": "Another method than POST. The Functions host says so, without a body."},
}
_RETRY_AFTER_HEADER = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}}
}


def _stream_response() -> dict[str, Any]:
    return {
        "description": _FRAMES,
        "headers": _REQUEST_ID_HEADER,
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "examples": {
                    name: {"summary": summary, "value": stream.decode()}
                    for name, (summary, stream) in _STREAM_EXAMPLES.items()
                },
            }
        },
    }


def _problem_responses() -> dict[int, dict[str, Any]]:
    """A response for each status of the table of problems, with each of its problems as an example."""
    by_status: dict[int, list[Problem]] = {}
    for problem in problems.PROBLEMS.values():
        by_status.setdefault(problem.status.value, []).append(problem)
    return {status: _problem_response(listed) for status, listed in sorted(by_status.items())}


def _problem_response(listed: list[Problem]) -> dict[str, Any]:
    retry_after = _RETRY_AFTER_HEADER if listed[0].status in {429, 503} else {}
    return {
        "description": " ".join(f"`{problem.code}`: {problem.detail}" for problem in listed),
        "headers": {**_REQUEST_ID_HEADER, **retry_after},
        "content": {
            PROBLEM_TYPE: {
                "schema": _PROBLEM_SCHEMA,
                "examples": {problem.code: {"value": _example(problem)} for problem in listed},
            }
        },
    }


def _example(problem: Problem) -> ProblemDocument:
    if problem is problems.INVALID_REQUEST:
        failure = invalid_fields([{"field": "message", "message": "is required"}])
    else:
        failure = ProblemError(problem)
    return failure.document(_REQUEST_ID)


def _delivery_parameter() -> dict[str, Any]:
    schema = StreamQuery.model_json_schema()["properties"]["delivery"]
    return {
        "name": "delivery",
        "in": "query",
        "description": schema["description"],
        "schema": schema["anyOf"][0],
    }


STREAM: dict[str, Any] = {
    "summary": "Stream Azure OpenAI response",
    "description": "Sends the message to the chat deployment and relays its answer as it is written.",
    "tags": ["ai"],
    "route": "stream",
    "method": "post",
    "operation_id": "stream_chat",
    "requests": StreamRequest,
    "parameters": [_delivery_parameter()],
    "security": [{"functionKey": []}, {"functionKeyInQuery": []}],
    "security_scheme": {
        "functionKey": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
        "functionKeyInQuery": {"type": "apiKey", "in": "query", "name": "code"},
    },
    "responses": {
        200: _stream_response(),
        **_HOST_RESPONSES,
        **_problem_responses(),
    },
}

HEALTH: dict[str, Any] = {
    "summary": "Whether the app can be used",
    "description": "Checks the settings only. It calls nothing.",
    "tags": ["operations"],
    "route": "health",
    "method": "get",
    "operation_id": "health",
    "responses": {
        200: {
            "description": "The settings are in order.",
            "content": {"application/json": {"schema": {"type": "object"}, "example": {"status": "ok"}}},
        },
        503: {
            "description": "`misconfigured`: the detail and `errors` name the setting.",
            "headers": _REQUEST_ID_HEADER,
            "content": {PROBLEM_TYPE: {"schema": _PROBLEM_SCHEMA}},
        },
    },
}


@cache
def document() -> str:
    """The document, JSON text."""
    spec = generate_openapi_spec(
        title=TITLE,
        version=VERSION,
        openapi_version="3.1.0",
        description="Answers of an Azure OpenAI chat deployment as Server-Sent Events, token by token.",
    )
    problem = TypeAdapter(ProblemDocument).json_schema(ref_template="#/components/schemas/{model}")
    spec["components"]["schemas"] |= {**problem.pop("$defs"), "ProblemDocument": problem}
    return json.dumps(spec, ensure_ascii=False)
