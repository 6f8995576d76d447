"""`/api/health`, and an app that is up although a setting is wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.app import read

if TYPE_CHECKING:
    from support.app import Answer, App, Apps


async def health(app: App) -> Answer:
    async with app.session.get(f"{app.url}/api/health") as response:
        return await read(response)


async def test_a_healthy_app(app: App) -> None:
    answer = await health(app)
    assert answer.status == 200
    assert json.loads(answer.body) == {"status": "ok"}


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"AZURE_OPENAI_ENDPOINT": ""}, "AZURE_OPENAI_ENDPOINT"),
        ({"STREAM_IDLE_TIMEOUT": "-1"}, "STREAM_IDLE_TIMEOUT"),
        ({"AZURE_OPENAI_ENDPOINT": "http://example.com"}, "AZURE_OPENAI_ENDPOINT"),
        (
            {"AZURE_OPENAI_ENDPOINT": "https://example.com", "AZURE_OPENAI_AUTHENTICATION": "none"},
            "AZURE_OPENAI_AUTHENTICATION",
        ),
        ({"STREAM_IDLE_TIMEOUT": "300"}, "STREAM_IDLE_TIMEOUT"),
        ({"AZURE_AUTHORITY_HOST": "http://example.com"}, "The environment"),
    ],
)
async def test_a_wrong_setting_is_named_and_the_app_stays_up(
    apps: Apps, settings: dict[str, str], name: str
) -> None:
    app = await apps.start(**settings)
    await app.log.line("Misconfigured:", name)
    for answer, status in ((await health(app), 503), (await app.ask("never asked"), 502)):
        assert answer.status == status
        assert answer.problem["code"] == "misconfigured"
        assert answer.problem["errors"][0]["field"] == name
        assert name in answer.problem["detail"]
    await app.host.stop()
