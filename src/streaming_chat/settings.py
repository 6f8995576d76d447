"""Every setting: its name, default, bounds and meaning, in one class.

A setting's name in the environment is the field's name in capitals. An empty value counts as unset,
so that a line of local.settings.json can be left blank.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

if TYPE_CHECKING:
    from collections.abc import Mapping

_URL_CHARACTERS = re.compile(r"[!-~]+")  # RFC 3986: ASCII without blanks and control characters

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Delivery = Literal["streamed", "buffered"]


class SettingsError(ValueError):
    """A setting that cannot be used. `setting` is its name; the message is one line for the operator."""

    def __init__(self, setting: str, message: str) -> None:
        super().__init__(f"{setting} {message}")
        self.setting = setting
        self.message = message


class Settings(BaseModel):
    """The settings of the app, checked once at start."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    azure_openai_endpoint: str = Field(
        description="The Azure OpenAI resource, `https://NAME.openai.azure.com`, or any base URL that "
        "ends in `/v1`. Plain http is accepted for this machine only.",
    )
    azure_openai_deployment: str = Field(description="The name of the chat model's deployment.", min_length=1)
    azure_openai_authentication: Literal["entra_id", "none"] = Field(
        default="entra_id",
        description="`entra_id` signs in with DefaultAzureCredential; `none` sends no token, for a model "
        "server on this machine.",
    )
    azure_openai_scope: str = Field(
        default="https://cognitiveservices.azure.com/.default",
        description="The scope that tokens for Azure OpenAI are asked for.",
    )
    azure_client_id: str | None = Field(
        default=None, description="The client id of the user-assigned managed identity."
    )
    stream_delivery: Delivery = Field(
        default="streamed",
        description="`streamed` sends each token as it comes, `buffered` the whole answer at its end. "
        "A request overrides it with `?delivery=`.",
    )
    stream_connect_timeout: Seconds = Field(default=5, description="To connect to Azure OpenAI.")
    stream_first_token_timeout: Seconds = Field(
        default=60, description="From the request to the first token of the answer."
    )
    stream_idle_timeout: Seconds = Field(
        default=30, description="Between two reads from Azure OpenAI after the first token."
    )
    stream_total_timeout: Seconds = Field(
        default=220,
        le=290,
        description="The whole stream. Below host.json's functionTimeout and the 230 seconds that a "
        "rolling update leaves an open request.",
    )
    stream_heartbeat_interval: Seconds = Field(
        default=15, lt=230, description="Silence after which a keep-alive comment is sent."
    )
    stream_hold_back: Seconds = Field(
        default=10,
        description="How long the status line waits for the first token, so that an early failure is a "
        "real HTTP status. No retry is waited for beyond it.",
    )
    stream_max_retries: int = Field(
        default=2, ge=0, le=10, description="Tries after the first, before the first byte is sent."
    )
    stream_max_concurrent: int = Field(
        default=1000, ge=1, description="Streams open at once on one instance."
    )
    stream_max_output_tokens: int = Field(
        default=16384, ge=1, description="The highest `max_output_tokens` that a request may ask for."
    )
    stream_system_prompt: str | None = Field(
        default=None, max_length=8000, description="The system prompt of requests that bring none."
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """The settings found in `environment`.

        Raises SettingsError for the first one that cannot be used.
        """
        values = {
            name: environment[name.upper()]
            for name in cls.model_fields
            if environment.get(name.upper(), "").strip()
        }
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            raise _settings_error(error) from None
        settings._check_agreement()
        return settings

    @property
    def base_url(self) -> str:
        """The v1 API's base URL, with a slash at its end."""
        if self.azure_openai_endpoint.endswith("/v1"):
            return f"{self.azure_openai_endpoint}/"
        return f"{self.azure_openai_endpoint}/openai/v1/"

    @property
    def endpoint_is_local(self) -> bool:
        """Whether the endpoint is on this machine."""
        return _is_loopback(urlsplit(self.azure_openai_endpoint).hostname)

    @field_validator("azure_openai_endpoint")
    @classmethod
    def _check_endpoint(cls, value: str) -> str:
        value = value.strip()
        try:
            url = urlsplit(value)
            hostname, _ = url.hostname, url.port
        except ValueError:
            raise ValueError("is not a URL") from None
        if url.scheme not in {"https", "http"} or not hostname or not _URL_CHARACTERS.fullmatch(value):
            raise ValueError("is not a URL like https://NAME.openai.azure.com")
        if url.username or url.password or url.query or url.fragment:
            raise ValueError("must not hold credentials, a query or a fragment")
        if url.scheme == "http" and not _is_loopback(hostname):
            raise ValueError("must use https: a token is never sent over plain http, except to this machine")
        return value.rstrip("/")

    def _check_agreement(self) -> None:
        if self.azure_openai_authentication == "none" and not self.endpoint_is_local:
            raise SettingsError(
                "AZURE_OPENAI_AUTHENTICATION",
                "is none, which is accepted only when AZURE_OPENAI_ENDPOINT is on this machine",
            )
        for name in (
            "stream_connect_timeout",
            "stream_first_token_timeout",
            "stream_idle_timeout",
            "stream_heartbeat_interval",
            "stream_hold_back",
        ):
            if getattr(self, name) > self.stream_total_timeout:
                raise SettingsError(
                    name.upper(),
                    f"must not be longer than STREAM_TOTAL_TIMEOUT ({self.stream_total_timeout:g})",
                )


def _is_loopback(hostname: str | None) -> bool:
    try:
        return hostname == "localhost" or ipaddress.ip_address(hostname or "").is_loopback
    except ValueError:
        return False


def _settings_error(error: ValidationError) -> SettingsError:
    first: Any = error.errors()[0]
    setting = str(first["loc"][0]).upper()
    if first["type"] == "missing":
        return SettingsError(setting, "is not set")
    # Our own validators say what is wrong in words that follow the name; pydantic's begin a sentence.
    message = str(first["msg"])
    if first["type"] == "value_error":
        return SettingsError(setting, message.removeprefix("Value error, "))
    return SettingsError(setting, f"is not valid: {message[:1].lower()}{message[1:]}")
