"""What the arrival of an answer says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def stream_check(hook_module: Callable[[str], Any]) -> Any:
    return hook_module("stream_check")


def arrivals(first: float, count: int, pace: float, burst: int = 1) -> list[float]:
    """Pieces that come in bursts of so many, a pace apart."""
    return [first + index // burst * pace for index in range(count)]


@pytest.mark.parametrize(
    ("times", "verdict"),
    [
        pytest.param(arrivals(0.8, 250, 0.02), "streamed", id="a model"),
        pytest.param(arrivals(20.0, 250, 0.005), "streamed", id="a fast model behind a cold start"),
        pytest.param(arrivals(0.8, 250, 0.2, burst=50), "streamed", id="a content filter lets go in bursts"),
        pytest.param(arrivals(0.1, 250, 0.001), "too quick to tell", id="all within a second"),
        pytest.param(arrivals(4.0, 250, 0.0), "at once", id="held back"),
        pytest.param(arrivals(4.0, 250, 0.0001), "at once", id="held back, over a slow line"),
        pytest.param(arrivals(4.0, 250, 1.5, burst=125), "at once", id="held back in two halves"),
    ],
)
def test_the_verdict(stream_check: Any, times: list[float], verdict: str) -> None:
    assert stream_check.judge(times, characters=1500, quick=1.0) == verdict


def test_a_few_words_tell_nothing(stream_check: Any) -> None:
    assert stream_check.judge([5.0, 5.0], characters=20, quick=1.0) == "too quick to tell"


def test_pieces_of_one_moment_are_one_portion(stream_check: Any) -> None:
    assert stream_check.portions([1.0, 1.0, 1.04, 1.5, 1.5, 2.0]) == 3


def test_the_question_is_within_the_contract(stream_check: Any) -> None:
    from streaming_chat.contract import StreamRequest  # noqa: PLC0415

    assert StreamRequest(message=stream_check.QUESTION).message
