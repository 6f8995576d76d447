"""Error documents in the form in which Azure OpenAI writes them: one object `error` with code and message."""

from typing import Any


def error(code: str | None, message: str, **more: object) -> dict[str, Any]:
    """`{"error": {"code": ..., "message": ..., ...}}`, as the service and its gateway answer."""
    return {"error": {"code": code, "message": message, **more}}


def invalid_request(code: str | None, param: str | None, message: str) -> dict[str, Any]:
    """The form of a request that the model's own validation refuses: it names the parameter."""
    return error(code, message, param=param, type="invalid_request_error")
