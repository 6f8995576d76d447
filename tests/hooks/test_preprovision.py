"""Before provisioning: what would fail is said, with what to choose instead."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.checkout import ROOT

from .conftest import SUBSCRIPTION, Arm, Hooks, arm_error

if TYPE_CHECKING:
    from collections.abc import Callable

PROVIDERS = f"/subscriptions/{SUBSCRIPTION}/providers"
OPENAI = f"{PROVIDERS}/Microsoft.CognitiveServices"
LOCATION = f"{OPENAI}/locations/swedencentral"
ACCOUNT = "/subscriptions/s/resourceGroups/shared/providers/Microsoft.CognitiveServices/accounts/oai-shared"
HOW = "Choose with `azd env set`: AZURE_OPENAI_LOCATION, AZURE_OPENAI_MODEL, AZURE_OPENAI_MODEL_VERSION, "

NAMESPACES = (
    "Microsoft.App",
    "Microsoft.CognitiveServices",
    "Microsoft.Consumption",
    "Microsoft.Insights",
    "Microsoft.KeyVault",
    "Microsoft.ManagedIdentity",
    "Microsoft.Network",
    "Microsoft.OperationalInsights",
    "Microsoft.Storage",
    "Microsoft.Web",
)


def in_days(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT00:00:00Z")


def model(
    version: str = "2026-03-17",
    *skus: str,
    name: str = "gpt-5.4-mini",
    retires: str | None = None,
    status: str = "GenerallyAvailable",
) -> dict[str, Any]:
    """A row of the service's list of models."""
    return {
        "kind": "OpenAI",
        "skuName": "S0",
        "model": {
            "format": "OpenAI",
            "name": name,
            "version": version,
            "lifecycleStatus": status,
            "skus": [
                {
                    "name": sku,
                    "usageName": f"OpenAI.{sku}.{name}",
                    **({"deprecationDate": retires} if retires else {}),
                }
                for sku in skus or ("GlobalStandard",)
            ],
        },
    }


def usage(limit: int, current: int = 0, name: str = "OpenAI.GlobalStandard.gpt-5.4-mini") -> dict[str, Any]:
    return {"name": {"value": name}, "limit": limit, "currentValue": current, "unit": "Count"}


def room(location: str, sku: str, capacity: int) -> dict[str, Any]:
    """A row of the service's list of capacities."""
    return {"location": location, "properties": {"skuName": sku, "availableCapacity": capacity}}


def values(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"value": list(rows)}


@pytest.fixture
def azure(arm: Arm) -> Arm:
    """A subscription in which everything is well."""
    for namespace in NAMESPACES:
        arm.on("GET", f"{PROVIDERS}/{namespace}", {"registrationState": "Registered"})
    arm.on("GET", f"{PROVIDERS}/Microsoft.Web/geoRegions", values({"name": "Sweden Central"}))
    arm.on("GET", f"{LOCATION}/models", values(model()))
    arm.on("GET", f"{LOCATION}/usages", values(usage(100), usage(30, 2, "OpenAI.S0.AccountCount")))
    arm.on("GET", f"{OPENAI}/modelCapacities", values())
    arm.on("GET", f"{OPENAI}/deletedAccounts", values())
    return arm


@pytest.mark.usefixtures("azure")
async def test_all_is_well(hooks: Hooks) -> None:
    outcome = await hooks.run("preprovision")
    assert outcome.code == 0, outcome.output
    assert outcome.lines == ["gpt-5.4-mini 2026-03-17 (GlobalStandard) can be deployed in swedencentral."]
    assert hooks.commands == [["azd", "auth", "token", "--output", "json"]]


# --- The model ----------------------------------------------------------------------------------------------


