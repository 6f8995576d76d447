"""What lives as long as the process: the settings, the connection to Azure OpenAI, the open streams."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from azure_functions_logging import get_logger

from streaming_chat.azure_openai import AzureOpenAI
from streaming_chat.contract import invalid_fields
from streaming_chat.problems import AT_CAPACITY, MISCONFIGURED, ProblemError
from streaming_chat.relay import Relay
from streaming_chat.settings import Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streaming_chat.contract import StreamQuery, StreamRequest

logger = get_logger(__name__)


class ChatService:
    """Answers requests. A wrong setting does not stop it: it says so, and goes on saying so."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._open_streams = 0
        self._misconfigured: SettingsError | None = None
        try:
            self._settings = Settings.from_environment(environment)
            self._upstream = AzureOpenAI(self._settings)
        except SettingsError as error:
            self._misconfigured = error
        except Exception as error:
            # Also the libraries read the environment: proxies, certificates, the authority to sign in with.
            logger.error("The client for Azure OpenAI cannot be made: %s", error)
            self._misconfigured = SettingsError(
                "The environment",
                f"keeps the client for Azure OpenAI from being made ({type(error).__name__}; see the log)",
            )
        if self._misconfigured:
            logger.error("Misconfigured: %s", self._misconfigured)

    def check(self) -> None:
        """Raises ProblemError, with status 503, when the app is misconfigured."""
        if self._misconfigured:
            raise _misconfigured(self._misconfigured, HTTPStatus.SERVICE_UNAVAILABLE)

    def answer(self, request: StreamRequest, query: StreamQuery, request_id: str) -> Relay:
        """Begins an answer. Call it inside the invocation's task.

        Raises ProblemError when there is nothing to begin.
        """
        if self._misconfigured:
            raise _misconfigured(self._misconfigured, MISCONFIGURED.status)
        settings = self._settings
        if (request.max_output_tokens or 0) > settings.stream_max_output_tokens:
            message = f"must not be greater than {settings.stream_max_output_tokens}"
            raise invalid_fields([{"field": "max_output_tokens", "message": message}])
        if self._open_streams >= settings.stream_max_concurrent:
            raise ProblemError(AT_CAPACITY, retry_after=1)
        relay = Relay(
            self._upstream,
            request,
            settings=settings,
            delivery=query.delivery or settings.stream_delivery,
            request_id=request_id,
        )
        self._open_streams += 1
        relay.task.add_done_callback(self._closed)
        return relay

    def _closed(self, _: object) -> None:
        self._open_streams -= 1


def _misconfigured(error: SettingsError, status: HTTPStatus) -> ProblemError:
    return ProblemError(
        MISCONFIGURED,
        f"This app is misconfigured: {error}.",
        status=status,
        errors=[{"field": error.setting, "message": error.message}],
    )
