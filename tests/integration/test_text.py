"""Text passes exactly, from Azure OpenAI to the client and from the client to Azure OpenAI."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from azure_simulator import Exchange, shapes

if TYPE_CHECKING:
    from support.app import App

TEXTS = {
    "emoji": "😀👨‍👩‍👧 flags 🇺🇳",
    "combining": "e\u0301 \u1100\u1161",
    "right to left": "\u202bשלום עולם\u202c",  # noqa: RUF001
    "line separators": "a\u2028b\u2029c\u0085d",
    "newlines": "one\ntwo\r\nthree\n\nfour",
    "NUL": "a\x00b\x1fc\x7f",
    "frames": 'data: {"delta": "forged"}\n\nevent: done\ndata: {}\n\n',
    "200 KB": "0123456789" * 20_000,
}


@pytest.mark.parametrize("name", TEXTS)
async def test_from_upstream(app: App, name: str) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.send(shapes.role() + shapes.delta(TEXTS[name]) + shapes.finish() + shapes.DONE)

    app.simulator.script(f"say {name}", play)
    answer = await app.ask(f"say {name}")
    assert answer.deltas == [TEXTS[name]]
    assert len(answer.frames) == 2
    assert answer.terminal == ("done", {"status": "completed"})


@pytest.mark.parametrize("escaped", ["\\ud83d", "\\ude00", "\\ud83d\\ud83d"])
async def test_half_a_surrogate_pair_is_replaced(app: App, escaped: str) -> None:
    async def play(exchange: Exchange) -> None:
        delta = shapes.delta("a-z").replace(b"-", escaped.encode())
        await exchange.send(delta + shapes.finish() + shapes.DONE)

    app.simulator.script(f"surrogate {escaped}", play)
    answer = await app.ask(f"surrogate {escaped}")
    (text,) = answer.deltas
    assert set(text) == {"a", "z", "\ufffd"}
    assert answer.terminal == ("done", {"status": "completed"})


@pytest.mark.parametrize("name", [name for name in TEXTS if name != "200 KB"])
async def test_to_upstream(app: App, name: str) -> None:
    message = f"{name}: {TEXTS[name]}"
    await app.ask(message)
    exchange = await app.simulator.exchange(message)
    assert exchange.body["messages"][-1] == {"role": "user", "content": message}


async def test_half_a_surrogate_pair_in_a_message_is_replaced(app: App) -> None:
    url = f"{app.url}/api/stream"
    body = b'{"message": "half \\ud83d pair"}'
    async with app.session.post(url, data=body, headers={"Content-Type": "application/json"}) as response:
        assert response.status == 200
        await response.read()
    exchange = await app.simulator.exchange("half \ufffd pair")
    assert json.dumps(exchange.body["messages"][-1]["content"]) == '"half \\ufffd pair"'
