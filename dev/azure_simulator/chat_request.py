"""The request body of chat completions: what it says, and why the service would refuse it."""

import json
from typing import Any

from .errors import error, invalid_request

type Refusal = tuple[int, dict[str, Any]]
"""An HTTP status and the error document that goes with it."""


def parse(raw: bytes) -> dict[str, Any] | None:
    """The JSON object that the bytes are, or None."""
    try:
        document = json.loads(raw)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def texts(body: dict[str, Any], role: str | None = None) -> list[str]:
    """The texts of the messages in order, of one role only if given; parts that are no text are left out."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return []
    return [
        _text(message.get("content"))
        for message in messages
        if isinstance(message, dict) and (role is None or message.get("role") == role)
    ]


def refusal(body: dict[str, Any] | None, deployment: str) -> Refusal | None:
    """Why a service with this deployment of a reasoning model refuses the body, None if it does not.

    Rules: "Azure OpenAI v1 REST API reference" and, for the parameters that these models do not take,
    "Azure OpenAI reasoning models".
    """
    if body is None:
        return 400, invalid_request(None, None, "The body of the request is not a JSON object.")
    if "model" not in body:
        return 400, invalid_request("missing_required_parameter", "model", "'model' is required.")
    if body["model"] != deployment:
        return 404, error("DeploymentNotFound", "This resource has no deployment with the name in 'model'.")
    messages = body.get("messages")
    if messages is None:
        return 400, invalid_request("missing_required_parameter", "messages", "'messages' is required.")
    if not (isinstance(messages, list) and messages and all(isinstance(m, dict) for m in messages)):
        return 400, invalid_request("invalid_type", "messages", "'messages' must be an array of messages.")
    return _refused_parameter(body)


def _refused_parameter(body: dict[str, Any]) -> Refusal | None:
    if body.get("max_tokens") is not None:
        return 400, invalid_request(
            "unsupported_parameter",
            "max_tokens",
            "This model does not take 'max_tokens'; use 'max_completion_tokens'.",
        )
    if body.get("temperature") is not None and body["temperature"] != 1:
        return 400, invalid_request(
            "unsupported_value", "temperature", "This model takes no 'temperature' but its default, 1."
        )
    limit = body.get("max_completion_tokens")
    if limit is not None and (type(limit) is not int or limit < 1):
        return 400, invalid_request(
            "invalid_value", "max_completion_tokens", "'max_completion_tokens' must be an integer from 1."
        )
    if body.get("stream_options") is not None and body.get("stream") is not True:
        return 400, invalid_request(
            "invalid_value", "stream_options", "'stream_options' is allowed only with 'stream'."
        )
    return None


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
    return "".join(part for part in parts if isinstance(part, str))
