"""The token endpoint, and which tokens chat completions accepts."""

import time

import pytest
from aiohttp import web
from azure.core.exceptions import ClientAuthenticationError
from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

from azure_simulator import Simulator, TokenRequest

from .conftest import AUDIENCE, Client

SCOPE = f"{AUDIENCE}/.default"


@pytest.fixture
def app_environment(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in simulator.environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("app_environment")
async def test_the_real_credential_chain_gets_a_token_that_is_accepted(
    simulator: Simulator, client: Client
) -> None:
    async with DefaultAzureCredential() as credential:
        token = await credential.get_token(SCOPE)

    assert token.expires_on == pytest.approx(time.time() + 86400, abs=60)
    assert simulator.token_requests == [TokenRequest(AUDIENCE, None, 200)]
    assert (await client.post(token=token.token)).status == 200


@pytest.mark.usefixtures("app_environment")
async def test_a_user_assigned_identity_is_named_by_its_client_id(simulator: Simulator) -> None:
    async with ManagedIdentityCredential(client_id="an-identity") as credential:
        await credential.get_token(SCOPE)

    assert simulator.token_requests == [TokenRequest(AUDIENCE, "an-identity", 200)]


async def test_the_answer_has_the_fields_of_app_service(client: Client) -> None:
    async with client.ask_identity(resource=AUDIENCE, client_id="an-identity") as response:
        answer = await response.json()

    assert set(answer) == {"access_token", "client_id", "expires_on", "resource", "token_type"}
    assert answer["client_id"] == "an-identity"
    assert answer["resource"] == AUDIENCE
    assert answer["token_type"] == "Bearer"
    assert isinstance(answer["expires_on"], str)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"header": None, "resource": AUDIENCE}, 401),
        ({"header": "another", "resource": AUDIENCE}, 401),
        ({}, 400),
        ({"resource": AUDIENCE, "api_version": "2017-09-01"}, 400),
    ],
    ids=["no-header", "wrong-header", "no-resource", "unknown-version"],
)
async def test_bad_requests_are_refused_and_recorded(
    simulator: Simulator, client: Client, query: dict[str, str], status: int
) -> None:
    async with client.ask_identity(**query) as response:
        assert response.status == status

    assert simulator.token_requests == [TokenRequest(query.get("resource"), None, status)]


@pytest.mark.usefixtures("app_environment")
async def test_the_endpoint_can_be_scripted_and_restored(simulator: Simulator, client: Client) -> None:
    async def fail(_: web.Request) -> web.Response:
        return web.json_response({"statusCode": 400, "message": "No such identity."}, status=400)

    simulator.script_identity(fail)
    async with ManagedIdentityCredential() as credential:
        with pytest.raises(ClientAuthenticationError):
            await credential.get_token(SCOPE)
    assert simulator.token_requests[-1].status == 400

    simulator.script_identity(None)
    assert await client.token()


@pytest.mark.parametrize(
    "audience",
    [AUDIENCE, f"{AUDIENCE}/", "https://ai.azure.com", "https://ai.azure.com/"],
)
async def test_tokens_for_azure_openai_are_accepted(client: Client, audience: str) -> None:
    assert (await client.post(token=await client.token(audience))).status == 200


async def _assert_refused(client: Client, token: str) -> None:
    response = await client.post(token=token)
    assert response.status == 401
    assert (await response.json())["error"]["code"] == "401"
    assert client.simulator.completions[-1].message == "hello"
    assert client.simulator.completions[-1].completed


async def test_a_foreign_token_is_refused(client: Client) -> None:
    await _assert_refused(client, "foreign")


async def test_a_token_for_another_audience_is_refused(client: Client) -> None:
    await _assert_refused(client, await client.token("https://vault.azure.net"))


async def test_an_expired_token_is_refused(simulator: Simulator, client: Client) -> None:
    simulator.token_lifetime = -1
    await _assert_refused(client, await client.token())


async def test_a_revoked_token_is_refused(simulator: Simulator, client: Client) -> None:
    token = await client.token()
    simulator.revoke_tokens()
    await _assert_refused(client, token)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic Zm9v"}, {"api-key": "key"}])
async def test_a_request_without_a_token_is_refused(
    simulator: Simulator, client: Client, headers: dict[str, str]
) -> None:
    url = f"{simulator.url}/openai/v1/chat/completions"
    async with client.session.post(url, data=b"not JSON", headers=headers) as response:
        assert response.status == 401

    assert [exchange.body for exchange in simulator.completions] == [{}]
