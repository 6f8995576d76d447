"""Before `azd provision`: what would fail, said before anything is made.

Asked of the service itself: whether the resource providers are registered, and whether the model can be
deployed where it is wanted, with enough quota, for long enough.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Any

from azd import (
    ArmError,
    HookError,
    arm,
    arm_list,
    flag,
    parameter,
    required,
    run,
    say,
    seconds,
    subscription,
    value,
)
from openai_role import assignment, existing_account

COGNITIVE_SERVICES = "Microsoft.CognitiveServices"
COGNITIVE_SERVICES_API_VERSION = "2025-06-01"
ACCOUNT_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.CognitiveServices/accounts/[^/]+",
    re.IGNORECASE,
)
PROVIDERS_API_VERSION = "2021-04-01"
WEB_API_VERSION = "2025-03-01"

# The namespaces of the resources in infra/, but for those that every subscription has; a test compares them.
PROVIDERS = (
    COGNITIVE_SERVICES,
    "Microsoft.Insights",
    "Microsoft.KeyVault",
    "Microsoft.ManagedIdentity",
    "Microsoft.OperationalInsights",
    "Microsoft.Storage",
    "Microsoft.Web",
)
# The subnet of a Flex Consumption app is delegated to Microsoft.App: no type of the template, so that
# Azure does not register it by itself.
NETWORK_PROVIDERS = ("Microsoft.App", "Microsoft.Network")
BUDGET_PROVIDERS = ("Microsoft.Consumption",)

SOON = 60  # days
ACCOUNTS = "OpenAI.S0.AccountCount"
# Paid by use. Others, such as provisioned throughput, cost by the hour: nobody should be led there.
PAY_PER_TOKEN = ("GlobalStandard", "DataZoneStandard", "Standard")
MOST_NAMED = 6
HOW = (
    "Choose with `azd env set`: AZURE_OPENAI_LOCATION, AZURE_OPENAI_MODEL, AZURE_OPENAI_MODEL_VERSION, "
    "AZURE_OPENAI_SKU, AZURE_OPENAI_CAPACITY."
)


@dataclass(frozen=True)
class Wanted:
    """The model's deployment that the parameters ask for."""

    model: str
    version: str
    sku: str
    capacity: int
    location: str

    def __str__(self) -> str:
        return f"{self.model} {self.version} ({self.sku})"


def main() -> None:
    announce_what_stays()
    register(providers())
    check_plan(_plain(parameter("location")))
    if account := parameter("existingOpenAiAccountId"):
        check_existing(account, parameter("existingOpenAiDeployment") or parameter("modelName"))
    else:
        check_model(wanted())


def announce_what_stays() -> None:
    """Says what `azd down` will not be able to remove."""
    if flag("enablePurgeProtection"):
        say(
            "Purge protection is on, which cannot be undone: after `azd down --purge` the key vault stays "
            "soft-deleted until its retention period is over."
        )
    account = parameter("existingOpenAiAccountId")
    if account:
        say(
            f"The app gets a role on {account.rpartition('/')[2]}. `azd down` itself would leave the role "
            "assignment there; the hook after it removes it."
        )
    former = existing_account()
    if former and former.lower() != account.lower():
        say(
            f"The app keeps its role on {former.rpartition('/')[2]}, which it no longer uses. Once it is "
            f"deployed anew: `az role assignment delete --ids {assignment(former)}`."
        )


def check_existing(account: str, deployment: str) -> None:
    """Raises HookError where the app could not use this deployment of an account that exists."""
    if not ACCOUNT_ID.fullmatch(account):
        raise HookError(
            "AZURE_OPENAI_EXISTING_ACCOUNT_ID is no resource id of an account: /subscriptions/…"
            "/resourceGroups/…/providers/Microsoft.CognitiveServices/accounts/NAME."
        )
    group = value("AZURE_RESOURCE_GROUP") or f"rg-{required('AZURE_ENV_NAME')}"
    if account.lower().startswith(f"{subscription()}/resourceGroups/{group}/".lower()):
        raise HookError(
            f"The existing account is in {group}, this environment's own resource group, which `azd down` "
            "deletes with it. Move it, or unset AZURE_OPENAI_EXISTING_ACCOUNT_ID."
        )
    name = account.rpartition("/")[2]
    try:
        found, _ = arm("GET", account, COGNITIVE_SERVICES_API_VERSION)
        if not found["properties"].get("customSubDomainName"):
            raise HookError(f"{name} has no custom subdomain, at which alone it accepts Microsoft Entra ID.")
        arm("GET", f"{account}/deployments/{deployment}", COGNITIVE_SERVICES_API_VERSION)
    except ArmError as error:
        raise HookError(
            f"{name} and its deployment {deployment} could not be read; check "
            f"AZURE_OPENAI_EXISTING_ACCOUNT_ID and AZURE_OPENAI_EXISTING_DEPLOYMENT. {error}"
        ) from None


# --- Resource providers -------------------------------------------------------------------------------------


def providers() -> list[str]:
    """The namespaces that this deployment needs."""
    return [
        *PROVIDERS,
        *(NETWORK_PROVIDERS if flag("vnetEnabled") else ()),
        *(BUDGET_PROVIDERS if parameter("budgetAmount") not in {"", "0"} else ()),
    ]


