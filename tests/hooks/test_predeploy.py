"""Before a deployment: roles that were just assigned take two minutes to work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from .conftest import SUBSCRIPTION, Arm, Hooks, arm_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LISTED = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignments"
ACCOUNT = (
    "/subscriptions/other/resourceGroups/shared/providers/Microsoft.CognitiveServices/accounts/oai-shared"
)
IDENTITY = {"AZURE_IDENTITY_PRINCIPAL_ID": "principal-1"}
NOW = datetime(2030, 5, 17, 12, 0, 0, tzinfo=UTC)


def made(seconds_ago: float) -> dict[str, Any]:
    """A role assignment, its time as Azure writes it."""
    time = NOW - timedelta(seconds=seconds_ago)
    return {"id": "/a", "properties": {"createdOn": time.strftime("%Y-%m-%dT%H:%M:%S.1234567Z")}}


def at_noon(*assignments: dict[str, Any]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Azure's list of them; the time is Azure's, whatever the clock of this machine says."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"value": assignments}, headers={"Date": format_datetime(NOW, usegmt=True)})

    return answer


async def test_it_waits_for_the_newest_role_and_says_why(hooks: Hooks, arm: Arm) -> None:
    arm.on("GET", LISTED, at_noon(made(500), made(30), made(300)))
    outcome = await hooks.run("predeploy", **IDENTITY, HOOK_ROLE_PROPAGATION="30.1")
    assert outcome.code == 0, outcome.output
    assert outcome.lines == ["Waiting 1 s: the app's roles are 30 s old, and take two minutes to work."]
    (call,) = arm.calls
    assert call.query["$filter"] == "principalId eq 'principal-1'"


@pytest.mark.parametrize("age", [120, 3600])
async def test_a_later_deployment_does_not_wait(hooks: Hooks, arm: Arm, age: float) -> None:
    arm.on("GET", LISTED, at_noon(made(age)))
    outcome = await hooks.run("predeploy", **IDENTITY)
    assert (outcome.code, outcome.output) == (0, "")


def test_the_wait_ends_two_minutes_after_the_assignment(hook_module: Callable[[str], Any]) -> None:
    assert hook_module("predeploy").PROPAGATION == 120


async def test_an_account_in_another_subscription_counts(hooks: Hooks, arm: Arm) -> None:
    arm.on("GET", LISTED, at_noon(made(900)))
    arm.on("GET", f"{ACCOUNT}/providers/Microsoft.Authorization/roleAssignments", at_noon(made(1)))
    environment = {"AZURE_OPENAI_GRANTED_ACCOUNT_ID": ACCOUNT, "HOOK_ROLE_PROPAGATION": "1.1"}
    outcome = await hooks.run("predeploy", **IDENTITY, **environment)
    assert outcome.lines[0].startswith("Waiting 1 s: the app's roles are 1 s old")


async def test_an_account_in_this_subscription_is_in_its_list(hooks: Hooks, arm: Arm) -> None:
    arm.on("GET", LISTED, at_noon(made(900), made(1)))
    account = ACCOUNT.replace("/other/", f"/{SUBSCRIPTION}/")
    environment = {"AZURE_OPENAI_GRANTED_ACCOUNT_ID": account, "HOOK_ROLE_PROPAGATION": "1.1"}
    outcome = await hooks.run("predeploy", **IDENTITY, **environment)
    assert outcome.lines[0].startswith("Waiting 1 s: the app's roles are 1 s old")
    assert len(arm.calls) == 1


async def test_a_list_that_is_late_is_no_reason_not_to_wait(hooks: Hooks, arm: Arm) -> None:
    arm.on("GET", LISTED, {"value": []})
    outcome = await hooks.run("predeploy", **IDENTITY, HOOK_ROLE_PROPAGATION="0.1")
    assert outcome.lines == ["Waiting 1 s: Azure does not list the app's roles yet."]


async def test_where_the_age_is_unknown_it_waits_the_whole_time(hooks: Hooks, arm: Arm) -> None:
    arm.on("GET", LISTED, (403, arm_error("AuthorizationFailed", "The client\nhas no authorization.")))
    outcome = await hooks.run("predeploy", **IDENTITY, HOOK_ROLE_PROPAGATION="0.1")
    assert outcome.code == 0
    assert outcome.lines == [
        "Waiting 1 s for the app's roles: their age could not be read. Azure Resource Manager answered 403 "
        "(AuthorizationFailed: The client has no authorization.)."
    ]
