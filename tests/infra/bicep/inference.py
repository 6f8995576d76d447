"""What type an expression has, and what is wrong inside it."""

# ruff: noqa: PLR0911, PLR0912  one case for each kind of node or type

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.bicep import syntax as s
from infra.bicep import types as t
from infra.bicep.functions import FUNCTIONS, Function
from infra.bicep.published import Published, published

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.bicep.symbols import Symbols

type Report = Callable[[str, s.Node, str], None]
type Locals = Mapping[str, t.Type]

_COMPARED = t.union_of(t.INT, t.STRING)


class Inference:
    """Types of the expressions of one file. What is wrong goes to `report` with its diagnostic's code."""

    def __init__(self, symbols: Symbols, report: Report, types: Published | None = None) -> None:
        self.symbols, self.report = symbols, report
        self._always_report = report
        self.published = published() if types is None else types
        self._variables: dict[str, t.Type] = {}
        self._open: list[str] = []

    def declared(self, node: s.Node, name: str) -> t.Type:
        """The type of what a name stands for (BCP057, 079, 080)."""
        declaration = self.symbols.declared.get(name)
        match declaration:
            case None:
                self.report("BCP057", node, f"the name {name!r} does not exist")
                return t.ANY
            case s.Param():
                return self.symbols.param_type(declaration)
            case s.Var():
                return self._variable(node, declaration)
            case s.Resource():
                return self.resource(declaration)
            case s.Module():
                return self._module(declaration)
            case _:
                self.report("BCP288", node, f"{name!r} is a type, not a value")
                return t.ANY

    def _variable(self, node: s.Node, variable: s.Var) -> t.Type:
        if variable.name in self._open:
            self._always_report("BCP080", node, f"{variable.name!r} is defined by itself")
            return t.ANY
        if variable.name not in self._variables:
            self._open.append(variable.name)
            # What is wrong inside the variable is reported once, where it is declared.
            report, self.report = self.report, lambda *_: None
            self._variables[variable.name] = self.of(variable.value, {})
            self.report = report
            self._open.pop()
        return self._variables[variable.name]

    def resource(self, resource: s.Resource) -> t.Type:
        """The type of a reference to a resource; of a looped one, the collection."""
        name = self.symbols.resource_type(resource)
        entry = self.published.get(name)
        kind = t.ResourceType(
            name, entry.body if entry else t.ANY, may_be_absent=resource.condition is not None
        )
        return t.ArrayType(lambda: kind, loop=True) if resource.loop else kind

    def _module(self, module: s.Module) -> t.Type:
        outputs = self.symbols.module_outputs(module)
        if outputs is None:
            return t.ANY
        kind = t.ModuleType(module.path, outputs, may_be_absent=module.condition is not None)
        return t.ArrayType(lambda: kind, loop=True) if module.loop else kind

    def of(self, node: s.Expression, local: Locals) -> t.Type:
        """The type of an expression."""
        match node:
            case s.Text():
                return self._text(node, local)
            case s.Number(value=value) | s.Boolean(value=value):
                return t.Literal(value)
            case s.Null():
                return t.NULL
            case s.Name(name=name):
                return local[name] if name in local else self.declared(node, name)
            case s.Member():
                return self._member(node, local)
            case s.Index():
                return self._index(node, local)
            case s.NestedAccess():
                return self._nested(node, local)
            case s.NotNull(base=base):
                return self._present(self.of(base, local))
            case s.Call():
                return self._call(node, local)
            case s.Unary():
                wanted = t.BOOL if node.operator == "!" else t.INT
                self.expect(self.of(node.operand, local), wanted, node, "BCP044")
                return wanted
            case s.Binary():
                return self._binary(node, local)
            case s.Ternary():
                self.expect(self.of(node.condition, local), t.BOOL, node.condition, "BCP046")
                return t.union_of(self.of(node.then, local), self.of(node.otherwise, local))
            case s.Array(items=items):
                kinds = [self.of(item, local) for item in items]
                return t.array_of(t.union_of(*kinds)) if kinds else t.array_of(t.ANY)
            case s.Object():
                return self._object(node, local)
            case s.For():
                return t.array_of(self.of(node.body, self.loop_locals(node, local)))
            case s.Lambda():
                self.report("BCP242", node, "a lambda is an argument of a function and nothing else")
                return t.ANY
            case _:
                raise s.BicepError(
                    self.symbols.file.path, node.span.line, f"{type(node).__name__} has no type"
                )

    def expect(self, kind: t.Type, wanted: t.Type, node: s.Node, code: str) -> None:
        """Report that a value does not fit."""
        for problem in t.misfits(kind, wanted, ""):
            self.report(code, node, f"{problem.path} {problem.reason}".strip())

    def loop_locals(self, loop: s.For, local: Locals) -> dict[str, t.Type]:
        """The loop's own names, beside those around it (BCP137)."""
        source = self.of(loop.source, local)
        self.expect(source, t.ARRAY, loop.source, "BCP137")
        item = source.item if isinstance(source, t.ArrayType) else t.ANY
        names: dict[str, t.Type] = {**local, loop.item: item}
        if loop.index:
            names[loop.index] = t.INT
        return names

    def _text(self, node: s.Text, local: Locals) -> t.Type:
        if node.literal is not None:
            return t.Literal(node.literal)
        for part in node.parts:
            if isinstance(part, s.Expression):
                kind = self.of(part, local)
                if isinstance(kind, t.ResourceType | t.ModuleType | t.ArrayType) or t.nullable(kind):
                    self.report("BCP033", part, f"{kind} stands in a string")
        return t.STRING

    def _object(self, node: s.Object, local: Locals) -> t.Type:
        slots: dict[str, t.Slot] = {}
        named_later: list[t.Type] = []
        for item in node.properties:
            kind = self.of(item.value, local)
            name = item.key.literal
            if name is None:
                self.of(item.key, local)
                named_later.append(kind)
                continue
            if name in slots:
                self.report("BCP025", item, f"the property {name!r} is given twice")
            slots[name] = t.slot_of(kind, required=True)
        additional = t.union_of(*named_later) if named_later else None
        return t.ObjectType(
            "object", slots, (lambda: additional) if additional else None, exact=additional is None
        )

    def _present(self, kind: t.Type) -> t.Type:
        match kind:
            case t.ResourceType():
                return t.ResourceType(kind.name, kind.body)
            case t.ModuleType():
                return t.ModuleType(kind.path, kind.outputs)
            case _:
                return t.not_null(kind)

    def _member(self, node: s.Member, local: Locals) -> t.Type:
        base = self.of(node.base, local)
        if node.safe:
            return t.union_of(self.property(node, self._present(base), node.name), t.NULL)
        if t.nullable(base):
            self.report("BCP318", node, f"what {node.name!r} is asked of may be null")
            base = t.not_null(base)
        return self.property(node, base, node.name)

    def property(self, node: s.Node, base: t.Type, name: str) -> t.Type:
        """The type of a property of a value of type `base` (BCP052, 053, 055, 077, 144, 318)."""
        match base:
            case t.AnyType():
                return t.ANY
            case t.ResourceType(body=t.ObjectType() as body):
                slot = body.slots.get(name)
                if base.may_be_absent and not (slot and slot.known_at_start):
                    self.report("BCP318", node, f"{base} may not be deployed: its {name!r} may be null")
                return self.property(node, body, name)
            case t.ResourceType():
                return t.ANY
            case t.ModuleType():
                if name not in {"outputs", "name"}:
                    self.report("BCP053", node, f"a module has no {name!r}")
                    return t.ANY
                if base.may_be_absent and name == "outputs":
                    self.report("BCP318", node, f"{base} may not be deployed: its outputs may be null")
                return base.outputs if name == "outputs" else t.STRING
            case t.ScopeType(body=body):
                return self.property(node, body, name)
            case t.ObjectType():
                return self._slot(node, base, name)
            case t.UnionType(members=members):
                return t.union_of(*(self.property(node, member, name) for member in members))
            case t.ArrayType(loop=True):
                self.report("BCP144", node, "a collection of resources or modules must be indexed")
                return t.ANY
            case t.DiscriminatedType():
                return t.ANY
            case _:
                self.report("BCP055", node, f"{base} has no properties, so no {name!r}")
                return t.ANY

    def _slot(self, node: s.Node, base: t.ObjectType, name: str) -> t.Type:
        slot = base.slots.get(name)
        if slot is None:
            if base.additional is not None:
                return base.additional()
            self.report("BCP053", node, f"{base.name} has no {name!r}{t.suggestion(name, base)}")
            return t.ANY
        if slot.write_only:
            self.report("BCP077", node, f"{name!r} can be written and never read")
        return slot.type

    def _index(self, node: s.Index, local: Locals) -> t.Type:
        base, index = self.of(node.base, local), self.of(node.index, local)
        if isinstance(base, t.ObjectType):
            self.expect(index, t.STRING, node.index, "BCP075")
            if isinstance(index, t.Literal) and isinstance(index.value, str):
                return self.property(node, base, index.value)
            return (
                base.additional() if base.additional else t.union_of(*(v.type for v in base.slots.values()))
            )
        if isinstance(base, t.ArrayType):
            self.expect(index, t.INT, node.index, "BCP074")
            return base.item
        if not isinstance(base, t.AnyType):
            self.report("BCP076", node, f"{base} has nothing to index")
        return t.ANY

    def _nested(self, node: s.NestedAccess, local: Locals) -> t.Type:
        """A resource that is nested in another one (BCP158, 159)."""
        del local
        found = self.nested_resource(node)
        if found is None:
            self.report("BCP159", node, f"no resource {node.name!r} is nested there")
            return t.ANY
        return self.resource(found)

    def nested_resource(self, node: s.NestedAccess) -> s.Resource | None:
        owner: s.Declaration | None = None
        if isinstance(node.base, s.Name):
            owner = self.symbols.declared.get(node.base.name)
        elif isinstance(node.base, s.NestedAccess):
            owner = self.nested_resource(node.base)
        if not isinstance(owner, s.Resource):
            return None
        return next((nested for nested in owner.body.nested if nested.name == node.name), None)

    def _binary(self, node: s.Binary, local: Locals) -> t.Type:
        left, right = self.of(node.left, local), self.of(node.right, local)
        match node.operator:
            case "&&" | "||":
                self.expect(left, t.BOOL, node.left, "BCP045")
                self.expect(right, t.BOOL, node.right, "BCP045")
                return t.BOOL
            case "==" | "!=":
                if not _may_be_equal(left, right):
                    self.report("BCP045", node, f"{left} is never equal to {right}")
                return t.BOOL
            case "=~" | "!~":
                self.expect(left, t.STRING, node.left, "BCP045")
                self.expect(right, t.STRING, node.right, "BCP045")
                return t.BOOL
            case "<" | "<=" | ">" | ">=":
                self.expect(left, _COMPARED, node.left, "BCP045")
                self.expect(right, _COMPARED, node.right, "BCP045")
                return t.BOOL
            case "??":
                if not t.nullable(left) and not isinstance(left, t.AnyType):
                    self.report("unreachable", node, f"{left} is never null, so ?? decides nothing")
                return t.union_of(t.not_null(left), right)
            case _:
                self.expect(left, t.INT, node.left, "BCP045")
                self.expect(right, t.INT, node.right, "BCP045")
                return t.INT

    def _call(self, node: s.Call, local: Locals) -> t.Type:
        if node.base is not None:
            self.report("BCP109", node, f"the method {node.name!r} is not among those that are understood")
            return t.ANY
        function = FUNCTIONS.get(node.name)
        if function is None:
            self.report("BCP082", node, f"the function {node.name!r} is not among those that are understood")
            return t.ANY
        kinds = [self._argument(node, function, i, local) for i in range(len(node.arguments))]
        most = None if function.variadic else len(function.parameters)
        if len(kinds) < function.least or (most is not None and len(kinds) > most):
            self.report(
                "BCP071", node, f"{node.name} takes {function.least} to {most} arguments, not {len(kinds)}"
            )
            return function.result if isinstance(function.result, t.Type) else t.ANY
        return function.result_for(kinds) if kinds or isinstance(function.result, t.Type) else t.ANY

    def _argument(self, node: s.Call, function: Function, position: int, local: Locals) -> t.Type:
        argument, wanted = node.arguments[position], function.parameter(position)
        if isinstance(argument, s.Lambda) and isinstance(wanted, t.LambdaType):
            items = self.of(node.arguments[0], local)
            item = items.item if function.item_lambda and isinstance(items, t.ArrayType) else t.ANY
            if len(argument.parameters) != 1:
                self.report("BCP244", argument, f"{node.name}'s lambda takes one argument")
            inner = {**local, **dict.fromkeys(argument.parameters, item)}
            return t.LambdaType(self.of(argument.body, inner))
        kind = self.of(argument, local)
        if wanted is not None:
            self.expect(kind, wanted, argument, "BCP070")
        return kind


def _may_be_equal(left: t.Type, right: t.Type) -> bool:
    """Whether two values can be equal. Bicep compares anything; what is never equal is a slip."""
    for a in t.members(left):
        for b in t.members(right):
            if isinstance(a, t.Literal) and isinstance(b, t.Literal):
                if a.value == b.value:
                    return True
            elif not any(t.misfits(a, b, "")) or not any(t.misfits(b, a, "")):
                return True
    return False
