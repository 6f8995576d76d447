"""After a deployment: one real streamed request."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from .conftest import FUNCTION_KEY, GROUP, MASTER_KEY, Arm, Hooks, Outcome, Servers, arm_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from support.app import App, Apps

KEYS = f"{GROUP}/providers/Microsoft.Web/sites/func-demo/host/default/listKeys"
SCALING = "scales " * 60


def delta(text: str) -> bytes:
    return b"data: " + json.dumps({"delta": text}).encode() + b"\n\n"


DONE = b'event: done\ndata: {"status": "completed"}\n\n'


@pytest.fixture
def postdeploy(hooks: Hooks, arm: Arm) -> Callable[..., Awaitable[Outcome]]:
    arm.on("POST", KEYS, {"masterKey": MASTER_KEY, "functionKeys": {"default": FUNCTION_KEY}})

    async def run(url: str, **environment: str) -> Outcome:
        return await hooks.run(
            "postdeploy",
            AZURE_RESOURCE_GROUP="rg-demo",
            AZURE_FUNCTION_APP_NAME="func-demo",
            AZURE_FUNCTION_APP_URL=url,
            **{"HOOK_CHECK_TIMEOUT": "30", "HOOK_CHECK_QUICK": "0.1", **environment},
        )

    return run


type Postdeploy = Callable[..., Awaitable[Outcome]]


async def stream(request: web.Request, *writes: bytes, pause: float = 0) -> web.StreamResponse:
    """Answers what the hook must have sent with an event stream of these writes."""
    assert request.method == "POST"
    assert request.path == "/api/stream"
    assert request.headers["x-functions-key"] == FUNCTION_KEY
    assert FUNCTION_KEY not in request.path_qs
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Request-Id": "request-7"})
    await response.prepare(request)
    for write in writes:
        await response.write(write)
        await asyncio.sleep(pause)
    return response


# --- It streams -------------------------------------------------------------------------------------------


async def test_a_streaming_app_passes(postdeploy: Postdeploy, app: App, hooks: Hooks) -> None:
    outcome = await postdeploy(app.url)
    assert outcome.code == 0, outcome.output
    asking, answer = outcome.lines
    assert asking == f"Asking {app.url}/api/stream for one streamed answer ..."
    assert answer.startswith("It answers: first token after 0.")
    assert "status completed (gpt-5.4-mini in swedencentral)." in answer
    assert hooks.commands == [["azd", "auth", "token", "--output", "json"]]


async def test_the_model_of_an_existing_account_is_not_guessed(postdeploy: Postdeploy, app: App) -> None:
    outcome = await postdeploy(
        app.url,
        AZURE_OPENAI_EXISTING_ACCOUNT_ID="/subscriptions/s/resourceGroups/g/providers/p/accounts/shared",
        AZURE_OPENAI_DEPLOYMENT="chat",
    )
    assert outcome.lines[-1].endswith("(deployment chat).")


async def test_it_waits_while_roles_propagate_and_the_app_is_cold(
    postdeploy: Postdeploy, app: App, arm: Arm, servers: Servers
) -> None:
    arm.on(
        "POST",
        KEYS,
        (400, arm_error("BadRequest", "Encountered an error (ServiceUnavailable) from host runtime.")),
        {"masterKey": MASTER_KEY, "functionKeys": {}},
        {"masterKey": MASTER_KEY, "functionKeys": {"default": FUNCTION_KEY}},
    )
    misconfigured = {"code": "misconfigured", "detail": "The identity lacks a role."}
    early = [
        lambda: web.Response(status=503),
        lambda: web.Response(status=404),
        lambda: web.Response(status=401),
        lambda: web.Response(status=403),
        lambda: web.json_response(misconfigured, status=502, content_type="application/problem+json"),
    ]

    async def warming(request: web.Request) -> web.StreamResponse:
        return early.pop(0)() if early else await forward(request, app, buffered=False)

    outcome = await postdeploy(await servers.start(warming))
    assert outcome.code == 0, outcome.output
    assert arm.called("POST", KEYS) >= 3
    for seen in ("BadRequest", "NoKeyYet", "503", "404", "401", "403", "502 (misconfigured)"):
        assert sum(seen in line for line in outcome.lines) == 1, outcome.output
    assert "It answers: " in outcome.lines[-1]


async def test_a_whole_answer_that_came_too_quickly_is_no_false_alarm(
    postdeploy: Postdeploy, servers: Servers
) -> None:
    url = await servers.start(lambda request: stream(request, *[delta("word ")] * 100, DONE))
    outcome = await postdeploy(url, HOOK_CHECK_QUICK="30")
    assert outcome.code == 0
    assert outcome.lines[-1].startswith("The answer was too quick to tell whether it streams")


async def test_a_refusal_of_a_few_words_is_no_false_alarm(postdeploy: Postdeploy, servers: Servers) -> None:
    refused = b'event: done\ndata: {"status": "refused"}\n\n'
    url = await servers.start(lambda request: stream(request, b"", delta("I will not."), refused))
    outcome = await postdeploy(url, HOOK_CHECK_QUICK="0")
    assert outcome.code == 0
    assert "status refused" in outcome.output


# --- It does not stream -----------------------------------------------------------------------------------


async def forward(request: web.Request, app: App, *, buffered: bool) -> web.StreamResponse:
    """What stands in front of an app. `buffered`: it holds the answer back until it is whole."""
    body = await request.read()
    headers = {"Content-Type": "application/json"}
    async with app.session.post(f"{app.url}{request.path_qs}", data=body, headers=headers) as upstream:
        response = web.StreamResponse(headers={"Content-Type": upstream.headers["Content-Type"]})
        if buffered:
            whole = await upstream.read()
            await response.prepare(request)
            await response.write(whole)
            return response
        await response.prepare(request)
        async for piece in upstream.content.iter_any():
            await response.write(piece)
    return response


async def test_a_proxy_that_buffers_fails(postdeploy: Postdeploy, app: App, servers: Servers) -> None:
    url = await servers.start(lambda request: forward(request, app, buffered=True))
    error = (await postdeploy(url)).error
    assert error.startswith("the answer is held back and does not stream: ")
    assert "events in 1 portion within 0.00 s" in error
    assert error.endswith("Look for a proxy or gateway that buffers between here and the app.")


async def test_an_app_that_buffers_fails_and_the_setting_is_named(postdeploy: Postdeploy, apps: Apps) -> None:
    app = await apps.start(STREAM_DELIVERY="buffered")
    error = (await postdeploy(app.url)).error
    assert "does not stream" in error
    assert "is STREAM_DELIVERY set to buffered?" in error
    # Where azd's environment says that it is wanted, the way through is checked all the same.
    outcome = await postdeploy(app.url, STREAM_DELIVERY="buffered")
    assert outcome.code == 0
    assert "?delivery=streamed" in outcome.output


async def test_one_event_with_the_whole_answer_is_no_stream(postdeploy: Postdeploy, servers: Servers) -> None:
    url = await servers.start(lambda request: stream(request, delta(SCALING), DONE))
    assert "does not stream: 1 events in 1 portion" in (await postdeploy(url, HOOK_CHECK_QUICK="0")).error


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "The function key is not accepted."),
        (404, "The app has no function there"),
        (500, "The app fails: its log has the cause."),
    ],
)
async def test_a_status_that_does_not_pass_fails(
    postdeploy: Postdeploy, servers: Servers, status: int, advice: str
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=status, text="<html>not to be shown</html>")

    outcome = await postdeploy(await servers.start(refuse), HOOK_CHECK_TIMEOUT="0.5")
    assert outcome.error.startswith(f"the endpoint answered {status}. {advice}")
    assert "html" not in outcome.output
    assert len(outcome.lines) <= 3  # what is asked, that it is tried again, the error


async def test_the_apps_own_problem_says_what_to_look_at(postdeploy: Postdeploy, apps: Apps) -> None:
    app = await apps.start(AZURE_OPENAI_DEPLOYMENT="another")
    error = (await postdeploy(app.url, HOOK_RETRY_DELAY="30")).error  # no time for another try
    assert error.startswith("the endpoint answered 502 (misconfigured). ")
    assert "AZURE_OPENAI_DEPLOYMENT" in error


async def test_a_request_that_the_app_refuses_is_not_sent_again(
    postdeploy: Postdeploy, servers: Servers
) -> None:
    asked: list[str] = []

    async def refuse(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=422)

    assert "the endpoint answered 422" in (await postdeploy(await servers.start(refuse))).error
    assert len(asked) == 1


async def test_a_redirect_does_not_get_the_key(postdeploy: Postdeploy, servers: Servers) -> None:
    asked: list[web.Request] = []

    async def thief(request: web.Request) -> web.Response:
        asked.append(request)
        return web.Response()

    elsewhere = await servers.start(thief)

    async def redirect(_: web.Request) -> web.Response:
        raise web.HTTPFound(elsewhere)

    assert "the endpoint answered 302" in (await postdeploy(await servers.start(redirect))).error
    assert not asked


async def test_an_end_without_done_fails(postdeploy: Postdeploy, servers: Servers) -> None:
    url = await servers.start(lambda request: stream(request, delta("Azure "), delta("Functions ")))
    assert (await postdeploy(url)).error == (
        "the stream ended after 2 pieces of text without its `done` event. Something between here and the "
        "app, or the app's process, has cut it. Look for request-7 in the app's log."
    )


async def test_a_connection_that_breaks_fails(postdeploy: Postdeploy, servers: Servers) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = await stream(request, delta("Azure "))
        assert request.transport
        request.transport.close()
        return response

    assert (
        "the stream ended after 1 pieces of text without"
        in (await postdeploy(await servers.start(cut))).error
    )


async def test_an_error_event_fails(postdeploy: Postdeploy, servers: Servers) -> None:
    data: dict[str, Any] = {
        "status": "failed",
        "code": "idle_timeout",
        "message": "Azure OpenAI fell silent.",
    }
    event = b"event: error\ndata: " + json.dumps(data).encode() + b"\n\n"
    url = await servers.start(lambda request: stream(request, delta("Azure "), event))
    assert (await postdeploy(url)).error == (
        "the stream ended with an error event (idle_timeout). Azure OpenAI fell silent. "
        "Look for request-7 in the app's log."
    )


async def test_no_text_at_all_fails(postdeploy: Postdeploy, servers: Servers) -> None:
    url = await servers.start(lambda request: stream(request, b": keep-alive\n\n", DONE))
    assert "the answer was completed without a single piece of text" in (await postdeploy(url)).error


async def test_another_server_at_the_address_fails(postdeploy: Postdeploy, servers: Servers) -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>", content_type="text/html")

    error = (await postdeploy(await servers.start(page))).error
    assert "answered 200 with text/html instead of an event stream" in error


async def test_an_endpoint_that_never_answers_fails(postdeploy: Postdeploy, servers: Servers) -> None:
    url = await servers.start(lambda _: asyncio.get_running_loop().create_future())
    outcome = await postdeploy(url, HOOK_CHECK_SILENCE="0.1", HOOK_CHECK_TIMEOUT="0.5")
    assert outcome.error.startswith("the endpoint did not answer within 0.")


async def test_keep_alives_without_end_meet_the_deadline(postdeploy: Postdeploy, servers: Servers) -> None:
    async def murmur(request: web.Request) -> web.StreamResponse:
        return await stream(request, *[b": keep-alive\n\n"] * 1000, pause=0.01)

    outcome = await postdeploy(await servers.start(murmur), HOOK_CHECK_TIMEOUT="0.5")
    assert outcome.error.startswith("the endpoint did not answer within 0.")


async def test_nobody_at_the_address_fails(postdeploy: Postdeploy) -> None:
    outcome = await postdeploy("http://127.0.0.1:1", HOOK_CHECK_TIMEOUT="0.2")
    assert outcome.error.startswith("the endpoint could not be reached (Connection refused). ")


# --- The key ----------------------------------------------------------------------------------------------


async def test_the_key_goes_out_over_https_only(postdeploy: Postdeploy) -> None:
    error = (await postdeploy("http://func-demo.example")).error
    assert error == "The endpoint's address must be an https address: a secret goes out over https only."


async def test_an_account_that_may_not_read_the_key_is_told_its_role(
    postdeploy: Postdeploy, arm: Arm, app: App
) -> None:
    arm.on("POST", KEYS, (403, arm_error("AuthorizationFailed")))
    error = (await postdeploy(app.url)).error
    assert error.startswith("The function key could not be read: ")
    assert "Website Contributor" in error


async def test_outputs_that_are_missing_are_named(hooks: Hooks) -> None:
    error = (await hooks.run("postdeploy")).error
    assert error.startswith("AZURE_FUNCTION_APP_URL is not set in azd's environment. Run `azd provision`")


async def test_a_key_that_no_header_can_hold_is_not_shown(postdeploy: Postdeploy, arm: Arm, app: App) -> None:
    arm.on("POST", KEYS, {"functionKeys": {"default": f"{FUNCTION_KEY}\nX-Other: header"}})
    error = (await postdeploy(app.url, HOOK_CHECK_TIMEOUT="0.1")).error
    assert error.startswith("the endpoint could not be reached (ValueError).")