async def test_the_region_of_azure_openai_may_be_another(hooks: Hooks, azure: Arm) -> None:
    for name in ("models", "usages"):
        row = model() if name == "models" else usage(100)
        azure.on("GET", f"{OPENAI}/locations/eastus2/{name}", values(row))
    outcome = await hooks.run("preprovision", AZURE_OPENAI_LOCATION="eastus2")
    assert outcome.lines[-1].endswith("can be deployed in eastus2.")


async def test_a_version_that_is_not_there(hooks: Hooks, azure: Arm) -> None:
    rows = (
        model("2026-01-01"),
        model("2025-10-01", retires=in_days(30)),
        model("2025-09-01", status="Deprecating"),
        model("2026-09-09", "Standard"),
        model("1", name="gpt-6"),
    )
    azure.on("GET", f"{LOCATION}/models", values(*rows))
    azure.on(
        "GET",
        f"{OPENAI}/modelCapacities",
        values(
            room("EastUS2", "GlobalStandard", 50),
            room("West US 3", "GlobalStandard", 10),
            room("UK South", "GlobalStandard", 9),
            room("francecentral", "ProvisionedManaged", 500),
        ),
    )
    error = (await hooks.run("preprovision")).error
    assert error.startswith(
        "swedencentral offers gpt-5.4-mini in no version 2026-03-17. Available: version 2026-01-01 here; "
        f"GlobalStandard in eastus2, westus3. {HOW}"
    )
    (asked,) = (call for call in azure.calls if call.path.endswith("modelCapacities"))
    assert asked.query["modelVersion"] == "2026-03-17"


async def test_a_model_that_is_not_there(hooks: Hooks, azure: Arm) -> None:
    azure.on("GET", f"{LOCATION}/models", values(model(name="gpt-6")))
    azure.on("GET", f"{OPENAI}/modelCapacities", (500, arm_error("InternalServerError")))
    error = (await hooks.run("preprovision")).error
    assert error.startswith(f"swedencentral does not offer the model gpt-5.4-mini. {HOW}")


async def test_a_sku_that_is_not_there(hooks: Hooks, azure: Arm) -> None:
    azure.on("GET", f"{LOCATION}/models", values(model("2026-03-17", "DataZoneStandard")))
    azure.on("GET", f"{OPENAI}/modelCapacities", values(room("swedencentral", "DataZoneStandard", 10)))
    error = (await hooks.run("preprovision")).error
    assert "offers gpt-5.4-mini 2026-03-17 not as GlobalStandard. Available: DataZoneStandard here." in error


async def test_a_quota_that_is_too_small(hooks: Hooks, azure: Arm) -> None:
    azure.on("GET", f"{LOCATION}/usages", values(usage(100, 96)))
    deleted = f"{LOCATION}/resourceGroups/rg-old/deletedAccounts/oai-old"
    azure.on(
        "GET",
        f"{OPENAI}/deletedAccounts",
        values({"id": deleted, "name": "oai-old", "location": "Sweden Central"}),
    )
    error = (await hooks.run("preprovision")).error
    assert error.startswith(
        "gpt-5.4-mini 2026-03-17 (GlobalStandard) needs a quota of 10 (thousand tokens a minute) in "
        "swedencentral, of which 4 is free. Available: capacity 4. "
    )
    assert error.endswith(
        "Deleted accounts hold quota until they are purged, 1 here: `az cognitiveservices account purge "
        "--location swedencentral --resource-group rg-old --name oai-old`."
    )
    assert (await hooks.run("preprovision", AZURE_OPENAI_CAPACITY="4")).code == 0


async def test_what_this_environment_holds_already_is_not_needed_twice(hooks: Hooks, azure: Arm) -> None:
    full = usage(30, 30, "OpenAI.S0.AccountCount")
    azure.on("GET", f"{LOCATION}/usages", values(usage(12, 10), full))
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-demo"
    deployment = f"{group}/providers/Microsoft.CognitiveServices/accounts/oai-demo/deployments/chat"
    sku = {"name": "GlobalStandard", "capacity": 10}
    azure.on("GET", deployment, {"sku": sku, "properties": {"model": {"name": "gpt-5.4-mini"}}})
    outputs = {
        "AZURE_RESOURCE_GROUP": "rg-demo",
        "AZURE_OPENAI_ACCOUNT_NAME": "oai-demo",
        "AZURE_OPENAI_DEPLOYMENT": "chat",
    }
    assert (await hooks.run("preprovision", **outputs)).code == 0
    assert (
        "of which 12 is free"
        in (await hooks.run("preprovision", **outputs, AZURE_OPENAI_CAPACITY="13")).error
    )


