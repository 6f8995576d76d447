"""Who may do what: every call of the code or the Functions host to Azure, and the role that allows it.

This table is the only place. The role assignments of every scenario are exactly those that follow from it,
at the resource that the app is pointed to, and none is wider than one resource. On an Azure OpenAI account
that exists the deployment grants nothing: there a hook grants what the table asks for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from infra.bicep import syntax as s
from infra.bicep.project import MAIN, Finding
from infra.evidence import Evidence, app_settings, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.bicep.deployment import Deployed, Deployment

SITE: Final = "Microsoft.Web/sites"
ASSIGNMENT: Final = "Microsoft.Authorization/roleAssignments"


class Call(NamedTuple):
    """A call, the role that allows it, and which setting of the app holds the resource that is called."""

    call: str
    role: str
    role_id: str
    setting: str


CALLS: Final = (
    Call(
        "the host's own data; the upload and the reading of packages",
        "Storage Blob Data Owner",
        "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
        "AzureWebJobsStorage__blobServiceUri",
    ),
    Call(
        "the host lists, reads, sets and deletes its access keys",
        "Key Vault Secrets Officer",
        "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
        "AzureWebJobsSecretStorageKeyVaultUri",
    ),
    Call(
        "the host and the app send telemetry",
        "Monitoring Metrics Publisher",
        "3913510d-42f4-4e42-8a64-420c390055eb",
        "APPLICATIONINSIGHTS_CONNECTION_STRING",
    ),
    Call(
        "the app asks the model",
        "Cognitive Services OpenAI User",
        "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd",
        "AZURE_OPENAI_ENDPOINT",
    ),
)
# Who develops calls a new account too, from their own machine, and nothing else.
DEVELOPER: Final = CALLS[-1]
# What the hook after provisioning grants, on an account that exists.
HOOK: Final = CALLS[-1]
HOOK_SCRIPT: Final = "scripts/azd/openai_role.py"

_RESOURCE = re.compile(r"<(/subscriptions/[^<>]*?/providers/[^<>/]+/[^<>/]+/[^<>/.]+)\.")


class Grant(NamedTuple):
    """A role assignment without its name."""

    role_id: str
    scope: str
    principal: str
    principal_type: str


def expected(evidence: Evidence, name: str, deployment: Deployment) -> set[Grant]:
    """What the table asks of the deployment in a scenario."""
    environment = evidence.environment(name)
    grants: set[Grant] = set()
    for site in deployment.of_type(SITE):
        settings = app_settings(site)
        identity = next(iter(site.at("identity.userAssignedIdentities") or {"": None}))
        for call in CALLS:
            found = _RESOURCE.search(str(settings.get(call.setting, "")))
            scope = found[1] if found else f"no resource in the setting {call.setting}"
            if call == HOOK and scope == environment.get("AZURE_OPENAI_EXISTING_ACCOUNT_ID"):
                continue
            grants.add(Grant(call.role_id, scope, f"<{identity}.properties.principalId>", "ServicePrincipal"))
            principal = environment.get("AZURE_PRINCIPAL_ID", "")
            kind = environment.get("AZURE_PRINCIPAL_TYPE", "User")
            # A pipeline deploys and does not develop.
            if call == DEVELOPER and principal and kind != "ServicePrincipal":
                grants.add(Grant(call.role_id, scope, principal, kind))
    return grants


def granted(assignment: Deployed) -> Grant:
    """What an assignment grants."""
    role = str(assignment.at("properties.roleDefinitionId"))
    where = f"{'/'.join(assignment.scope.split('/')[:3])}/providers/Microsoft.Authorization/roleDefinitions/"
    return Grant(
        role.removeprefix(where),
        assignment.scope,
        str(assignment.at("properties.principalId")),
        str(assignment.at("properties.principalType")),
    )


def check_grants(evidence: Evidence) -> Iterator[Finding]:
    """The role assignments of every scenario are those of the table: none is missing, none is more."""
    for name, deployment in evidence.deployments.items():
        wanted = expected(evidence, name, deployment)
        assignments = {granted(a): a for a in deployment.of_type(ASSIGNMENT)}
        for grant in wanted - assignments.keys():
            yield Finding("identity", "infra/main.bicep", 1, f"{name}: nothing grants {grant}")
        for grant in assignments.keys() - wanted:
            yield finding("identity", assignments[grant], f"{name}: the table has no {grant}")
        if len(assignments) < len(deployment.of_type(ASSIGNMENT)):
            yield Finding("identity", "infra/main.bicep", 1, f"{name}: the same role is granted twice")


def check_what_a_hook_grants(evidence: Evidence) -> Iterator[Finding]:
    """The hook is told of the account that exists, and of no new one, and of the app's identity. It grants
    the role of the table."""
    for name, deployment in evidence.deployments.items():
        wanted = evidence.environment(name).get("AZURE_OPENAI_EXISTING_ACCOUNT_ID", "")
        if (told := deployment.outputs.get("AZURE_OPENAI_GRANTED_ACCOUNT_ID")) != wanted:
            yield Finding("identity", MAIN, 1, f"{name}: the hook is told of {told!r}, not of {wanted!r}")
        for site in deployment.of_type(SITE):
            pointed = _RESOURCE.search(str(app_settings(site).get(HOOK.setting, "")))
            if wanted and (pointed is None or pointed[1] != wanted):
                yield finding("identity", site, f"{name}: the app calls another account than {wanted}")
            identities = [f"<{i}.properties.principalId>" for i in site.at("identity.userAssignedIdentities")]
            if identities != [deployment.outputs.get("AZURE_IDENTITY_PRINCIPAL_ID")]:
                yield finding("identity", site, f"{name}: the hook grants a role to another identity")
    script = evidence.project.text(HOOK_SCRIPT)
    for constant in (f'ROLE = "{HOOK.role}"', f'ROLE_ID = "{HOOK.role_id}"'):
        if constant not in script:
            yield Finding("identity", HOOK_SCRIPT, 1, f"there is no {constant}")


def check_names_of_assignments(evidence: Evidence) -> Iterator[Finding]:
    """An assignment's name follows from its scope, principal and role: another of them is another name."""
    by_name: dict[str, tuple[str, ...]] = {}
    for _, assignment in evidence.resources(ASSIGNMENT):
        grant = granted(assignment)[:3]
        if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", assignment.name):
            yield finding("identity", assignment, "the name of a role assignment is a guid")
        if by_name.setdefault(assignment.name, grant) != grant:
            yield finding("identity", assignment, "two different assignments have this name")
    for node_file in evidence.project.files.values():
        for node in node_file.walk():
            if isinstance(node, s.Resource) and node.type_text.startswith(f"{ASSIGNMENT}@"):
                name = node.body.get("name")
                if not isinstance(name, s.Call) or name.name != "guid" or len(name.arguments) != 3:
                    yield Finding(
                        "identity", node_file.path, node.span.line, "the name is guid(scope, principal, role)"
                    )


