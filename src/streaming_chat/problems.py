"""Every failure a client can meet, in one table.

Each row is used twice: as an HTTP problem (RFC 9457) while no byte of the answer has left, and as
the `event: error` that ends a stream after that. Details are sentences for the caller and the
operator: they name a setting or a role to look at, never a secret and never upstream's own words.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import NotRequired, TypedDict


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of failure.

    `status` is the HTTP status when it comes before the first byte; `retryable` says whether the
    same request may succeed when it is sent again; `detail` is the sentence used unless the place
    that raises it knows better.
    """

    code: str
    status: HTTPStatus
    retryable: bool
    detail: str


MALFORMED_JSON = Problem(
    "malformed_json", HTTPStatus.BAD_REQUEST, False, "The request's body is not a JSON document."
)
CONTENT_FILTER = Problem(
    "content_filter",
    HTTPStatus.BAD_REQUEST,
    False,
    "Azure OpenAI's content filter blocked the prompt. Rephrase it.",
)
CONTEXT_LENGTH_EXCEEDED = Problem(
    "context_length_exceeded",
    HTTPStatus.BAD_REQUEST,
    False,
    "The message and its history are longer than the model's context. Send less of them.",
)
PAYLOAD_TOO_LARGE = Problem(
    "payload_too_large",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    False,
    "The request's body is larger than 1 MiB.",
)
UNSUPPORTED_MEDIA_TYPE = Problem(
    "unsupported_media_type",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    False,
    "The request's body must be application/json.",
)
INVALID_REQUEST = Problem(
    "invalid_request",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    False,
    "The request does not match the contract. The fields at fault are listed in errors.",
)
THROTTLED = Problem(
    "throttled",
    HTTPStatus.TOO_MANY_REQUESTS,
    True,
    "Azure OpenAI is throttling this deployment: its tokens or requests per minute are used up.",
)
UPSTREAM_FAILED = Problem(
    "upstream_failed", HTTPStatus.BAD_GATEWAY, True, "Azure OpenAI could not answer this request."
)
UPSTREAM_UNREACHABLE = Problem(
    "upstream_unreachable",
    HTTPStatus.BAD_GATEWAY,
    True,
    "The connection to Azure OpenAI failed.",
)
UPSTREAM_INVALID = Problem(
    "upstream_invalid",
    HTTPStatus.BAD_GATEWAY,
    True,
    "Azure OpenAI answered with something other than a stream of completion chunks.",
)
UPSTREAM_INCOMPLETE = Problem(
    "upstream_incomplete",
    HTTPStatus.BAD_GATEWAY,
    True,
    "Azure OpenAI's answer broke off before its finish reason.",
)
MISCONFIGURED = Problem(
    "misconfigured",
    HTTPStatus.BAD_GATEWAY,
    False,
    "This app is not set up to reach Azure OpenAI.",
)
AT_CAPACITY = Problem(
    "at_capacity",
    HTTPStatus.SERVICE_UNAVAILABLE,
    True,
    "This instance already has as many open streams as STREAM_MAX_CONCURRENT allows.",
)
FIRST_TOKEN_TIMEOUT = Problem(
    "first_token_timeout",
    HTTPStatus.GATEWAY_TIMEOUT,
    True,
    "Azure OpenAI gave no token within STREAM_FIRST_TOKEN_TIMEOUT.",
)
IDLE_TIMEOUT = Problem(
    "idle_timeout",
    HTTPStatus.GATEWAY_TIMEOUT,
    True,
    "Azure OpenAI fell silent for STREAM_IDLE_TIMEOUT in the middle of its answer.",
)
TOTAL_TIMEOUT = Problem(
    "total_timeout",
    HTTPStatus.GATEWAY_TIMEOUT,
    False,
    "The answer took longer than STREAM_TOTAL_TIMEOUT. Ask for a shorter one.",
)
INTERNAL_ERROR = Problem(
    "internal_error",
    HTTPStatus.INTERNAL_SERVER_ERROR,
    True,
    "This app failed. Its log has the cause under the request_id.",
)

PROBLEMS: dict[str, Problem] = {
    problem.code: problem for problem in list(globals().values()) if isinstance(problem, Problem)
}


class FieldError(TypedDict):
    """A field at fault, `history.0.role` for one inside another, and what is wrong with it."""

    field: str
    message: str


class ProblemDocument(TypedDict):
    """The body of an HTTP problem, `application/problem+json` (RFC 9457).

    The type is `about:blank`: the title is then the status's own phrase (section 4.2.1), and `code`
    says which problem it is.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    retryable: bool
    request_id: str
    errors: NotRequired[list[FieldError]]


class ProblemError(Exception):
    """A `Problem` that happened.

    `detail` and `status` replace the problem's own; `retry_after` is in whole seconds; `errors` lists
    the fields at fault; `cause` is for the log only: it may hold
    upstream's error code, never its text.
    """

    def __init__(
        self,
        problem: Problem,
        detail: str | None = None,
        *,
        status: HTTPStatus | None = None,
        retry_after: int | None = None,
        errors: list[FieldError] | None = None,
        cause: str | None = None,
    ) -> None:
        super().__init__(detail or problem.detail)
        self.problem = problem
        self.status = status or problem.status
        self.retry_after = retry_after
        self.errors = errors
        self.cause = cause

    @property
    def detail(self) -> str:
        """The sentence for the client."""
        return str(self)

    def document(self, request_id: str) -> ProblemDocument:
        """The failure as an HTTP problem."""
        document: ProblemDocument = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
            "instance": f"urn:uuid:{request_id}",
            "code": self.problem.code,
            "retryable": self.problem.retryable,
            "request_id": request_id,
        }
        if self.errors:
            document["errors"] = self.errors
        return document


def upstream_problem(status: int | None, code: str | None) -> Problem:
    """The problem that an error of Azure OpenAI is to our client.

    `status` is upstream's HTTP status, None for an error frame inside a stream; `code` is the
    error's own code. See Azure OpenAI's REST reference, "Error codes".
    """
    match status, code:
        case _, "content_filter":
            return CONTENT_FILTER
        case _, "context_length_exceeded":
            return CONTEXT_LENGTH_EXCEEDED
        case (429, _) | (None, "429" | "rate_limit_exceeded" | "too_many_requests"):
            return THROTTLED
        case 401 | 403 | 404, _:
            return MISCONFIGURED
        case _:
            return UPSTREAM_FAILED
