"""What a request may hold, and how a bad one is told."""

from __future__ import annotations

import json
from typing import Any

import azure.functions as func
import pytest
from azure_functions_validation.errors import AdapterValidationError, MalformedRequestError

from streaming_chat.contract import StreamRequest, StrictJson, request_problem
from streaming_chat.problems import INVALID_REQUEST, MALFORMED_JSON


def parse(body: bytes) -> StreamRequest:
    request = func.HttpRequest(method="POST", url="/api/stream", body=body)
    parsed: StreamRequest = StrictJson().parse_body(request, StreamRequest)
    return parsed


def turn(content: str, role: str = "user") -> dict[str, str]:
    return {"role": role, "content": content}


def test_messages_in_order() -> None:
    request = StreamRequest.model_validate(
        {"message": "now", "history": [turn("before"), turn("answer", "assistant")]}
    )
    assert request.messages("Be brief.") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "before"},
        {"role": "assistant", "content": "answer"},
        {"role": "user", "content": "now"},
    ]


@pytest.mark.parametrize(
    ("own", "default", "sent"),
    [(None, None, None), (None, "d", "d"), ("o", "d", "o"), ("", "d", None)],
)
def test_the_requests_system_prompt_comes_before_the_apps(
    own: str | None, default: str | None, sent: str | None
) -> None:
    first = StreamRequest(message="m", system_prompt=own).messages(default)[0]
    assert first == ({"role": "system", "content": sent} if sent else {"role": "user", "content": "m"})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  ",
        b"{",
        b"\xff",
        b'{"message": "m", "temperature": NaN}',
        b'{"message": "m", "temperature": Infinity}',
        b"[" * 10_000,
        b"message=m",
    ],
)
def test_what_is_not_json(body: bytes) -> None:
    with pytest.raises(MalformedRequestError) as caught:
        parse(body)
    assert request_problem(caught.value, 400).problem is MALFORMED_JSON


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "message"),
        ({"message": ""}, "message"),
        ({"message": " \n"}, "message"),
        ({"message": "x" * 32_001}, "message"),
        ({"message": 5}, "message"),
        ({"message": None}, "message"),
        ({"message": "m", "messages": []}, "messages"),
        ({"message": "m", "system_prompt": "x" * 8001}, "system_prompt"),
        ({"message": "m", "history": "x"}, "history"),
        ({"message": "m", "history": [turn("x")] * 51}, "history"),
        ({"message": "m", "history": [turn("x" * 32_000)] * 7}, "history"),
        ({"message": "m", "history": [turn("x", "system")]}, "history.0.role"),
        ({"message": "m", "history": [turn("")]}, "history.0.content"),
        ({"message": "m", "history": [turn("x"), {**turn("x"), "name": "n"}]}, "history.1.name"),
        ({"message": "m", "max_output_tokens": 0}, "max_output_tokens"),
        ({"message": "m", "max_output_tokens": 1.5}, "max_output_tokens"),
        ({"message": "m", "temperature": 2.1}, "temperature"),
        ({"message": "m", "temperature": "1"}, "temperature"),
        ({"message": "m", "include_usage": 1}, "include_usage"),
        ([], "body"),
        ("m", "body"),
    ],
)
def test_what_breaks_the_contract_names_the_field(document: Any, field: str) -> None:
    with pytest.raises(AdapterValidationError) as caught:
        parse(json.dumps(document).encode())
    failure = request_problem(caught.value, 422)
    assert failure.problem is INVALID_REQUEST
    assert [error["field"] for error in failure.errors or ()] == [field]
    assert field in failure.detail


def test_bounds_are_inclusive_and_the_last_of_duplicate_keys_counts() -> None:
    assert parse(b'{"message": "a", "message": "b", "temperature": 2}').message == "b"
    longest = StreamRequest.model_validate({"message": "x" * 32_000, "history": [turn("x" * 20_000)] * 10})
    assert len(longest.history) == 10
