"""What the hooks share: azd's environment, calls to Azure Resource Manager, and one-line errors.

azd puts the values of its environment (`azd env get-values`) into the environment of a hook, and starts it in
this folder. Python 3.10 or later, standard library only.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from functools import cache
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

PROJECT = Path(__file__).resolve().parents[2]
PARAMETERS_FILE = PROJECT / "infra" / "main.parameters.json"

_TRANSIENT = {408, 429, 500, 502, 503, 504}
_TRIES = 4


class HookError(Exception):
    """Ends the hook, and with it the command of azd. The message is one line: what was seen, what to do."""


class ArmError(HookError):
    """An answer of Azure Resource Manager that is not a success. `status` is 0 where none came."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def run(hook: Callable[[], None]) -> NoReturn:
    """Runs a hook and ends the process: what goes wrong is one line and exit code 1.

    HOOK_SKIP names hooks that do nothing, HOOK_TRACEBACK shows where an unknown answer was met.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # pyright: ignore[reportAttributeAccessIssue]
    name = Path(sys.argv[0]).stem
    if name in value("HOOK_SKIP").split(","):
        say(f"{name} is skipped, as HOOK_SKIP says.")
        sys.exit(0)
    failure = None
    try:
        hook()
    except HookError as error:
        failure = str(error)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        if value("HOOK_TRACEBACK"):
            raise
        failure = (
            f"Azure gave an answer that {name} does not know ({type(error).__name__}). "
            f"HOOK_SKIP={name} goes on without."
        )
    except KeyboardInterrupt:
        sys.exit(130)
    if failure:
        print(f"ERROR: {failure}", file=sys.stderr, flush=True)
    sys.exit(1 if failure else 0)


def say(text: str) -> None:
    """Prints a line at once: azd shows it while the hook runs."""
    print(text, flush=True)


# --- azd's environment ----------------------------------------------------------------------------------


def value(name: str) -> str:
    """A value of azd's environment, "" where it is not set."""
    return os.environ.get(name, "").strip()


def required(name: str) -> str:
    """A value that azd has after provisioning. Raises HookError where it is not set."""
    if found := value(name):
        return found
    raise HookError(f"{name} is not set in azd's environment. Run `azd provision`: it is one of its outputs.")


def seconds(name: str, default: float) -> float:
    """A duration that the environment may override. Raises HookError for anything but a number from 0."""
    text = value(name) or str(default)
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise HookError(f"{name} is {text!r}: it must be a number of seconds.")
    return number


@cache
def _parameters() -> dict[str, Any]:
    try:
        return json.loads(PARAMETERS_FILE.read_text(encoding="utf-8"))["parameters"]
    except (OSError, ValueError, KeyError) as error:
        raise HookError(f"{PARAMETERS_FILE} cannot be read: {error}.") from None


def parameter(name: str) -> str:
    """What the deployment gets for a parameter of infra/main.bicep, as text: the environment's value or the
    default that main.parameters.json has for it.
    """
    given = _parameters().get(name, {}).get("value", "")
    return expand(given).strip() if isinstance(given, str) else json.dumps(given)


def flag(name: str) -> bool:
    """A parameter that is true or false."""
    return parameter(name).lower() in {"true", "1"}


def expand(text: str) -> str:
    """`${NAME}` and `${NAME=default}` as azd fills them in."""
    return re.sub(
        r"\$\{(\w+)(?:=([^}]*))?\}", lambda match: value(match[1]) or (match[2] or "").strip(), text
    )


def subscription() -> str:
    """The path of the subscription that azd deploys to."""
    return f"/subscriptions/{required('AZURE_SUBSCRIPTION_ID')}"


def note(name: str) -> Path:
    """A file that stays with azd's environment, on this machine, and is in no repository."""
    return PROJECT / ".azure" / required("AZURE_ENV_NAME") / f"{name}.json"


