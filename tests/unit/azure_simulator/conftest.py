"""A simulator a test, and plain HTTP against it."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from azure_simulator import Simulator

AUDIENCE = "https://cognitiveservices.azure.com"


class Client:
    """Plain HTTP against the simulator, with a token of its own."""

    def __init__(self, simulator: Simulator, session: aiohttp.ClientSession) -> None:
        self.simulator = simulator
        self.session = session
        self.responses: list[aiohttp.ClientResponse] = []

    async def token(self, resource: str = AUDIENCE) -> str:
        async with self.ask_identity(resource=resource) as response:
            return (await response.json())["access_token"]

    def ask_identity(
        self,
        *,
        header: str | None = "simulated-identity",
        api_version: str = "2019-08-01",
        **query: str,
    ) -> aiohttp.client._RequestContextManager:
        return self.session.get(
            f"{self.simulator.url}/msi/token",
            params={"api-version": api_version, **query},
            headers={} if header is None else {"X-IDENTITY-HEADER": header},
        )

    async def post(
        self, body: Any = None, *, token: str | None = None, **more: Any
    ) -> aiohttp.ClientResponse:
        """Sends a completion, by default a streamed one of the message "hello"; returns the open response."""
        fixed = {"model": "chat", "messages": [{"role": "user", "content": "hello"}], "stream": True}
        response = await self.session.post(
            f"{self.simulator.url}/openai/v1/chat/completions",
            json=fixed | more if body is None else body,
            headers={"Authorization": f"Bearer {token or await self.token()}"},
            allow_redirects=False,
        )
        self.responses.append(response)
        return response

    async def say(self, message: str, **more: Any) -> aiohttp.ClientResponse:
        return await self.post(messages=[{"role": "user", "content": message}], **more)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


@pytest.fixture
async def connect() -> AsyncIterator[Callable[[Simulator], Client]]:
    """Makes clients; what they leave open is closed after the test."""
    clients: list[Client] = []
    # No connection is used twice: a request on a connection that a test broke would be sent again silently.
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:

        def new(simulator: Simulator) -> Client:
            clients.append(Client(simulator, session))
            return clients[-1]

        yield new
        for response in (response for client in clients for response in client.responses):
            response.close()


@pytest.fixture
def client(simulator: Simulator, connect: Callable[[Simulator], Client]) -> Client:
    return connect(simulator)
