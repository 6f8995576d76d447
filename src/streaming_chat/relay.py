"""One answer, from the request to its terminal event.

A `Relay` owns a stream: it asks Azure OpenAI, holds the status line back until it knows what to say,
sends what comes as it comes, keeps every deadline, notices in every phase that the client has left,
and ends the stream exactly once.

It runs as one task, started inside the invocation, so that its log lines belong to that invocation
although they are written long after the handler has returned. One timer serves all deadlines: an
event only moves the times that the timer looks at.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from azure_functions_logging import get_logger

from streaming_chat import sse
from streaming_chat.chunks import ChunkDecoder, Delta, Event, Finish, UpstreamFailure, Usage
from streaming_chat.problems import (
    FIRST_TOKEN_TIMEOUT,
    IDLE_TIMEOUT,
    INTERNAL_ERROR,
    TOTAL_TIMEOUT,
    UPSTREAM_INVALID,
    Problem,
    ProblemError,
)
from streaming_chat.responses import common_headers, problem_response
from streaming_chat.telemetry import StreamOutcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from streaming_chat.azure_openai import AzureOpenAI
    from streaming_chat.contract import StreamRequest
    from streaming_chat.settings import Delivery, Settings

    Message = MutableMapping[str, Any]
    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

logger = get_logger(__name__)

TRAILER_SECONDS = 2
"""How long upstream may take for what follows the finish reason (usage, the end of its body), and a
client that does not read for the error event after a deadline."""

MAX_BUFFERED_BYTES = 16 * 1024 * 1024
"""A longer answer is none of a model's: buffered delivery holds no more than this."""


class _ClientLeftError(Exception):
    """The server's send failed: there is nobody to send to."""


