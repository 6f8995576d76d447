"""What a client may send: the request's body, its query, and how a bad one is answered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from azure_functions_validation.adapter import PydanticAdapter
from azure_functions_validation.errors import AdapterValidationError, MalformedRequestError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from streaming_chat.problems import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    MALFORMED_JSON,
    PAYLOAD_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    FieldError,
    ProblemError,
)
from streaming_chat.surrogates import replace_lone_surrogates

if TYPE_CHECKING:
    import azure.functions as func

MAX_BODY_BYTES = 1024 * 1024
MAX_HISTORY_CHARACTERS = 200_000
MAX_VALUES = 1_000
"""A request that keeps the contract has a few hundred. What has more would cost the other streams time."""
MAX_NAME_CHARACTERS = 100

_MESSAGES = {
    "extra_forbidden": "is not a field of this request",
    "missing": "is required",
    "model_type": "must be a JSON object",
}


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be only white space")
    return text


Text = Annotated[str, Field(min_length=1, max_length=32_000)]


class Turn(BaseModel):
    """One earlier message of the conversation."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    role: Literal["user", "assistant"]
    content: Text


class StreamRequest(BaseModel):
    """The body of `POST /api/stream`."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={
            "examples": [{"message": "Explain Azure Functions scaling in three short points."}]
        },
    )

    message: Annotated[Text, AfterValidator(_not_blank)] = Field(description="What the user says.")
    system_prompt: str | None = Field(
        default=None, max_length=8000, description="Takes the place of the app's own system prompt."
    )
    history: list[Turn] = Field(
        default=[], max_length=50, description="The conversation so far, oldest first."
    )
    max_output_tokens: int | None = Field(
        default=None, ge=1, description="The longest answer to give, in tokens."
    )
    temperature: float | None = Field(
        default=None,
        ge=0,
        le=2,
        description="How much the answer may vary. Reasoning models refuse it.",
    )
    include_usage: bool = Field(default=False, description="Send an `event: usage` before the end.")

    @field_validator("history")
    @classmethod
    def _bounded(cls, history: list[Turn]) -> list[Turn]:
        if sum(len(turn.content) for turn in history) > MAX_HISTORY_CHARACTERS:
            raise ValueError(f"must not hold more than {MAX_HISTORY_CHARACTERS:,} characters in all")
        return history

    def messages(self, default_system_prompt: str | None) -> list[dict[str, str]]:
        """The conversation as chat completions takes it, `{"role", "content"}` each."""
        system_prompt = default_system_prompt if self.system_prompt is None else self.system_prompt
        return [
            *([{"role": "system", "content": system_prompt}] if system_prompt else []),
            *({"role": turn.role, "content": turn.content} for turn in self.history),
            {"role": "user", "content": self.message},
        ]


class StreamQuery(BaseModel):
    """The query of `POST /api/stream`. Others (`code`, the function key) are the host's."""

    delivery: Literal["streamed", "buffered"] | None = Field(
        default=None, description="Overrides the setting STREAM_DELIVERY."
    )


class StrictJson(PydanticAdapter):
    """Takes a body only if it is JSON as RFC 8259 has it: UTF-8, not empty, no NaN or Infinity."""

    def parse_body(self, req: func.HttpRequest, model: Any) -> Any:
        """The validated model. Raises MalformedRequestError and AdapterValidationError."""
        try:
            document = json.loads(req.get_body().decode(), parse_constant=_refuse_constant)
            if _values_in(document, MAX_VALUES) > MAX_VALUES:
                message = f"must not hold more than {MAX_VALUES:,} values"
                raise AdapterValidationError(message, [{"loc": ["body"], "msg": message, "type": "too_long"}])
            document = replace_lone_surrogates(document)
        except (ValueError, RecursionError) as error:
            raise MalformedRequestError(str(error)) from error
        try:
            return model.model_validate(document)
        except ValidationError as error:
            raise AdapterValidationError(
                "The body does not match the model",
                [
                    {"loc": ["body", *each["loc"]], "msg": each["msg"], "type": each["type"]}
                    for each in error.errors(include_url=False, include_input=False, include_context=False)
                ],
            ) from error


def _values_in(document: Any, enough: int) -> int:
    """How many values a JSON document holds; counts no further than beyond `enough`."""
    count, left = 0, [document]
    while left and count <= enough:
        count += 1
        value = left.pop()
        if isinstance(value, dict):
            left += cast("dict[str, Any]", value).values()
        elif isinstance(value, list):
            left += cast("list[Any]", value)
    return count


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def request_problem(error: Exception, status: int) -> ProblemError:
    """The problem that `@validate_http` found in a request, where it would answer with `status`."""
    match error:
        case MalformedRequestError():
            return ProblemError(MALFORMED_JSON)
        case AdapterValidationError():
            return invalid_fields([_field_error(entry) for entry in error.errors])
        case _:
            return ProblemError(
                {413: PAYLOAD_TOO_LARGE, 415: UNSUPPORTED_MEDIA_TYPE}.get(status, INTERNAL_ERROR)
            )


def invalid_fields(errors: list[FieldError]) -> ProblemError:
    """The problem of fields that break the contract."""
    at_fault = "; ".join(f"{error['field']}: {error['message']}" for error in errors)
    return ProblemError(INVALID_REQUEST, f"The request is not valid. {at_fault}.", errors=errors)


def _field_error(entry: dict[str, Any]) -> FieldError:
    source, *location = entry["loc"]
    name = ".".join(map(str, location)) or str(source)
    if len(name) > MAX_NAME_CHARACTERS:
        name = f"{name[:MAX_NAME_CHARACTERS]}…"
    message = _MESSAGES.get(entry["type"]) or str(entry["msg"]).removeprefix("Value error, ")
    return {"field": name, "message": message}
