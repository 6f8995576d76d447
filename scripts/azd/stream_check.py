"""Asks the endpoint one real question, and tells from the arrival of the answer whether it streams.

What counts as streaming: the pieces of text arrive in at least three portions, the last at least 0.3 s after
the first; what arrives within 0.1 s is one portion. An answer that was held back arrives in one (the one that
is asked for fits into a single flight of TCP), and from a buffer that fills and empties in two. Where a whole
answer took less than a second, or is only a few words long, nothing can be told: that passes, and is said.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Literal

from azd import ArmError, HookError, opener, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.client import HTTPResponse

QUESTION = "In about 250 words, explain how Azure Functions scales on the Flex Consumption plan."
SPREAD = 0.3
PORTIONS = 3
PORTION = 0.1
WORTH_JUDGING = 300  # characters
FEW = 3
LONGEST_DELAY = 30.0

Delivery = Literal["streamed", "at once", "too quick to tell"]


@dataclass(frozen=True)
class Limits:
    """Seconds. `total`: all tries together; `silence`: without a byte; `quick`: see above."""

    total: float = 300
    silence: float = 60
    retry_delay: float = 5
    quick: float = 1


@dataclass(frozen=True)
class StreamResult:
    """A streamed answer, as it arrived. Times are seconds from the request."""

    status: str
    delivery: Delivery
    events: int
    portions: int
    characters: int
    first_token: float
    last_token: float
    request_id: str
    tries: int


class StreamError(HookError):
    """A try that gave no streamed answer. `tries`: how many may fail like this; None: until the deadline."""

    def __init__(self, seen: str, advice: str, *, tries: int | None = FEW) -> None:
        super().__init__(f"{seen}. {advice}")
        self.seen = seen
        self.tries = tries


@dataclass
class _Answer:
    """What has arrived of an answer."""

    arrivals: list[float] = field(default_factory=list)  # of each piece of text
    characters: int = 0
    status: str = ""
    error: dict[str, Any] | None = None

    @property
    def ended(self) -> bool:
        return bool(self.status) or self.error is not None


def check(url: str, fetch_key: Callable[[], str], limits: Limits) -> StreamResult:
    """Asks until an answer streams. `fetch_key` gives the function key.

    Raises StreamError when the time or the tries are over: what was seen last, and what to do.
    """
    deadline = time.monotonic() + limits.total
    delay, tries, failures, told = limits.retry_delay, 0, 0, ""
    failure: StreamError | None = None
    while True:
        tries += 1
        try:
            # The key anew: one that was refused may be an old one.
            return _ask(url, _fetched(fetch_key), limits, deadline, tries)
        except StreamError as caught:
            # What the deadline has cut short says less than what was seen before.
            failure = failure if failure and time.monotonic() >= deadline else caught
        if failure.tries is not None:
            failures += 1
        out_of_tries = failure.tries is not None and failures >= failure.tries
        if out_of_tries or time.monotonic() + delay >= deadline:
            raise failure
        if failure.seen != told:
            told = failure.seen
            say(f"  Not yet: {told}. Trying again for up to {deadline - time.monotonic():.0f} s.")
        time.sleep(delay)
        delay = min(delay * 2, LONGEST_DELAY)


def judge(arrivals: list[float], characters: int, quick: float) -> Delivery:
    """How pieces of text came that arrived at these times after the request, in order."""
    spread = arrivals[-1] - arrivals[0]
    if portions(arrivals) >= PORTIONS and spread >= SPREAD:
        return "streamed"
    if arrivals[-1] < quick or characters < WORTH_JUDGING:
        return "too quick to tell"
    return "at once"


def portions(arrivals: list[float]) -> int:
    """The number of moments, each as long as PORTION, at which something arrived."""
    count, end = 0, float("-inf")
    for arrival in arrivals:
        if arrival >= end:
            count, end = count + 1, arrival + PORTION
    return count


def _fetched(fetch_key: Callable[[], str]) -> str:
    try:
        return fetch_key()
    except ArmError as error:
        if error.status in {401, 403}:
            raise HookError(
                f"The function key could not be read: {error} The account that deploys needs a role such as "
                "Website Contributor on the function app."
            ) from None
        raise StreamError(
            f"the app's host gives no function key yet ({error.code or error.status or 'no answer'})",
            _KEYS,
            tries=None,
        ) from None


def _ask(url: str, key: str, limits: Limits, deadline: float, tries: int) -> StreamResult:
    """One question. Raises StreamError."""
    request = urllib.request.Request(  # noqa: S310 - `opener` checks the address
        url,
        json.dumps({"message": QUESTION}).encode(),
        {"Content-Type": "application/json", "Accept": "text/event-stream", "x-functions-key": key},
    )
    started = time.monotonic()
    response = _open(request, limits, deadline, started)
    answer = _Answer()
    with response:
        _require_event_stream(response)
        try:
            _read(response, answer, started, deadline)
        except TimeoutError:
            raise _silent(answer, started) from None
        except (OSError, HTTPException):
            pass  # the stream is cut: how far it came is in the answer
    return _result(
        answer,
        limits,
        request_id=response.headers.get("X-Request-Id") or "",
        sized="Content-Length" in response.headers,
        tries=tries,
    )


def _open(request: urllib.request.Request, limits: Limits, deadline: float, started: float) -> HTTPResponse:
    """The response with status 200, its body still to come. Raises StreamError."""
    try:
        return opener(request.full_url, "The endpoint's address").open(
            request, timeout=max(0.001, min(limits.silence, deadline - started))
        )
    except urllib.error.HTTPError as error:
        with error:
            raise _refused(error) from None
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            raise _silent(_Answer(), started) from None
        raise _unreachable(reason) from None


def _read(response: HTTPResponse, answer: _Answer, started: float, deadline: float) -> None:
    """Reads until the terminal event or the end. Raises TimeoutError at the deadline."""
    rest = b""
    while not answer.ended and (data := response.read1(65536)):
        now = time.monotonic()
        *frames, rest = (rest + data).replace(b"\r\n", b"\n").split(b"\n\n")
        for frame in frames:
            _take(frame, answer, now - started)
        if now > deadline and not answer.ended:
            raise TimeoutError


def _take(frame: bytes, answer: _Answer, arrival: float) -> None:
    fields = dict(_fields(frame))
    try:
        data = json.loads(fields.get("data", "{}"))
        match fields.get("event", "message"):
            case "message" if data.get("delta"):
                answer.arrivals.append(arrival)
                answer.characters += len(data["delta"])
            case "done":
                answer.status = str(data["status"])
            case "error":
                answer.error = {"code": str(data["code"]), "message": str(data["message"])}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StreamError(
            "an event arrived that this endpoint does not send", "Look at what stands in front of the app."
        ) from None


def _fields(frame: bytes) -> Iterator[tuple[str, str]]:
    for line in frame.decode(errors="replace").split("\n"):
        name, _, text = line.partition(":")
        if name:
            yield name, text.removeprefix(" ")


def _result(answer: _Answer, limits: Limits, *, request_id: str, sized: bool, tries: int) -> StreamResult:
    """Raises StreamError for an answer that failed, is not whole, or did not stream."""
    log = f"Look for {request_id or 'the request'} in the app's log."
    if answer.error:
        raise StreamError(
            f"the stream ended with an error event ({answer.error['code']})",
            f"{answer.error['message']} {log}",
        )
    if not answer.status:
        raise StreamError(
            f"the stream ended after {len(answer.arrivals)} pieces of text without its `done` event",
            f"Something between here and the app, or the app's process, has cut it. {log}",
        )
    if not answer.arrivals:
        raise StreamError(f"the answer was {answer.status} without a single piece of text", log)
    first, last, count = answer.arrivals[0], answer.arrivals[-1], portions(answer.arrivals)
    delivery = judge(answer.arrivals, answer.characters, limits.quick)
    if delivery == "at once":
        raise StreamError(
            f"the answer is held back and does not stream: {len(answer.arrivals)} events in {count} "
            f"portion{'s' if count > 1 else ''} within {last - first:.2f} s, {last:.1f} s after the request",
            "The response has a Content-Length: is STREAM_DELIVERY set to buffered?"
            if sized
            else "Look for a proxy or gateway that buffers between here and the app.",
        )
    return StreamResult(
        status=answer.status,
        delivery=delivery,
        events=len(answer.arrivals),
        portions=count,
        characters=answer.characters,
        first_token=first,
        last_token=last,
        request_id=request_id,
        tries=tries,
    )


# --- What can be seen instead of a stream ------------------------------------------------------------------

_KEYS = (
    "The keys are kept in Key Vault: see that the app's identity has the role Key Vault Secrets Officer "
    "there, then run `azd deploy` again."
)
_ADVICE = {
    401: f"The function key is not accepted. {_KEYS}",
    403: "The app is stopped, or its access restrictions keep this machine out.",
    404: "The app has no function there: see in its log whether the package was built and loads.",
    429: "The model's deployment is throttled: raise its capacity, or wait a minute.",
    500: "The app fails: its log has the cause.",
}
_MAY_PASS = {401, 403, 404, 408, 429, 502, 503, 504}
"""While roles propagate, keys are made, or the app is cold."""


def _refused(error: urllib.error.HTTPError) -> StreamError:
    """A status that is not 200. The detail of the app's own problem documents holds no secret."""
    advice = _ADVICE.get(error.code, "Look at the app's log.")
    seen = f"the endpoint answered {error.code}"
    if error.headers.get_content_type() == "application/problem+json":
        try:
            problem = json.loads(error.read())
            seen += f" ({problem['code']})"
            advice = " ".join(str(problem["detail"]).split())
        except (OSError, HTTPException, ValueError, KeyError, TypeError):
            pass
    tries = None if error.code in _MAY_PASS else FEW if error.code >= 500 else 1
    return StreamError(seen, advice, tries=tries)


def _require_event_stream(response: HTTPResponse) -> None:
    kind = response.headers.get_content_type()
    if kind != "text/event-stream":
        raise StreamError(
            f"the endpoint answered {response.status} with {kind} instead of an event stream",
            "Something else than this app answers at that address.",
        )


def _silent(answer: _Answer, started: float) -> StreamError:
    if answer.arrivals:
        return StreamError(
            f"the stream stood still after {len(answer.arrivals)} pieces of text",
            "Look at the app's log, and for what stands between here and the app.",
        )
    return StreamError(
        f"the endpoint did not answer within {time.monotonic() - started:.1f} s",
        "See in the app's log whether it starts, and that the model's deployment answers.",
        tries=None,
    )


def _unreachable(reason: object) -> StreamError:
    said = reason if isinstance(reason, str) else getattr(reason, "strerror", None) or type(reason).__name__
    return StreamError(
        f"the endpoint could not be reached ({said})",
        "Check that the function app runs and that this machine reaches it.",
        tries=None,
    )
