"""After `azd provision`: grants the app its role on an Azure OpenAI account that exists, and writes
src/local.settings.json, so that `make start` uses the deployed Azure OpenAI from this machine, with the
sign-in of the person who develops.
"""

from __future__ import annotations

import json
from typing import Any

from azd import PROJECT, flag, required, run, say
from openai_role import ROLE, existing_account, grant

FILE = PROJECT / "src" / "local.settings.json"
NEW: dict[str, Any] = {
    "IsEncrypted": False,
    "Values": {"FUNCTIONS_WORKER_RUNTIME": "python", "AzureWebJobsStorage": ""},
}


def main() -> None:
    if account := existing_account():
        name = account.rpartition("/")[2]
        say(f"The app {'now has' if grant(account) else 'has'} the role {ROLE} on {name}.")
    write_local_settings(account)


def write_local_settings(account: str) -> None:
    """Points `make start` at the deployed Azure OpenAI, unless this machine cannot reach it."""
    values = {name: required(name) for name in ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_DEPLOYMENT")}
    if flag("vnetEnabled") and not account:
        say("Azure OpenAI is open to the virtual network only, so `make start` here goes on as before.")
        return
    try:
        written = updated(FILE.read_text(encoding="utf-8-sig") if FILE.exists() else json.dumps(NEW), values)
    except (OSError, ValueError, AttributeError, TypeError):
        wanted = ", ".join(f"{name}={value}" for name, value in values.items())
        say(
            f"src/local.settings.json is no plain JSON and was left as it is. For `make start`, set {wanted}."
        )
        return
    temporary = FILE.with_suffix(".tmp")
    temporary.write_text(written, encoding="utf-8")
    temporary.replace(FILE)
    say(f"`make start` on this machine now uses {values['AZURE_OPENAI_ENDPOINT']} (src/local.settings.json).")
    if account:
        say(f"For that, your account needs the role {ROLE} on it.")


def updated(content: str, values: dict[str, str]) -> str:
    """The file with these values, and without what points the app at another way to sign in."""
    document = json.loads(content)
    if document.get("IsEncrypted"):
        raise ValueError("encrypted")
    settings = document.setdefault("Values", {})
    for name in [name for name in settings if name.startswith("IDENTITY_")]:
        del settings[name]
    settings.pop("AZURE_OPENAI_AUTHENTICATION", None)  # `none` is for a model server on this machine
    settings.update(values)
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    run(main)
