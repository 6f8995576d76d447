"""The first parser's tree in the form of `outline`."""

# ruff: noqa: PLR0911, PLR0912  one case for each kind of node or type

from __future__ import annotations

from infra.bicep import syntax as s

type Outline = str | int | bool | tuple[Outline, ...] | None


def outline_of(file: s.File) -> tuple[Outline, ...]:
    """The outline of a file as `parser` read it."""
    return tuple(
        ("declare", tuple(_node(d) for d in declaration.decorators), _node(declaration))
        for declaration in file.declarations
    )


def _node(node: s.Node) -> Outline:
    match node:
        case s.Expression():
            return _expression(node)
        case s.TypeNode():
            return _type(node)
        case s.Decorator():
            return ("call", ("name", node.name), *map(_node, node.arguments))
        case s.Declaration():
            return _declaration(node)
        case s.Property():
            return ("property", _node(node.key), _node(node.value))
        case _:
            raise TypeError(type(node).__name__)


def _declaration(node: s.Declaration) -> Outline:
    name: Outline = ("name", node.name)
    match node:
        case s.TargetScope():
            return ("targetScope", _node(node.value))
        case s.Metadata():
            return ("metadata", name, _node(node.value))
        case s.TypeAlias():
            return ("type", name, _node(node.type))
        case s.Param():
            return ("param", name, _node(node.type), *([_node(node.default)] if node.default else []))
        case s.Var():
            return ("var", name, _node(node.value))
        case s.Output():
            return ("output", name, _node(node.type), _node(node.value))
        case s.Resource():
            return ("resource", node.existing, name, ("text", node.type_text), _node(node.value))
        case s.Module():
            return ("module", name, ("text", node.path), _node(node.value))
        case _:
            raise TypeError(type(node).__name__)


def _type(node: s.TypeNode) -> Outline:
    match node:
        case s.NamedType(name=name):
            return ("name", name)
        case s.LiteralType(value=str(value)):
            return ("text", value) if value else ("text",)
        case s.LiteralType(value=value):
            return value
        case s.ArrayOf(item=item):
            return ("array-of", _node(item))
        case s.Nullable(inner=inner):
            return ("nullable", _node(inner))
        case s.UnionOf(members=members):
            return ("union", *map(_node, members))
        case s.ObjectOf(properties=properties):
            return ("object", *(_type_property(item) for item in properties))
        case _:
            raise TypeError(type(node).__name__)


def _type_property(node: s.TypeProperty) -> Outline:
    return (*map(_node, node.decorators), "property", ("text", node.name), _node(node.type))


def _expression(node: s.Expression) -> Outline:
    match node:
        case s.Text(parts=parts):
            return ("text", *(_node(p) if isinstance(p, s.Node) else p for p in parts))
        case s.Number(value=value) | s.Boolean(value=value):
            return value
        case s.Null():
            return None
        case s.Name(name=name):
            return ("name", name)
        case s.Member():
            return ("member", _node(node.base), node.safe, node.name)
        case s.Index():
            return ("index", _node(node.base), node.safe, _node(node.index))
        case s.NestedAccess():
            return ("nested", _node(node.base), node.name)
        case s.NotNull():
            return ("not-null", _node(node.base))
        case s.Call():
            callee: Outline = ("name", node.name)
            if node.base is not None:
                callee = ("member", _node(node.base), False, node.name)
            return ("call", callee, *map(_node, node.arguments))
        case s.Lambda():
            return ("lambda", ",".join(node.parameters), _node(node.body))
        case s.Unary():
            return ("unary", node.operator, _node(node.operand))
        case s.Binary():
            return ("binary", node.operator, _node(node.left), _node(node.right))
        case s.Ternary():
            return ("ternary", _node(node.condition), _node(node.then), _node(node.otherwise))
        case s.Array():
            return ("array", *map(_node, node.items))
        case s.Object():
            children = sorted((*node.properties, *node.nested), key=lambda child: child.span.start)
            return ("object", *(_child(child) for child in children))
        case s.For():
            names: tuple[Outline, ...] = (("name", node.item),)
            if node.index:
                names += (("name", node.index),)
            return ("for", names, _node(node.source), _node(node.body))
        case s.If():
            return ("if", _node(node.condition), _node(node.body))
        case _:
            raise TypeError(type(node).__name__)


def _child(node: s.Property | s.Resource) -> Outline:
    outline = _node(node)
    if isinstance(node, s.Resource) and isinstance(outline, tuple):
        return (*map(_node, node.decorators), *outline)
    return outline
