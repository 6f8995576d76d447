"""All checks of the proof, by name: what the tests run, and what the mutations must be caught by."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import yaml

from infra import agreement, arrival, azd, boundary, identity, naming, order, posture
from infra.bicep.checks.compiler import check_all
from infra.bicep.project import Finding
from infra.bicep.syntax import BicepError
from infra.evidence import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from infra.bicep.project import Project

TREE_CHECKS: Final[tuple[Callable[[Evidence], Iterator[Finding]], ...]] = (
    agreement.check_parameters,
    agreement.check_quota_metadata,
    arrival.check_app_settings,
    arrival.check_parameters_arrive,
    azd.check_azure_yaml,
    azd.check_pipeline_variables,
    azd.check_outputs,
    azd.check_output_names,
    azd.check_local_settings,
    azd.check_versions_and_limits,
    azd.check_documented_parameters,
    azd.check_linter,
    boundary.check_nothing_is_deployed_outside_the_environments_own_resource_group,
    identity.check_grants,
    identity.check_what_a_hook_grants,
    identity.check_names_of_assignments,
    identity.check_signs_in_as_one_identity,
    identity.check_no_keys,
    naming.check_abbreviations,
    naming.check_names,
    naming.check_tags,
    order.check_before_the_app,
    order.check_references,
    order.check_one_deployment_at_a_time,
    order.check_every_condition_decides,
    posture.check_always,
    posture.check_telemetry_goes_to_the_workspace,
    posture.check_networks,
    posture.check_flex,
)


def findings(project: Project) -> Iterator[Finding]:
    """Everything that is wrong with a project, the compiler's rules first."""
    yield from check_all(project)
    evidence = Evidence(project)
    for check in TREE_CHECKS:
        yield from run(check, evidence)


def run(check: Callable[[Evidence], Iterator[Finding]], evidence: Evidence) -> Iterator[Finding]:
    """The findings of one check; what it cannot read is a finding too."""
    try:
        yield from check(evidence)
    except (LookupError, AttributeError, TypeError, ValueError) as error:
        yield Finding("unreadable", check.__name__, 0, f"what this check looks at is not there: {error!r}")


def first_finding(project: Project, known: frozenset[tuple[str, str]] = frozenset()) -> Finding | None:
    """The first thing that is wrong with a project and not known already; None where nothing is found."""
    try:
        return next((f for f in findings(project) if (f.rule, f.message) not in known), None)
    except BicepError as error:
        return Finding("refused", error.file, error.line, error.message)
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        return Finding("unreadable", "", 0, str(error))
