"""azure.yaml, the hooks, the outputs, the versions and the documentation: what azd and people go by."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import jsonschema

from infra.agreement import AZD_SETS, KEPT_BY_AN_OUTPUT, fed_from
from infra.arrival import LOCAL_HOST_SETTINGS
from infra.bicep.project import AZURE_YAML, MAIN, Finding, Project
from infra.bicep.published import directory
from infra.evidence import Evidence, finding
from streaming_chat.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SERVICE: Final = {"project": "./src", "language": "python", "host": "function"}
KEYS: Final = {"name", "metadata", "requiredVersions", "services", "hooks", "pipeline", "infra"}
MINIMUM_AZD: Final = (1, 25, 3)


@lru_cache(maxsize=1)
def _schema() -> Any:
    path = directory() / "azure.yaml.v1.0.schema.json"
    if not path.is_file():
        return None
    document = json.loads(path.read_text(encoding="utf-8"))
    return jsonschema.Draft201909Validator(document)


def schema_available() -> bool:
    return _schema() is not None


def check_azure_yaml(evidence: Evidence) -> Iterator[Finding]:
    """azure.yaml is valid, names one service of the right kind, and hooks that exist."""
    project, document = evidence.project, evidence.project.azure_yaml
    if (validator := _schema()) is not None:
        for error in validator.iter_errors(document):
            yield Finding("azure.yaml", AZURE_YAML, 1, f"{error.json_path}: {error.message[:200]}")
    for key in document.keys() - KEYS:
        yield Finding("azure.yaml", AZURE_YAML, 1, f"azd ignores {key!r}, or this check does not know it")
    services: dict[str, Any] = document.get("services", {})
    for name, service in services.items():
        if service != SERVICE:  # the schema accepts any host and any language
            yield Finding("azure.yaml", AZURE_YAML, 1, f"the service {name} is {service}, not {SERVICE}")
    if len(services) != 1:
        yield Finding("azure.yaml", AZURE_YAML, 1, "there is one service")
    versions = document.get("requiredVersions", {})
    match = re.fullmatch(r">= ?(\d+)\.(\d+)\.(\d+)", str(versions.get("azd")))
    if set(versions) != {"azd"} or not match or tuple(map(int, match.groups())) < MINIMUM_AZD:
        yield Finding("azure.yaml", AZURE_YAML, 1, f"azd is asked for at {versions}, not from {MINIMUM_AZD}")
    for name, hook in document.get("hooks", {}).items():
        run = str(hook.get("run", ""))
        if not project.exists(run):
            yield Finding("azure.yaml", AZURE_YAML, 1, f"the hook {name} runs {run!r}, which does not exist")
        elif PurePosixPath(run).stem != name:
            yield Finding("azure.yaml", AZURE_YAML, 1, f"the hook {name} runs another one's script, {run}")
        if set(hook) - {"run", "interactive"} or hook.get("interactive") is not True:
            yield Finding("azure.yaml", AZURE_YAML, 1, f"what the hook {name} prints is not shown")
    scripts = {p.stem for p in (project.root / "scripts/azd").glob("p*.py") if p.stem[:3] in {"pre", "pos"}}
    for name in scripts - document.get("hooks", {}).keys():
        yield Finding("azure.yaml", AZURE_YAML, 1, f"nothing runs scripts/azd/{name}.py")


def check_pipeline_variables(evidence: Evidence) -> Iterator[Finding]:
    """A pipeline is handed every variable of the parameters but those that azd sets by itself."""
    listed = evidence.project.azure_yaml.get("pipeline", {}).get("variables", [])
    variables = {variable for variable, _ in fed_from(evidence.project).values()} - AZD_SETS
    for name in variables - set(listed):
        yield Finding("pipeline", AZURE_YAML, 1, f"{name} is not handed to a pipeline")
    for name in set(listed) - variables:
        yield Finding("pipeline", AZURE_YAML, 1, f"no parameter is fed from {name}")
    if len(listed) != len(set(listed)):
        yield Finding("pipeline", AZURE_YAML, 1, "a variable is listed twice")


def hook_words(project: Project) -> tuple[set[str], set[str]]:
    """The variables that the hooks name, and the parameters of main.bicep that they ask for."""
    variables: set[str] = set()
    asked: set[str] = set()
    for path in sorted((project.root / "scripts/azd").glob("*.py")):
        found = _script_words(project.text(path.relative_to(project.root).as_posix()))
        variables |= found[0]
        asked |= found[1]
    return variables, asked


@lru_cache(maxsize=64)
def _script_words(text: str) -> tuple[set[str], set[str]]:
    variables: set[str] = set()
    asked: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Constant(value=str(word)) if re.fullmatch(r"(AZURE|STREAM)_[A-Z0-9_]+", word):
                variables.add(word)
            case ast.Call(func=ast.Name(id="parameter" | "flag"), args=[ast.Constant(value=str(word))]):
                asked.add(word)
            case _:
                pass
    return variables, asked


def check_outputs(evidence: Evidence) -> Iterator[Finding]:
    """Each output is what its name says, is read by a hook or told to people, and takes no variable."""
    project = evidence.project
    outputs = project.outputs()
    named, asked = hook_words(project)
    fed = {variable for variable, _ in fed_from(project).values()}
    settings = {name.upper() for name in Settings.model_fields}
    for name in named - outputs.keys() - fed - AZD_SETS - settings:
        yield Finding("outputs", "scripts/azd", 1, f"the hooks read {name}, which nothing sets")
    for name in asked - project.params().keys():
        yield Finding("outputs", "scripts/azd", 1, f"the hooks ask for the parameter {name!r}, which is none")
    told = "\n".join(project.text(p) for p in documents(project))
    for name, output in outputs.items():
        line = output.span.line
        if name not in named and name not in told and name not in fed:
            yield Finding("outputs", MAIN, line, f"nothing reads the output {name}")
        if name in fed - KEPT_BY_AN_OUTPUT:
            yield Finding("outputs", MAIN, line, f"the output {name} would overwrite what a user sets")
        if name not in OUTPUTS:
            yield Finding(
                "outputs", MAIN, line, f"the value of the output {name} is not checked: add it here"
            )
    for name, pattern in OUTPUTS.items():
        for scenario, deployment in evidence.deployments.items():
            value = str(deployment.outputs.get(name))
            if not re.fullmatch(pattern, value):
                yield Finding("outputs", MAIN, 1, f"{scenario}: the output {name} is {value}")


_OPENAI = r"/subscriptions/[\w-]+/resourceGroups/[\w-]+/providers/Microsoft.CognitiveServices/accounts/[\w-]+"
_IDENTITY = r"</subscriptions/[^<>]+/Microsoft.ManagedIdentity/userAssignedIdentities/[\w-]+\.properties"
OUTPUTS: Final = {
    "AZURE_RESOURCE_GROUP": r"rg-\w+",
    "AZURE_FUNCTION_APP_NAME": r"func-[a-z2-7]{13}",
    "AZURE_FUNCTION_APP_URL": r"https://<[^<>]+/sites/func-[a-z2-7]{13}\.properties\.defaultHostName>",
    "AZURE_OPENAI_ENDPOINT": rf"https://<{_OPENAI}\.properties\.customSubDomainName>\.openai\.azure\.com",
    "AZURE_OPENAI_DEPLOYMENT": r"gpt-5\.4-mini|theirs",
    "AZURE_OPENAI_ACCOUNT_NAME": r"oai-[a-z2-7]{13}|existing",
    "AZURE_OPENAI_GRANTED_ACCOUNT_ID": rf"|{_OPENAI}",
    "AZURE_KEY_VAULT_NAME": r"kv-[a-z2-7]{13}",
    "AZURE_IDENTITY_PRINCIPAL_ID": rf"{_IDENTITY}\.principalId>",
    "AZURE_BUDGET_START_DATE": r"|2026-1[12]-01",
}


def check_output_names(evidence: Evidence) -> Iterator[Finding]:
    """What the hooks look for by name is what the deployment made."""
    for scenario, deployment in evidence.deployments.items():
        pairs = {
            "AZURE_RESOURCE_GROUP": "Microsoft.Resources/resourceGroups",
            "AZURE_FUNCTION_APP_NAME": "Microsoft.Web/sites",
            "AZURE_KEY_VAULT_NAME": "Microsoft.KeyVault/vaults",
            "AZURE_OPENAI_ACCOUNT_NAME": "Microsoft.CognitiveServices/accounts",
        }
        for output, kind in pairs.items():
            for resource in deployment.of_type(kind):
                if deployment.outputs.get(output) != resource.name:
                    yield finding("outputs", resource, f"{scenario}: {output} is another name")


def documents(project: Project) -> list[str]:
    """The documents that people read."""
    found = [*project.root.glob("*.md"), *(project.root / "docs").rglob("*.md")]
    return sorted(path.relative_to(project.root).as_posix() for path in found)


def check_local_settings(evidence: Evidence) -> Iterator[Finding]:
    """local.settings.json.example has what must be set, and nothing that is read by nobody."""
    path = "src/local.settings.json.example"
    values: Mapping[str, str] = json.loads(evidence.project.text(path))["Values"]
    required = {name.upper() for name, field in Settings.model_fields.items() if field.is_required()}
    known = {name.upper() for name in Settings.model_fields}
    for name in (required | LOCAL_HOST_SETTINGS) - values.keys():
        yield Finding("settings", path, 1, f"{name} is missing")
    for name in values.keys() - known - LOCAL_HOST_SETTINGS:
        yield Finding("settings", path, 1, f"nothing reads {name}")


def check_versions_and_limits(evidence: Evidence) -> Iterator[Finding]:
    """Azure runs the Python that the project is tested with; the host waits longer than a stream may last."""
    project = evidence.project
    wanted = tomllib.loads(project.text("pyproject.toml"))["project"]["requires-python"]
    match = re.fullmatch(r">=(\d+)\.(\d+),<(\d+)\.(\d+)", wanted)
    for _, site in evidence.resources("Microsoft.Web/sites"):
        version = site.at("properties.functionAppConfig.runtime.version")
        if match is None or version != f"{match[1]}.{match[2]}":
            yield finding("versions", site, f"Python {version!r}, and pyproject.toml asks for {wanted}")
    host = json.loads(project.text("src/host.json"))
    hours, minutes, seconds = map(int, host["functionTimeout"].split(":"))
    total = Settings.model_fields["stream_total_timeout"].default
    if not total < hours * 3600 + minutes * 60 + seconds:
        yield Finding("versions", "src/host.json", 1, f"functionTimeout is not above {total} seconds")


def check_documented_parameters(evidence: Evidence) -> Iterator[Finding]:
    """docs/deployment.md, once it exists, has one row for each variable, with its default; the app's own
    settings have theirs in docs/settings.md."""
    path = "docs/deployment.md"
    if not evidence.project.exists(path):
        return
    text = evidence.project.text("docs/settings.md") + evidence.project.text(path)
    listed = dict(re.findall(r"^\| *`([A-Z][A-Z0-9_]+)` *\|(.*)$", text, re.MULTILINE))
    fed = {variable: default or "" for variable, default in fed_from(evidence.project).values()}
    for name in fed.keys() - listed.keys() - AZD_SETS:
        yield Finding("docs", path, 1, f"{name} is not in the table")
    for name, row in listed.items():
        if name in fed and fed[name] and f"`{fed[name]}`" not in row:
            yield Finding("docs", path, 1, f"the row of {name} does not give its default, `{fed[name]}`")


def check_linter(evidence: Evidence) -> Iterator[Finding]:
    """bicepconfig.json raises every rule that it names to an error."""
    path = "infra/bicepconfig.json"
    core = json.loads(evidence.project.text(path))["analyzers"]["core"]
    for rule, setting in core["rules"].items():
        if setting != {"level": "error"} or not core["enabled"]:
            yield Finding("linter", path, 1, f"{rule} is no error")
