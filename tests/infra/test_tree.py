"""What the whole tree must hold: agreement, identity, names, order, posture, azure.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra import boundary
from infra.azd import schema_available
from infra.bicep.project import MAIN, Project
from infra.evidence import Evidence
from infra.scenarios import EXISTING_ACCOUNT, SCENARIOS
from infra.suite import TREE_CHECKS, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from infra.bicep.project import Finding
    from infra.bicep.published import Published


@pytest.mark.parametrize("check", TREE_CHECKS, ids=lambda check: f"{check.__module__}.{check.__name__}")
def test_tree(evidence: Evidence, check: Callable[[Evidence], Iterator[Finding]]) -> None:
    assert [str(finding) for finding in run(check, evidence)] == []


def test_the_scenarios_deploy_what_they_say(evidence: Evidence) -> None:
    """Each scenario differs from the default, or the checks would look at the same deployment again."""
    default = evidence.deployments["default"]
    for name in SCENARIOS.keys() - {"default"}:
        deployment = evidence.deployments[name]
        assert [r.body for r in deployment.resources] != [r.body for r in default.resources], name
    assert not default.of_type("Microsoft.Network/virtualNetworks")
    assert len(evidence.deployments["vnet"].of_type("Microsoft.Network/privateEndpoints")) == 3
    assert not evidence.deployments["existing account"].of_type("Microsoft.CognitiveServices/accounts")


@pytest.mark.parametrize("scope", ["resourceGroup('theirs')", "resourceGroup(names.resourceGroup)"])
def test_a_module_in_another_resource_group_is_reported(project: Project, scope: str) -> None:
    """Also where its name cannot be told from the text, and where no scenario deploys it."""
    text = project.text(MAIN).replace("scope: group\n", f"scope: {scope}\n")
    changed = Evidence(project.with_text(MAIN, text))
    check = boundary.check_nothing_is_deployed_outside_the_environments_own_resource_group
    assert {finding.rule for finding in run(check, changed)} == {"outside"}


def test_an_existing_account_gets_nothing_from_the_deployment(evidence: Evidence) -> None:
    for name in ("existing account", "existing account and deployment"):
        texts = [f"{r.id} {r.scope}".lower() for r in evidence.deployments[name].resources]
        assert not any(EXISTING_ACCOUNT.lower() in text or "/models/" in text for text in texts)


def test_the_schema_of_azure_yaml_is_at_hand(types: Published) -> None:
    """It lies beside the published types, and is absent where they are."""
    assert types
    assert schema_available()
