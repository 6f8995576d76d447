"""Security posture, and the shape that a Flex Consumption app must have, as plain assertions.

The ids are those of the checkov rules that say the same. CKV_AZURE_78 (no FTP) does not apply: Flex refuses
`ftpsState`; basic publishing credentials are off instead.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final

from infra.evidence import Evidence, app_settings, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.bicep.project import Finding

# What every resource of a type has, in every scenario.
ALWAYS: Final[dict[str, dict[str, tuple[Any, str]]]] = {
    "Microsoft.Storage/storageAccounts": {
        "kind": ("StorageV2", "general purpose"),
        "sku.name": ("Standard_LRS", "the cheapest that Functions takes"),
        "properties.supportsHttpsTrafficOnly": (True, "CKV_AZURE_3"),
        "properties.minimumTlsVersion": ("TLS1_2", "CKV_AZURE_44"),
        "properties.allowBlobPublicAccess": (False, "no anonymous reading"),
        "properties.allowSharedKeyAccess": (False, "no account keys"),
        "properties.allowCrossTenantReplication": (False, "no copy elsewhere"),
        "properties.accessTier": ("Hot", "small and often read"),
        "properties.networkAcls.bypass": ("None", "nobody passes by the rules"),
        "properties.isLocalUserEnabled": (False, "no local users"),
        "properties.defaultToOAuthAuthentication": (True, "the portal signs in too"),
    },
    "Microsoft.Storage/storageAccounts/blobServices/containers": {
        "properties.publicAccess": ("None", "CKV_AZURE_34"),
    },
    "Microsoft.KeyVault/vaults": {
        "properties.enableRbacAuthorization": (True, "roles, not access policies"),
        "properties.enableSoftDelete": (True, "CKV_AZURE_110"),
        "properties.sku.name": ("standard", "no hardware modules"),
        "properties.sku.family": ("A", "the only one"),
        "properties.tenantId": ("00000000-0000-0000-0000-0000000000aa", "the tenant of the subscription"),
        "properties.softDeleteRetentionInDays": (7, "the shortest"),
        "properties.networkAcls.bypass": ("None", "nobody passes by the rules"),
    },
    "Microsoft.CognitiveServices/accounts": {
        "kind": ("OpenAI", "the endpoint's host name follows from it"),
        "sku.name": ("S0", "the only one"),
        "properties.disableLocalAuth": (True, "CKV_AZURE_236"),
    },
    "Microsoft.CognitiveServices/accounts/deployments": {
        "properties.model.format": ("OpenAI", "the publisher of the model"),
        "properties.raiPolicyName": ("Microsoft.DefaultV2", "content is filtered"),
        "properties.versionUpgradeOption": ("OnceCurrentVersionExpired", "answers do not stop on the day"),
    },
    "Microsoft.Insights/components": {
        "kind": ("web", "as the portal makes it"),
        "properties.Application_Type": ("web", "as the portal makes it"),
        "properties.DisableLocalAuth": (True, "telemetry is signed"),
        "properties.IngestionMode": ("LogAnalytics", "workspace-based"),
    },
    "Microsoft.OperationalInsights/workspaces": {
        "properties.features.disableLocalAuth": (True, "no workspace keys"),
        "properties.features.enableLogAccessUsingOnlyResourcePermissions": (True, "least privilege"),
        "properties.sku.name": ("PerGB2018", "pay by volume"),
    },
    "Microsoft.Web/serverfarms": {
        "sku.name": ("FC1", "Flex Consumption"),
        "sku.tier": ("FlexConsumption", "Flex Consumption"),
        "kind": ("functionapp", "Flex Consumption"),
        "properties.reserved": (True, "Linux"),
    },
    "Microsoft.Web/sites": {
        "kind": ("functionapp,linux", "Flex Consumption"),
        "identity.type": ("UserAssigned", "CKV_AZURE_71"),
        "properties.httpsOnly": (True, "CKV_AZURE_14, CKV_AZURE_70"),
        "properties.siteConfig.minTlsVersion": ("1.2", "CKV_AZURE_15, CKV_AZURE_145"),
        "properties.siteConfig.scmMinTlsVersion": ("1.2", "CKV_AZURE_15"),
        "properties.siteConfig.cors.supportCredentials": (False, "CKV_AZURE_57"),
        "properties.functionAppConfig.deployment.storage.type": ("blobContainer", "by identity"),
        "properties.functionAppConfig.deployment.storage.authentication.type": (
            "UserAssignedIdentity",
            "no connection string",
        ),
        "properties.functionAppConfig.runtime.name": ("python", "what src is written in"),
    },
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": {
        "properties.allow": (False, "no publishing password"),
    },
    "Microsoft.Network/privateDnsZones": {"location": ("global", "as all zones")},
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": {
        "location": ("global", "as all links"),
        "properties.registrationEnabled": (False, "machines are not to register there"),
    },
    "Microsoft.Consumption/budgets": {
        "properties.category": ("Cost", "money"),
        "properties.timeGrain": ("Monthly", "what the parameter says"),
        "properties.notifications.spent.enabled": (True, "mail is sent"),
        "properties.notifications.spent.thresholdType": ("Actual", "what is spent"),
        "properties.notifications.forecast.thresholdType": ("Forecasted", "what will be"),
        "properties.notifications.spent.contactRoles": (["Owner"], "also without an address"),
        "properties.notifications.forecast.enabled": (True, "mail is sent"),
        "properties.notifications.forecast.contactRoles": (["Owner"], "also without an address"),
    },
}

# Closed to public networks in a virtual network, and open without one, since the app could not reach them.
CLOSABLE: Final = (
    "Microsoft.Storage/storageAccounts",
    "Microsoft.KeyVault/vaults",
    "Microsoft.CognitiveServices/accounts",
)

# Error 51021: what a Flex Consumption app refuses.
REFUSED_BY_FLEX: Final = (
    "ftpsState",
    "linuxFxVersion",
    "netFrameworkVersion",
    "use32BitWorkerProcess",
    "preWarmedInstanceCount",
    "functionAppScaleLimit",
    "functionsRuntimeScaleMonitoringEnabled",
)


def check_always(evidence: Evidence) -> Iterator[Finding]:
    """Every resource has what its type must have."""
    for kind, wanted in ALWAYS.items():
        found = False
        for scenario, resource in evidence.resources(kind):
            found = True
            for path, (value, why) in wanted.items():
                if resource.at(path) != value or type(resource.at(path)) is not type(value):
                    yield finding("posture", resource, f"{scenario}: {path} is not {value!r} ({why})")
        if not found:
            raise AssertionError(f"no scenario deploys a {kind}")


def check_telemetry_goes_to_the_workspace(evidence: Evidence) -> Iterator[Finding]:
    """Application Insights keeps its data in the workspace of the deployment, under its daily cap."""
    for scenario, component in evidence.resources("Microsoft.Insights/components"):
        found = evidence.deployments[scenario].of_type("Microsoft.OperationalInsights/workspaces")
        if [component.at("properties.WorkspaceResourceId")] != [workspace.id for workspace in found]:
            yield finding("posture", component, f"{scenario}: it is not based on the workspace")


def check_networks(evidence: Evidence) -> Iterator[Finding]:
    """Public access follows the virtual network; the app is in its subnet then and reaches each service."""
    for scenario, deployment in evidence.deployments.items():
        closed = evidence.environment(scenario).get("AZURE_VNET_ENABLED") == "true"
        endpoints = {
            c["properties"]["privateLinkServiceId"]: c["properties"]["groupIds"]
            for e in deployment.of_type("Microsoft.Network/privateEndpoints")
            for c in e.at("properties.privateLinkServiceConnections")
        }
        groups = dict(zip(CLOSABLE, (["blob"], ["vault"], ["account"]), strict=True))
        for kind in CLOSABLE:
            for resource in deployment.of_type(kind):
                access = "Disabled" if closed else "Enabled"
                if resource.at("properties.publicNetworkAccess") != access:
                    yield finding("posture", resource, f"{scenario}: publicNetworkAccess is not {access}")
                action = "Deny" if closed else "Allow"
                if resource.at("properties.networkAcls.defaultAction") != action:
                    yield finding("posture", resource, f"{scenario}: the default action is not {action}")
                if endpoints.get(resource.id) != (groups[kind] if closed else None):
                    yield finding("posture", resource, f"{scenario}: {groups[kind]} has the wrong endpoint")
        for site in deployment.of_type("Microsoft.Web/sites"):
            subnet = site.at("properties.virtualNetworkSubnetId")
            if closed != bool(subnet and str(subnet).endswith("/subnets/app")):
                yield finding("posture", site, f"{scenario}: the app's subnet is {subnet!r}")
        yield from _check_subnets(evidence, scenario)


ZONES: Final = {
    "blob": "privatelink.blob.core.windows.net",
    "vault": "privatelink.vaultcore.azure.net",
    "account": "privatelink.openai.azure.com",
}


def _check_subnets(evidence: Evidence, scenario: str) -> Iterator[Finding]:
    """The app's subnet is delegated to Flex; endpoints are in the other one, and DNS finds them."""
    deployment = evidence.deployments[scenario]
    for network in deployment.of_type("Microsoft.Network/virtualNetworks"):
        subnets = {s["name"]: s["properties"] for s in network.at("properties.subnets")}
        delegated = [d["properties"]["serviceName"] for d in subnets["app"].get("delegations", [])]
        if delegated != ["Microsoft.App/environments"] or "private-endpoints" not in subnets:
            yield finding("posture", network, "the app's subnet is delegated to Microsoft.App/environments")
        if subnets["private-endpoints"].get("delegations"):
            yield finding("posture", network, "a subnet of endpoints is not delegated")
        if subnets["private-endpoints"].get("privateEndpointNetworkPolicies") != "Disabled":
            yield finding("posture", network, "network policies do not suit private endpoints")
        spaces = [ipaddress.ip_network(p) for p in network.at("properties.addressSpace.addressPrefixes")]
        ranges = [ipaddress.ip_network(properties["addressPrefix"]) for properties in subnets.values()]
        if any(a.overlaps(b) for i, a in enumerate(ranges) for b in ranges[i + 1 :]):
            yield finding("posture", network, "two subnets overlap")
        if not all(
            any(r.overlaps(space) and r.prefixlen >= space.prefixlen for space in spaces) for r in ranges
        ):
            yield finding("posture", network, "a subnet is outside of the network")
        linked = [
            link.at("properties.virtualNetwork.id")
            for link in deployment.of_type("Microsoft.Network/privateDnsZones/virtualNetworkLinks")
        ]
        zones = {zone.id: zone.name for zone in deployment.of_type("Microsoft.Network/privateDnsZones")}
        if linked != [network.id] * len(zones):
            yield finding("posture", network, "every DNS zone is linked to the network")
        for endpoint in deployment.of_type("Microsoft.Network/privateEndpoints"):
            if endpoint.at("properties.subnet.id") != f"{network.id}/subnets/private-endpoints":
                yield finding("posture", endpoint, "the endpoint is not in the subnet of endpoints")
            group = endpoint.at("properties.privateLinkServiceConnections")[0]["properties"]["groupIds"][0]
            configured = [
                zones.get(c["properties"]["privateDnsZoneId"])
                for g in deployment.of_type("Microsoft.Network/privateEndpoints/privateDnsZoneGroups")
                if g.id.startswith(f"{endpoint.id}/")
                for c in g.at("properties.privateDnsZoneConfigs")
            ]
            if configured != [ZONES.get(group)]:
                yield finding("posture", endpoint, f"the zone of {group} is {configured}")


