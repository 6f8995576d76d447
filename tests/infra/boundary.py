"""Where a deployment may put something: its own resource group, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from infra.bicep import syntax as s
from infra.bicep.deployment import SUBSCRIPTION
from infra.bicep.project import MAIN, Finding
from infra.evidence import Evidence, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP: Final = "Microsoft.Resources/resourceGroups"


def check_nothing_is_deployed_outside_the_environments_own_resource_group(
    evidence: Evidence,
) -> Iterator[Finding]:
    """`azd down --force` deletes every resource group in which the deployment, or one nested in it, has put
    something. So there is one group, made here and named after the environment, and all is inside."""
    for scenario, deployment in evidence.deployments.items():
        own = f"{SUBSCRIPTION}/resourceGroups/rg-{evidence.environment(scenario)['AZURE_ENV_NAME']}"
        for resource in deployment.resources:
            if resource.type == GROUP and resource.id == own:
                continue
            if not resource.id.startswith(f"{own}/") or not f"{resource.scope}/".startswith(f"{own}/"):
                yield finding("outside", resource, f"{scenario}: {resource.id} is not in {own}")
    # The same of the text, for whatever no scenario sets: a module's scope is the group that is made here.
    for path, file in evidence.project.files.items():
        groups = {r.name for r in file.resources if r.type_text.startswith(f"{GROUP}@") and not r.existing}
        for module in evidence.project.modules(path).values():
            scope = module.body.get("scope")
            inside = scope is None if path != MAIN else isinstance(scope, s.Name) and scope.name in groups
            if not inside:
                yield Finding("outside", path, module.span.line, f"{module.name} may be deployed elsewhere")