def register(names: list[str]) -> None:
    """Registers what is not, and waits for it. Raises HookError."""
    missing = [name for name in names if state(name) != "Registered"]
    if not missing:
        return
    say(f"Registering {', '.join(missing)} in the subscription; this takes a minute or two ...")
    try:
        for name in missing:
            arm("POST", f"{subscription()}/providers/{name}/register", PROVIDERS_API_VERSION)
    except ArmError as error:
        if error.status != 403:
            raise
        commands = "; ".join(f"az provider register --namespace {name}" for name in missing)
        raise HookError(
            "Resource providers are not registered in this subscription, and this account may not do it. Ask "
            f"an owner of the subscription to run: {commands}"
        ) from None
    deadline = time.monotonic() + seconds("HOOK_REGISTER_TIMEOUT", 600)
    while missing := [name for name in missing if state(name) != "Registered"]:
        if time.monotonic() >= deadline:
            raise HookError(f"Still being registered: {', '.join(missing)}. Try again in some minutes.")
        time.sleep(seconds("HOOK_RETRY_DELAY", 5))


def state(name: str) -> str:
    """The registration state of a namespace."""
    provider, _ = arm("GET", f"{subscription()}/providers/{name}", PROVIDERS_API_VERSION)
    return str(provider.get("registrationState"))


# --- The plan -----------------------------------------------------------------------------------------------


def check_plan(location: str) -> None:
    """Raises HookError where the region does not offer Flex Consumption."""
    path = f"{subscription()}/providers/Microsoft.Web/geoRegions"
    try:
        offered = list(arm_list(path, WEB_API_VERSION, sku="FlexConsumption"))
    except ArmError:  # then the deployment will tell
        return
    regions = sorted(_plain(region["name"]) for region in offered)
    if regions and location not in regions:
        raise HookError(
            f"{location} does not offer the Flex Consumption plan. Choose one of {', '.join(regions)} with "
            "`azd env set AZURE_LOCATION <region>`; Azure OpenAI can be elsewhere (AZURE_OPENAI_LOCATION)."
        )


def _plain(region: str) -> str:
    """A region's name without spaces and capitals."""
    return region.replace(" ", "").lower()


# --- The model ----------------------------------------------------------------------------------------------


def wanted() -> Wanted:
    """What the parameters say. Raises HookError."""
    capacity = parameter("modelCapacity")
    if not capacity.isdecimal() or int(capacity) < 1:
        raise HookError(f"AZURE_OPENAI_CAPACITY is {capacity!r}: it must be a whole number from 1.")
    return Wanted(
        model=parameter("modelName"),
        version=parameter("modelVersion"),
        sku=parameter("modelSku"),
        capacity=int(capacity),
        location=_plain(parameter("openAiLocation") or parameter("location")),
    )


def check_model(ask: Wanted) -> None:
    """Raises HookError, which names other choices, unless the model can be deployed as it is asked for."""
    offered = models(ask.location)
    versions = {model["version"]: model for model in offered if model["name"] == ask.model}
    if not versions:
        raise _refusal(ask, offered, f"{ask.location} does not offer the model {ask.model}")
    if ask.version not in versions:
        raise _refusal(ask, offered, f"{ask.location} offers {ask.model} in no version {ask.version}")
    model = versions[ask.version]
    skus = {sku["name"]: sku for sku in model.get("skus") or ()}
    if ask.sku not in skus:
        raise _refusal(ask, offered, f"{ask.location} offers {ask.model} {ask.version} not as {ask.sku}")
    days = days_left(model, skus[ask.sku])
    if model.get("lifecycleStatus") == "Deprecated" or (days is not None and days < 0):
        raise _refusal(ask, offered, f"{ask} is retired in {ask.location}")
    quota = free_quota(ask.location)
    if not value("AZURE_OPENAI_ACCOUNT_NAME") and quota.get(ACCOUNTS, 1) < 1:
        raise _refusal(
            ask, offered, f"{ask.location} has no room for another Azure OpenAI account", smaller=0
        )
    free = quota.get(skus[ask.sku].get("usageName") or "")
    if free is not None and (free := free + _deployed(ask)) < ask.capacity:
        raise _refusal(
            ask,
            offered,
            f"{ask} needs a quota of {ask.capacity} (thousand tokens a minute) in {ask.location}, of which "
            f"{max(free, 0):g} is free",
            smaller=free,
        )
    say(f"{ask} can be deployed in {ask.location}.")
    if model.get("lifecycleStatus") == "Deprecating":
        say("WARNING: the model is being deprecated: Azure may refuse a new deployment of it. " + HOW)
    if days is not None and days < SOON:
        say(f"WARNING: the model retires in {days} days. " + HOW)


