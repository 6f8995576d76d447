"""Around `azd down`: what it cannot remove is said, and what this template added elsewhere is removed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import GROUP, SUBSCRIPTION, Arm, Hooks, arm_error

ACCOUNT = "/subscriptions/s/resourceGroups/shared/providers/Microsoft.CognitiveServices/accounts/oai-shared"
# The id that `postprovision` gives it
ASSIGNMENT = (
    f"{ACCOUNT}/providers/Microsoft.Authorization/roleAssignments/ef74c1d1-9729-5326-8ddc-7c8bac8533ea"
)
OUTPUTS = {
    "AZURE_RESOURCE_GROUP": "rg-demo",
    "AZURE_KEY_VAULT_NAME": "kv-demo",
    "AZURE_OPENAI_ACCOUNT_NAME": "oai-demo",
    "AZURE_IDENTITY_PRINCIPAL_ID": "principal-1",
}
EXISTING = {"AZURE_OPENAI_GRANTED_ACCOUNT_ID": ACCOUNT}
PROVIDERS = f"/subscriptions/{SUBSCRIPTION}/providers"
DELETED_VAULT = f"{PROVIDERS}/Microsoft.KeyVault/locations/swedencentral/deletedVaults/kv-demo"
OF_GROUP = f"{PROVIDERS}/Microsoft.CognitiveServices/locations/eastus2/resourceGroups/rg-demo"
DELETED_ACCOUNT = f"{OF_GROUP}/deletedAccounts/oai-demo"


def note(hooks: Hooks) -> dict[str, Any] | None:
    path = hooks.project / ".azure/demo/down.json"
    return json.loads(path.read_text()) if path.exists() else None


async def test_all_that_was_made_is_gone(hooks: Hooks, arm: Arm) -> None:
    before = await hooks.run("predown", **OUTPUTS)
    assert before.code == 0, before.output
    assert len(before.lines) == 1
    assert arm.calls == []  # azd asks whether to go on only after this hook
    after = await hooks.run("postdown")
    assert (after.code, after.output) == (0, "")
    assert not any(call.method == "DELETE" for call in arm.calls)
    assert note(hooks) is None


@pytest.mark.parametrize("endpoint", ["https://oai-demo.openai.azure.com", "https://own.openai.azure.com"])
async def test_make_start_is_not_left_with_a_deleted_endpoint(hooks: Hooks, endpoint: str) -> None:
    values = {
        "AZURE_OPENAI_ENDPOINT": endpoint,
        "AZURE_OPENAI_DEPLOYMENT": "chat",
        "STREAM_DELIVERY": "buffered",
    }
    hooks.local_settings.parent.mkdir(parents=True, exist_ok=True)
    hooks.local_settings.write_text(json.dumps({"Values": values}))
    await hooks.run("predown", **OUTPUTS, AZURE_OPENAI_ENDPOINT="https://oai-demo.openai.azure.com")
    after = await hooks.run("postdown")
    kept = json.loads(hooks.local_settings.read_text())["Values"]
    if "oai-demo" in endpoint:
        assert kept == {"STREAM_DELIVERY": "buffered"}
        assert "`make start` uses the simulator" in after.output
    else:
        assert kept == values
        assert after.output == ""


async def test_the_role_on_an_existing_account_is_removed(hooks: Hooks, arm: Arm) -> None:
    arm.on("DELETE", ASSIGNMENT, {})
    before = await hooks.run("predown", **OUTPUTS, **EXISTING)
    assert before.lines[0].startswith("oai-shared and its deployments stay.")
    assert arm.calls == []
    after = await hooks.run("postdown")  # azd has taken its outputs away by now
    assert after.lines == ["The role that the app was given on the existing Azure OpenAI account is removed."]
    assert [call.path for call in arm.calls if call.method == "DELETE"] == [ASSIGNMENT]
    assert note(hooks) is None


async def test_nothing_is_removed_where_azd_did_not_go_on(hooks: Hooks, arm: Arm) -> None:
    arm.on("GET", GROUP, {"id": GROUP})
    await hooks.run("predown", **OUTPUTS, **EXISTING)
    after = await hooks.run("postdown", **EXISTING)
    assert (after.code, after.output) == (0, "")
    assert not arm.called("DELETE", ASSIGNMENT)
    assert note(hooks)


@pytest.mark.parametrize("code", ["RoleAssignmentNotFound", "ResourceNotFound", "SubscriptionNotFound"])
async def test_a_role_or_an_account_that_is_gone_already_is_fine(hooks: Hooks, arm: Arm, code: str) -> None:
    arm.on("DELETE", ASSIGNMENT, (404, arm_error(code)))
    await hooks.run("predown", **OUTPUTS, **EXISTING)
    outcome = await hooks.run("postdown")
    assert outcome.code == 0
    assert outcome.lines == [
        "The role that the app was given on the existing Azure OpenAI account was gone already."
    ]
    assert note(hooks) is None


async def test_what_was_deployed_counts_and_not_what_has_been_set_since(hooks: Hooks, arm: Arm) -> None:
    arm.on("DELETE", ASSIGNMENT, {})
    await hooks.run("predown", **OUTPUTS, **EXISTING, AZURE_OPENAI_EXISTING_ACCOUNT_ID="/subscriptions/new")
    await hooks.run("postdown")
    assert arm.called("DELETE", ASSIGNMENT) == 1


async def test_a_role_that_cannot_be_removed_is_named(hooks: Hooks, arm: Arm) -> None:
    arm.on("DELETE", ASSIGNMENT, (403, arm_error("AuthorizationFailed")))
    await hooks.run("predown", **OUTPUTS, **EXISTING)
    error = (await hooks.run("postdown", **EXISTING)).error
    assert error.endswith(f"Remove it with `az role assignment delete --ids {ASSIGNMENT}`.")
    assert note(hooks)


@pytest.mark.parametrize("protected", [False, True])
async def test_what_is_soft_deleted_is_said(hooks: Hooks, arm: Arm, *, protected: bool) -> None:
    arm.on("GET", DELETED_ACCOUNT, {"name": "oai-demo"})
    properties = {"scheduledPurgeDate": "2027-02-20T10:00:00Z", "purgeProtectionEnabled": protected}
    arm.on("GET", DELETED_VAULT, {"properties": properties})
    settings = {
        "AZURE_OPENAI_LOCATION": "eastus2",
        "AZURE_KEY_VAULT_PURGE_PROTECTION": str(protected).lower(),
    }
    before = await hooks.run("predown", **OUTPUTS, **settings)
    assert ("The key vault kv-demo has purge protection" in before.output) is protected
    account, vault = (await hooks.run("postdown", **settings)).lines
    purge = "az cognitiveservices account purge --location eastus2 --resource-group rg-demo --name oai-demo"
    assert f"`{purge}`" in account
    if protected:
        assert vault.endswith("has purge protection: it stays soft-deleted until 2027-02-20, at no cost.")
    else:
        assert vault.endswith("is soft-deleted until 2027-02-20: `az keyvault purge --name kv-demo`.")


async def test_an_environment_that_was_never_provisioned(hooks: Hooks) -> None:
    for hook in ("predown", "postdown"):
        outcome = await hooks.run(hook)
        assert (outcome.code, outcome.output) == (0, "")