async def test_no_room_for_another_account(hooks: Hooks, azure: Arm) -> None:
    azure.on("GET", f"{LOCATION}/usages", values(usage(100), usage(30, 30, "OpenAI.S0.AccountCount")))
    error = (await hooks.run("preprovision")).error
    assert error.startswith("swedencentral has no room for another Azure OpenAI account.")


@pytest.mark.parametrize(
    ("row", "seen"),
    [
        (
            model(retires=in_days(-2)),
            "ERROR: gpt-5.4-mini 2026-03-17 (GlobalStandard) is retired in swedencentral.",
        ),
        (
            model(status="Deprecated"),
            "ERROR: gpt-5.4-mini 2026-03-17 (GlobalStandard) is retired in swedencentral.",
        ),
        (model(status="Deprecating"), "WARNING: the model is being deprecated: Azure may refuse"),
        (model(retires=in_days(59)), "WARNING: the model retires in 59 days."),
    ],
)
async def test_the_life_of_the_model(hooks: Hooks, azure: Arm, row: dict[str, Any], seen: str) -> None:
    azure.on("GET", f"{LOCATION}/models", values(row))
    outcome = await hooks.run("preprovision")
    assert outcome.code == seen.startswith("ERROR")
    assert outcome.lines[-1].startswith(seen)
    assert HOW in outcome.lines[-1]


async def test_a_model_that_lasts_is_no_warning(hooks: Hooks, azure: Arm) -> None:
    azure.on("GET", f"{LOCATION}/models", values(model(retires=in_days(61))))
    assert len((await hooks.run("preprovision")).lines) == 1


async def test_the_list_of_models_has_pages(hooks: Hooks, azure: Arm) -> None:
    first = {"value": [model(name="gpt-6")], "nextLink": f"{azure.url}{LOCATION}/models?api-version=1&page=2"}
    azure.on("GET", f"{LOCATION}/models", first, values(model()))
    assert (await hooks.run("preprovision")).code == 0


async def test_a_page_elsewhere_does_not_get_the_token(hooks: Hooks, azure: Arm) -> None:
    azure.on("GET", f"{LOCATION}/models", {"value": [], "nextLink": "https://elsewhere.example/models"})
    assert "put the next page at another address" in (await hooks.run("preprovision")).error


async def test_a_region_without_azure_openai(hooks: Hooks, azure: Arm) -> None:
    azure.on("GET", f"{LOCATION}/models", (400, arm_error("LocationNotAvailableForResourceType")))
    assert (await hooks.run("preprovision")).error.startswith("Azure OpenAI is not offered in swedencentral.")


@pytest.mark.usefixtures("azure")
@pytest.mark.parametrize("capacity", ["0", "ten", "1.5"])
async def test_a_capacity_that_is_no_number(hooks: Hooks, capacity: str) -> None:
    error = (await hooks.run("preprovision", AZURE_OPENAI_CAPACITY=capacity)).error
    assert error == f"AZURE_OPENAI_CAPACITY is '{capacity}': it must be a whole number from 1."


EXISTING = {"AZURE_OPENAI_EXISTING_ACCOUNT_ID": ACCOUNT, "AZURE_OPENAI_EXISTING_DEPLOYMENT": "my-chat"}