def check_flex(evidence: Evidence) -> Iterator[Finding]:
    """The app is one that Flex Consumption takes, set as the parameters say, and nobody debugs it."""
    for scenario, site in evidence.resources("Microsoft.Web/sites"):
        config = site.at("properties.siteConfig") or {}
        for name in REFUSED_BY_FLEX:
            if name in config:
                yield finding("flex", site, f"Flex refuses {name}")
        settings = app_settings(site)
        for name in settings:
            if name == "FUNCTIONS_WORKER_RUNTIME" or ":" in name:
                yield finding("flex", site, f"Flex refuses the setting {name}")
        if len(settings) != len(site.at("properties.siteConfig.appSettings") or []):
            yield finding("flex", site, "a setting is given twice")
        if config.get("remoteDebuggingEnabled"):
            yield finding("posture", site, "CKV_AZURE_72: remote debugging is on")
        if "*" in config.get("cors", {}).get("allowedOrigins", ["*"]):
            yield finding("posture", site, "CKV_AZURE_57: any origin may call")
        plans = evidence.deployments[scenario].of_type("Microsoft.Web/serverfarms")
        if [site.at("properties.serverFarmId")] != [plan.id for plan in plans]:
            yield finding("flex", site, "one plan for one app")
        policies = evidence.deployments[scenario].of_type(
            "Microsoft.Web/sites/basicPublishingCredentialsPolicies"
        )
        if sorted(p.id.removeprefix(f"{site.id}/basicPublishingCredentialsPolicies/") for p in policies) != [
            "ftp",
            "scm",
        ]:
            yield finding("posture", site, "basic publishing credentials are switched off for ftp and scm")
        url = str(site.at("properties.functionAppConfig.deployment.storage.value"))
        containers = evidence.deployments[scenario].of_type(
            "Microsoft.Storage/storageAccounts/blobServices/containers"
        )
        accounts = evidence.deployments[scenario].of_type("Microsoft.Storage/storageAccounts")
        urls = [
            f"<{a.id}.properties.primaryEndpoints.blob>{c.name.rsplit('/', 1)[1]}"
            for a in accounts
            for c in containers
            if c.id.startswith(f"{a.id}/")
        ]
        if [url] != urls:
            yield finding("flex", site, f"packages go to {url}, which is not the container that is made")
