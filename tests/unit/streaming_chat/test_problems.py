"""The table of failures and the document that each becomes."""

from __future__ import annotations

import re

import pytest

from streaming_chat.problems import (
    CONTENT_FILTER,
    CONTEXT_LENGTH_EXCEEDED,
    MISCONFIGURED,
    PROBLEMS,
    THROTTLED,
    UPSTREAM_FAILED,
    Problem,
    ProblemError,
    upstream_problem,
)


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_rows_are_well_formed(problem: Problem) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", problem.code)
    assert problem.status >= 400
    assert problem.detail.endswith(".")


def test_rows_are_found_by_their_code() -> None:
    assert all(code == problem.code for code, problem in PROBLEMS.items())


def test_document() -> None:
    failure = ProblemError(THROTTLED, "Wait.", retry_after=3, cause="upstream says: secret")
    assert failure.document("id-1") == {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "Wait.",
        "instance": "urn:uuid:id-1",
        "code": "throttled",
        "retryable": True,
        "request_id": "id-1",
    }


@pytest.mark.parametrize(
    ("status", "code", "problem"),
    [
        (400, "content_filter", CONTENT_FILTER),
        (400, "context_length_exceeded", CONTEXT_LENGTH_EXCEEDED),
        (400, "unsupported_parameter", UPSTREAM_FAILED),
        (401, None, MISCONFIGURED),
        (403, None, MISCONFIGURED),
        (404, "DeploymentNotFound", MISCONFIGURED),
        (429, None, THROTTLED),
        (500, None, UPSTREAM_FAILED),
        (503, None, UPSTREAM_FAILED),
        (None, "rate_limit_exceeded", THROTTLED),
        (None, None, UPSTREAM_FAILED),
    ],
)
def test_what_an_upstream_error_is_to_our_client(
    status: int | None, code: str | None, problem: Problem
) -> None:
    assert upstream_problem(status, code) is problem
