"""Every way in which Azure OpenAI may answer, and what the client then sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from azure_simulator.shapes import SHAPES, Shape

if TYPE_CHECKING:
    from support.app import App

DONE = {"stop": "completed", "length": "truncated", "content_filter": "filtered"}

# What a shape without a finish reason is to the client: the HTTP status and the code of the problem, or,
# with text before it, the code of the error event.
PROBLEMS = {
    "prompt-blocked": (400, "content_filter"),
    "context-length-exceeded": (400, "context_length_exceeded"),
    "unauthorized": (502, "misconfigured"),
    "forbidden": (502, "misconfigured"),
    "deployment-not-found": (502, "misconfigured"),
    "request-timeout": (502, "upstream_failed"),
    "conflict": (502, "upstream_failed"),
    "throttled": (429, "throttled"),
    "internal-error": (502, "upstream_failed"),
    "unavailable": (502, "upstream_failed"),
    "reset-before-headers": (502, "upstream_unreachable"),
    "reset-after-headers": (502, "upstream_unreachable"),
    "silence-before-headers": (504, "first_token_timeout"),
    "silence-before-first-token": (504, "first_token_timeout"),
    "html-page": (502, "upstream_invalid"),
    "redirect": (502, "upstream_failed"),
}
ERRORS = {
    "reset-mid-stream": "upstream_unreachable",
    "cut-mid-stream": "upstream_unreachable",
    "silence-mid-stream": "idle_timeout",
    "end-without-finish": "upstream_incomplete",
    "done-without-finish": "upstream_incomplete",
    "error-frame": "upstream_failed",
    "error-frame-with-text": "upstream_failed",
    "invalid-json": "upstream_invalid",
}


def test_every_shape_has_its_ending() -> None:
    ended_by_failure = {name for name, shape in SHAPES.items() if shape.finish_reason is None}
    assert ended_by_failure == PROBLEMS.keys() | ERRORS.keys()


@pytest.mark.parametrize("query", ["", "?delivery=buffered"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
async def test_shape(impatient: App, shape: Shape, query: str) -> None:
    answer = await impatient.ask(f"simulate: {shape.name}", query)
    outcome = await impatient.outcome(answer.headers["X-Request-Id"])
    if shape.name in PROBLEMS:
        status, code = PROBLEMS[shape.name]
        assert (answer.status, answer.problem["code"]) == (status, code)
        assert f"error_code={code}" in outcome
        return
    assert answer.status == 200
    assert answer.deltas == list(shape.deltas)
    name, data = answer.terminal
    if shape.finish_reason:
        status = "refused" if shape.name == "refusal" else DONE[shape.finish_reason]
        assert (name, data) == ("done", {"status": status})
        assert f"status={status}" in outcome
    else:
        assert (name, data["code"]) == ("error", ERRORS[shape.name])
        assert data["request_id"] == answer.headers["X-Request-Id"]
        assert f"error_code={ERRORS[shape.name]}" in outcome
    assert sum(frame.startswith(b"event: ") for frame in answer.frames) == 1


async def test_throttling_tells_when_to_come_back(impatient: App) -> None:
    answer = await impatient.ask("simulate: throttled")
    assert answer.headers["Retry-After"] == "1"
    assert answer.problem["retryable"] is True


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ("unauthorized", "Cognitive Services OpenAI User"),
        ("forbidden", "Cognitive Services OpenAI User"),
        ("deployment-not-found", "AZURE_OPENAI_DEPLOYMENT"),
    ],
)
async def test_a_misconfiguration_names_what_to_look_at(impatient: App, shape: str, names: str) -> None:
    answer = await impatient.ask(f"simulate: {shape}")
    assert names in answer.problem["detail"]
