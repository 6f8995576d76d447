"""Types, and whether a value of one may stand where another is asked for."""

# ruff: noqa: PLR0911, PLR0912  one case for each kind of node or type

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class Type:
    """What a value is."""


@dataclass(frozen=True)
class AnyType(Type):
    def __str__(self) -> str:
        return "any"


@dataclass(frozen=True)
class NullType(Type):
    def __str__(self) -> str:
        return "null"


@dataclass(frozen=True)
class StringType(Type):
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None

    def __str__(self) -> str:
        return "string"


@dataclass(frozen=True)
class IntType(Type):
    minimum: int | None = None
    maximum: int | None = None

    def __str__(self) -> str:
        return "int"


@dataclass(frozen=True)
class BoolType(Type):
    def __str__(self) -> str:
        return "bool"


@dataclass(frozen=True)
class Literal(Type):
    value: str | int | bool

    def __str__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True, eq=False)
class ArrayType(Type):
    """`loop` marks what a looped resource or module is: a collection that must be indexed (BCP144)."""

    make_item: Callable[[], Type]
    max_length: int | None = None
    loop: bool = False

    @cached_property
    def item(self) -> Type:
        return self.make_item()

    def __str__(self) -> str:
        return "array"


@dataclass(frozen=True, eq=False)
class Slot:
    """One property of an object type. Published types refer to each other, so the type is made when asked."""

    make: Callable[[], Type]
    required: bool = False
    read_only: bool = False
    write_only: bool = False
    known_at_start: bool = False

    @cached_property
    def type(self) -> Type:
        return self.make()


@dataclass(frozen=True, eq=False)
class ObjectType(Type):
    """`exact` marks an object that was written out: what it does not name, it does not have."""

    name: str
    slots: Mapping[str, Slot]
    additional: Callable[[], Type] | None = None
    exact: bool = False

    def __str__(self) -> str:
        return "object"


@dataclass(frozen=True, eq=False)
class DiscriminatedType(Type):
    """One of several objects, told apart by the value of the property `key`."""

    name: str
    key: str
    base: Mapping[str, Slot]
    elements: Mapping[str, Callable[[], Type]]

    def element(self, value: str) -> ObjectType | None:
        """The object type that the value selects."""
        made = self.elements[value]() if value in self.elements else None
        if not isinstance(made, ObjectType):
            return None
        return ObjectType(made.name, {**self.base, **made.slots}, made.additional)

    def __str__(self) -> str:
        return "object"


@dataclass(frozen=True)
class UnionType(Type):
    members: tuple[Type, ...]

    def __str__(self) -> str:
        return " | ".join(dict.fromkeys(str(member) for member in self.members))


@dataclass(frozen=True, eq=False)
class ResourceType(Type):
    """A reference to a resource: its type and version, and its body."""

    name: str
    body: Type
    may_be_absent: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class ModuleType(Type):
    """A reference to a module: the types of its outputs."""

    path: str
    outputs: ObjectType
    may_be_absent: bool = False

    def __str__(self) -> str:
        return f"module {self.path}"


@dataclass(frozen=True)
class ScopeType(Type):
    """What `scope:` takes: the kind of scope and, for functions such as resourceGroup(), its properties."""

    kind: str
    body: Type = field(default_factory=AnyType)

    def __str__(self) -> str:
        return self.kind


@dataclass(frozen=True)
class LambdaType(Type):
    result: Type

    def __str__(self) -> str:
        return "lambda"


ANY, NULL, STRING, INT, BOOL = AnyType(), NullType(), StringType(), IntType(), BoolType()
OBJECT = ObjectType("object", {}, lambda: ANY)
ARRAY = ArrayType(lambda: ANY)


def array_of(item: Type) -> ArrayType:
    return ArrayType(lambda: item)


def slot_of(kind: Type, **flags: bool) -> Slot:
    return Slot(lambda: kind, **flags)


def union_of(*types: Type) -> Type:
    """The union, flat and without repetition."""
    flat: list[Type] = []
    for kind in types:
        for member in kind.members if isinstance(kind, UnionType) else (kind,):
            if member not in flat:
                flat.append(member)
    return flat[0] if len(flat) == 1 else UnionType(tuple(flat))


def members(kind: Type) -> tuple[Type, ...]:
    return kind.members if isinstance(kind, UnionType) else (kind,)


def nullable(kind: Type) -> bool:
    return any(isinstance(member, NullType) for member in members(kind))


def not_null(kind: Type) -> Type:
    kept = [member for member in members(kind) if not isinstance(member, NullType)]
    return union_of(*kept) if kept else NULL


class Problem(NamedTuple):
    """Why a value does not fit: the diagnostic's code, the path inside the value, and the reason."""

    code: str
    path: str
    reason: str


def misfits(source: Type, target: Type, path: str) -> Iterator[Problem]:
    """Why a value of type `source` may not stand where `target` is asked for; nothing if it may."""
    if isinstance(source, AnyType) or isinstance(target, AnyType):
        return
    if isinstance(source, UnionType):
        for member in source.members:
            yield from misfits(member, target, path)
        return
    match target:
        case UnionType():
            yield from _misfits_union(source, target, path)
        case ObjectType() | DiscriminatedType() if isinstance(source, ObjectType):
            yield from object_misfits(source, target, path)
        case ArrayType() if isinstance(source, ArrayType):
            yield from misfits(source.item, target.item, f"{path}[]")
        case _:
            if reason := _scalar_misfit(source, target):
                yield Problem(*reason[:1], path, reason[1])


