"""After `azd down`: removes what this template added outside its resource group, and says what is left."""

from __future__ import annotations

import json
from typing import Any

from azd import ArmError, arm, note, run, say, subscription
from local_settings import forget
from openai_role import remove


def main() -> None:
    path = note("down")
    if not path.exists():
        return
    noted: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if exists(f"{subscription()}/resourceGroups/{noted['resource_group']}", "2021-04-01"):
        return  # azd was told not to go on
    if noted["role_assignment"]:
        gone = "is removed" if remove(noted["role_assignment"]) else "was gone already"
        say(f"The role that the app was given on the existing Azure OpenAI account {gone}.")
    if forget(noted["endpoint"]):
        say("src/local.settings.json no longer names the deleted endpoint: `make start` uses the simulator.")
    for line in soft_deleted(noted):
        say(line)
    path.unlink()


def soft_deleted(noted: dict[str, Any]) -> list[str]:
    """A line for each thing that is deleted but not purged."""
    lines: list[str] = []
    group, place, name = noted["resource_group"], noted["account_location"], noted["account"]
    account = (
        f"{subscription()}/providers/Microsoft.CognitiveServices/locations/{place}/resourceGroups/{group}"
        f"/deletedAccounts/{name}"
    )
    if name and exists(account, "2025-06-01"):
        lines.append(
            f"The Azure OpenAI account {name} is soft-deleted for 48 hours and holds its quota: "
            f"`az cognitiveservices account purge --location {place} --resource-group {group} --name {name}`."
        )
    name = noted["vault"]
    vault = (
        f"{subscription()}/providers/Microsoft.KeyVault/locations/{noted['location']}/deletedVaults/{name}"
    )
    if name and (found := read(vault, "2026-02-01")):
        properties = found["properties"]
        until = properties.get("scheduledPurgeDate", "")[:10]
        lines.append(
            f"The key vault {name} has purge protection: it stays soft-deleted until {until}, at no cost."
            if properties.get("purgeProtectionEnabled")
            else f"The key vault {name} is soft-deleted until {until}: `az keyvault purge --name {name}`."
        )
    return lines


def exists(path: str, api_version: str) -> bool:
    """Whether the resource is there. Raises ArmError."""
    return read(path, api_version) is not None


def read(path: str, api_version: str) -> dict[str, Any] | None:
    """The resource, None where there is none. Raises ArmError."""
    try:
        return arm("GET", path, api_version)[0]
    except ArmError as error:
        if error.status == 404:
            return None
        raise


if __name__ == "__main__":
    run(main)
