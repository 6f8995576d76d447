"""What a client sees of the Functions host: keys, unknown routes, the start of a placeholder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest

from functions_host import FunctionsHost
from support.app import APP_DIRECTORY, inherited_environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from azure_simulator import Simulator
    from support.app import App

KEY = "a-function-key"


@pytest.fixture(scope="module")
async def locked(simulator: Simulator) -> AsyncIterator[str]:
    """The address of a host that asks for keys, started as Azure starts an instance from a placeholder."""
    environment = {**inherited_environment(), **simulator.environment}
    async with FunctionsHost(
        APP_DIRECTORY, environment=environment, log=lambda _: None, function_key=KEY, placeholder=True
    ) as host:
        yield host.url


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", {}, 401),
        ("", {"x-functions-key": "wrong"}, 401),
        ("?code=wrong", {}, 401),
        ("", {"x-functions-key": f"{KEY}-and-more"}, 401),
        ("", {"x-functions-key": "\udcff"}, 401),
        (f"?code={KEY}", {"x-functions-key": "wrong"}, 401),
        ("", {"x-functions-key": KEY}, 200),
        (f"?code={KEY}", {}, 200),
        (f"?delivery=buffered&code={KEY}", {}, 200),
    ],
)
async def test_the_stream_asks_for_a_key(
    locked: str, query: str, headers: dict[str, str], status: int
) -> None:
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{locked}/api/stream{query}", json={"message": "hello"}) as response,
    ):
        assert response.status == status
        body = await response.read()
    assert body.endswith(b'event: done\ndata: {"status": "completed"}\n\n') if status == 200 else body == b""


@pytest.mark.parametrize("route", ["health", "openapi.json", "docs"])
async def test_the_other_routes_are_anonymous(locked: str, route: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{locked}/api/{route}") as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/", 404, None),
        ("GET", "/api", 404, None),
        ("POST", "/api/streams", 404, None),
        ("POST", "/stream", 404, None),
        ("GET", "/api/stream", 405, "POST"),
        ("HEAD", "/api/stream", 405, "POST"),
        ("DELETE", "/api/health", 405, "GET"),
    ],
)
async def test_routes_and_methods_that_are_not_there(
    app: App, method: str, path: str, status: int, allow: str | None
) -> None:
    async with app.session.request(method, f"{app.url}{path}") as response:
        assert (response.status, response.headers.get("Allow")) == (status, allow)
        assert await response.read() == b""


async def test_a_percent_encoded_path_is_the_same_route(app: App) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{app.url}/API/%68ealth") as response:
        assert response.status == 200