def _misfits_union(source: Type, target: UnionType, path: str) -> Iterator[Problem]:
    values = [member.value for member in target.members if isinstance(member, Literal)]
    if isinstance(source, Literal):
        # An enumeration with `string` beside its values is open: the compiler lets any string pass, but a
        # value that is not published is almost always a slip of the pen.
        strings_only = all(isinstance(m, Literal | StringType | NullType) for m in target.members)
        if values and strings_only and source.value not in values:
            close = difflib.get_close_matches(str(source.value), map(str, values), 1)
            hint = f", did you mean {close[0]!r}?" if close else ""
            yield Problem("BCP036", path, f"{source} is none of {values[:8]}{hint}")
            return
    if isinstance(source, StringType) and any(isinstance(value, str) for value in values):
        return  # a string that is known only later may be any of the values
    attempts = [list(misfits(source, member, path)) for member in target.members]
    if all(attempts):
        yield min(attempts, key=lambda found: (found[0].code == "BCP036", len(found)))[0]


def object_misfits(
    source: ObjectType, target: ObjectType | DiscriminatedType, path: str
) -> Iterator[Problem]:
    """Missing, read-only, unknown and mistyped properties (BCP035, 073, 037, 036)."""
    if isinstance(target, DiscriminatedType):
        key = source.slots.get(target.key)
        if key is None:
            yield Problem("BCP078", path, f"the property {target.key!r} is missing: it tells what this is")
            return
        if not isinstance(key.type, Literal):
            return
        selected = target.element(str(key.type.value))
        if selected is None:
            known = sorted(target.elements)
            yield Problem("BCP036", f"{path}.{target.key}", f"{key.type} is none of {known}")
            return
        target = selected
    for name, slot in target.slots.items():
        if slot.required and not slot.read_only and name not in source.slots and source.exact:
            yield Problem("BCP035", path, f"the required property {name!r} is missing")
    if source.additional is not None and target.additional is not None:
        yield from misfits(source.additional(), target.additional(), f"{path}.*")
    for name, given in source.slots.items():
        wanted = target.slots.get(name)
        below = f"{path}.{name}"
        if wanted is None:
            if target.additional is not None:
                yield from misfits(given.type, target.additional(), below)
            else:
                yield Problem("BCP037", below, f"no such property in {target.name}{suggestion(name, target)}")
        elif wanted.read_only and not wanted.required:
            yield Problem("BCP073", below, "this property is read-only")
        else:
            kind = given.type if wanted.required else not_null(given.type)
            if not (isinstance(kind, type(NULL)) and not wanted.required):
                yield from misfits(kind, wanted.type, below)


def suggestion(name: str, target: ObjectType) -> str:
    close = difflib.get_close_matches(name, target.slots, 1)
    return f", did you mean {close[0]!r}?" if close else ""


def _scalar_misfit(source: Type, target: Type) -> tuple[str, str] | None:
    if isinstance(source, NullType) and not isinstance(target, NullType):
        return ("BCP321", f"this may be null where {target} is asked for")
    match source, target:
        case Literal(), Literal():
            return (
                None
                if source == target and type(source.value) is type(target.value)
                else _differs(source, target)
            )
        case Literal(value=bool()), BoolType():
            return None
        case Literal(value=str(value)), StringType():
            return _string_misfit(value, target)
        case Literal(value=int(value)), IntType() if not isinstance(value, bool):
            return _int_misfit(value, target)
        case StringType(), StringType():
            return _length_misfit(source, target)
        case StringType(), Literal(value=str()):
            return None
        case IntType(), IntType() | Literal(value=int()):
            return _range_misfit(source, target) if isinstance(target, IntType) else None
        case BoolType(), BoolType() | Literal(value=bool()):
            return None
        case (LambdaType(), LambdaType()) | (NullType(), NullType()):
            return None
        case (ResourceType() | ScopeType(body=ObjectType()), ObjectType()):
            return None
        case _:
            return _differs(source, target)


def _differs(source: Type, target: Type) -> tuple[str, str]:
    return ("BCP036", f"expected {target}, got {source}")


def _string_misfit(value: str, target: StringType) -> tuple[str, str] | None:
    if target.min_length is not None and len(value) < target.min_length:
        return ("BCP332", f"{value!r} is shorter than {target.min_length}")
    if target.max_length is not None and len(value) > target.max_length:
        return ("BCP333", f"{value!r} is longer than {target.max_length}")
    if target.pattern is not None and not re.search(target.pattern, value):
        return ("BCP416", f"{value!r} does not match {target.pattern}")
    return None


def _int_misfit(value: int, target: IntType) -> tuple[str, str] | None:
    if target.minimum is not None and value < target.minimum:
        return ("BCP328", f"{value} is less than {target.minimum}")
    if target.maximum is not None and value > target.maximum:
        return ("BCP327", f"{value} is more than {target.maximum}")
    return None


def _range_misfit(source: IntType, target: IntType) -> tuple[str, str] | None:
    """A parameter's whole range must fit (BCP327 to 330), where it has one."""
    if source.maximum is not None and target.maximum is not None and source.maximum > target.maximum:
        return ("BCP330", f"up to {source.maximum} where at most {target.maximum} is asked for")
    if source.minimum is not None and target.minimum is not None and source.minimum < target.minimum:
        return ("BCP329", f"down to {source.minimum} where at least {target.minimum} is asked for")
    return None


def _length_misfit(source: StringType, target: StringType) -> tuple[str, str] | None:
    if (
        source.max_length is not None
        and target.max_length is not None
        and source.max_length > target.max_length
    ):
        return ("BCP335", f"up to {source.max_length} characters where {target.max_length} are the most")
    if target.min_length and source.max_length is not None and source.max_length < target.min_length:
        return ("BCP333", f"at most {source.max_length} characters where {target.min_length} are the least")
    return None
