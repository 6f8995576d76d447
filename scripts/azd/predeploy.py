"""Before `azd deploy`: waits until two minutes have passed since the app's roles were assigned.

A role takes that long to reach every part of Azure, and azd does not try the upload of the package again when
it is refused. The times are Azure's own, so a later deployment, also from another machine, does not wait.
"""

from __future__ import annotations

import time
from datetime import datetime, timezone
from math import ceil
from typing import Any

from azd import ArmError, run, say, seconds, subscription
from openai_role import assignments, existing_account

PROPAGATION = 120.0


def main() -> None:
    propagation = seconds("HOOK_ROLE_PROPAGATION", PROPAGATION)
    try:
        found, now = role_assignments()
    except ArmError as error:
        say(f"Waiting {ceil(propagation)} s for the app's roles: their age could not be read. {error}")
        time.sleep(propagation)
        return
    if not found:  # there are some, or the app was not provisioned: the list is late
        say(f"Waiting {ceil(propagation)} s: Azure does not list the app's roles yet.")
        time.sleep(propagation)
        return
    newest = max(each["properties"]["createdOn"] for each in found)
    # Whole seconds are enough, and Python 3.10 does not read Azure's seven decimals.
    made = datetime.fromisoformat(newest[:19]).replace(tzinfo=timezone.utc)
    age = max((now - made).total_seconds(), 0)
    if age < propagation:
        wait = propagation - age
        say(f"Waiting {ceil(wait)} s: the app's roles are {age:.0f} s old, and take two minutes to work.")
        time.sleep(wait)


def role_assignments() -> tuple[list[dict[str, Any]], datetime]:
    """Those of the app's identity, and Azure's own time. Raises ArmError."""
    found, now = assignments(subscription())
    # An existing Azure OpenAI account may be in another subscription.
    account = existing_account()
    if account and not account.lower().startswith(f"{subscription()}/".lower()):
        found = [*found, *assignments(account)[0]]
    return found, now


if __name__ == "__main__":
    run(main)
