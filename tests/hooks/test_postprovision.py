"""After provisioning: the app has its role on an existing account, and `make start` uses Azure OpenAI."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from functions_host import local_settings

from .conftest import Arm, Hooks, arm_error

if TYPE_CHECKING:
    from collections.abc import Callable

OUTPUTS = {"AZURE_OPENAI_ENDPOINT": "https://oai-demo.openai.azure.com", "AZURE_OPENAI_DEPLOYMENT": "chat"}
ACCOUNT = "/subscriptions/s/resourceGroups/shared/providers/Microsoft.CognitiveServices/accounts/oai-shared"
LISTED = f"{ACCOUNT}/providers/Microsoft.Authorization/roleAssignments"
# It follows from the account, the identity and the role: `azd down` finds it again.
ASSIGNMENT = f"{LISTED}/ef74c1d1-9729-5326-8ddc-7c8bac8533ea"
EXISTING = {"AZURE_OPENAI_GRANTED_ACCOUNT_ID": ACCOUNT, "AZURE_IDENTITY_PRINCIPAL_ID": "principal-1"}
ROLE = (
    "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/5e0bd9bd-7b93-4f28-af87-19fc36ad61bd"
)


async def test_the_file_is_made(hooks: Hooks, arm: Arm) -> None:
    outcome = await hooks.run("postprovision", **OUTPUTS)
    assert outcome.code == 0, outcome.output
    assert outcome.lines == [
        "`make start` on this machine now uses https://oai-demo.openai.azure.com (src/local.settings.json)."
    ]
    assert local_settings(hooks.local_settings.parent, {}) == {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AzureWebJobsStorage": "",
        **OUTPUTS,
    }
    assert hooks.commands == []
    assert arm.calls == []  # a new account's roles are part of the deployment


async def test_the_example_becomes_the_real_thing(hooks: Hooks) -> None:
    shutil.copy(hooks.local_settings.with_name("local.settings.json.example"), hooks.local_settings)
    await hooks.run("postprovision", **OUTPUTS)
    settings = local_settings(hooks.local_settings.parent, {})
    assert settings.items() >= OUTPUTS.items()
    assert not any(name.startswith("IDENTITY_") for name in settings)


async def test_other_values_are_kept(hooks: Hooks) -> None:
    own = {
        "IsEncrypted": False,
        "Host": {"CORS": "*"},
        "Values": {
            "STREAM_SYSTEM_PROMPT": "Réponds en français.",
            "AZURE_OPENAI_ENDPOINT": "http://localhost:11434/v1",
            "AZURE_OPENAI_AUTHENTICATION": "none",
        },
    }
    hooks.local_settings.write_text(json.dumps(own), encoding="utf-8-sig")
    assert (await hooks.run("postprovision", **OUTPUTS)).code == 0
    kept = {"STREAM_SYSTEM_PROMPT": "Réponds en français.", **OUTPUTS}
    written = hooks.local_settings.read_bytes()
    assert json.loads(written) == {"IsEncrypted": False, "Host": {"CORS": "*"}, "Values": kept}
    await hooks.run("postprovision", **OUTPUTS)
    assert hooks.local_settings.read_bytes() == written


@pytest.mark.parametrize(
    "content",
    ['{"Values": {} // mine\n}', '{"IsEncrypted": true, "Values": {"A": "x"}}', "[]", '{"Values": 1}'],
)
async def test_a_file_that_cannot_be_kept_whole_is_left_alone(hooks: Hooks, content: str) -> None:
    hooks.local_settings.write_text(content)
    outcome = await hooks.run("postprovision", **OUTPUTS)
    assert outcome.code == 0
    (line,) = outcome.lines
    assert line.endswith(
        "set AZURE_OPENAI_ENDPOINT=https://oai-demo.openai.azure.com, AZURE_OPENAI_DEPLOYMENT=chat."
    )
    assert hooks.local_settings.read_text() == content


async def test_an_account_inside_a_network_is_of_no_use_here(hooks: Hooks) -> None:
    outcome = await hooks.run("postprovision", **OUTPUTS, AZURE_VNET_ENABLED="true")
    assert outcome.code == 0
    assert "open to the virtual network only" in outcome.output
    assert not hooks.local_settings.exists()
    # Also where an earlier deployment, open to all, had written it
    assert (await hooks.run("postprovision", **OUTPUTS)).code == 0
    assert "AZURE_OPENAI_ENDPOINT" in hooks.local_settings.read_text()
    assert (await hooks.run("postprovision", **OUTPUTS, AZURE_VNET_ENABLED="true")).code == 0
    assert "AZURE_OPENAI_" not in hooks.local_settings.read_text()


async def test_the_developers_role_on_an_existing_account_is_its_owners_to_give(
    hooks: Hooks, arm: Arm
) -> None:
    arm.on("PUT", ASSIGNMENT, (201, {}))
    outcome = await hooks.run("postprovision", **OUTPUTS, **EXISTING, AZURE_VNET_ENABLED="true")
    assert "your account needs the role Cognitive Services OpenAI User" in outcome.lines[-1]


async def test_outputs_that_are_missing_are_named(hooks: Hooks) -> None:
    assert (await hooks.run("postprovision")).error.startswith("AZURE_OPENAI_ENDPOINT is not set")


# --- The role on an account that exists -----------------------------------------------------------------


async def test_the_app_is_granted_one_role_on_the_account(hooks: Hooks, arm: Arm) -> None:
    bodies: list[Any] = []

    async def put(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        return web.json_response({}, status=201)

    arm.on("PUT", ASSIGNMENT, put)
    outcome = await hooks.run("postprovision", **OUTPUTS, **EXISTING)
    assert outcome.code == 0, outcome.output
    assert outcome.lines[0] == "The app now has the role Cognitive Services OpenAI User on oai-shared."
    (call,) = arm.calls
    assert call.query == {"api-version": "2022-04-01"}
    properties = {
        "roleDefinitionId": ROLE,
        "principalId": "principal-1",
        "principalType": "ServicePrincipal",
    }
    assert bodies == [{"properties": properties}]


async def test_another_account_is_granted_its_own(hooks: Hooks, arm: Arm) -> None:
    arm.on("PUT", ASSIGNMENT, (201, {}))
    await hooks.run("postprovision", **OUTPUTS, **EXISTING)
    other = EXISTING | {"AZURE_OPENAI_GRANTED_ACCOUNT_ID": f"{ACCOUNT}-2"}
    await hooks.run("postprovision", **OUTPUTS, **other)
    assert arm.calls[-1].method == "PUT"
    assert arm.calls[-1].path.startswith(f"{ACCOUNT}-2/providers/Microsoft.Authorization/roleAssignments/")


def test_the_assignment_follows_from_account_and_identity(
    hook_module: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another account or identity is another assignment; the same account in other letters is not."""
    assignment = hook_module("openai_role").assignment
    monkeypatch.setenv("AZURE_IDENTITY_PRINCIPAL_ID", "principal-1")
    assert assignment(ACCOUNT) == ASSIGNMENT
    name = ASSIGNMENT.rpartition("/")[2]
    assert assignment(ACCOUNT.upper()).rpartition("/")[2] == name
    assert assignment(f"{ACCOUNT}-2").rpartition("/")[2] != name
    monkeypatch.setenv("AZURE_IDENTITY_PRINCIPAL_ID", "principal-2")
    assert assignment(ACCOUNT).rpartition("/")[2] != name


