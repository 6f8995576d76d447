"""What the app gets: its settings, and what a user sets, at the property that it is for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from infra.evidence import Evidence, app_settings, finding
from infra.scenarios import parameters
from streaming_chat.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.bicep.deployment import Deployed, Deployment
    from infra.bicep.project import Finding

# The Functions host's settings in Azure, apart from the app's own.
HOST_SETTINGS: Final = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "AzureWebJobsSecretStorageKeyVaultClientId",
    "AzureWebJobsSecretStorageKeyVaultUri",
    "AzureWebJobsSecretStorageType",
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__credential",
}
# The app's settings that have no place in Azure: `none` is for a model server on the same machine.
NOT_IN_AZURE: Final = {"AZURE_OPENAI_AUTHENTICATION"}
# The host's settings on one machine, where there is no storage and the identity is simulated.
LOCAL_HOST_SETTINGS: Final = {
    *("FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage", "IDENTITY_ENDPOINT", "IDENTITY_HEADER"),
}


def check_app_settings(evidence: Evidence) -> Iterator[Finding]:
    """The function app's settings are the fields of Settings and the host's, no more and no fewer."""
    fields = {name.upper() for name in Settings.model_fields}
    for scenario, site in evidence.resources("Microsoft.Web/sites"):
        settings = app_settings(site)
        for name in (fields - NOT_IN_AZURE | HOST_SETTINGS) - settings.keys():
            yield finding("settings", site, f"{scenario}: the setting {name} is missing")
        for name in settings.keys() - (fields - NOT_IN_AZURE | HOST_SETTINGS):
            yield finding("settings", site, f"{scenario}: nothing reads the setting {name}")
        for name, pattern in _VALUES.items():
            if not re.fullmatch(pattern, str(settings.get(name))):
                yield finding("settings", site, f"{scenario}: {name} is {settings.get(name)}")


_PROVIDERS = r"/subscriptions/[^<>]+/providers"
_VALUES: Final = {
    "AzureWebJobsStorage__credential": "managedidentity",
    "AzureWebJobsSecretStorageType": "keyvault",  # pragma: allowlist secret
    "AZURE_OPENAI_ENDPOINT": (
        rf"https://<{_PROVIDERS}/Microsoft.CognitiveServices/accounts/[^/]+\.properties\.customSubDomainName>"
        r"\.openai\.azure\.com"
    ),
    "AzureWebJobsStorage__blobServiceUri": (
        rf"<{_PROVIDERS}/Microsoft.Storage/storageAccounts/\w+\.properties\.primaryEndpoints\.blob>"
    ),
    "AzureWebJobsSecretStorageKeyVaultUri": (
        rf"<{_PROVIDERS}/Microsoft.KeyVault/vaults/[\w-]+\.properties\.vaultUri>"
    ),
    "APPLICATIONINSIGHTS_CONNECTION_STRING": (
        rf"<{_PROVIDERS}/Microsoft.Insights/components/[\w-]+\.properties\.ConnectionString>"
    ),
}


def check_parameters_arrive(evidence: Evidence) -> Iterator[Finding]:
    """What a user sets reaches the property that it is for."""
    for scenario, deployment in evidence.deployments.items():
        given = parameters(evidence.project, evidence.environment(scenario))
        for kind, paths in ARRIVES.items():
            for resource in deployment.of_type(kind):
                for path, name in paths.items():
                    if resource.at(path) != given.get(name):
                        yield finding("arrives", resource, f"{scenario}: {path} is not the parameter {name}")
        for resource, path, wanted in _derived(deployment, given):
            if resource.at(path) != wanted or type(resource.at(path)) is not type(wanted):
                yield finding("arrives", resource, f"{scenario}: {path} is not {wanted!r}")
        for site in deployment.of_type("Microsoft.Web/sites"):
            wanted = {
                "AZURE_OPENAI_DEPLOYMENT": given.get("existingOpenAiDeployment") or given.get("modelName"),
                **given.get("appSettings", {}),
            }
            for name, value in wanted.items():
                if app_settings(site).get(name) != value:
                    yield finding("arrives", site, f"{scenario}: the setting {name} is not {value!r}")
        for budget in deployment.of_type("Microsoft.Consumption/budgets"):
            if deployment.outputs.get("AZURE_BUDGET_START_DATE") != budget.at(
                "properties.timePeriod.startDate"
            ):
                yield finding("arrives", budget, f"{scenario}: the start is not kept for the next deployment")


def _derived(deployment: Deployment, given: dict[str, Any]) -> Iterator[tuple[Deployed, str, Any]]:
    """What follows from a parameter without being it."""
    for site in deployment.of_type("Microsoft.Web/sites"):
        strategy = {"type": "RollingUpdate"} if given.get("rollingUpdates") else None
        yield site, "properties.functionAppConfig.siteUpdateStrategy", strategy
        count = given.get("alwaysReadyInstances")
        yield site, f"{_SCALE}.alwaysReady", [{"name": "http", "instanceCount": count}] if count else []
    for vault in deployment.of_type("Microsoft.KeyVault/vaults"):
        # The service refuses `false` (CKV_AZURE_110 where it is asked for).
        yield vault, "properties.enablePurgeProtection", True if given.get("enablePurgeProtection") else None
    for account in deployment.of_type("Microsoft.CognitiveServices/accounts"):
        yield account, "location", given.get("openAiLocation") or given["location"]
        yield account, "properties.customSubDomainName", account.name
    for budget in deployment.of_type("Microsoft.Consumption/budgets"):
        yield budget, "properties.timePeriod.startDate", given.get("budgetStartDate") or "2026-12-01"


_SCALE = "properties.functionAppConfig.scaleAndConcurrency"
ARRIVES: Final[dict[str, dict[str, str]]] = {
    "Microsoft.Web/sites": {
        f"{_SCALE}.instanceMemoryMB": "instanceMemoryMB",
        f"{_SCALE}.maximumInstanceCount": "maximumInstanceCount",
        f"{_SCALE}.triggers.http.perInstanceConcurrency": "httpConcurrency",
        "properties.siteConfig.cors.allowedOrigins": "allowedOrigins",
        "location": "location",
    },
    "Microsoft.CognitiveServices/accounts/deployments": {
        "properties.model.name": "modelName",
        "properties.model.version": "modelVersion",
        "sku.name": "modelSku",
        "sku.capacity": "modelCapacity",
    },
    "Microsoft.OperationalInsights/workspaces": {
        "properties.retentionInDays": "logRetentionDays",
        "properties.workspaceCapping.dailyQuotaGb": "logDailyCapGb",
        "location": "location",
    },
    "Microsoft.Consumption/budgets": {"properties.amount": "budgetAmount"},
    **{
        kind: {"location": "location"}
        for kind in (
            "Microsoft.Web/serverfarms",
            "Microsoft.Storage/storageAccounts",
            "Microsoft.KeyVault/vaults",
            "Microsoft.Insights/components",
            "Microsoft.ManagedIdentity/userAssignedIdentities",
            "Microsoft.Network/virtualNetworks",
            "Microsoft.Network/privateEndpoints",
            "Microsoft.Resources/resourceGroups",
        )
    },
}
