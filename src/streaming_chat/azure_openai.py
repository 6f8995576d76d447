"""Azure OpenAI: the credential, the client, and one open completion.

All that this app knows about `openai`, `azure-identity` and the HTTP transport is here; what leaves
this module are bytes, and failures as `ProblemError`.
"""

from __future__ import annotations

import asyncio
import math
import random
from contextlib import asynccontextmanager, suppress
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING, Any

import httpx2
import openai
from azure.core.exceptions import AzureError
from azure.identity.aio import DefaultAzureCredential, get_bearer_token_provider

from streaming_chat.problems import (
    MISCONFIGURED,
    THROTTLED,
    UPSTREAM_INVALID,
    UPSTREAM_UNREACHABLE,
    ProblemError,
    upstream_problem,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping

    from streaming_chat.contract import StreamRequest
    from streaming_chat.settings import Settings

_LONGEST_WAIT = 24 * 60 * 60.0
_RETRIED_STATUSES = frozenset({408, 409, 429})


class Completion:
    """A chat completion that upstream has begun to send."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response

    @property
    def request_id(self) -> str | None:
        """The id under which Azure's support finds this request."""
        return self._response.headers.get("x-request-id")

    async def reads(self) -> AsyncIterator[bytes]:
        """The body as it arrives, a read at a time.

        The end of the iteration is the end of the body. Raises ProblemError when the connection breaks.
        """
        try:
            async for data in self._response.aiter_raw():
                yield data
        except Exception as error:  # httpx2's own, and what it lets through from TLS and the socket
            raise ProblemError(
                UPSTREAM_UNREACHABLE,
                "The connection to Azure OpenAI broke in the middle of its answer.",
                cause=type(error).__name__,
            ) from error


class AzureOpenAI:
    """The connection to one deployment. It lives as long as the process and serves all streams."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._headers = _headers(settings)
        self._client = openai.AsyncOpenAI(
            base_url=settings.base_url,
            api_key=_api_key(settings),
            # Tries are counted here, not in the SDK: it would wait as long as Retry-After says.
            max_retries=0,
            http_client=httpx2.AsyncClient(
                # A redirect would carry the token elsewhere.
                follow_redirects=False,
                # A proxy is for other machines.
                trust_env=not settings.endpoint_is_local,
                # More open streams than connections would wait without a word.
                limits=httpx2.Limits(max_connections=None, max_keepalive_connections=100),
            ),
            # Reads have the relay's deadlines.
            timeout=httpx2.Timeout(None, connect=settings.stream_connect_timeout),
        )

    @asynccontextmanager
    async def complete(self, request: StreamRequest, *, retry_until: float) -> AsyncGenerator[Completion]:
        """Opens a streamed completion; it is closed when the context ends.

        `retry_until` is in the event loop's time: a retry that would begin later is not waited for.
        Raises ProblemError.
        """
        response = await self._open(request, retry_until)
        try:
            content_type = response.headers.get("content-type", "").lower()
            if not content_type.startswith("text/event-stream") or "content-encoding" in response.headers:
                raise ProblemError(UPSTREAM_INVALID, cause=f"content type {content_type!r:.80}")
            yield Completion(response)
        finally:
            with suppress(Exception):  # how it closes says nothing about the answer
                await response.aclose()

    async def _open(self, request: StreamRequest, retry_until: float) -> httpx2.Response:
        loop = asyncio.get_running_loop()
        retries = 0
        while True:
            try:
                return await self._send(request)
            except openai.APIConnectionError as error:
                failure, wait = _connection_problem(error), _backoff(retries)
            except openai.APIStatusError as error:
                failure = _status_problem(error)
                if error.status_code not in _RETRIED_STATUSES and error.status_code < 500:
                    raise failure from error
                retry_after = _retry_after(error.response.headers)
                wait = _backoff(retries) if retry_after is None else retry_after
            if retries == self._settings.stream_max_retries or loop.time() + wait > retry_until:
                raise failure
            retries += 1
            await asyncio.sleep(wait)

    async def _send(self, request: StreamRequest) -> httpx2.Response:
        optional: dict[str, Any] = {}
        if request.max_output_tokens is not None:
            optional["max_completion_tokens"] = request.max_output_tokens
        if request.temperature is not None:
            optional["temperature"] = request.temperature
        if request.include_usage:
            optional["stream_options"] = {"include_usage": True}
        messages: Any = request.messages(self._settings.stream_system_prompt)
        try:
            response = await self._client.chat.completions.with_raw_response.create(
                model=self._settings.azure_openai_deployment,
                messages=messages,
                stream=True,
                extra_headers=self._headers,
                **optional,
            )
        except AzureError as error:
            raise ProblemError(
                MISCONFIGURED,
                "No token for Azure OpenAI could be had. In Azure, check that AZURE_CLIENT_ID names an "
                "identity of this app; on your machine, sign in with az login.",
                cause=type(error).__name__,
            ) from error
        return response.http_response


def _api_key(settings: Settings) -> str | Callable[[], Awaitable[str]]:
    """What the SDK sends as bearer token. It insists on one, also where `_headers` leaves it out."""
    if settings.azure_openai_authentication == "none":
        return "none"
    credential = DefaultAzureCredential(managed_identity_client_id=settings.azure_client_id)
    return get_bearer_token_provider(credential, settings.azure_openai_scope)


def _headers(settings: Settings) -> dict[str, Any]:
    headers: dict[str, Any] = {"Accept-Encoding": "identity"}  # the body is read as it is
    if settings.azure_openai_authentication == "none":
        headers["Authorization"] = openai.Omit()
    return headers


def _connection_problem(error: openai.APIConnectionError) -> ProblemError:
    return ProblemError(
        UPSTREAM_UNREACHABLE,
        "The connection to Azure OpenAI failed. Check AZURE_OPENAI_ENDPOINT and the network.",
        cause=type(error.__cause__ or error).__name__,
    )


def _status_problem(error: openai.APIStatusError) -> ProblemError:
    problem = upstream_problem(error.status_code, error.code)
    details = {
        401: "Azure OpenAI refused this app's token. Check AZURE_OPENAI_SCOPE, and that the app's identity "
        "has the role Cognitive Services OpenAI User on the Azure OpenAI resource.",
        403: "Azure OpenAI refused this app. Check that its identity has the role Cognitive Services OpenAI "
        "User on the Azure OpenAI resource, and that the resource's network lets the app in.",
        404: "Azure OpenAI does not know the deployment. Check AZURE_OPENAI_DEPLOYMENT and "
        "AZURE_OPENAI_ENDPOINT.",
    }
    return ProblemError(
        problem,
        details.get(error.status_code) if problem is MISCONFIGURED else None,
        retry_after=_whole_seconds(error.response.headers) if problem is THROTTLED else None,
        cause=f"upstream status {error.status_code}, code {error.code!r:.80}",
    )


def _backoff(retries: int) -> float:
    """Seconds before the next try: half a second, doubled each time, with jitter."""
    return 0.5 * 2**retries * random.uniform(0.75, 1.25)  # noqa: S311 (not for cryptography)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that upstream asks to wait, None if it says nothing that makes sense.

    `retry-after-ms` is Azure's own; `retry-after` is seconds or a date (RFC 9110, 10.2.3).
    """
    seconds = _number(headers.get("retry-after-ms", ""), 1000)
    if seconds is None:
        seconds = _number(headers.get("retry-after", ""), 1)
    if seconds is None:
        try:
            seconds = parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time()
        except (ValueError, OverflowError):
            return None
    return max(0.0, seconds) if seconds < _LONGEST_WAIT else None


def _number(text: str, divisor: int) -> float | None:
    try:
        number = float(text) / divisor
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _whole_seconds(headers: Mapping[str, str]) -> int | None:
    wait = _retry_after(headers)
    return None if wait is None else math.ceil(wait)
