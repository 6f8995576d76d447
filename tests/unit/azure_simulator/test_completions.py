"""Chat completions as the service answers them, to the real client and to plain HTTP."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from azure.identity.aio import DefaultAzureCredential, get_bearer_token_provider
from openai import APIStatusError, AsyncOpenAI

from azure_simulator import Simulator, answers, shapes

from .conftest import AUDIENCE, Client

HELLO = "".join(answers.answer(["hello"]))


@pytest.fixture
async def openai(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncOpenAI]:
    """The real client behind the real credential chain."""
    for name, value in simulator.environment.items():
        monkeypatch.setenv(name, value)
    async with DefaultAzureCredential() as credential:
        provider = get_bearer_token_provider(credential, f"{AUDIENCE}/.default")
        async with AsyncOpenAI(
            base_url=f"{simulator.url}/openai/v1/", api_key=provider, max_retries=0
        ) as client:
            yield client


async def _events(client: Client, **more: Any) -> list[dict[str, Any]]:
    """The chunks of a streamed answer, without the final [DONE]."""
    response = await client.post(**more)
    *data, done = [line[6:] for line in (await response.text()).splitlines() if line]
    assert done == "[DONE]"
    return [json.loads(text) for text in data]


def _told(chunks: list[dict[str, Any]]) -> str:
    return "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"])


async def test_the_real_client_streams_the_default_answer(simulator: Simulator, openai: AsyncOpenAI) -> None:
    stream = await openai.chat.completions.create(
        model="chat", messages=[{"role": "user", "content": "hello"}], stream=True
    )
    choices = [chunk.choices[0] async for chunk in stream if chunk.choices]

    assert "".join(choice.delta.content or "" for choice in choices) == HELLO
    assert choices[-1].finish_reason == "stop"
    (exchange,) = simulator.completions
    assert exchange.message == "hello"
    assert exchange.headers["Authorization"].startswith("Bearer ")
    await exchange.closed.wait()
    assert (exchange.completed, exchange.closed_at, exchange.error) == (True, None, None)


async def test_the_real_client_gets_one_document_without_stream(openai: AsyncOpenAI) -> None:
    completion = await openai.chat.completions.create(
        model="chat", messages=[{"role": "user", "content": "hello"}]
    )

    assert completion.choices[0].message.content == HELLO
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert completion.usage.completion_tokens == len(answers.answer(["hello"]))


async def test_the_real_client_understands_a_refusal(openai: AsyncOpenAI) -> None:
    with pytest.raises(APIStatusError) as caught:
        await openai.chat.completions.create(model="other", messages=[{"role": "user", "content": "hello"}])

    assert caught.value.status_code == 404
    assert caught.value.code == "DeploymentNotFound"


async def test_a_stream_has_the_headers_of_azure(client: Client) -> None:
    response = await client.post()

    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert {"x-request-id", "apim-request-id", "x-ms-region", "azureml-model-session"} <= {
        name.lower() for name in response.headers
    }


async def test_a_stream_has_the_order_of_azure(client: Client) -> None:
    first, role, *texts, finish = await _events(client)

    assert first["choices"] == []
    assert first["prompt_filter_results"]
    assert role["choices"][0]["delta"]["role"] == "assistant"
    assert role["choices"][0]["delta"]["content"] == ""
    assert [chunk["choices"][0]["delta"]["content"] for chunk in texts] == list(answers.answer(["hello"]))
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert len({chunk["id"] for chunk in (role, *texts, finish)}) == 1
    assert all("usage" not in chunk for chunk in (first, role, *texts, finish))


async def test_usage_comes_in_a_chunk_of_its_own_if_asked_for(client: Client) -> None:
    *others, last = await _events(client, stream_options={"include_usage": True})

    assert last["choices"] == []
    usage = last["usage"]
    assert usage["completion_tokens"] == len(answers.answer(["hello"]))
    assert usage["prompt_tokens"] > 0
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert "cached_tokens" in usage["prompt_tokens_details"]
    assert "reasoning_tokens" in usage["completion_tokens_details"]
    assert "engine_ttft_ms" in usage["latency_checkpoint"]
    assert all(chunk["usage"] is None for chunk in others)


async def test_max_completion_tokens_cuts_the_answer(client: Client) -> None:
    chunks = await _events(client, max_completion_tokens=3)

    assert _told(chunks) == "".join(answers.answer(["hello"])[:3])
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"


async def test_enough_completion_tokens_do_not_cut(client: Client) -> None:
    chunks = await _events(client, max_completion_tokens=1000)

    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


async def test_the_last_user_message_counts_and_may_have_parts(simulator: Simulator, client: Client) -> None:
    parts = [{"type": "text", "text": "Who are "}, {"type": "image_url"}, {"type": "text", "text": "you?"}]
    chunks = await _events(
        client,
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": "Hello!"},
            {"role": "user", "content": parts},
        ],
    )

    assert simulator.completions[-1].message == "Who are you?"
    assert _told(chunks).endswith("You asked 1 question before this one.")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"model": "other"}, 404, "DeploymentNotFound"),
        ({"max_tokens": 10}, 400, "unsupported_parameter"),
        ({"temperature": 0.2}, 400, "unsupported_value"),
        ({"messages": None}, 400, "missing_required_parameter"),
        ({"messages": []}, 400, "invalid_type"),
        ({"messages": ["hello"]}, 400, "invalid_type"),
        ({"max_completion_tokens": 0}, 400, "invalid_value"),
        ({"stream": False, "stream_options": {"include_usage": True}}, 400, "invalid_value"),
    ],
)
async def test_what_the_service_refuses(client: Client, change: Any, status: int, code: str) -> None:
    response = await client.post(**change)

    assert response.status == status
    assert (await response.json())["error"]["code"] == code
    assert client.simulator.completions[-1].completed


@pytest.mark.parametrize(
    ("body", "code"),
    [({}, "missing_required_parameter"), ([], None), ({"model": "chat"}, "missing_required_parameter")],
)
async def test_a_body_that_is_no_request_is_refused(client: Client, body: Any, code: str | None) -> None:
    response = await client.post(body)

    assert response.status == 400
    assert (await response.json())["error"]["code"] == code


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/openai/v1/chat/completions"), ("POST", "/openai/v1/responses"), ("GET", "/")],
)
async def test_everything_else_is_not_found(client: Client, method: str, path: str) -> None:
    async with client.session.request(method, client.simulator.url + path) as response:
        assert response.status == 404
        assert (await response.json())["error"]["code"] == "404"
    assert client.simulator.completions == []


@pytest.mark.parametrize("message", ["simulate: ?", "simulate: no-such-shape", "simulate:"])
async def test_a_person_can_ask_for_the_shapes(client: Client, message: str) -> None:
    told = _told(await _events(client, messages=[{"role": "user", "content": message}]))

    assert all(f"- {name}: " in told for name in shapes.SHAPES)
    assert ("no-such-shape" in told) == ("no-such-shape" in message)
