"""What became of a stream, and the one log line that says so."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from azure_functions_logging import get_logger

if TYPE_CHECKING:
    from streaming_chat.chunks import Status
    from streaming_chat.settings import Delivery

logger = get_logger(__name__)

# These write lines about every request. A stream's own line has what matters of them.
for _chatty in ("azure.core", "azure.identity", "azure_functions_openapi", "httpx2"):
    logging.getLogger(_chatty).setLevel(logging.WARNING)


@dataclass(slots=True)
class StreamOutcome:
    """One stream, from the request to its end. Counts and times only, never text.

    Times are in seconds since the request; `first_token` is None when there was none.
    """

    deployment: str
    delivery: Delivery
    status: Status | Literal["failed", "client_disconnected"] = "failed"
    finish_reason: str | None = None
    error_code: str | None = None
    cause: str | None = None
    first_token: float | None = None
    duration: float = 0.0
    deltas: int = 0
    upstream_request_id: str | None = None

    def log(self) -> None:
        """Writes the line. The request id is the line's invocation id, put there by the logging context."""
        level = logging.WARNING if self.status == "failed" else logging.INFO
        fields = {name: _printable(value) for name, value in asdict(self).items() if value is not None}
        text = " ".join(
            f"{name}={value:.3f}" if isinstance(value, float) else f"{name}={value}"
            for name, value in fields.items()
        )
        logger.log(level, "Stream ended: %s", text, extra=fields)


def _printable(value: object) -> object:
    """What upstream gave, fit for one line of a log: short, and without control characters."""
    if isinstance(value, str) and (len(value) > 80 or not value.isprintable()):
        return f"{value!r:.80}"
    return value