def models(location: str) -> list[dict[str, Any]]:
    """The models of OpenAI that a region offers. Raises HookError."""
    path = f"{subscription()}/providers/{COGNITIVE_SERVICES}/locations/{location}/models"
    try:
        found = list(arm_list(path, COGNITIVE_SERVICES_API_VERSION))
    except ArmError as error:
        if error.status not in {400, 404}:
            raise
        raise HookError(
            f"Azure OpenAI is not offered in {location}. Choose another region: "
            "`azd env set AZURE_OPENAI_LOCATION <region>`."
        ) from None
    return [item["model"] for item in found if item["kind"] == "OpenAI" == item["model"]["format"]]


def days_left(model: dict[str, Any], sku: dict[str, Any]) -> int | None:
    """Days until the model retires; None where the service gives no date."""
    text = sku.get("deprecationDate") or (model.get("deprecation") or {}).get("inference")
    if not text:
        return None
    return (date.fromisoformat(text[:10]) - datetime.now(timezone.utc).date()).days


def free_quota(location: str) -> dict[str, float]:
    """What the subscription can still have in a region, by the name of the quota."""
    path = f"{subscription()}/providers/{COGNITIVE_SERVICES}/locations/{location}/usages"
    return {
        usage["name"]["value"]: usage["limit"] - usage["currentValue"]
        for usage in arm_list(path, COGNITIVE_SERVICES_API_VERSION)
    }


def _deployed(ask: Wanted) -> float:
    """The capacity that an earlier provisioning of this environment holds: it is not needed twice."""
    group, account = value("AZURE_RESOURCE_GROUP"), value("AZURE_OPENAI_ACCOUNT_NAME")
    name = value("AZURE_OPENAI_DEPLOYMENT")
    if not (group and account and name):
        return 0
    path = f"{subscription()}/resourceGroups/{group}/providers/{COGNITIVE_SERVICES}/accounts/{account}"
    try:
        deployment, _ = arm("GET", f"{path}/deployments/{name}", COGNITIVE_SERVICES_API_VERSION)
    except ArmError as error:
        if error.status == 404:
            return 0
        raise
    same = deployment["sku"]["name"] == ask.sku and deployment["properties"]["model"]["name"] == ask.model
    return deployment["sku"]["capacity"] if same else 0


# --- Other choices ------------------------------------------------------------------------------------------


def _refusal(
    ask: Wanted, offered: list[dict[str, Any]], seen: str, *, smaller: float | None = None
) -> HookError:
    """One line: what was seen, what there is instead, how to choose it, what holds quota."""
    choices = []
    if smaller and smaller >= 1:
        choices.append(f"capacity {int(smaller)}")
    choices += _versions(ask, offered)
    choices += _capacities(ask)
    known = f" Available: {'; '.join(choices)}." if choices else ""
    return HookError(f"{seen}.{known} {HOW}{_held(ask) if smaller is not None else ''}")


def _versions(ask: Wanted, offered: list[dict[str, Any]]) -> list[str]:
    """Other versions of the model here."""
    found = sorted(
        model["version"]
        for model in offered
        if model["name"] == ask.model and model["version"] != ask.version and _lasts(model, ask.sku)
    )
    return [f"version {version} here" for version in found[-MOST_NAMED:]]


def _lasts(model: dict[str, Any], name: str) -> bool:
    """Whether a model is offered as this SKU, and for a while."""
    if model.get("lifecycleStatus") in {"Deprecating", "Deprecated"}:
        return False
    left = [days_left(model, sku) for sku in model.get("skus") or () if sku["name"] == name]
    return any(days is None or days >= SOON for days in left)


def _capacities(ask: Wanted) -> list[str]:
    """Other SKUs here, and other regions, that have room for this very model."""
    try:
        rows = [
            (_plain(row["location"]), row["properties"]["skuName"])
            for row in arm_list(
                f"{subscription()}/providers/{COGNITIVE_SERVICES}/modelCapacities",
                COGNITIVE_SERVICES_API_VERSION,
                modelFormat="OpenAI",
                modelName=ask.model,
                modelVersion=ask.version,
            )
            if (row["properties"].get("availableCapacity") or 0) >= ask.capacity
        ]
    except ArmError:  # no help, but not what this hook is about
        return []
    here = [sku for sku in PAY_PER_TOKEN if sku != ask.sku and (ask.location, sku) in rows]
    regions = sorted({location for location, sku in rows if sku == ask.sku and location != ask.location})
    return [
        *(f"{sku} here" for sku in here),
        *([f"{ask.sku} in {', '.join(regions[:MOST_NAMED])}"] if regions else ()),
    ]


def _held(ask: Wanted) -> str:
    """A deleted account holds its quota until it is purged."""
    path = f"{subscription()}/providers/{COGNITIVE_SERVICES}/deletedAccounts"
    try:
        deleted = [
            account
            for account in arm_list(path, COGNITIVE_SERVICES_API_VERSION)
            if _plain(account["location"]) == ask.location
        ]
    except ArmError:
        return ""
    if not deleted:
        return ""
    parts = deleted[0]["id"].split("/")
    group = parts[[part.lower() for part in parts].index("resourcegroups") + 1]
    return (
        f" Deleted accounts hold quota until they are purged, {len(deleted)} here: "
        f"`az cognitiveservices account purge --location {ask.location} --resource-group {group} "
        f"--name {deleted[0]['name']}`."
    )


if __name__ == "__main__":
    run(main)
