"""What a deployment would send to Azure, computed from the files and the values of the parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from infra.bicep import syntax as s
from infra.bicep.evaluator import Evaluator, ModuleValue, ResourceValue, deployment_scope
from infra.bicep.functions import path_beside
from infra.bicep.project import MAIN, Project
from infra.bicep.symbols import Symbols

if TYPE_CHECKING:
    from collections.abc import Mapping

SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000001"


@dataclass(frozen=True)
class Deployed:
    """One resource of a deployment: where it was declared, and what it is."""

    address: str
    file: str
    line: int
    type: str
    name: str
    id: str
    scope: str
    body: Mapping[str, Any]

    def at(self, path: str) -> Any:
        """A value of the body, by a path such as `properties.httpsOnly`; None where there is none."""
        value: Any = self.body
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value


@dataclass
class Deployment:
    """All resources, the outputs of main.bicep, and every condition with the answers that it gave."""

    resources: list[Deployed] = field(default_factory=list[Deployed])
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])
    decided: dict[tuple[str, int, int], set[bool]] = field(
        default_factory=dict[tuple[str, int, int], set[bool]]
    )
    waits: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    _before: dict[str, set[str]] = field(default_factory=dict[str, set[str]])

    def of_type(self, name: str) -> list[Deployed]:
        return [r for r in self.resources if r.type.lower() == name.lower()]

    def before(self, address: str) -> set[str]:
        """The addresses of everything that exists before the deployment of this resource begins."""
        if address in self._before:
            return self._before[address]
        found: set[str] = set()
        todo = [address]
        while todo:
            current = todo.pop()
            parts = current.split("/")
            around = ["/".join(parts[:n]) for n in range(1, len(parts) + 1)]
            for waited in {w for part in around for w in self.waits.get(part, frozenset())}:
                inside = [r.address for r in self.resources if r.address.startswith(f"{waited}/")]
                for other in (waited, *inside):
                    if other not in found:
                        found.add(other)
                        todo.append(other)
        self._before[address] = found
        return found


def deploy(project: Project, parameters: Mapping[str, Any]) -> Deployment:
    """Deploy main.bicep with these values for its parameters."""
    deployment = Deployment()
    deployment.outputs = _File(project, MAIN, deployment, "", SUBSCRIPTION).run(parameters)
    return deployment


class _File:
    """The deployment of one file, at one scope, under one address."""

    def __init__(self, project: Project, path: str, deployment: Deployment, address: str, scope: str) -> None:
        self.project, self.deployment, self.prefix, self.scope = project, deployment, address, scope
        self.symbols = Symbols(project, project.files[path])
        self.file = project.files[path]
        self.evaluator = Evaluator(self.symbols, scope, self._value, deployment.decided)
        self._values: dict[str, Any] = {}
        self._waits: dict[str, frozenset[str]] = {}
        self._open: list[str] = []
        self._given: Mapping[str, Any] = {}

    def run(self, given: Mapping[str, Any]) -> dict[str, Any]:
        self._given = given
        for declaration in self.file.declarations:
            if isinstance(declaration, s.Resource | s.Module):
                self._value(declaration.name)
        return {
            d.name: self.evaluator.value(d.value, {})
            for d in self.file.declarations
            if isinstance(d, s.Output)
        }

    def _value(self, name: str) -> Any:
        """The value of a name. Whoever asks waits for what the value waits for."""
        if name not in self._values:
            declaration = self.symbols.declared[name]
            if name in self._open:
                raise s.BicepError(
                    self.file.path, declaration.span.line, f"BCP080: {name!r} waits for itself"
                )
            self._open.append(name)
            with self.evaluator.collecting() as waits:
                self._values[name] = self._declared(declaration)
            self._open.pop()
            self._waits[name] = frozenset(waits)
        declaration = self.symbols.declared[name]
        passed_on = isinstance(declaration, s.Var | s.Param) or (
            isinstance(declaration, s.Resource) and declaration.existing
        )
        own = frozenset({self._address(name)})
        self.evaluator.waits_for(self._waits[name] if passed_on else own)
        return self._values[name]

    def _address(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    def _declared(self, declaration: s.Declaration) -> Any:
        match declaration:
            case s.Param(name=name, default=default):
                if name in self._given:
                    return self._given[name]
                if default is None and not isinstance(declaration.type, s.Nullable):
                    raise s.BicepError(self.file.path, declaration.span.line, f"no value for {name!r}")
                return self.evaluator.value(default, {}) if default else None
            case s.Var(value=value):
                return self.evaluator.value(value, {})
            case s.Resource() | s.Module():
                return self._each(declaration)
            case _:
                raise s.BicepError(self.file.path, declaration.span.line, "this has no value")

    def _each(self, declaration: s.Resource | s.Module) -> Any:
        """The resource or module, or the list of them that a loop makes."""
        loop = declaration.loop
        if loop is None:
            return self._one(declaration, {}, self._address(declaration.name))
        address = self._address(declaration.name)
        return [
            self._one(declaration, local, f"{address}/{index}")
            for index, local in enumerate(self.evaluator.loop(loop, {}))
        ]

    def _one(self, declaration: s.Resource | s.Module, local: Mapping[str, Any], address: str) -> Any:
        with self.evaluator.collecting() as waits:
            deployed = declaration.condition is None or self.evaluator.decide(declaration.condition, local)
            if isinstance(declaration, s.Module):
                params = declaration.body.get("params")
                if not deployed and params is not None:
                    # Azure evaluates them all the same: what only a deployed module has must not be read.
                    self.evaluator.value(params, local)
                value = self._module(declaration, local, address) if deployed else ModuleValue(None)
            else:
                value = self._resource(declaration, local, address, deployed=deployed)
        self.deployment.waits[address] = frozenset(waits)
        return value

    def _module(self, module: s.Module, local: Mapping[str, Any], address: str) -> ModuleValue:
        value, depends = self.evaluator.value, module.body.get("dependsOn")
        if depends is not None:
            value(depends, local)
        scope_node, params_node = module.body.get("scope"), module.body.get("params")
        scope = deployment_scope(value(scope_node, local)) if scope_node else self.scope
        params: dict[str, Any] = value(params_node, local) if params_node else {}
        name = value(module.body.get("name"), local) if module.body.get("name") else ""
        path = path_beside(self.file.path, module.path)
        target = _File(self.project, path, self.deployment, address, scope)
        kind = "Microsoft.Resources/deployments"
        self.deployment.resources.append(
            Deployed(
                address,
                self.file.path,
                module.span.line,
                kind,
                name,
                f"{scope}/providers/{kind}/{name}",
                scope,
                params,
            )
        )
        return ModuleValue(target.run(params))

    def _resource(
        self, resource: s.Resource, local: Mapping[str, Any], address: str, *, deployed: bool
    ) -> ResourceValue:
        kept = [p for p in resource.body.properties if p.key.literal not in {"parent", "scope", "dependsOn"}]
        around = {p.key.literal: p.value for p in resource.body.properties if p.key.literal not in {"name"}}
        parent_node, scope_node, depends = (around.get(key) for key in ("parent", "scope", "dependsOn"))
        parent = self.evaluator.value(parent_node, local) if parent_node else None
        scope: Any = self.evaluator.value(scope_node, local) if scope_node else None
        if depends is not None and deployed:
            self.evaluator.value(depends, local)
        name: Any = (
            self.evaluator.value(resource.body.get("name"), local) if resource.body.get("name") else ""
        )
        value = self.evaluator.resource(resource, name, parent, scope)
        value.absent = not deployed
        if not deployed or resource.existing:
            self._nested(resource, value, local, address)
            return value
        own = s.Object(resource.body.span, tuple(kept))
        value.body.update(self.evaluator.value(own, local))
        line = resource.span.line
        self.deployment.resources.append(
            Deployed(
                address,
                self.file.path,
                line,
                value.type.split("@")[0],
                value.name,
                value.id,
                value.scope,
                value.body,
            )
        )
        self._nested(resource, value, local, address)
        return value

    def _nested(
        self, resource: s.Resource, parent: ResourceValue, local: Mapping[str, Any], address: str
    ) -> None:
        for nested in resource.body.nested:
            below = f"{address}::{nested.name}"
            with self.evaluator.collecting() as waits:
                self.evaluator.waits_for({address})
                own = s.Object(
                    nested.body.span,
                    tuple(p for p in nested.body.properties if p.key.literal != "dependsOn"),
                    (),
                )
                depends = nested.body.get("dependsOn")
                if depends is not None:
                    self.evaluator.value(depends, local)
                body = self.evaluator.value(own, local)
                value = self.evaluator.resource(nested, body.get("name", ""), parent, None)
            parent.nested[nested.name] = value
            self.deployment.waits[below] = frozenset(waits)
            if not nested.existing:
                value.body.update(body)
                self.deployment.resources.append(
                    Deployed(
                        below,
                        self.file.path,
                        nested.span.line,
                        value.type.split("@")[0],
                        value.name,
                        value.id,
                        value.scope,
                        value.body,
                    )
                )
            self._nested(nested, value, local, below)
