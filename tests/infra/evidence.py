"""What the checks of the whole tree look at: the files, and what each scenario would deploy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from infra.bicep.deployment import Deployed, Deployment, deploy
from infra.bicep.project import Finding
from infra.scenarios import BASE, SCENARIOS, scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.bicep.project import Project


@dataclass(frozen=True, eq=False)
class Evidence:
    """A project and the deployments that follow from it."""

    project: Project

    @cached_property
    def deployments(self) -> dict[str, Deployment]:
        return {name: deploy(self.project, scenario(self.project, name)) for name in SCENARIOS}

    def environment(self, name: str) -> dict[str, str]:
        """What a scenario's user has set."""
        return {**BASE, **SCENARIOS[name]}

    def resources(self, kind: str) -> Iterator[tuple[str, Deployed]]:
        """The resources of one type in every scenario."""
        for name, deployment in self.deployments.items():
            for resource in deployment.of_type(kind):
                yield name, resource


def finding(rule: str, resource: Deployed, message: str) -> Finding:
    return Finding(rule, resource.file, resource.line, f"{resource.type} {resource.name}: {message}")


def app_settings(site: Deployed) -> dict[str, Any]:
    """The settings of a function app by name."""
    return {entry["name"]: entry["value"] for entry in site.at("properties.siteConfig.appSettings") or []}