def check_signs_in_as_one_identity(evidence: Evidence) -> Iterator[Finding]:
    """Host, app, deployment and Key Vault references sign in as the one identity that has the roles."""
    for name, site in evidence.resources(SITE):
        identities = list(site.at("identity.userAssignedIdentities") or {})
        found = evidence.deployments[name].of_type("Microsoft.ManagedIdentity/userAssignedIdentities")
        if identities != [i.id for i in found] or len(found) != 1:
            yield finding("identity", site, "the app has exactly one identity, the one that is made here")
            continue
        client = f"<{identities[0]}.properties.clientId>"
        settings = app_settings(site)
        for setting in (
            "AZURE_CLIENT_ID",
            "AzureWebJobsStorage__clientId",
            "AzureWebJobsSecretStorageKeyVaultClientId",
        ):
            if settings.get(setting) != client:
                yield finding("identity", site, f"{setting} is not the client id of the app's identity")
        if (
            settings.get("APPLICATIONINSIGHTS_AUTHENTICATION_STRING")
            != f"ClientId={client};Authorization=AAD"
        ):
            yield finding("identity", site, "telemetry is not sent as the app's identity")
        for path in (
            "properties.keyVaultReferenceIdentity",
            "properties.functionAppConfig.deployment.storage.authentication.userAssignedIdentityResourceId",
        ):
            if site.at(path) != identities[0]:
                yield finding("identity", site, f"{path} is not the app's identity")


_KEY = re.compile(
    r"(?i)AccountKey=|SharedAccessSignature|SharedAccessKey|\blist[A-Z]\w*\s*\(|InstrumentationKey"
)


def check_no_keys(evidence: Evidence) -> Iterator[Finding]:
    """No key anywhere: no list*(), no connection string with one, no property that is one."""
    for file in evidence.project.files.values():
        for node in file.walk():
            if isinstance(node, s.Call) and node.name.startswith("list"):
                yield Finding("no-keys", file.path, node.span.line, f"{node.name}() reads keys")
            if isinstance(node, s.Member) and re.search(r"(?i)(.key|keys|password|secret)$", node.name):
                yield Finding("no-keys", file.path, node.span.line, f"{node.name} may be a key")
            if isinstance(node, s.Text) and any(isinstance(p, str) and _KEY.search(p) for p in node.parts):
                yield Finding("no-keys", file.path, node.span.line, "this text carries a key")
    for _, site in evidence.resources(SITE):
        for setting, value in app_settings(site).items():
            named = re.search(r"(?i)(api_?key|password|connection_?string)$", setting)
            if setting != "APPLICATIONINSIGHTS_CONNECTION_STRING" and (named or _KEY.search(str(value))):
                yield finding("no-keys", site, f"the setting {setting} may be a key")