class Relay:
    """An ASGI application that serves one response. Make it inside the invocation's task.

    `request_id` is the invocation's id. `task` ends when the stream has ended and upstream is released.
    """

    def __init__(
        self,
        upstream: AzureOpenAI,
        request: StreamRequest,
        *,
        settings: Settings,
        delivery: Delivery,
        request_id: str,
    ) -> None:
        self._upstream = upstream
        self._request = request
        self._settings = settings
        self._request_id = request_id
        self._outcome = StreamOutcome(settings.azure_openai_deployment, delivery)
        self._decoder = ChunkDecoder()
        self._finish: Finish | None = None
        self._usage: Usage | None = None

        self._loop = asyncio.get_running_loop()
        self._connection: asyncio.Future[tuple[Scope, Receive, Send]] = self._loop.create_future()
        self._held: list[bytes] | None = [] if delivery == "buffered" else None
        self._held_bytes = 0
        self._writing = asyncio.Lock()
        self._sending = False  # inside the server's send, which waits while the client does not read
        self._committed = False  # the status line is out
        self._complete = False  # the last byte is out
        self._client_left = False
        self._recorded = False
        self._expired: Problem | None = None  # the deadline that passed
        self._expired_at = 0.0

        # Times of the event loop
        self._began = self._loop.time()
        self._waiting_since = self._began  # for upstream's next read
        self._last_sent = self._began
        self._finished = 0.0

        self._keep_alive: asyncio.Task[None] | None = None
        self.task = self._loop.create_task(self._run())
        self._timer = self._loop.call_soon(self._tick)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface: returns when the stream has ended and upstream is released."""
        self._connection.set_result((scope, receive, send))
        listener = self._loop.create_task(self._listen(receive))
        try:
            await self.task
        finally:
            listener.cancel()

    async def _listen(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        # A server also says so when the response is complete.
        if not self._complete:
            self._client_left = True
            self.task.cancel()

    # The way of an answer

    async def _run(self) -> None:
        try:
            await self._end(await self._relay())
        except asyncio.CancelledError:
            if not (self._client_left or self._expired):
                raise
        except _ClientLeftError:
            self._client_left = True
        finally:
            self._timer.cancel()
            if self._keep_alive:
                self._keep_alive.cancel()
            self._record()

    async def _relay(self) -> ProblemError | None:
        """Sends the answer's text. Returns what went wrong, None when there was a finish reason."""
        failure: ProblemError | None
        try:
            retry_until = self._began + self._settings.stream_hold_back
            async with self._upstream.complete(self._request, retry_until=retry_until) as completion:
                self._outcome.upstream_request_id = completion.request_id
                async for data in completion.reads():
                    await self._forward(self._decoder.feed(data))
                    if self._complete and self._decoder.done:
                        # All is known. What is left is the end of the body, so that the connection
                        # can be used again.
                        self._record()
                await self._forward(self._decoder.end())
            return None
        except ProblemError as error:
            failure = error
        except asyncio.CancelledError:
            if not self._expired or self._client_left or self._sending:
                raise
            # `_tick` cancelled this task because a deadline passed; the client can still be told.
            self.task.uncancel()
            failure = ProblemError(self._expired)
        except _ClientLeftError:
            raise
        except Exception:
            logger.exception("The relay failed")
            failure = ProblemError(INTERNAL_ERROR)
        # After the finish reason nothing turns success into failure.
        return None if self._finish else failure

    async def _forward(self, events: list[Event]) -> None:
        """Sends what one read brought, in one write. Raises ProblemError if it brought a failure."""
        frames: list[bytes] = []
        failure: ProblemError | None = None
        usage_is_final = False
        for event in events:
            match event:
                case Delta():
                    frames.append(sse.delta(event.text))
                case Finish():
                    self._finish = event
                case Usage():  # some model servers also send what it is so far
                    self._usage = event
                    usage_is_final = self._finish is not None
                case UpstreamFailure():
                    failure = ProblemError(event.problem, cause=event.cause)
        phase_begins = self._finish is not None and not self._finished
        if frames and not self._outcome.deltas:
            self._outcome.first_token = self._loop.time() - self._began
            phase_begins = True
        self._outcome.deltas += len(frames)
        if failure:
            if frames:
                await self._write([*frames, sse.error(failure, self._request_id)], last=True)
            raise failure
        if self._finish and (usage_is_final or self._decoder.done or not self._request.include_usage):
            await self._write([*frames, *self._closing_frames(self._finish)], last=True)
        elif frames:
            await self._write(frames)
        self._waiting_since = self._loop.time()
        if self._finish and not self._finished:
            self._finished = self._waiting_since
        if phase_begins:  # its deadline may come before the one that the timer waits for
            self._timer.cancel()
            self._tick()

    async def _end(self, failure: ProblemError | None) -> None:
        """Sends the terminal event or the problem, unless it went out with the last text."""
        if failure:
            self._outcome.error_code = failure.problem.code
            self._outcome.cause = failure.cause
        async with self._writing:
            if self._complete:
                return
            if self._finish:
                await self._send_frames(self._closing_frames(self._finish), last=True)
            elif failure and (self._committed or self._held):
                await self._send_frames([sse.error(failure, self._request_id)], last=True)
            elif failure:
                await self._send_problem(failure)

    def _closing_frames(self, finish: Finish) -> list[bytes]:
        usage = [sse.usage(self._usage)] if self._usage and self._request.include_usage else []
        return [*usage, sse.done(finish.status)]

    # Writing

    async def _write(self, frames: list[bytes], *, last: bool = False) -> None:
        async with self._writing:
            if not self._complete:
                await self._send_frames(frames, last=last)

    async def _send_frames(self, frames: list[bytes], *, last: bool) -> None:
        if self._held is not None:
            self._held += frames
            if not last:
                self._held_bytes += sum(map(len, frames))
                if self._held_bytes > MAX_BUFFERED_BYTES:
                    raise ProblemError(UPSTREAM_INVALID, cause=f"more than {MAX_BUFFERED_BYTES} bytes")
                return
            frames = self._held
        body = b"".join(frames)
        if not self._committed:
            await self._deliver(self._start(len(body) if self._held is not None else None))
        await self._deliver({"type": "http.response.body", "body": body, "more_body": not last})
        self._sent(last=last)

    async def _send_problem(self, failure: ProblemError) -> None:
        scope, receive, _ = await asyncio.shield(self._connection)
        await problem_response(failure, self._request_id)(scope, receive, self._deliver)
        self._sent(last=True)

    async def _deliver(self, message: Message) -> None:
        # Shielded: a deadline may pass before the server has handed the connection over.
        _, _, send = await asyncio.shield(self._connection)
        self._committed = self._sending = True
        try:
            await send(message)
        except OSError as error:  # some servers raise it instead of saying http.disconnect
            raise _ClientLeftError from error

    def _sent(self, *, last: bool) -> None:
        self._sending = False
        self._complete = last
        self._last_sent = self._loop.time()

    def _start(self, content_length: int | None) -> Message:
        headers = {"Content-Type": sse.CONTENT_TYPE, **common_headers(self._request_id)}
        if content_length is not None:
            headers["Content-Length"] = str(content_length)
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        return {"type": "http.response.start", "status": 200, "headers": raw}

    async def _send_keep_alive(self) -> None:
        try:
            await self._write([sse.KEEP_ALIVE])
        except _ClientLeftError:
            self._client_left = True
            self.task.cancel()

    # Time

    def _tick(self) -> None:
        """Acts on what is due, and comes back when the next thing is."""
        now = self._loop.time()
        if self._sending:  # neither side's silence counts while the client does not read
            self._waiting_since = self._last_sent = now
        due, problem = self._deadline()
        if now >= due:
            self._expired = self._expired or problem
            self._expired_at = now
            self.task.cancel()
            due, _ = self._deadline()
        elif self._held is None and not self._complete:
            keep_alive_due = self._keep_alive_due()
            if now >= keep_alive_due:
                if self._connection.done():
                    self._keep_alive = self._loop.create_task(self._send_keep_alive())
                keep_alive_due = now + self._settings.stream_heartbeat_interval
            due = min(due, keep_alive_due)
        self._timer = self._loop.call_at(due, self._tick)

    def _deadline(self) -> tuple[float, Problem]:
        settings = self._settings
        total = self._began + settings.stream_total_timeout
        if self._expired:
            return self._expired_at + TRAILER_SECONDS, self._expired
        if self._finished and not self._sending:
            due, problem = self._finished + TRAILER_SECONDS, TOTAL_TIMEOUT
        elif self._outcome.first_token is None:
            due, problem = self._began + settings.stream_first_token_timeout, FIRST_TOKEN_TIMEOUT
        else:
            due, problem = self._waiting_since + settings.stream_idle_timeout, IDLE_TIMEOUT
        return (due, problem) if due < total else (total, TOTAL_TIMEOUT)

    def _keep_alive_due(self) -> float:
        if self._committed:
            return self._last_sent + self._settings.stream_heartbeat_interval
        return self._began + self._settings.stream_hold_back

    def _record(self) -> None:
        if self._recorded:
            return
        self._recorded = True
        outcome = self._outcome
        outcome.duration = (self._last_sent if self._complete else self._loop.time()) - self._began
        if self._finish:
            outcome.finish_reason = self._finish.reason
        if self._complete and self._finish:
            outcome.status = self._finish.status
        elif self._client_left:
            outcome.status = "client_disconnected"
        elif self._expired and not outcome.error_code:
            outcome.error_code = self._expired.code
            outcome.cause = "the client stopped reading"
        outcome.log()
