"""The order of a deployment: the identity, its roles, then the app; and a service before who reads it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from infra.bicep.project import Finding
from infra.evidence import Evidence, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.bicep.deployment import Deployed, Deployment

# What exists before the app: a host that starts without one of them fails its first deployment.
BEFORE_THE_APP: Final = (
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Storage/storageAccounts/blobServices/containers",
    "Microsoft.KeyVault/vaults",
    "Microsoft.Insights/components",
    "Microsoft.CognitiveServices/accounts/deployments",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
)


def check_before_the_app(evidence: Evidence) -> Iterator[Finding]:
    """Everything that the app needs when it starts exists before it."""
    for scenario, deployment in evidence.deployments.items():
        for site in deployment.of_type("Microsoft.Web/sites"):
            before = deployment.before(site.address)
            for kind in BEFORE_THE_APP:
                for resource in deployment.of_type(kind):
                    if resource.address not in before:
                        yield finding("order", site, f"{scenario}: it does not wait for {resource.address}")


def check_references(evidence: Evidence) -> Iterator[Finding]:
    """Whatever names another resource of the deployment, by its id or its properties, waits for it."""
    for scenario, deployment in evidence.deployments.items():
        addresses = {resource.id: resource.address for resource in deployment.resources}
        for resource in deployment.resources:
            before = deployment.before(resource.address)
            for identifier in _named(resource, addresses):
                address = addresses[identifier]
                around = resource.address == address or resource.address.startswith(f"{address}/")
                if not around and address not in before:
                    yield finding("order", resource, f"{scenario}: it does not wait for {address}")


def _named(resource: Deployed, known: dict[str, str]) -> set[str]:
    """The ids of resources of the deployment that this one's body, scope or parent names."""
    if resource.type == "Microsoft.Resources/deployments":
        texts = [resource.scope]
    else:
        texts = [*_strings(resource.body), resource.scope, resource.id.rsplit("/", 2)[0]]
    found: set[str] = set()
    for text in texts:
        for identifier in known:
            if text == identifier or f"<{identifier}." in text:
                found.add(identifier)
    return found - {resource.id}


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def check_one_deployment_at_a_time(evidence: Evidence) -> Iterator[Finding]:
    """An Azure OpenAI account refuses what would change it while it is being changed: one after another."""
    for scenario, deployment in evidence.deployments.items():
        models = deployment.of_type("Microsoft.CognitiveServices/accounts/deployments")
        for left, right in pairwise(models):
            if not _ordered(deployment, left, right):
                yield finding("order", right, f"{scenario}: two model deployments at once")


def _ordered(deployment: Deployment, left: Deployed, right: Deployed) -> bool:
    return left.address in deployment.before(right.address) or right.address in deployment.before(
        left.address
    )


def check_every_condition_decides(evidence: Evidence) -> Iterator[Finding]:
    """Each condition is true in one scenario and false in another: none is unreachable."""
    answers: dict[tuple[str, int, int], set[bool]] = {}
    for deployment in evidence.deployments.values():
        for place, given in deployment.decided.items():
            answers.setdefault(place, set()).update(given)
    for (path, line, _), given in answers.items():
        if len(given) < 2:
            yield Finding("unreachable", path, line, f"this condition is {given.pop()} in every scenario")
