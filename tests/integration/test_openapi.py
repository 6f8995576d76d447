"""The API's description is valid and true."""

from __future__ import annotations

import json
import re
import tomllib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from azure_simulator import Exchange, shapes
from streaming_chat.problems import PROBLEMS
from support.checkout import ROOT

if TYPE_CHECKING:
    from support.app import App


@pytest.fixture(scope="module")
async def document(app: App) -> dict[str, Any]:
    async with app.session.get(f"{app.url}/api/openapi.json") as response:
        assert response.status == HTTPStatus.OK
        assert response.content_type == "application/json"
        described: dict[str, Any] = await response.json()
        return described


async def test_it_is_valid(document: dict[str, Any]) -> None:
    validate(document, cls=OpenAPIV31SpecValidator)


async def test_it_has_the_routes_of_the_app(document: dict[str, Any], app: App) -> None:
    described = {
        (path, method.upper()) for path, operations in document["paths"].items() for method in operations
    }
    served = {
        (function.url.removeprefix(app.url), method)
        for function in app.host.functions
        for method in function.methods
        if function.name not in {"openapi_json", "docs"}
    }
    assert described == served


async def test_every_status_of_the_stream_is_there(document: dict[str, Any]) -> None:
    responses = document["paths"]["/api/stream"]["post"]["responses"]
    own = {str(problem.status.value) for problem in PROBLEMS.values()}
    assert set(responses) == {"200", "401", "404", "405"} | own
    for status in own:
        content = responses[status]["content"]["application/problem+json"]
        assert content["schema"] == {"$ref": "#/components/schemas/ProblemDocument"}
        assert set(content["examples"]) == {
            problem.code for problem in PROBLEMS.values() if str(problem.status.value) == status
        }
    assert "text/event-stream" in responses["200"]["content"]
    assert {status for status in own if "Retry-After" in responses[status]["headers"]} == {"429", "503"}


async def test_both_ways_to_send_the_key_are_there(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    named = [name for way in document["paths"]["/api/stream"]["post"]["security"] for name in way]
    assert [(schemes[name]["in"], schemes[name]["name"]) for name in named] == [
        ("header", "x-functions-key"),
        ("query", "code"),
    ]
    assert "security" not in document["paths"]["/api/health"]["get"]


async def test_the_deliveries_are_those_that_the_app_takes(document: dict[str, Any], app: App) -> None:
    (delivery,) = document["paths"]["/api/stream"]["post"]["parameters"]
    assert delivery["schema"]["enum"] == ["streamed", "buffered"]
    for value in delivery["schema"]["enum"]:
        assert (await app.ask("delivered", f"?delivery={value}")).status == HTTPStatus.OK


async def test_the_examples_of_streams_are_what_the_app_sends(
    document: dict[str, Any], app: App, impatient: App
) -> None:
    texts = shapes.role() + shapes.delta("Azure Functions ") + shapes.delta("scales automatically ")

    async def complete(exchange: Exchange) -> None:
        usage = shapes.usage_chunk(shapes.usage(21, 2))
        await exchange.send(texts + shapes.finish() + usage + shapes.DONE)

    async def fall_silent(exchange: Exchange) -> None:
        await exchange.send(texts)
        await exchange.silence()

    app.simulator.script("example", complete)
    app.simulator.script("silent example", fall_silent)
    answers = {
        "completed": await app.ask("example"),
        "usage": await app.ask("example", include_usage=True),
        "failed": await impatient.ask("silent example"),
    }
    responses = document["paths"]["/api/stream"]["post"]["responses"]
    examples = responses["200"]["content"]["text/event-stream"]["examples"]
    uuid = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
    assert {name: uuid.sub("ID", answer.body.decode()) for name, answer in answers.items()} == {
        name: uuid.sub("ID", example["value"]) for name, example in examples.items()
    }


async def test_the_version_is_the_projects(document: dict[str, Any]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert document["info"]["version"] == project["version"]


async def test_the_examples_of_problems_are_problems(document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["ProblemDocument"]
    responses = document["paths"]["/api/stream"]["post"]["responses"]
    for status, response in responses.items():
        for example in (
            response.get("content", {}).get("application/problem+json", {}).get("examples", {}).values()
        ):
            assert example["value"]["status"] == int(status)
            assert set(schema["required"]) <= set(example["value"]) <= set(schema["properties"])


async def test_the_example_of_a_refused_request_is_what_the_app_answers(
    document: dict[str, Any], app: App
) -> None:
    responses = document["paths"]["/api/stream"]["post"]["responses"]
    (example,) = responses["422"]["content"]["application/problem+json"]["examples"].values()
    async with app.session.post(f"{app.url}/api/stream", json={}) as response:
        answered = await response.json(content_type="application/problem+json")
    own = {"instance", "request_id"}
    assert {k: v for k, v in answered.items() if k not in own} == {
        k: v for k, v in example["value"].items() if k not in own
    }


async def test_the_example_request_works(document: dict[str, Any], app: App) -> None:
    (example,) = document["components"]["schemas"]["StreamRequest"]["examples"]
    assert (await app.ask(**example)).status == HTTPStatus.OK


async def test_the_page_takes_nothing_from_outside_that_is_not_pinned(app: App) -> None:
    async with app.session.get(f"{app.url}/api/docs") as response:
        assert response.status == HTTPStatus.OK
        assert response.content_type == "text/html"
        page = await response.text()
        policy = response.headers["Content-Security-Policy"]
    assert json.dumps("/api/openapi.json") in page
    outside = re.findall(r"<(?:script|link)\b[^>]*\bhttps?://[^>]*>", page)
    assert len(outside) == 2
    for tag in outside:
        assert re.search(r'integrity="sha384-[A-Za-z0-9+/]{64}"', tag)
        assert re.search(r"@\d+\.\d+\.\d+/", tag)
    assert "default-src 'self'" in policy
