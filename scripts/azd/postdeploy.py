"""After `azd deploy`: one real streamed request to the deployed endpoint, or the deployment has failed."""

from __future__ import annotations

from azd import ArmError, arm, parameter, required, run, say, seconds, subscription, value
from stream_check import Limits, StreamResult, check

WEB_API_VERSION = "2025-03-01"


def function_key() -> str:
    """The default function key of the app's host. It stays in this process: never printed, never stored."""
    site = (
        f"{subscription()}/resourceGroups/{required('AZURE_RESOURCE_GROUP')}"
        f"/providers/Microsoft.Web/sites/{required('AZURE_FUNCTION_APP_NAME')}"
    )
    keys, _ = arm("POST", f"{site}/host/default/listKeys", WEB_API_VERSION)
    try:
        return keys["functionKeys"]["default"]
    except (KeyError, TypeError):
        raise ArmError(404, "NoKeyYet", "The host has no default function key yet.") from None


def report(result: StreamResult) -> str:
    """What the check saw, in one line."""
    if parameter("existingOpenAiAccountId"):
        model = f"deployment {value('AZURE_OPENAI_DEPLOYMENT')}"
    else:
        model = f"{parameter('modelName')} in {parameter('openAiLocation') or parameter('location')}"
    return (
        f"It answers: first token after {result.first_token:.2f} s, {result.events} events in "
        f"{result.portions} portions over {result.last_token:.2f} s, status {result.status}"
        f" ({model})."
    )


def main() -> None:
    url = f"{required('AZURE_FUNCTION_APP_URL').rstrip('/')}/api/stream"
    if value("STREAM_DELIVERY") == "buffered":  # as it was wanted: then ask for what is not the default
        url += "?delivery=streamed"
    limits = Limits(
        total=seconds("HOOK_CHECK_TIMEOUT", Limits.total),
        silence=seconds("HOOK_CHECK_SILENCE", Limits.silence),
        retry_delay=seconds("HOOK_RETRY_DELAY", Limits.retry_delay),
        quick=seconds("HOOK_CHECK_QUICK", Limits.quick),
    )
    say(f"Asking {url} for one streamed answer ...")
    result = check(url, function_key, limits)
    say(report(result))
    if result.delivery != "streamed":
        say("The answer was too quick to tell whether it streams; its events are whole and in order.")


if __name__ == "__main__":
    run(main)
