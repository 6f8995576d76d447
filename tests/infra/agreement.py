"""The parameters: main.parameters.json, main.bicep, and the variables of azd's environment."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from infra.bicep import syntax as s
from infra.bicep import types as t
from infra.bicep.project import MAIN, PARAMETERS, Finding, Project
from infra.bicep.symbols import Symbols
from infra.scenarios import FED, parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.evidence import Evidence

# What azd sets by itself: not for a user to set, nor for a pipeline to be handed.
AZD_SETS: Final = {
    *("AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_SUBSCRIPTION_ID", "AZURE_TENANT_ID"),
    *("AZURE_PRINCIPAL_ID", "AZURE_PRINCIPAL_TYPE"),
}
# The one output that has the name of a variable which the parameters read: a budget's start cannot change.
KEPT_BY_AN_OUTPUT: Final = {"AZURE_BUDGET_START_DATE"}


def fed_from(project: Project) -> dict[str, tuple[str, str | None]]:
    """The variable of azd's environment, and its default, that feed each value of main.parameters.json."""
    found: dict[str, tuple[str, str | None]] = {}
    for name, value in project.parameters.items():
        entries = value.items() if isinstance(value, dict) else ((None, value),)
        for key, text in entries:
            match = FED.match(str(text))
            path = f"{name}.{key}" if key else name
            found[path] = (match[1], match[3] if match[2] else None) if match else ("", None)
    return found


def check_parameters(evidence: Evidence) -> Iterator[Finding]:
    """main.parameters.json and main.bicep have the same parameters, each fed from a variable of its own, with
    a default of its type for all but the name and the region."""
    project = evidence.project
    declared, given = project.params(), project.parameters
    reads_the_date = {n for n, p in declared.items() if p.default and _calls(p.default, "utcNow")}
    for name in given.keys() - declared.keys():
        yield Finding("parameters", PARAMETERS, 1, f"main.bicep has no parameter {name!r}")
    for name in declared.keys() - given.keys() - reads_the_date:
        yield Finding(
            "parameters", MAIN, declared[name].span.line, f"{name!r} is not in main.parameters.json"
        )
    variables: set[str] = set()
    for path, (variable, default) in fed_from(project).items():
        if not variable:
            yield Finding("parameters", PARAMETERS, 1, f"{path} is not ${{NAME=default}}")
        if variable in variables:
            yield Finding("parameters", PARAMETERS, 1, f"{variable} feeds two parameters")
        variables.add(variable)
        if (default is None) != (path in {"environmentName", "location"}):
            yield Finding("parameters", PARAMETERS, 1, f"{path}: a default for all but name and region")
        name, _, key = path.partition(".")
        if key and (key, "") != (variable, default):
            yield Finding("parameters", PARAMETERS, 1, f"{path} is fed from {variable}, or not empty")
        if name in declared and not key and _words(name) - _words(variable):
            yield Finding("parameters", PARAMETERS, 1, f"{path} is fed from {variable}, another thing")
    yield from _check_types_of_defaults(project)


# A parameter and its variable have the same words, but for these.
_OTHER_WORDS: Final = {
    "environmentName": "AZURE_ENV_NAME",
    "modelName": "AZURE_OPENAI_MODEL",
    "modelSku": "AZURE_OPENAI_SKU",
    "modelCapacity": "AZURE_OPENAI_CAPACITY",
}


def _words(name: str) -> set[str]:
    """The words of a camel-case name or of a variable, in one spelling."""
    name = _OTHER_WORDS.get(name, name)
    flat = re.sub(r"[oO]penAi", "Openai", name)
    parts = flat.split("_") if "_" in flat else re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", flat)
    spelled = {part.lower().removesuffix("s") for part in parts}
    return spelled - {"count", "enable", "enabled", "azure"}


def _calls(node: s.Expression, name: str) -> bool:
    return any(isinstance(part, s.Call) and part.name == name for part in node.walk())


def _check_types_of_defaults(project: Project) -> Iterator[Finding]:
    symbols = Symbols(project, project.main)
    try:
        values = parameters(project, {"AZURE_ENV_NAME": "dev", "AZURE_LOCATION": "swedencentral"})
    except json.JSONDecodeError as error:
        yield Finding("parameters", PARAMETERS, 1, f"a default is no JSON: {error}")
        return
    for name, param in project.params().items():
        if name in values:
            for problem in t.misfits(type_of_value(values[name]), symbols.param_type(param), name):
                yield Finding("parameters", PARAMETERS, 1, f"{problem.path}: {problem.reason}")


def type_of_value(value: Any) -> t.Type:
    """The type of a value of a JSON document."""
    match value:
        case None:
            return t.NULL
        case str() | int():
            return t.Literal(value)
        case list():
            return t.array_of(t.union_of(*map(type_of_value, value)) if value else t.ANY)
        case dict():
            return t.ObjectType(
                "object", {k: t.slot_of(type_of_value(v)) for k, v in value.items()}, exact=True
            )
        case _:
            return t.ANY


def check_quota_metadata(evidence: Evidence) -> Iterator[Finding]:
    """azd offers the regions that have quota for the model which is deployed by default."""
    param = evidence.project.params().get("location")
    decorator = param.decorator("metadata") if param else None
    fed = {name: default for name, (_, default) in fed_from(evidence.project).items()}
    wanted = f"OpenAI.{fed.get('modelSku')}.{fed.get('modelName')},{fed.get('modelCapacity')}"
    azd = (
        decorator.arguments[0].get("azd")
        if decorator and isinstance(decorator.arguments[0], s.Object)
        else None
    )
    kind = azd.get("type") if isinstance(azd, s.Object) else None
    usage = azd.get("usageName") if isinstance(azd, s.Object) else None
    texts = [i.literal for i in usage.items if isinstance(i, s.Text)] if isinstance(usage, s.Array) else []
    if texts != [wanted] or not isinstance(kind, s.Text) or kind.literal != "location":
        line = param.span.line if param else 1
        yield Finding("quota", MAIN, line, f"the location asks azd for {texts}, not for [{wanted!r}]")
