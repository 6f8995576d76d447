"""What a check of one file works with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infra.bicep import syntax as s
from infra.bicep import types as t
from infra.bicep.inference import Inference
from infra.bicep.project import Finding, Project
from infra.bicep.published import Published, published
from infra.bicep.symbols import Symbols, target_scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(eq=False)
class Context:
    """One file of a project, its symbols, the types, and the findings so far."""

    project: Project
    file: s.File
    types: Published = field(default_factory=published)
    findings: list[Finding] = field(default_factory=list[Finding])

    def __post_init__(self) -> None:
        self.symbols = Symbols(self.project, self.file)
        self.inference = Inference(self.symbols, self.report, self.types)
        self.scope = target_scope(self.file)

    def report(self, rule: str, node: s.Node, message: str) -> None:
        finding = Finding(rule, self.file.path, node.span.line, message)
        if finding not in self.findings:
            self.findings.append(finding)

    def fits(
        self,
        value: s.Expression,
        target: t.Type,
        path: str,
        local: Mapping[str, t.Type],
        code: str = "BCP036",
    ) -> None:
        """Report where a value does not fit what is asked for: with `code`, where it is of another type."""
        for problem in t.misfits(self.inference.of(value, local), target, ""):
            where = locate(value, problem.path)
            self.report(
                code if problem.code == "BCP036" else problem.code,
                where,
                f"{path}{problem.path}: {problem.reason}",
            )

    def deployed(self) -> Iterator[tuple[s.Deployed, dict[str, t.Type]]]:
        """Every resource and module, nested ones too, with the names of its loop."""
        modules = [d for d in self.file.declarations if isinstance(d, s.Module)]
        for declaration in (*self.symbols.resources(), *modules):
            loop = declaration.loop
            yield declaration, self.inference.loop_locals(loop, {}) if loop else {}


def locate(value: s.Node, path: str) -> s.Node:
    """The node inside a written-out value that a path such as `.properties.sku` leads to, or the nearest."""
    for name in path.split("."):
        if not name:
            continue
        if not isinstance(value, s.Object):
            return value
        found = next((p for p in value.properties if p.key.literal == name), None)
        if found is None:
            return value
        value = found.value
    return value
