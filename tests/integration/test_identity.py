"""The real credential chain, against the simulated managed identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from azure_simulator import Simulator

if TYPE_CHECKING:
    from support.app import Apps


async def test_a_token_is_fetched_once_for_the_scope_and_the_client_id(apps: Apps) -> None:
    async with Simulator() as simulator:
        app = await apps.start(simulator, AZURE_CLIENT_ID="11111111-2222-3333-4444-555555555555")
        for _ in range(3):
            assert (await app.ask("hello")).status == 200
        (request,) = simulator.token_requests
        assert request.resource == "https://cognitiveservices.azure.com"
        assert request.client_id == "11111111-2222-3333-4444-555555555555"
        await app.host.stop()


async def test_the_scope_is_a_setting(apps: Apps) -> None:
    async with Simulator() as simulator:
        app = await apps.start(simulator, AZURE_OPENAI_SCOPE="https://ai.azure.com/.default")
        assert (await app.ask("hello")).status == 200
        assert simulator.token_requests[0].resource == "https://ai.azure.com"
        await app.host.stop()


async def test_no_token_is_a_misconfiguration_that_says_where_to_look(apps: Apps) -> None:
    async with Simulator() as simulator:
        app = await apps.start(simulator, IDENTITY_HEADER="wrong", STREAM_MAX_RETRIES="0")
        answer = await app.ask("hello")
        assert answer.status == 502
        assert answer.problem["code"] == "misconfigured"
        assert "AZURE_CLIENT_ID" in answer.problem["detail"]
        assert simulator.completions == []
        await app.host.stop()


async def test_a_model_server_on_this_machine_gets_no_token(apps: Apps) -> None:
    seen: list[str | None] = []

    async def completions(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(
            body=b'data: {"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}\n\n',
            headers={"Content-Type": "text/event-stream"},
        )

    application = web.Application()
    application.router.add_post("/v1/chat/completions", completions)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    app = await apps.start(
        AZURE_OPENAI_ENDPOINT=f"http://127.0.0.1:{site.port}/v1", AZURE_OPENAI_AUTHENTICATION="none"
    )
    answer = await app.ask("hello")
    assert answer.body == b'data: {"delta": "hi"}\n\nevent: done\ndata: {"status": "completed"}\n\n'
    assert seen == [None]
    await app.host.stop()
    await runner.cleanup()
