"""After `azd provision`: grants the app its role on an Azure OpenAI account that exists, and writes
src/local.settings.json, so that `make start` uses the deployed Azure OpenAI from this machine, with the
sign-in of the person who develops.
"""

from __future__ import annotations

from azd import flag, required, run, say
from local_settings import forget, point_at
from openai_role import ROLE, existing_account, grant


def main() -> None:
    if account := existing_account():
        name = account.rpartition("/")[2]
        say(f"The app {'now has' if grant(account) else 'has'} the role {ROLE} on {name}.")
    write_local_settings(account)


def write_local_settings(account: str) -> None:
    """Points `make start` at the deployed Azure OpenAI, unless this machine cannot reach it."""
    values = {name: required(name) for name in ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_DEPLOYMENT")}
    endpoint = values["AZURE_OPENAI_ENDPOINT"]
    if flag("vnetEnabled") and not account:
        forget(endpoint)  # which an earlier deployment may have opened
        say("Azure OpenAI is open to the virtual network only, so `make start` here does not use it.")
    elif not point_at(values):
        wanted = ", ".join(f"{name}={value}" for name, value in values.items())
        say(
            f"src/local.settings.json is no plain JSON and was left as it is. For `make start`, set {wanted}."
        )
    else:
        say(f"`make start` on this machine now uses {endpoint} (src/local.settings.json).")
        if account:
            say(f"For that, your account needs the role {ROLE} on it.")


if __name__ == "__main__":
    run(main)