async def test_an_existing_account_and_its_deployment_are_looked_up(hooks: Hooks, azure: Arm) -> None:
    azure.on("GET", ACCOUNT, {"properties": {"customSubDomainName": "oai-shared"}})
    azure.on("GET", f"{ACCOUNT}/deployments/my-chat", {})
    outcome = await hooks.run("preprovision", **EXISTING)
    assert outcome.code == 0
    assert outcome.lines == [
        "The app gets a role on oai-shared. `azd down` itself would leave the role assignment there; the "
        "hook after it removes it.",
    ]
    assert not azure.called("GET", f"{LOCATION}/models")


async def test_an_existing_account_that_is_not_there(hooks: Hooks, azure: Arm) -> None:
    outcome = await hooks.run("preprovision", **EXISTING)
    assert outcome.error.startswith("oai-shared and its deployment my-chat could not be read")
    azure.on("GET", ACCOUNT, {"properties": {"customSubDomainName": "oai-shared"}})
    outcome = await hooks.run("preprovision", **EXISTING)
    assert "AZURE_OPENAI_EXISTING_DEPLOYMENT" in outcome.error


async def test_an_existing_account_without_a_subdomain(hooks: Hooks, azure: Arm) -> None:
    azure.on("GET", ACCOUNT, {"properties": {}})
    assert (await hooks.run("preprovision", **EXISTING)).error.startswith(
        "oai-shared has no custom subdomain"
    )


@pytest.mark.usefixtures("azure")
@pytest.mark.parametrize("account", ["oai-shared", f"{ACCOUNT}/deployments/my-chat", "/subscriptions/s"])
async def test_what_is_no_resource_id_of_an_account(hooks: Hooks, account: str) -> None:
    error = (await hooks.run("preprovision", AZURE_OPENAI_EXISTING_ACCOUNT_ID=account)).error
    assert error.startswith("AZURE_OPENAI_EXISTING_ACCOUNT_ID is no resource id of an account")


@pytest.mark.usefixtures("azure")
async def test_an_account_in_the_group_that_azd_down_deletes(hooks: Hooks) -> None:
    """Pinned as existing after a first `azd up`, it would go with the group while it is said to stay."""
    own = ACCOUNT.replace("/subscriptions/s/", f"/subscriptions/{SUBSCRIPTION}/").replace(
        "shared/", "RG-demo/"
    )
    error = (await hooks.run("preprovision", AZURE_OPENAI_EXISTING_ACCOUNT_ID=own)).error
    assert "this environment's own resource group, which `azd down` deletes" in error


async def test_the_role_on_an_account_that_is_no_longer_used_is_named(hooks: Hooks, azure: Arm) -> None:
    former = {
        "AZURE_OPENAI_GRANTED_ACCOUNT_ID": f"{ACCOUNT}-1",
        "AZURE_IDENTITY_PRINCIPAL_ID": "principal-1",
    }
    azure.on("GET", ACCOUNT, {"properties": {"customSubDomainName": "oai-shared"}})
    for account in ("", ACCOUNT):
        outcome = await hooks.run("preprovision", **former, AZURE_OPENAI_EXISTING_ACCOUNT_ID=account)
        (line,) = (line for line in outcome.lines if line.startswith("The app keeps its role on "))
        assert f"`az role assignment delete --ids {ACCOUNT}-1/providers/" in line
    outcome = await hooks.run(
        "preprovision", **former, AZURE_OPENAI_EXISTING_ACCOUNT_ID=f"{ACCOUNT}-1".upper()
    )
    assert "keeps its role" not in outcome.output
    assert not any(call.method == "PUT" for call in azure.calls)


# --- The rest -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("azure")
async def test_purge_protection_is_announced(hooks: Hooks) -> None:
    outcome = await hooks.run("preprovision", AZURE_KEY_VAULT_PURGE_PROTECTION="true")
    assert outcome.lines[0].startswith(
        "Purge protection is on, which cannot be undone: after `azd down --purge`"
    )


