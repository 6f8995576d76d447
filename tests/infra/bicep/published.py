"""The published resource types, in the format of Azure/bicep-types-az: what exists at which API version."""

# ruff: noqa: PLR0911  one case for each kind of node or type

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from infra.bicep import types as t

_REQUIRED, _READ_ONLY, _WRITE_ONLY, _KNOWN_AT_START = 1, 2, 4, 8
_SCOPES = {1: "tenant", 2: "managementGroup", 4: "subscription", 8: "resourceGroup", 16: "extension"}
_PARENT_KEYS = ("parent", "scope", "dependsOn")


@dataclass(frozen=True)
class PublishedType:
    """One resource type at one version: its body, and the scopes at which it can be written or read."""

    name: str
    body: t.Type
    writable: frozenset[str]
    readable: frozenset[str]


def directory() -> Path:
    """Where the types are: BICEP_TYPES, or azure-schemas in the folder `shared` beside the repository."""
    named = os.environ.get("BICEP_TYPES")
    return Path(named) if named else Path(__file__).resolve().parents[4] / "shared" / "azure-schemas"


def available() -> bool:
    return any((directory() / "bicep-types").glob("*.json"))


class Published:
    """All published types that are at hand; empty when they are absent, and then nothing is said of types."""

    def __init__(self, folder: Path) -> None:
        self._entries: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {}
        self._made: dict[str, PublishedType] = {}
        for path in sorted(folder.glob("*.json")):
            entries = json.loads(path.read_text(encoding="utf-8"))
            for entry in entries:
                if entry["$type"] == "ResourceType":
                    self._entries[entry["name"].lower()] = (entries, entry)

    def __bool__(self) -> bool:
        return bool(self._entries)

    def get(self, name: str) -> PublishedType | None:
        """The type called `Namespace/type@version`, in any case."""
        key = name.lower()
        if key not in self._made and key in self._entries:
            entries, entry = self._entries[key]
            body = _Reader(entries).read(entry["body"])
            self._made[key] = PublishedType(
                entry["name"], body, _scopes(entry["writableScopes"]), _scopes(entry["readableScopes"])
            )
        return self._made.get(key)

    def versions(self, name: str) -> list[str]:
        """The versions at hand of the type called `Namespace/type`."""
        return sorted(key.split("@")[1] for key in self._entries if key.split("@")[0] == name.lower())


@cache
def published() -> Published:
    """The types that are at hand, read once."""
    return Published(directory() / "bicep-types")


def _scopes(bits: int) -> frozenset[str]:
    return frozenset(name for bit, name in _SCOPES.items() if bits & bit)


class _Reader:
    """Entries of one file as types. References are followed when they are asked for: types may be cyclic."""

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        self.entries = entries
        self.made: dict[int, t.Type] = {}

    def read(self, reference: dict[str, str]) -> t.Type:
        index = int(reference["$ref"].rsplit("/", 1)[1])
        if index not in self.made:
            self.made[index] = self._make(self.entries[index])
        return self.made[index]

    def _make(self, entry: dict[str, Any]) -> t.Type:
        match entry["$type"]:
            case "AnyType":
                return t.ANY
            case "BooleanType":
                return t.BOOL
            case "StringType":
                return t.StringType(entry.get("minLength"), entry.get("maxLength"), entry.get("pattern"))
            case "IntegerType":
                return t.IntType(entry.get("minValue"), entry.get("maxValue"))
            case "StringLiteralType":
                return t.Literal(entry["value"])
            case "ArrayType":
                return t.ArrayType(lambda: self.read(entry["itemType"]), entry.get("maxLength"))
            case "UnionType":
                return t.union_of(*(self.read(element) for element in entry["elements"]))
            case "ObjectType":
                extra = entry.get("additionalProperties")
                return t.ObjectType(
                    entry["name"],
                    self._slots(entry["properties"]),
                    (lambda: self.read(extra)) if extra else None,
                )
            case "DiscriminatedObjectType":
                return t.DiscriminatedType(
                    entry["name"],
                    entry["discriminator"],
                    self._slots(entry["baseProperties"]),
                    {value: self._later(element) for value, element in entry["elements"].items()},
                )
            case unknown:
                raise ValueError(f"the published types hold a {unknown}, which is not understood")

    def _later(self, reference: dict[str, str]) -> Any:
        return lambda: self.read(reference)

    def _slots(self, properties: dict[str, Any]) -> dict[str, t.Slot]:
        return {name: self._slot(entry) for name, entry in properties.items()}

    def _slot(self, entry: dict[str, Any]) -> t.Slot:
        flags = entry["flags"]
        return t.Slot(
            lambda: self.read(entry["type"]),
            required=bool(flags & _REQUIRED),
            read_only=bool(flags & _READ_ONLY),
            write_only=bool(flags & _WRITE_ONLY),
            known_at_start=bool(flags & _KNOWN_AT_START),
        )
