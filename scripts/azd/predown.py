"""Before `azd down`: says what it leaves behind, and notes what `postdown.py` needs to look after that.

Nothing is removed here: azd asks for confirmation after this hook, and forgets its outputs before the next.
"""

from __future__ import annotations

import json

from azd import flag, note, parameter, run, say, value
from openai_role import assignment, existing_account


def main() -> None:
    group = value("AZURE_RESOURCE_GROUP")
    if not group:
        return  # nothing was provisioned
    account = existing_account()
    vault = value("AZURE_KEY_VAULT_NAME")
    path = note("down")
    path.parent.mkdir(parents=True, exist_ok=True)
    noted = {
        "resource_group": group,
        "location": parameter("location"),
        "vault": vault,
        "endpoint": value("AZURE_OPENAI_ENDPOINT"),
        "account": "" if account else value("AZURE_OPENAI_ACCOUNT_NAME"),
        "account_location": parameter("openAiLocation") or parameter("location"),
        "role_assignment": assignment(account) if account else "",
    }
    path.write_text(json.dumps(noted, indent=2) + "\n", encoding="utf-8")
    if flag("enablePurgeProtection"):
        say(
            f"The key vault {vault} has purge protection: `azd down --purge` can delete it, but not purge it."
        )
    if account:
        say(
            f"{account.rpartition('/')[2]} and its deployments stay. The role that the app was given there "
            "is removed after `azd down`."
        )
    say("Without --purge, a deleted key vault keeps its name, and a deleted Azure OpenAI account its quota.")


if __name__ == "__main__":
    run(main)
