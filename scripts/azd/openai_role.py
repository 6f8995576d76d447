"""The app's role on an Azure OpenAI account that exists.

It is granted and removed by hooks and is no part of the deployment: `azd down --force` deletes every resource
group in which the deployment has put something, and this one is not ours.
"""

from __future__ import annotations

import time
import uuid
from datetime import datetime, timezone
from typing import Any

from azd import ArmError, HookError, arm, required, seconds, value

ROLE = "Cognitive Services OpenAI User"
ROLE_ID = "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd"
PROVIDER = "providers/Microsoft.Authorization"
API_VERSION = "2022-04-01"


def existing_account() -> str:
    """The account that exists which was deployed for, "" where the deployment made its own."""
    return value("AZURE_OPENAI_GRANTED_ACCOUNT_ID")


def principal() -> str:
    """The app's identity."""
    return required("AZURE_IDENTITY_PRINCIPAL_ID")


def assignment(account: str) -> str:
    """The id of the role assignment that `grant` makes: the same for the same account and identity."""
    name = uuid.uuid5(uuid.NAMESPACE_URL, f"{account}/{principal()}/{ROLE_ID}".lower())
    return f"{account}/{PROVIDER}/roleAssignments/{name}"


def assignments(scope: str) -> tuple[list[dict[str, Any]], datetime]:
    """The roles that the app has at, above and below a scope, and Azure's own time. Raises ArmError."""
    path = f"{scope}/{PROVIDER}/roleAssignments"
    listed, now = arm("GET", path, API_VERSION, **{"$filter": f"principalId eq '{principal()}'"})
    return listed["value"], now or datetime.now(timezone.utc)


def grant(account: str) -> bool:
    """Grants the role to the app's identity; False where it has it already. Raises HookError."""
    properties = {
        "roleDefinitionId": f"{_subscription_of(account)}/{PROVIDER}/roleDefinitions/{ROLE_ID}",
        "principalId": principal(),
        "principalType": "ServicePrincipal",
    }
    deadline = time.monotonic() + seconds("HOOK_PRINCIPAL_TIMEOUT", 120)
    while True:
        try:
            arm("PUT", assignment(account), API_VERSION, body={"properties": properties})
        except ArmError as error:
            # Not every 409: ScopeLocked is one as well.
            if error.code == "RoleAssignmentExists" or (error.status == 403 and _has_role(account)):
                return False
            if error.code == "PrincipalNotFound" and time.monotonic() < deadline:
                # Not every part of Azure knows a new identity at once.
                time.sleep(seconds("HOOK_RETRY_DELAY", 5))
                continue
            raise _not_granted(account, error) from None
        return True


def _subscription_of(account: str) -> str:
    return "/".join(account.split("/")[:3])


def _has_role(account: str) -> bool:
    """Whether somebody who may do it has granted the role."""
    try:
        held, _ = assignments(account)
    except ArmError:
        return False
    return any(_covers(each["properties"], account) for each in held)


def _covers(properties: dict[str, Any], account: str) -> bool:
    """Whether the role is this one, at the account or above it."""
    here, scope = f"{account}/".lower(), f"{properties['scope'].rstrip('/')}/".lower()
    return properties["roleDefinitionId"].lower().endswith(f"/{ROLE_ID}") and here.startswith(scope)


def _not_granted(account: str, error: ArmError) -> HookError:
    name = account.rpartition("/")[2]
    if error.status != 403:
        return HookError(f"The app was not given the role {ROLE} on {name}: {error}")
    return HookError(
        f"This sign-in may not grant roles on {name}. Ask an owner of it to run `az role assignment create "
        f"--assignee-object-id {principal()} --assignee-principal-type ServicePrincipal --role {ROLE_ID} "
        f"--scope {account}`, which gives the app {ROLE}; then run the command of azd again."
    )


def remove(assigned: str) -> bool:
    """Removes a role assignment; False where it, or its account, is gone. Raises HookError."""
    try:
        arm("DELETE", assigned, API_VERSION)
    except ArmError as error:
        if error.status == 404:
            return False
        raise HookError(
            f"The role that the app was given on the existing Azure OpenAI account is still there: {error} "
            f"Remove it with `az role assignment delete --ids {assigned}`."
        ) from None
    return True
