"""Names: legal for the shortest and the longest environment name, and tags that azd and clean-up find."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from infra.evidence import Evidence, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.bicep.project import Finding


class Rule(NamedTuple):
    """What a name may be. `everywhere` marks a name that the whole of Azure shares; `tagged`, a resource
    that carries the tags."""

    pattern: str
    everywhere: bool = False
    tagged: bool = True


# https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
RULES: Final[dict[str, Rule]] = {
    "Microsoft.Authorization/roleAssignments": Rule(r"[0-9a-f-]{36}", tagged=False),
    "Microsoft.CognitiveServices/accounts": Rule(r"[a-zA-Z0-9][a-zA-Z0-9-]{1,63}", everywhere=True),
    "Microsoft.CognitiveServices/accounts/deployments": Rule(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,63}"),
    "Microsoft.Consumption/budgets": Rule(r"[a-zA-Z0-9_-]{1,63}", tagged=False),
    "Microsoft.Insights/components": Rule(r"[^%&\\?/]{1,259}[^%&\\?/. ]"),
    "Microsoft.Insights/actionGroups": Rule(r"[^:<>+/&%\\?|]{1,259}[^:<>+/&%\\?| .]"),
    "Microsoft.Insights/scheduledQueryRules": Rule(r"[^*<>%{}&:\\?/#|]{1,259}[^*<>%{}&:\\?/#| .]"),
    "Microsoft.Insights/workbooks": Rule(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "Microsoft.KeyVault/vaults": Rule(r"(?!.*--)[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]", everywhere=True),
    "Microsoft.ManagedIdentity/userAssignedIdentities": Rule(r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,127}"),
    "Microsoft.Network/privateDnsZones": Rule(r"([a-z0-9-]+\.)+[a-z0-9-]+"),
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": Rule(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,79}"),
    "Microsoft.Network/privateEndpoints": Rule(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}[a-zA-Z0-9_]"),
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": Rule(r"[a-zA-Z0-9][\w.-]{0,79}", tagged=False),
    "Microsoft.Network/virtualNetworks": Rule(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}[a-zA-Z0-9_]"),
    "Microsoft.OperationalInsights/workspaces": Rule(r"[a-zA-Z0-9][a-zA-Z0-9-]{2,61}[a-zA-Z0-9]"),
    "Microsoft.Resources/deployments": Rule(r"[a-zA-Z0-9()._-]{1,64}", tagged=False),
    "Microsoft.Resources/resourceGroups": Rule(r"[\w().-]{0,89}[\w()-]"),
    "Microsoft.Storage/storageAccounts": Rule(r"[a-z0-9]{3,24}", everywhere=True),
    "Microsoft.Storage/storageAccounts/blobServices": Rule(r"default", tagged=False),
    "Microsoft.Storage/storageAccounts/blobServices/containers": Rule(
        r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", tagged=False
    ),
    "Microsoft.Web/serverfarms": Rule(r"[a-zA-Z0-9-]{1,60}"),
    "Microsoft.Web/sites": Rule(r"[a-zA-Z0-9][a-zA-Z0-9-]{0,58}[a-zA-Z0-9]", everywhere=True),
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": Rule(r"ftp|scm", tagged=False),
}


# https://learn.microsoft.com/azure/cloud-adoption-framework/ready/azure-best-practices/resource-abbreviations
ABBREVIATIONS: Final = {
    "Microsoft.CognitiveServices/accounts": "oai-",
    "Microsoft.Insights/components": "appi-",
    "Microsoft.KeyVault/vaults": "kv-",
    "Microsoft.ManagedIdentity/userAssignedIdentities": "id-",
    "Microsoft.Network/privateEndpoints": "pep-",
    "Microsoft.Network/virtualNetworks": "vnet-",
    "Microsoft.OperationalInsights/workspaces": "log-",
    "Microsoft.Resources/resourceGroups": "rg-",
    "Microsoft.Storage/storageAccounts": "st",
    "Microsoft.Web/serverfarms": "plan-",
    "Microsoft.Web/sites": "func-",
}


def check_abbreviations(evidence: Evidence) -> Iterator[Finding]:
    """A name tells what it is the name of: no two of them have changed places."""
    for kind, abbreviation in ABBREVIATIONS.items():
        for _, resource in evidence.resources(kind):
            if not resource.name.startswith(abbreviation):
                yield finding("names", resource, f"the name does not begin with {abbreviation}")


def check_names(evidence: Evidence) -> Iterator[Finding]:
    """Every name is legal in every scenario; what the world shares differs between environments."""
    for scenario, deployment in evidence.deployments.items():
        ids: set[str] = set()
        for resource in deployment.resources:
            rule = RULES.get(resource.type)
            if rule is None:
                yield finding("names", resource, "there is no rule for the names of this type")
                continue
            own = resource.name.rsplit("/", 1)[-1]
            if not re.fullmatch(rule.pattern, own):
                yield finding("names", resource, f"{scenario}: {own!r} is not {rule.pattern}")
            if resource.id.lower() in ids:
                yield finding("names", resource, f"{scenario}: two resources have this name")
            ids.add(resource.id.lower())
    for kind, rule in RULES.items():
        if rule.everywhere:
            short, long = (
                {r.name for r in evidence.deployments[name].of_type(kind)}
                for name in ("shortest name", "longest name")
            )
            for resource in evidence.deployments["longest name"].of_type(kind):
                if short & long:
                    yield finding("names", resource, "two environments would share this name")


def check_tags(evidence: Evidence) -> Iterator[Finding]:
    """What can be tagged has the environment's name, by which azd finds it, and the expiry when asked."""
    for scenario, deployment in evidence.deployments.items():
        environment = evidence.environment(scenario)
        wanted = {"azd-env-name": environment["AZURE_ENV_NAME"]}
        if environment.get("AZURE_EXPIRES_ON"):
            wanted["expires-on"] = environment["AZURE_EXPIRES_ON"]
        services = evidence.project.azure_yaml.get("services", {})
        for resource in deployment.resources:
            rule = RULES.get(resource.type)
            if rule is None or not rule.tagged:
                continue
            tags = dict(resource.at("tags") or {})
            service = tags.pop("azd-service-name", None)
            if tags != wanted:
                yield finding("tags", resource, f"{scenario}: {tags} instead of {wanted}")
            if resource.type == "Microsoft.Web/sites" and [service] != list(services):
                yield finding("tags", resource, f"azd-service-name {service!r} is no service of azure.yaml")
            if resource.type != "Microsoft.Web/sites" and service is not None:
                yield finding("tags", resource, "only the app is a service of azure.yaml")
