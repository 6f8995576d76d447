"""Faults, put one at a time into the real tree: the proof that the checks can fail.

The set is deterministic: it follows from the files alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from infra.bicep.project import AZURE_YAML, PARAMETERS, Project
from infra.faults import GENERATORS, Mutant, slipped

if TYPE_CHECKING:
    from collections.abc import Iterator


def _parameters_file(project: Project) -> Iterator[Mutant]:
    text = project.text(PARAMETERS)

    def edit(kind: str, old: str, new: str) -> Mutant:
        line = text.count("\n", 0, text.index(old)) + 1
        return Mutant(kind, PARAMETERS, line, f"{' '.join(old.split())} -> {new}", text.replace(old, new, 1))

    for name in project.parameters:
        yield edit("parameter not in the file", f'"{name}": ', f'"{name}X": ')
    for match in re.finditer(r'"\$\{(\w+)(=[^"]*)?\}"', text):
        variable, default = match[1], match[2]
        yield edit(
            "wrong variable", f"${{{variable}{default or ''}}}", f"${{{slipped(variable)}{default or ''}}}"
        )
        if default is not None:
            yield edit("no default in the file", match[0], f'"${{{variable}}}"')
        if default and re.fullmatch(r"=(\d+|true|false|\[\])", default):
            yield edit("default of another type", match[0], f'"${{{variable}=several}}"')


def _azure_yaml(project: Project) -> Iterator[Mutant]:
    lines = project.text(AZURE_YAML).splitlines(keepends=True)
    for index, line in enumerate(lines):
        if line.strip() and not line.lstrip().startswith("#"):
            body = "".join(lines[:index] + lines[index + 1 :])
            yield Mutant("azure.yaml", AZURE_YAML, index + 1, f"dropped {line.strip()}", body)
        if match := re.match(r"\s+(?:- )?(?:\w+: )?(\w[\w./-]+)\s*$", line):
            changed = line.replace(match[1], slipped(match[1]))
            body = "".join([*lines[:index], changed, *lines[index + 1 :]])
            yield Mutant("azure.yaml", AZURE_YAML, index + 1, f"{line.strip()} -> {changed.strip()}", body)


def mutants(project: Project) -> list[Mutant]:
    """All faults, each changed text once."""
    found = [m for file in project.files.values() for make in GENERATORS for m in make(file)]
    found += [*_parameters_file(project), *_azure_yaml(project)]
    return list({(m.path, m.text): m for m in found if m.text != project.text(m.path)}.values())


def chosen(project: Project, most: int) -> list[Mutant]:
    """At most so many faults of each kind, spread evenly over the tree."""
    kinds: dict[str, list[Mutant]] = {}
    for mutant in mutants(project):
        kinds.setdefault(mutant.kind, []).append(mutant)
    picked: list[Mutant] = []
    for group in kinds.values():
        step = max(1.0, len(group) / most)
        picked += [group[int(i * step)] for i in range(min(most, len(group)))]
    return picked
