"""The server: its socket, its routes, what it recorded and what a test tells it to do."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Self

from aiohttp import web

from . import answers, chat_request, completion
from .errors import error
from .exchange import Exchange, Pace, Play
from .identity import Identity, IdentityHandler, TokenRequest
from .shapes import SHAPES

_HOST = "127.0.0.1"
_SIMULATE = "simulate:"


class Simulator:
    """Simulates Azure OpenAI and the managed-identity endpoint while it is entered (`async with`), once.

    completions: every request to chat completions in order of arrival, refused ones included.
    token_requests: every request to the identity endpoint.
    Stopping is immediate: open streams are cut.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        pace: float = 0.0,
        first_token_after: float = 0.0,
        deployment: str = "chat",
        identity_header: str = "simulated-identity",
        record: bool = True,
    ) -> None:
        """port: 0 takes a free one. pace: seconds between tokens, 0 is as fast as possible.

        first_token_after: seconds from the request to its first token. deployment: the one that exists.
        identity_header: the value that the identity endpoint asks for. record: False keeps `completions` and
        `token_requests` empty, for a simulator that runs for long.
        """
        self.port = port
        self.pace = pace
        self.first_token_after = first_token_after
        self.deployment = deployment
        self.completions: list[Exchange] = []
        self.token_requests: list[TokenRequest] = []
        self._record = record
        self._identity = Identity(identity_header)
        self._identity_handler: IdentityHandler | None = None
        self._scripts: dict[str, Play] = {}
        self._newest: dict[str, Exchange] = {}
        self._arrival = asyncio.Condition()
        self._stopped = asyncio.Event()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`. Raises RuntimeError before the start if the port is to be a free one."""
        if self.port == 0:
            raise RuntimeError("the simulator has not started: its port is not known yet")
        return f"http://{_HOST}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that point an app at the simulator."""
        return {
            "AZURE_OPENAI_ENDPOINT": self.url,
            "AZURE_OPENAI_DEPLOYMENT": self.deployment,
            "IDENTITY_ENDPOINT": f"{self.url}/msi/token",
            "IDENTITY_HEADER": self._identity.header,
        }

    @property
    def token_lifetime(self) -> float:
        """Seconds for which tokens issued from now on are valid. Default: a day, as on App Service."""
        return self._identity.token_lifetime

    @token_lifetime.setter
    def token_lifetime(self, seconds: float) -> None:
        self._identity.token_lifetime = seconds

    def revoke_tokens(self) -> None:
        """Makes every token that was issued so far invalid."""
        self._identity.revoke()

    def script(self, message: str, play: Play) -> None:
        """Lets `play` answer each completion whose last user message is `message`, until it is replaced.

        Requests that the service would refuse are refused all the same. A script that raises or is cancelled
        aborts the connection and leaves its exception in `Exchange.error`.
        """
        self._scripts[message] = play

    def script_identity(self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]] | None) -> None:
        """Lets `handler` answer the identity endpoint; None restores the endpoint's own answers."""
        self._identity_handler = handler

    async def exchange(self, message: str) -> Exchange:
        """The newest completion with this last user message; waits for the first one if there is none.

        Raises RuntimeError if the simulator keeps no record.
        """
        if not self._record:
            raise RuntimeError("the simulator keeps no record of its exchanges")
        async with self._arrival:
            await self._arrival.wait_for(lambda: message in self._newest)
            return self._newest[message]

    async def __aenter__(self) -> Self:
        """Starts to listen. Raises OSError if the port is not free."""
        application = web.Application(client_max_size=0)  # 0: bodies of any size
        application.router.add_get("/msi/token", self._token)
        application.router.add_post("/openai/v1/chat/completions", self._completion)
        application.router.add_route("*", "/{path:.*}", _not_found)
        # The timeout only bounds what is left after the connections have been aborted.
        self._runner = web.AppRunner(
            application, handler_cancellation=True, access_log=None, shutdown_timeout=0.1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, _HOST, self.port, backlog=1024)
        try:
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise
        self.port = site.port
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stops at once, with streams open too."""
        self._stopped.set()
        if self._runner is None:
            return
        for site in self._runner.sites:
            await site.stop()
        # Each lost connection cancels its handler, whatever that waits for.
        for connection in self._runner.server.connections if self._runner.server else []:
            if connection.transport is not None:
                connection.transport.abort()
        await self._runner.cleanup()

    async def _token(self, request: web.Request) -> web.StreamResponse:
        record = TokenRequest(request.query.get("resource"), request.query.get("client_id"))
        if self._record:
            self.token_requests.append(record)
        if self._identity_handler is None:
            response = self._identity.answer(request)
        else:
            response = await self._identity_handler(request)
        record.status = response.status
        return response

    async def _completion(self, request: web.Request) -> web.StreamResponse:
        body = chat_request.parse(await request.read())
        questions = chat_request.texts(body or {}, role="user")
        message = questions[-1] if questions else ""
        exchange = Exchange(
            request, body or {}, message, Pace(self.first_token_after, self.pace), self._stopped
        )
        if self._record:
            self.completions.append(exchange)
            async with self._arrival:
                self._newest[message] = exchange
                self._arrival.notify_all()
        if not self._identity.accepts(request.headers.get("Authorization")):
            unauthorized = error("401", "Access denied: no valid access token for this resource was sent.")
            return await exchange.run(partial(_refuse, refusal=(401, unauthorized)))
        if (refusal := chat_request.refusal(body, self.deployment)) is not None:
            return await exchange.run(partial(_refuse, refusal=refusal))
        return await exchange.run(self._play(message, questions))

    def _play(self, message: str, questions: list[str]) -> Play:
        if message in self._scripts:
            return self._scripts[message]
        if message.startswith(_SIMULATE):
            name = message.removeprefix(_SIMULATE).strip()
            if name in SHAPES:
                return SHAPES[name].play
            return partial(completion.play, tokens=answers.tokens(_shapes_help(name)))
        return partial(completion.play, tokens=answers.answer(questions))


async def _refuse(exchange: Exchange, refusal: chat_request.Refusal) -> None:
    status, document = refusal
    await exchange.answer_json(status, document)


async def _not_found(_: web.Request) -> web.Response:
    return web.json_response(error("404", "Resource not found"), status=404)


def _shapes_help(name: str) -> str:
    unknown = "" if name in {"", "?"} else f"There is no shape {name}. "
    names = "\n".join(f"- {shape.name}: {shape.description}" for shape in SHAPES.values())
    return f"{unknown}Send `{_SIMULATE} NAME` to play one of these:\n\n{names}"
