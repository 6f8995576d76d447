"""src/local.settings.json: what `make start` on this machine uses."""

from __future__ import annotations

import json
from typing import Any

from azd import PROJECT

FILE = PROJECT / "src" / "local.settings.json"
NEW: dict[str, Any] = {
    "IsEncrypted": False,
    "Values": {"FUNCTIONS_WORKER_RUNTIME": "python", "AzureWebJobsStorage": ""},
}


def point_at(values: dict[str, str]) -> bool:
    """Writes these values, and takes out what points the app at another way to sign in.

    False, and the file is left as it is, where it is no plain JSON.
    """
    try:
        document = json.loads(FILE.read_text(encoding="utf-8-sig")) if FILE.exists() else NEW
        if document.get("IsEncrypted"):
            return False
        settings = document.setdefault("Values", {})
        for name in [name for name in settings if name.startswith("IDENTITY_")]:
            del settings[name]
        settings.pop("AZURE_OPENAI_AUTHENTICATION", None)  # `none` is for a model server on this machine
        settings.update(values)
    except (OSError, ValueError, AttributeError, TypeError):
        return False
    _write(document)
    return True


def forget(endpoint: str) -> bool:
    """Takes the endpoint and its deployment out again, if this endpoint is what the file has."""
    try:
        document = json.loads(FILE.read_text(encoding="utf-8-sig"))
        settings = document["Values"]
        if settings["AZURE_OPENAI_ENDPOINT"] != endpoint:
            return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    del settings["AZURE_OPENAI_ENDPOINT"]
    settings.pop("AZURE_OPENAI_DEPLOYMENT", None)
    _write(document)
    return True


def _write(document: dict[str, Any]) -> None:
    temporary = FILE.with_suffix(".tmp")
    temporary.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(FILE)
