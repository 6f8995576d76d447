"""The values of expressions, as far as they are known before Azure answers."""

# ruff: noqa: PLR0911, PLR0912  one case for each kind of node or type

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from infra.bicep import syntax as s
from infra.bicep.functions import FUNCTIONS, Runtime, path_beside

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from infra.bicep.symbols import Symbols

TENANT: Final = "00000000-0000-0000-0000-0000000000aa"
ENVIRONMENT: Final = {"suffixes": {"storage": "core.windows.net"}, "name": "AzureCloud"}


@dataclass(eq=False)
class ResourceValue:
    """A resource as an expression sees it; `absent` where its condition did not hold."""

    type: str
    name: str
    id: str
    scope: str
    body: dict[str, Any] = field(default_factory=dict[str, Any])
    nested: dict[str, ResourceValue] = field(default_factory=dict[str, Any])
    absent: bool = False


@dataclass(frozen=True)
class ModuleValue:
    """A module's outputs, or None where its condition did not hold."""

    outputs: dict[str, Any] | None


@dataclass(frozen=True)
class ScopeValue:
    """What resourceGroup() and its like give."""

    id: str


def deployment_scope(value: Any) -> str:
    """The id of what a `scope:` names."""
    if isinstance(value, ResourceValue | ScopeValue):
        return value.id
    raise TypeError(f"{value!r} is no scope")