# --- HTTP -----------------------------------------------------------------------------------------------


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What carries a secret goes to the address that was meant, and nowhere else."""

    def redirect_request(self, *_args: object, **_more: object) -> None:
        return None


def opener(url: str, meaning: str) -> urllib.request.OpenerDirector:
    """Opens requests that carry a secret to this URL.

    Raises HookError, which names the address as `meaning`, unless it is https or on this machine.
    """
    try:
        address = urlsplit(url)
        hostname, _ = address.hostname or "", address.port
    except ValueError:
        raise HookError(f"{meaning} is not a URL.") from None
    local = _is_loopback(hostname)
    if not hostname or not (address.scheme == "https" or (address.scheme == "http" and local)):
        raise HookError(f"{meaning} must be an https address: a secret goes out over https only.")
    return _opener(local)


@cache
def _opener(local: bool) -> urllib.request.OpenerDirector:
    """One for each kind of address: to make one reads the certificates of this machine."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({} if local else None), _NoRedirect)


def _is_loopback(hostname: str) -> bool:
    try:
        return hostname == "localhost" or ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return False


# --- Azure Resource Manager -----------------------------------------------------------------------------


@cache
def _token() -> str:
    """A token for Azure Resource Manager, of the account that azd is signed in with."""
    command = shutil.which("azd")
    if command is None:
        raise HookError("azd was not found on the PATH, so this hook cannot ask Azure anything.")
    try:
        answer = subprocess.run(  # noqa: S603 - no shell, nothing of the environment in it
            [command, "auth", "token", "--output", "json"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=True,
        )
        token = json.loads(answer.stdout)["token"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        token = None
    if not isinstance(token, str) or not token:
        raise HookError("azd gave no token for Azure. Sign in with `azd auth login`, then try again.")
    return token


def arm(
    method: str, path: str, api_version: str, *, body: object = None, **query: str
) -> tuple[dict[str, Any], datetime | None]:
    """One call of Azure Resource Manager: its answer, and the time at which it was given.

    A failure that may pass is tried again. Raises ArmError.
    """
    return _call(method, _arm_url(path, api_version, query), body)


def arm_list(path: str, api_version: str, **query: str) -> Iterator[dict[str, Any]]:
    """All items of a list, page by page. Raises ArmError."""
    first = url = _arm_url(path, api_version, query)
    while url:
        page, _ = _call("GET", url, None)
        yield from page.get("value") or ()
        url = page.get("nextLink") or ""
        if url and urlsplit(url)[:2] != urlsplit(first)[:2]:
            raise HookError("Azure Resource Manager put the next page at another address: not followed.")


def _arm_url(path: str, api_version: str, query: dict[str, str]) -> str:
    endpoint = (value("HOOK_ARM_ENDPOINT") or "https://management.azure.com").rstrip("/")
    return f"{endpoint}{quote(path)}?{urlencode({'api-version': api_version, **query})}"


def _call(method: str, url: str, body: object) -> tuple[dict[str, Any], datetime | None]:
    open_url = opener(url, "HOOK_ARM_ENDPOINT").open
    data = None if method in {"GET", "DELETE"} else json.dumps(body or {}).encode()
    headers = {"Authorization": f"Bearer {_token()}", "Content-Type": "application/json"}
    delay = seconds("HOOK_RETRY_DELAY", 2)
    tries = 0
    while True:
        tries += 1
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - `opener` checks it
        try:
            with open_url(request, timeout=60) as response:
                content = response.read()
                date = response.headers.get("Date")
            document = json.loads(content) if content else {}
            return document, parsedate_to_datetime(date) if date else None
        except urllib.error.HTTPError as error:
            with error:
                failure = _arm_error(error.code, error.read())
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            failure = ArmError(0, "", f"{urlsplit(url).hostname} could not be reached: {reason}.")
        if tries == _TRIES or failure.status not in {0, *_TRANSIENT}:
            raise failure
        time.sleep(delay)
        delay *= 2


def _arm_error(status: int, content: bytes) -> ArmError:
    try:
        error = json.loads(content)["error"]
        code, message = str(error["code"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        code, message = "", ""
    said = ": ".join(filter(None, (code, " ".join(message.split())[:300])))
    return ArmError(status, code, f"Azure Resource Manager answered {status}{f' ({said})' if said else ''}.")
