"""The whole way on real sockets: client, Functions host, worker library, app, simulated Azure."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from azure_simulator import Simulator
from support.app import App, Apps

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(scope="session")
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


@pytest.fixture(scope="session")
async def apps(simulator: Simulator) -> AsyncIterator[Apps]:
    async with AsyncExitStack() as stack:
        yield Apps(stack, simulator)


@pytest.fixture(scope="session")
async def app(apps: Apps) -> App:
    """The app with its default settings."""
    return await apps.start()


@pytest.fixture(scope="session")
async def impatient(apps: Apps) -> App:
    """The app with short deadlines and no retries, so that failures come at once."""
    return await apps.start(
        STREAM_MAX_RETRIES="0",
        STREAM_FIRST_TOKEN_TIMEOUT="1",
        STREAM_IDLE_TIMEOUT="1",
        STREAM_TOTAL_TIMEOUT="30",
    )