async def test_a_role_that_is_there_already_is_fine(hooks: Hooks, arm: Arm) -> None:
    arm.on("PUT", ASSIGNMENT, (409, arm_error("RoleAssignmentExists")))
    outcome = await hooks.run("postprovision", **OUTPUTS, **EXISTING)
    assert outcome.code == 0
    assert outcome.lines[0] == "The app has the role Cognitive Services OpenAI User on oai-shared."


async def test_an_identity_that_is_not_known_yet_is_waited_for(hooks: Hooks, arm: Arm) -> None:
    unknown = (400, arm_error("PrincipalNotFound"))
    arm.on("PUT", ASSIGNMENT, unknown, unknown, unknown, unknown, unknown, (201, {}))
    outcome = await hooks.run("postprovision", **OUTPUTS, **EXISTING)
    assert outcome.code == 0, outcome.output
    assert arm.called("PUT", ASSIGNMENT) == 6


async def test_an_identity_that_stays_unknown(hooks: Hooks, arm: Arm) -> None:
    arm.on("PUT", ASSIGNMENT, (400, arm_error("PrincipalNotFound")))
    error = (await hooks.run("postprovision", **OUTPUTS, **EXISTING, HOOK_PRINCIPAL_TIMEOUT="0.1")).error
    assert error.startswith("The app was not given the role Cognitive Services OpenAI User on oai-shared: ")
    assert "PrincipalNotFound" in error


@pytest.mark.parametrize("may_read", [False, True])
async def test_who_may_not_grant_is_told_who_must_grant_what(
    hooks: Hooks, arm: Arm, *, may_read: bool
) -> None:
    arm.on("PUT", ASSIGNMENT, (403, arm_error("AuthorizationFailed")))
    elsewhere = {"roleDefinitionId": ROLE, "scope": f"{ACCOUNT}-2"}
    other = {"roleDefinitionId": "/roleDefinitions/another", "scope": ACCOUNT}
    held = {"value": [{"properties": elsewhere}, {"properties": other}]}
    arm.on("GET", LISTED, held if may_read else (403, arm_error("AuthorizationFailed")))
    error = (await hooks.run("postprovision", **OUTPUTS, **EXISTING)).error
    assert error == (
        "This sign-in may not grant roles on oai-shared. Ask an owner of it to run `az role assignment "
        "create --assignee-object-id principal-1 --assignee-principal-type ServicePrincipal "
        f"--role 5e0bd9bd-7b93-4f28-af87-19fc36ad61bd --scope {ACCOUNT}`, which gives the app Cognitive "
        "Services OpenAI User; then run the command of azd again."
    )


@pytest.mark.parametrize("scope", [ACCOUNT, ACCOUNT.lower(), "/subscriptions/s/resourceGroups/shared", "/"])
async def test_what_an_owner_has_granted_is_enough(hooks: Hooks, arm: Arm, scope: str) -> None:
    arm.on("PUT", ASSIGNMENT, (403, arm_error("AuthorizationFailed")))
    arm.on("GET", LISTED, {"value": [{"properties": {"roleDefinitionId": ROLE, "scope": scope}}]})
    outcome = await hooks.run("postprovision", **OUTPUTS, **EXISTING)
    assert outcome.code == 0, outcome.output
    assert outcome.lines[0] == "The app has the role Cognitive Services OpenAI User on oai-shared."
    assert arm.calls[-1].query["$filter"] == "principalId eq 'principal-1'"


async def test_a_locked_account_is_no_success(hooks: Hooks, arm: Arm) -> None:
    arm.on("PUT", ASSIGNMENT, (409, arm_error("ScopeLocked")))
    assert "ScopeLocked" in (await hooks.run("postprovision", **OUTPUTS, **EXISTING)).error
