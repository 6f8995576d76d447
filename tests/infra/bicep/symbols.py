"""What the names of a file stand for, and the types of what is declared."""

# ruff: noqa: PLR0911  one case for each kind of node or type

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from infra.bicep import syntax as s
from infra.bicep import types as t
from infra.bicep.functions import path_beside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.bicep.project import Project

PRIMITIVES = {"string": t.STRING, "int": t.INT, "bool": t.BOOL, "object": t.OBJECT, "array": t.ARRAY}
FULL_TYPE = re.compile(r"^[A-Za-z.]+(/[A-Za-z]+)+@\d{4}-\d{2}-\d{2}(-preview)?$")


class Symbols:
    """The declarations of one file by name."""

    def __init__(self, project: Project, file: s.File) -> None:
        self.project, self.file = project, file
        self.declared: dict[str, s.Declaration] = {}
        self.repeated: list[s.Declaration] = []
        self.parent_of: dict[s.Resource, s.Resource] = {}
        self._interfaces: dict[str, Symbols] = {}
        for declaration in file.declarations:
            if isinstance(declaration, s.Output | s.Metadata | s.TargetScope):
                continue
            if declaration.name in self.declared:
                self.repeated.append(declaration)
            self.declared[declaration.name] = declaration
        for resource in self.resources():
            for nested in resource.body.nested:
                self.parent_of[nested] = resource

    def resources(self) -> Iterator[s.Resource]:
        """All resources of the file, nested ones after what they are nested in."""
        return iter(self.file.resources)

    def resource_type(self, resource: s.Resource) -> str:
        """The full type and version; a nested resource gives the last segment only (BCP156)."""
        parent = self.parent_of.get(resource)
        if parent is None:
            return resource.type_text
        parent_type, _, parent_version = self.resource_type(parent).partition("@")
        segment, _, version = resource.type_text.partition("@")
        return f"{parent_type}/{segment}@{version or parent_version}"

    def declared_type(self, node: s.TypeNode) -> t.Type:
        """The type that a parameter's or an output's type expression names."""
        match node:
            case s.NamedType(name=name) if name in PRIMITIVES:
                return PRIMITIVES[name]
            case s.NamedType(name="true" | "false" as name):
                return t.Literal(name == "true")
            case s.NamedType(name="null"):
                return t.NULL
            case s.NamedType(name=name):
                alias = self.declared.get(name)
                if isinstance(alias, s.TypeAlias):
                    return constrained(alias, self.declared_type(alias.type))
                raise s.BicepError(self.file.path, node.span.line, f"BCP302: {name!r} is no type")
            case s.LiteralType(value=value):
                return t.Literal(value)
            case s.ArrayOf(item=item):
                return t.array_of(self.declared_type(item))
            case s.Nullable(inner=inner):
                return t.union_of(self.declared_type(inner), t.NULL)
            case s.UnionOf(members=members):
                return t.union_of(*map(self.declared_type, members))
            case s.ObjectOf(properties=properties):
                return t.ObjectType("object", {p.name: self._type_slot(p) for p in properties})
            case _:
                raise s.BicepError(self.file.path, node.span.line, "this type is not understood")

    def _type_slot(self, node: s.TypeProperty) -> t.Slot:
        kind = self.declared_type(node.type)
        return t.slot_of(t.not_null(kind), required=not t.nullable(kind))

    def param_type(self, param: s.Param) -> t.Type:
        """The parameter's type with what its decorators say."""
        return constrained(param, self.declared_type(param.type))

    def interface(self, module: s.Module) -> Symbols | None:
        """The symbols of the file that a module names."""
        path = path_beside(self.file.path, module.path)
        file = self.project.files.get(path)
        if file is not None and path not in self._interfaces:
            self._interfaces[path] = Symbols(self.project, file)
        return self._interfaces.get(path)

    def module_parameters(self, module: s.Module) -> t.ObjectType | None:
        """The object that a module's `params` must be."""
        target = self.interface(module)
        if target is None:
            return None
        slots = {
            d.name: t.slot_of(target.param_type(d), required=d.required)
            for d in target.file.declarations
            if isinstance(d, s.Param)
        }
        return t.ObjectType(module.path, slots)

    def module_outputs(self, module: s.Module) -> t.ObjectType | None:
        target = self.interface(module)
        if target is None:
            return None
        slots = {
            d.name: t.slot_of(target.declared_type(d.type))
            for d in target.file.declarations
            if isinstance(d, s.Output)
        }
        return t.ObjectType(f"outputs of {module.path}", slots, exact=True)


def target_scope(file: s.File) -> str:
    """The scope that a file deploys to."""
    for declaration in file.declarations:
        if isinstance(declaration, s.TargetScope) and isinstance(declaration.value, s.Text):
            return declaration.value.literal or ""
    return "resourceGroup"


def constrained(declaration: s.Declaration, kind: t.Type) -> t.Type:
    """A declared type narrowed by @allowed, @minLength, @maxLength, @minValue and @maxValue."""
    bounds = {d.name: number(d.arguments[0]) for d in declaration.decorators if len(d.arguments) == 1}
    if allowed := declaration.decorator("allowed"):
        if len(allowed.arguments) != 1 or not isinstance(allowed.arguments[0], s.Array):
            return kind
        literals = [_literal(item) for item in allowed.arguments[0].items]
        return t.union_of(*(t.Literal(value) for value in literals if value is not None))
    if isinstance(kind, t.StringType):
        return t.StringType(bounds.get("minLength"), bounds.get("maxLength"))
    if isinstance(kind, t.IntType):
        return t.IntType(bounds.get("minValue"), bounds.get("maxValue"))
    return kind


def number(node: s.Expression) -> int | None:
    """The whole number that is written there, if it is one."""
    if isinstance(node, s.Unary) and node.operator == "-" and isinstance(node.operand, s.Number):
        return -node.operand.value
    return node.value if isinstance(node, s.Number) else None


def _literal(node: s.Expression) -> str | int | bool | None:
    if isinstance(node, s.Text):
        return node.literal
    return node.value if isinstance(node, s.Number | s.Boolean) else None
