"""The syntax tree. Every node knows the part of the text that it came from."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache, cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class BicepError(Exception):
    """Text that is not Bicep, or Bicep that this checker does not understand."""

    def __init__(self, file: str, line: int, message: str) -> None:
        super().__init__(f"{file}:{line}: {message}")
        self.file, self.line, self.message = file, line, message


@dataclass(frozen=True, slots=True)
class Span:
    """Where a node stands: offsets of its first character and of the one after its last, and its line."""

    start: int
    end: int
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A part of a file. Nodes are compared by identity: two equal texts are two places."""

    span: Span

    def children(self) -> Iterator[Node]:
        """The nodes directly below this one, in the order of the text."""
        for name in _field_names(type(self)):
            value = getattr(self, name)
            if isinstance(value, Node):
                yield value
            elif isinstance(value, tuple):
                yield from (item for item in value if isinstance(item, Node))

    def walk(self) -> Iterator[Node]:
        """This node and all below it."""
        yield self
        for child in self.children():
            yield from child.walk()


@cache
def _field_names(kind: type[Node]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


class Expression(Node):
    __slots__ = ()


@dataclass(frozen=True, slots=True, eq=False)
class Text(Expression):
    """A string: text and interpolated expressions in turn."""

    parts: tuple[str | Expression, ...]

    @property
    def literal(self) -> str | None:
        """The string's value, if nothing is interpolated."""
        if any(isinstance(part, Expression) for part in self.parts):
            return None
        return "".join(part for part in self.parts if isinstance(part, str))


@dataclass(frozen=True, slots=True, eq=False)
class Number(Expression):
    value: int


@dataclass(frozen=True, slots=True, eq=False)
class Boolean(Expression):
    value: bool


@dataclass(frozen=True, slots=True, eq=False)
class Null(Expression):
    pass


@dataclass(frozen=True, slots=True, eq=False)
class Name(Expression):
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Member(Expression):
    """`base.name`, or `base.?name` when safe."""

    base: Expression
    name: str
    safe: bool


@dataclass(frozen=True, slots=True, eq=False)
class Index(Expression):
    """`base[index]`, or `base[?index]` when safe."""

    base: Expression
    index: Expression
    safe: bool


@dataclass(frozen=True, slots=True, eq=False)
class NestedAccess(Expression):
    """`base::name`: a resource that is declared inside another one."""

    base: Expression
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class NotNull(Expression):
    """`base!`."""

    base: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Call(Expression):
    """`name(arguments)`, or `base.name(arguments)`."""

    base: Expression | None
    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Lambda(Expression):
    parameters: tuple[str, ...]
    body: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Unary(Expression):
    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Binary(Expression):
    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Ternary(Expression):
    condition: Expression
    then: Expression
    otherwise: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Array(Expression):
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Property(Node):
    key: Text
    value: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Object(Expression):
    properties: tuple[Property, ...]
    nested: tuple[Resource, ...] = ()

    def get(self, key: str) -> Expression | None:
        """The value of the property with this name."""
        return next((p.value for p in self.properties if p.key.literal == key), None)


@dataclass(frozen=True, slots=True, eq=False)
class For(Expression):
    """`[for item in source: body]`, or with `(item, index)`."""

    item: str
    index: str | None
    source: Expression
    body: Expression


@dataclass(frozen=True, slots=True, eq=False)
class If(Expression):
    """`if (condition) {…}`, the body of a resource or a module."""

    condition: Expression
    body: Expression


class TypeNode(Node):
    __slots__ = ()


@dataclass(frozen=True, slots=True, eq=False)
class NamedType(TypeNode):
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class LiteralType(TypeNode):
    value: str | int | bool


@dataclass(frozen=True, slots=True, eq=False)
class ArrayOf(TypeNode):
    item: TypeNode


@dataclass(frozen=True, slots=True, eq=False)
class Nullable(TypeNode):
    inner: TypeNode


@dataclass(frozen=True, slots=True, eq=False)
class UnionOf(TypeNode):
    members: tuple[TypeNode, ...]


@dataclass(frozen=True, slots=True, eq=False)
class TypeProperty(Node):
    name: str
    type: TypeNode
    decorators: tuple[Decorator, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ObjectOf(TypeNode):
    properties: tuple[TypeProperty, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Decorator(Node):
    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Declaration(Node):
    name: str
    decorators: tuple[Decorator, ...]

    def decorator(self, name: str) -> Decorator | None:
        return next((d for d in self.decorators if d.name == name), None)


@dataclass(frozen=True, slots=True, eq=False)
class TargetScope(Declaration):
    value: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Metadata(Declaration):
    value: Expression


@dataclass(frozen=True, slots=True, eq=False)
class TypeAlias(Declaration):
    type: TypeNode


@dataclass(frozen=True, slots=True, eq=False)
class Param(Declaration):
    type: TypeNode
    default: Expression | None

    @property
    def required(self) -> bool:
        """Whether a deployment must give a value."""
        return self.default is None and not isinstance(self.type, Nullable)


@dataclass(frozen=True, slots=True, eq=False)
class Var(Declaration):
    value: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Output(Declaration):
    type: TypeNode
    value: Expression


@dataclass(frozen=True, slots=True, eq=False)
class Deployed(Declaration):
    """What a resource and a module have in common: a body, perhaps under a condition or in a loop."""

    value: Expression

    @property
    def loop(self) -> For | None:
        return self.value if isinstance(self.value, For) else None

    @property
    def condition(self) -> Expression | None:
        value = self.value.body if isinstance(self.value, For) else self.value
        return value.condition if isinstance(value, If) else None

    @property
    def body(self) -> Object:
        value = self.value
        while isinstance(value, For | If):
            value = value.body
        if not isinstance(value, Object):
            raise TypeError("the parser gives resources and modules a body")
        return value


@dataclass(frozen=True, slots=True, eq=False)
class Resource(Deployed):
    type_text: str
    existing: bool


@dataclass(frozen=True, slots=True, eq=False)
class Module(Deployed):
    path: str


@dataclass(frozen=True, slots=True)
class Suppression:
    """`#disable-next-line CODE`: on which line it stands and which findings it hides on the next."""

    line: int
    codes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class File:
    """One parsed file. `path` is relative to the root of the repository."""

    path: str
    text: str
    declarations: tuple[Declaration, ...]
    suppressions: tuple[Suppression, ...]

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes of the file."""
        return tuple(node for declaration in self.declarations for node in declaration.walk())

    @cached_property
    def resources(self) -> tuple[Resource, ...]:
        """All resources of the file, nested ones after what they are nested in."""
        return tuple(node for node in self.nodes if isinstance(node, Resource))

    def walk(self) -> Iterator[Node]:
        return iter(self.nodes)
