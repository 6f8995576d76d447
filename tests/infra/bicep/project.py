"""The files of the repository that the checks compare, with the possibility to put another text for one."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from infra.bicep.parser import parse
from infra.bicep.syntax import File, Module, Output, Param

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[3]
MAIN = "infra/main.bicep"
PARAMETERS = "infra/main.parameters.json"
AZURE_YAML = "azure.yaml"


class Finding(NamedTuple):
    """A defect: the rule that it breaks, and where."""

    rule: str
    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.message}"


@lru_cache(maxsize=64)
def _parsed(path: str, text: str) -> File:
    return parse(path, text)


@dataclass(frozen=True, eq=False)
class Project:
    """The repository at `root`, with `changed` texts in the place of what is on the disk."""

    root: Path = ROOT
    changed: Mapping[str, str] = field(default_factory=dict)

    def with_text(self, path: str, text: str) -> Project:
        """The same repository with another text for one file."""
        return Project(self.root, {**self.changed, path: text})

    def text(self, path: str) -> str:
        """The text of a file. Raises FileNotFoundError."""
        return self.changed[path] if path in self.changed else _on_disk(self.root / path)

    def exists(self, path: str) -> bool:
        return path in self.changed or (self.root / path).is_file()

    @cached_property
    def bicep_paths(self) -> list[str]:
        """Every .bicep file of the repository, not only those that main.bicep reaches."""
        found = (self.root / "infra").rglob("*.bicep")
        return sorted(path.relative_to(self.root).as_posix() for path in found)

    @cached_property
    def files(self) -> dict[str, File]:
        """Every .bicep file, parsed. Raises BicepError."""
        return {path: _parsed(path, self.text(path)) for path in self.bicep_paths}

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """main.parameters.json's values."""
        document = json.loads(self.text(PARAMETERS))
        return {name: entry.get("value") for name, entry in document["parameters"].items()}

    @cached_property
    def azure_yaml(self) -> dict[str, Any]:
        return yaml.safe_load(self.text(AZURE_YAML))

    @property
    def main(self) -> File:
        return self.files[MAIN]

    def params(self, path: str = MAIN) -> dict[str, Param]:
        return {d.name: d for d in self.files[path].declarations if isinstance(d, Param)}

    def outputs(self, path: str = MAIN) -> dict[str, Output]:
        return {d.name: d for d in self.files[path].declarations if isinstance(d, Output)}

    def modules(self, path: str = MAIN) -> dict[str, Module]:
        return {d.name: d for d in self.files[path].declarations if isinstance(d, Module)}


@lru_cache(maxsize=512)
def _on_disk(path: Path) -> str:
    return path.read_text(encoding="utf-8")
