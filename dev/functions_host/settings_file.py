"""The JSON files beside a function app: local.settings.json and host.json.

Core Tools reads both with Newtonsoft.Json, which accepts comments and trailing commas; so does this module.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import FunctionsHostError

# A string is matched first, so that what looks like a comment or a trailing comma inside one stays.
_STRING = r'"(?:\\.|[^"\\\n])*"'
_STRING_OR_COMMENT = re.compile(rf"{_STRING}|//[^\n]*|/\*.*?\*/", re.DOTALL)
_STRING_OR_TRAILING_COMMA = re.compile(rf"{_STRING}|,(?=\s*[}}\]])")


def local_settings(app_directory: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The app's environment on a developer's machine: `Values` of local.settings.json, and `environment`.

    The rules are those of `func start` (azure-functions-core-tools: AppSettingsFile.cs,
    StartHostAction.UpdateEnvironmentVariables): a variable that is set and not empty in `environment` wins;
    `null` sets nothing; other values become text the way .NET writes them (`true` is "True", `1.0` is "1").
    Unlike there, a broken file is an error, not a warning and an app without settings.

    Raises:
        FunctionsHostError: the file is not readable JSON, is encrypted, or a value is an object or an array.
    """
    path = app_directory / "local.settings.json"
    content = _read_object(path)
    if content.get("IsEncrypted") is True:
        raise FunctionsHostError(f"{path} is encrypted. Run `func settings decrypt` in its folder.")
    values = content.get("Values")
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise FunctionsHostError(f"{path}: `Values` is not an object.")
    settings = dict(environment)
    for name, value in values.items():
        if value is not None and not settings.get(name):
            settings[name] = _as_text(path, name, value)
    return settings


def route_prefix(app_directory: Path) -> str:
    """`extensions.http.routePrefix` of host.json without slashes at its ends; "api" where it is not set.

    Raises:
        FunctionsHostError: the file is not readable JSON, or the prefix is not a string.
    """
    path = app_directory / "host.json"
    section: Any = _read_object(path)
    for key in ("extensions", "http"):
        section = section.get(key) or {}
        if not isinstance(section, dict):
            raise FunctionsHostError(f"{path}: `{key}` is not an object.")
    prefix = section.get("routePrefix", "api")
    if not isinstance(prefix, str):
        raise FunctionsHostError(f"{path}: `routePrefix` is not a string.")
    return prefix.strip("/")


def _read_object(path: Path) -> dict[str, Any]:
    """The JSON object in the file; empty where there is no file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise FunctionsHostError(f"{path} can not be read: {error}") from error
    text = _STRING_OR_COMMENT.sub(_blank_unless_string, text)
    text = _STRING_OR_TRAILING_COMMA.sub(_blank_unless_string, text)
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise FunctionsHostError(
            f"{path} is not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}."
        ) from error
    if not isinstance(content, dict):
        raise FunctionsHostError(f"{path} does not hold a JSON object.")
    return content


def _blank_unless_string(match: re.Match[str]) -> str:
    """Spaces in place of a comment or a comma keep the line and the column of every later error right."""
    text = match.group()
    return text if text.startswith('"') else re.sub(r"[^\n]", " ", text)


def _as_text(path: Path, name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int)):
        return str(value)
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    raise FunctionsHostError(f"{path}: the value of `{name}` is neither a string, a number nor a boolean.")