async def test_a_region_without_flex_consumption(hooks: Hooks, azure: Arm) -> None:
    regions = values({"name": "East US 2"}, {"name": "North Europe"})
    azure.on("GET", f"{PROVIDERS}/Microsoft.Web/geoRegions", regions)
    error = (await hooks.run("preprovision")).error
    assert error.startswith(
        "swedencentral does not offer the Flex Consumption plan. Choose one of eastus2, northeurope"
    )


async def test_providers_are_registered_when_they_are_needed(hooks: Hooks, azure: Arm) -> None:
    missing = f"{PROVIDERS}/Microsoft.App"
    states = ("NotRegistered", "Registering", "Registered")
    azure.on("GET", missing, *({"registrationState": state} for state in states))
    azure.on("POST", f"{missing}/register", {"registrationState": "Registering"})
    assert (await hooks.run("preprovision")).code == 0
    assert not azure.called("GET", missing)
    outcome = await hooks.run("preprovision", AZURE_VNET_ENABLED="true")
    assert outcome.code == 0, outcome.output
    assert outcome.lines[0].startswith("Registering Microsoft.App in the subscription")
    assert azure.called("POST", f"{missing}/register") == 1
    assert azure.called("GET", missing) == 3


async def test_a_provider_that_may_not_be_registered(hooks: Hooks, azure: Arm) -> None:
    azure.on("GET", f"{PROVIDERS}/Microsoft.KeyVault", {"registrationState": "NotRegistered"})
    azure.on("POST", f"{PROVIDERS}/Microsoft.KeyVault/register", (403, arm_error("AuthorizationFailed")))
    error = (await hooks.run("preprovision")).error
    assert error.endswith("to run: az provider register --namespace Microsoft.KeyVault")


async def test_a_registration_that_takes_too_long(hooks: Hooks, azure: Arm) -> None:
    azure.on("GET", f"{PROVIDERS}/Microsoft.KeyVault", {"registrationState": "Registering"})
    azure.on("POST", f"{PROVIDERS}/Microsoft.KeyVault/register", {})
    error = (await hooks.run("preprovision", HOOK_REGISTER_TIMEOUT="0.05")).error
    assert error == "Still being registered: Microsoft.KeyVault. Try again in some minutes."


def test_the_providers_are_those_of_the_resources(hook_module: Callable[[str], Any]) -> None:
    hook = hook_module("preprovision")
    bicep = "".join(path.read_text() for path in sorted((ROOT / "infra").rglob("*.bicep")))
    used = set(re.findall(r"^resource \w+ '(Microsoft\.\w+)/", bicep, re.MULTILINE))
    used |= set(re.findall(r"serviceName: '(Microsoft\.\w+)/", bicep))  # delegations of subnets
    every_subscription_has = {"Microsoft.Authorization", "Microsoft.Resources"}
    named = {*hook.PROVIDERS, *hook.NETWORK_PROVIDERS, *hook.BUDGET_PROVIDERS}
    assert named == used - every_subscription_has == set(NAMESPACES)


def test_every_parameter_and_output_that_a_hook_reads_exists() -> None:
    parameters = json.loads((ROOT / "infra/main.parameters.json").read_text())["parameters"]
    outputs = re.findall(r"^output (\w+) ", (ROOT / "infra/main.bicep").read_text(), re.MULTILINE)
    of_azd = {"AZURE_ENV_NAME", "AZURE_SUBSCRIPTION_ID", "AZURE_LOCATION"}
    variables = set(re.findall(r"\$\{(\w+)", json.dumps(parameters)))
    for path in (ROOT / "scripts/azd").glob("*.py"):
        text = path.read_text()
        assert set(re.findall(r'(?:parameter|flag)\("(\w+)"\)', text)) <= set(parameters), path.name
        read = re.findall(r'(?:value|required)\(\s*[\'"](?!HOOK_)(\w+)[\'"]\s*\)', text)
        assert set(read) <= {*outputs, *variables, *of_azd}, path.name