class Evaluator:
    """Evaluates the expressions of one file. `lookup` gives the value of a declared name."""

    def __init__(
        self,
        symbols: Symbols,
        scope: str,
        lookup: Callable[[str], Any],
        decided: dict[tuple[str, int, int], set[bool]],
    ) -> None:
        self.symbols, self.scope, self.lookup, self.decided = symbols, scope, lookup, decided
        self.path = symbols.file.path
        self._collected: list[set[str]] = [set()]

    @property
    def collected(self) -> set[str]:
        return self._collected[-1]

    @contextmanager
    def collecting(self) -> Iterator[set[str]]:
        """Gather the addresses that are waited for inside."""
        self._collected.append(set())
        try:
            yield self._collected[-1]
        finally:
            self._collected.pop()

    def waits_for(self, addresses: Collection[str]) -> None:
        self._collected[-1].update(addresses)

    def decide(self, condition: s.Expression, local: Mapping[str, Any]) -> bool:
        """The answer of a condition, remembered with its place."""
        answer = bool(self.value(condition, local))
        key = (self.path, condition.span.line, condition.span.start)
        self.decided.setdefault(key, set()).add(answer)
        return answer

    def loop(self, loop: s.For, local: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The names of a loop, once for each turn."""
        for index, item in enumerate(self.value(loop.source, local)):
            yield {**local, loop.item: item} | ({loop.index: index} if loop.index else {})

    def value(self, node: s.Expression | None, local: Mapping[str, Any]) -> Any:
        """The value of an expression. Raises BicepError where Azure could not compute it either."""
        try:
            return self._compute(node, local)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            line = node.span.line if node else 1
            raise s.BicepError(self.path, line, f"this cannot be computed: {error!r}") from None

    def _compute(self, node: s.Expression | None, local: Mapping[str, Any]) -> Any:
        match node:
            case s.Text():
                return self._text(node, local)
            case s.Number(value=value) | s.Boolean(value=value):
                return value
            case s.Null() | None:
                return None
            case s.Name(name=name):
                return local[name] if name in local else self.lookup(name)
            case s.Member():
                return self._member(node, local)
            case s.Index():
                base, index = self.value(node.base, local), self.value(node.index, local)
                if node.safe and (base is None or not _has(base, index)):
                    return None
                return base[index]
            case s.NestedAccess():
                parent = self.value(node.base, local)
                self.waits_for({f"{address}::{node.name}" for address in self.collected})
                return parent.nested[node.name]
            case s.NotNull(base=base):
                return self.value(base, local)
            case s.Call():
                return self._call(node, local)
            case s.Unary():
                operand = self.value(node.operand, local)
                return not operand if node.operator == "!" else -operand
            case s.Binary():
                return self._binary(node, local)
            case s.Ternary():
                chosen = node.then if self.decide(node.condition, local) else node.otherwise
                return self.value(chosen, local)
            case s.Array(items=items):
                return [self.value(item, local) for item in items]
            case s.Object():
                return {self._text(p.key, local): self.value(p.value, local) for p in node.properties}
            case s.For():
                return [self.value(node.body, inner) for inner in self.loop(node, local)]
            case _:
                raise s.BicepError(self.path, node.span.line, f"{type(node).__name__} has no value")

    def _text(self, node: s.Text, local: Mapping[str, Any]) -> str:
        parts = [part if isinstance(part, str) else _written(self.value(part, local)) for part in node.parts]
        return "".join(parts)

    def _member(self, node: s.Member, local: Mapping[str, Any]) -> Any:
        base = self.value(node.base, local)
        match base:
            case None if node.safe:
                return None
            case ResourceValue(absent=True) if node.name not in {"id", "name", "type"}:
                if node.safe:
                    return None
                raise s.BicepError(
                    self.path, node.span.line, "the properties of a resource that is not there are read"
                )
            case ResourceValue():
                return _of_resource(base, node.name)
            case ModuleValue(outputs=None):
                if node.safe:
                    return None
                raise s.BicepError(
                    self.path, node.span.line, "the outputs of a module that is not deployed are read"
                )
            case ModuleValue(outputs=outputs):
                return outputs
            case ScopeValue():
                return _of_scope(base.id, node.name)
            case Runtime():
                return Runtime(f"{base[:-1]}.{node.name}>")
            case dict():
                return base.get(node.name) if node.safe else base[node.name]
            case _:
                raise s.BicepError(self.path, node.span.line, f"{base!r} has no {node.name!r}")

    def _binary(self, node: s.Binary, local: Mapping[str, Any]) -> Any:
        left = self.value(node.left, local)
        match node.operator:
            case "&&":
                return bool(left) and bool(self.value(node.right, local))
            case "||":
                return bool(left) or bool(self.value(node.right, local))
            case "??":
                return self.value(node.right, local) if left is None else left
            case operator:
                return _OPERATORS[operator](left, self.value(node.right, local))

    def _call(self, node: s.Call, local: Mapping[str, Any]) -> Any:
        arguments = [self._argument(a, local) for a in node.arguments]
        match node.name:
            case "resourceGroup":
                return ScopeValue(_resource_group(self.scope, arguments))
            case "subscription":
                return ScopeValue(
                    f"/subscriptions/{arguments[0]}" if arguments else _subscription(self.scope)
                )
            case "tenant":
                return ScopeValue("/")
            case "environment":
                return ENVIRONMENT
            case "deployer":
                return {name: Runtime(f"<deployer.{name}>") for name in ("objectId", "tenantId")}
            case "subscriptionResourceId":
                return f"{_subscription(self.scope)}/providers/{_path(arguments[0], arguments[1:])}"
            case "resourceId":
                return f"{self.scope}/providers/{_path(arguments[0], arguments[1:])}"
            case "coalesce":
                return next((a for a in arguments if a is not None), None)
            case "loadTextContent":
                return self.symbols.project.text(path_beside(self.path, arguments[0]))
            case "loadJsonContent":
                return json.loads(self.symbols.project.text(path_beside(self.path, arguments[0])))
            case name:
                function = FUNCTIONS.get(name)
                if function is None or function.compute is None:
                    raise s.BicepError(self.path, node.span.line, f"{name}() has no value here")
                return function.compute(*arguments)

    def _argument(self, node: s.Expression, local: Mapping[str, Any]) -> Any:
        if isinstance(node, s.Lambda):
            return lambda *items: self.value(
                node.body, {**local, **dict(zip(node.parameters, items, strict=True))}
            )
        return self.value(node, local)

    def resource(self, resource: s.Resource, name: str, parent: Any, scope: Any) -> ResourceValue:
        """The value of a resource that is declared with this name, below `parent` or at `scope`."""
        full = self.symbols.resource_type(resource)
        kind = full.split("@")[0]
        if isinstance(parent, ResourceValue):
            below = f"{parent.id}/{kind.rsplit('/', 1)[1]}/{name}"
            return ResourceValue(full, f"{parent.name}/{name}", below, parent.scope)
        around = deployment_scope(scope) if scope is not None else self.scope
        if kind.lower() == "microsoft.resources/resourcegroups":
            return ResourceValue(full, name, f"{around}/resourceGroups/{name}", around)
        return ResourceValue(full, name, f"{around}/providers/{_path(kind, name.split('/'))}", around)


def _has(base: Any, index: Any) -> bool:
    return index in base if isinstance(base, dict) else index < len(base)


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value)


def _path(kind: str, names: list[str]) -> str:
    """`Namespace/a/b` and the names of a and b as `Namespace/a/x/b/y`."""
    namespace, *segments = kind.split("/")
    return "/".join([namespace, *(part for pair in zip(segments, names, strict=True) for part in pair)])


def _of_resource(resource: ResourceValue, name: str) -> Any:
    match name:
        case "id":
            return resource.id
        case "name":
            return resource.name.rsplit("/", 1)[-1]
        case "type":
            return resource.type.split("@")[0]
        case _:
            return Runtime(f"<{resource.id}.{name}>")


def _of_scope(identifier: str, name: str) -> str:
    last = identifier.rsplit("/", 1)[-1]
    known = {"id": identifier, "name": last, "subscriptionId": last, "tenantId": TENANT}
    return known.get(name) or Runtime(f"<{identifier}.{name}>")


def _subscription(scope: str) -> str:
    return "/".join(scope.split("/")[:3])


def _resource_group(scope: str, arguments: list[str]) -> str:
    match arguments:
        case []:
            return scope
        case [name]:
            return f"{_subscription(scope)}/resourceGroups/{name}"
        case _:
            return f"/subscriptions/{arguments[0]}/resourceGroups/{arguments[1]}"


_OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "=~": lambda a, b: a.lower() == b.lower(),
    "!~": lambda a, b: a.lower() != b.lower(),
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a // b,
    "%": lambda a, b: a % b,
}
