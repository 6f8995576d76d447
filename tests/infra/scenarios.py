"""The deployments that the proof looks at: main.parameters.json with what a user may set."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from infra.bicep import syntax as s

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.bicep.project import Project

FED = re.compile(r"^\$\{([A-Z][A-Z0-9_]*)(=(.*))?\}$", re.DOTALL)

EXISTING_ACCOUNT: Final = (
    "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/models/"
    "providers/Microsoft.CognitiveServices/accounts/existing"
)
PRINCIPAL: Final = "00000000-0000-0000-0000-0000000000bb"

# What azd itself sets, and then what each scenario adds to it.
BASE: Final = {"AZURE_ENV_NAME": "dev", "AZURE_LOCATION": "swedencentral", "AZURE_PRINCIPAL_ID": PRINCIPAL}
LONGEST_NAME: Final = "e" * 64

SCENARIOS: Final[dict[str, Mapping[str, str]]] = {
    "default": {},
    "shortest name": {"AZURE_ENV_NAME": "a"},
    "longest name": {"AZURE_ENV_NAME": LONGEST_NAME, "AZURE_LOCATION": "southcentralusstage"},
    "nobody": {"AZURE_PRINCIPAL_ID": ""},
    "pipeline": {"AZURE_PRINCIPAL_TYPE": "ServicePrincipal"},
    "vnet": {"AZURE_VNET_ENABLED": "true"},
    "existing account": {"AZURE_OPENAI_EXISTING_ACCOUNT_ID": EXISTING_ACCOUNT},
    "existing account and deployment": {
        "AZURE_OPENAI_EXISTING_ACCOUNT_ID": EXISTING_ACCOUNT,
        "AZURE_OPENAI_EXISTING_DEPLOYMENT": "theirs",
        "AZURE_VNET_ENABLED": "true",
    },
    "everything": {
        "AZURE_VNET_ENABLED": "true",
        "AZURE_OPENAI_LOCATION": "eastus2",
        "AZURE_BUDGET_AMOUNT": "50",
        "AZURE_BUDGET_CONTACT_EMAILS": '["someone@example.org"]',
        "AZURE_EXPIRES_ON": "2027-01-31",
        "AZURE_KEY_VAULT_PURGE_PROTECTION": "true",
        "AZURE_FUNCTION_ALWAYS_READY_INSTANCES": "1",
        "AZURE_FUNCTION_ALLOWED_ORIGINS": '["https://example.org"]',
        "AZURE_FUNCTION_ROLLING_UPDATES": "true",
    },
    "the budget's next month": {"AZURE_BUDGET_AMOUNT": "50", "AZURE_BUDGET_START_DATE": "2026-11-01"},
}


def parameters(project: Project, environment: Mapping[str, str]) -> dict[str, Any]:
    """The parameters as azd would pass them: the file's values, filled from the environment, typed."""
    declared = project.params()
    return {
        name: _typed(_filled(value, environment), declared[name])
        for name, value in project.parameters.items()
        if name in declared
    }


def scenario(project: Project, name: str) -> dict[str, Any]:
    return parameters(project, {**BASE, **SCENARIOS[name]})


def _filled(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, environment) for item in value]
    match = FED.match(value) if isinstance(value, str) else None
    if match is None:
        return value
    return environment.get(match[1]) or match[3] or ""


def _typed(value: Any, param: s.Param) -> Any:
    kind = param.type.inner if isinstance(param.type, s.Nullable) else param.type
    textual = isinstance(kind, s.NamedType) and kind.name == "string"
    if not isinstance(value, str) or textual or isinstance(kind, s.UnionOf | s.LiteralType):
        return value
    return json.loads(value)
