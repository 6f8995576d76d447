"""Forwards an HTTP request to the worker's HTTP server, and its response to the client, as their bytes come.

Azure's host does this with YARP (azure-functions-host, DefaultHttpProxyService.cs).
"""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    StreamReader,
    TCPConnector,
    TraceConfig,
    hdrs,
    web,
)
from multidict import CIMultiDict
from yarl import URL

INVOCATION_ID_HEADER = "x-ms-invocation-id"

# RFC 9110, section 7.6.1, and what older agents send. `Expect` is answered by the host's own server.
_HOP_BY_HOP = {
    name.lower()
    for name in (
        hdrs.CONNECTION,
        hdrs.EXPECT,
        hdrs.KEEP_ALIVE,
        hdrs.PROXY_AUTHENTICATE,
        hdrs.PROXY_AUTHORIZATION,
        hdrs.TE,
        hdrs.TRAILER,
        hdrs.TRANSFER_ENCODING,
        hdrs.UPGRADE,
        "Proxy-Connection",
    )
}
_ADDED_BY_SESSION = (hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE, hdrs.USER_AGENT)
_NO_CONTENT_TYPE = web.ResponseKey("no_content_type", bool)


class ForwardingError(Exception):
    """The response of the worker did not come, or broke off."""


class Forwarding:
    """The forwarding of one request."""

    def __init__(self, request: web.BaseRequest, invocation_id: str) -> None:
        self._request = request
        self._invocation_id = invocation_id
        self._context = SimpleNamespace(sent=False)

    @property
    def reached_worker(self) -> bool:
        """Whether the request's head was sent, so that the worker's HTTP server has it or will have it."""
        return self._context.sent

    async def run(self, session: ClientSession, worker: URL) -> web.StreamResponse:
        """Forward, until the last byte of the response is written.

        Raises:
            ForwardingError: nothing was written to the client so far, or its connection was aborted, because
                that is how it can tell that the response is not whole.
            ConnectionError: the client is gone.
        """
        request = self._request
        target = request.raw_path if request.raw_path.startswith("/") else request.rel_url.raw_path_qs
        try:
            upstream = await session.request(
                request.method,
                URL(f"{worker}{target}", encoded=True),
                headers=_request_headers(request, self._invocation_id),
                data=_body(request.content) if request.body_exists else None,
                allow_redirects=False,
                trace_request_ctx=self._context,
            )
        except (ClientError, OSError) as error:
            raise ForwardingError(f"The worker did not answer: {error!r}") from error
        try:
            return await self._respond(upstream)
        finally:
            upstream.close()  # no effect on the connection when the response was read to its end

    async def _respond(self, upstream: ClientResponse) -> web.StreamResponse:
        response = web.StreamResponse(
            status=upstream.status, reason=upstream.reason, headers=_end_to_end(upstream.headers)
        )
        response[_NO_CONTENT_TYPE] = hdrs.CONTENT_TYPE not in upstream.headers
        await response.prepare(self._request)
        while chunk := await self._read(upstream):
            await response.write(chunk)
        await response.write_eof()
        return response

    async def _read(self, upstream: ClientResponse) -> bytes:
        try:
            return await upstream.content.readany()
        except (ClientError, OSError) as error:
            if self._request.transport is not None:
                self._request.transport.abort()
            raise ForwardingError(f"The worker's response broke off: {error!r}") from error


async def remove_default_content_type(_request: web.BaseRequest, response: web.StreamResponse) -> None:
    """For `Application.on_response_prepare`: aiohttp adds a Content-Type where the worker has sent none."""
    if response.get(_NO_CONTENT_TYPE):
        response.headers.popall(hdrs.CONTENT_TYPE, None)


def forwarding_session() -> ClientSession:
    """A session for `Forwarding`: as many connections as there are requests, nothing added or changed."""
    trace = TraceConfig()
    trace.on_request_headers_sent.append(_mark_as_sent)
    return ClientSession(
        # uvicorn closes a connection that was idle for 5 s; a request must not meet that moment.
        connector=TCPConnector(limit=0, keepalive_timeout=2),
        timeout=ClientTimeout(total=None, sock_connect=None),
        auto_decompress=False,
        cookie_jar=DummyCookieJar(),
        skip_auto_headers=_ADDED_BY_SESSION,
        trace_configs=[trace],
    )


async def _mark_as_sent(_session: ClientSession, context: Any, _params: Any) -> None:
    context.trace_request_ctx.sent = True


async def _body(content: StreamReader) -> AsyncIterator[bytes]:
    # aiohttp keeps the head back until there is a first piece of the body, which may be long in coming.
    yield b""
    async for chunk in content.iter_any():
        yield chunk


def _request_headers(request: web.BaseRequest, invocation_id: str) -> CIMultiDict[str]:
    headers = _end_to_end(request.headers)
    headers.popall(hdrs.HOST, None)
    # A client's own header of this name must not reach the worker: it would wait for that invocation.
    headers[INVOCATION_ID_HEADER] = invocation_id
    forwarded_for = [*headers.popall(hdrs.X_FORWARDED_FOR, []), request.remote or ""]
    headers[hdrs.X_FORWARDED_FOR] = ", ".join(filter(None, forwarded_for))
    headers.setdefault(hdrs.X_FORWARDED_HOST, request.host)
    headers.setdefault(hdrs.X_FORWARDED_PROTO, request.scheme)
    return headers


def _end_to_end(headers: Any) -> CIMultiDict[str]:
    """The headers without those that concern one connection only; repeated ones stay repeated."""
    connection = ",".join(headers.getall(hdrs.CONNECTION, []))
    dropped = _HOP_BY_HOP | {name.strip().lower() for name in connection.split(",")}
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in dropped)
