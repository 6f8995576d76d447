"""The functions that the infrastructure uses: what each takes, gives and computes.

A function that is not in this table is refused. That keeps `listKeys` and its like out of the tree, and it
keeps every call checked. Signatures: https://learn.microsoft.com/azure/azure-resource-manager/bicep/bicep-functions
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import uuid
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from infra.bicep import types as t

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

type Result = t.Type | Callable[[Sequence[t.Type]], t.Type]


class Runtime(str):
    """A value that only Azure knows, such as a principal's id: text that names where it comes from."""

    __slots__ = ()


@dataclass(frozen=True)
class Function:
    """`parameters` are the types asked for, the last one again and again when variadic.

    `required` is how many must be given. `item_lambda` marks a function whose lambda takes the items of the
    first argument. `default_only` marks what only a parameter's default may call (BCP065).
    """

    parameters: tuple[t.Type, ...]
    result: Result
    compute: Callable[..., Any] | None = None
    required: int | None = None
    variadic: bool = False
    item_lambda: bool = False
    default_only: bool = False

    @property
    def least(self) -> int:
        return len(self.parameters) if self.required is None else self.required

    def parameter(self, position: int) -> t.Type | None:
        if position < len(self.parameters):
            return self.parameters[position]
        return self.parameters[-1] if self.variadic else None

    def result_for(self, arguments: Sequence[t.Type]) -> t.Type:
        return self.result if isinstance(self.result, t.Type) else self.result(arguments)


_SCALAR = t.union_of(t.STRING, t.INT, t.BOOL)
_TEXT_OR_LIST = t.union_of(t.STRING, t.ARRAY)
_CONTAINER = t.union_of(t.STRING, t.ARRAY, t.OBJECT)
_LAMBDA = t.LambdaType(t.ANY)
_STRINGS = t.array_of(t.STRING)


def unique_string(*values: str) -> str:
    """13 characters of a-z and 2-7, as Azure's: a stand-in that differs where the arguments differ."""
    digest = hashlib.sha256("\0".join(values).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:13]


def guid(*values: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "\0".join(values)))


def _union(*values: Any) -> Any:
    if isinstance(values[0], dict):
        merged: dict[str, Any] = {}
        for value in values:
            for key, item in value.items():
                old = merged.get(key)
                both = isinstance(old, dict) and isinstance(item, dict)
                merged[key] = _union(old, item) if both else item
        return merged
    found: list[Any] = []
    for value in values:
        found += [item for item in value if item not in found]
    return found


def _union_type(arguments: Sequence[t.Type]) -> t.Type:
    """Objects merge property by property; arrays join. Alternatives give alternatives."""
    combined: list[t.Type] = [t.ObjectType("object", {}, exact=True)]
    if any(isinstance(member, t.ArrayType) for member in t.members(arguments[0])):
        items = [m.item for a in arguments for m in t.members(a) if isinstance(m, t.ArrayType)]
        return t.array_of(t.union_of(*items)) if items else t.ARRAY
    for argument in arguments:
        combined = [_merge(left, right) for left in combined for right in t.members(argument)][:64]
    return t.union_of(*combined)


def _merge(left: t.Type, right: t.Type) -> t.Type:
    if not isinstance(left, t.ObjectType) or not isinstance(right, t.ObjectType):
        return t.OBJECT
    return t.ObjectType(
        "object",
        {**left.slots, **right.slots},
        left.additional or right.additional,
        exact=left.exact and right.exact,
    )


def _first_item(arguments: Sequence[t.Type]) -> t.Type:
    kind = t.not_null(arguments[0])
    return t.union_of(kind.item, t.NULL) if isinstance(kind, t.ArrayType) else t.STRING


def _same(arguments: Sequence[t.Type]) -> t.Type:
    return t.STRING if isinstance(arguments[0], t.Literal | t.StringType) else arguments[0]


def _mapped(arguments: Sequence[t.Type]) -> t.Type:
    kind = arguments[1]
    return t.array_of(kind.result if isinstance(kind, t.LambdaType) else t.ANY)


def _flat(arguments: Sequence[t.Type]) -> t.Type:
    kind = arguments[0]
    return kind.item if isinstance(kind, t.ArrayType) else t.ARRAY


def _object_from(arguments: Sequence[t.Type]) -> t.Type:
    kind = arguments[2] if len(arguments) > 2 else t.ANY
    result = kind.result if isinstance(kind, t.LambdaType) else t.ANY
    return t.ObjectType("object", {}, lambda: result)


def _coalesced(arguments: Sequence[t.Type]) -> t.Type:
    return t.union_of(*(t.not_null(a) for a in arguments[:-1]), arguments[-1])


def _contains(container: Any, item: Any) -> bool:
    if isinstance(container, str):
        return str(item).lower() in container.lower()
    return item in container


def _scope_object(kind: str, *properties: str) -> t.Type:
    known = {name: t.slot_of(t.STRING, known_at_start=True) for name in properties}
    return t.ScopeType(kind, t.ObjectType(kind, known, exact=True))


def _subnet(network: str, bits: int, index: int) -> str:
    parts = list(ipaddress.ip_network(network).subnets(new_prefix=bits))
    return str(parts[index])


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _format(pattern: str, *values: Any) -> str:
    return pattern.format(*map(_text, values))


def _now(pattern: str = "yyyyMMddTHHmmssZ") -> str:
    """A day of December 2026."""
    return pattern.replace("yyyy", "2026").replace("MM", "12").replace("dd", "15")


FUNCTIONS: Final[dict[str, Function]] = {
    # text
    "concat": Function((_TEXT_OR_LIST,), _same, lambda *v: sum(v[1:], v[0]), required=1, variadic=True),
    "contains": Function((_CONTAINER, t.ANY), t.BOOL, _contains),
    "empty": Function((t.union_of(_CONTAINER, t.NULL),), t.BOOL, lambda value: not value),
    "endsWith": Function((t.STRING, t.STRING), t.BOOL, lambda a, b: a.lower().endswith(b.lower())),
    "format": Function((t.STRING, _SCALAR), t.STRING, _format, required=1, variadic=True),
    "guid": Function((t.STRING,), t.STRING, guid, variadic=True),
    "indexOf": Function((_TEXT_OR_LIST, t.ANY), t.INT, lambda a, b: a.find(b)),
    "join": Function((t.array_of(_SCALAR), t.STRING), t.STRING, lambda a, b: b.join(map(_text, a))),
    "json": Function((t.STRING,), t.ANY, json.loads),
    "length": Function((_CONTAINER,), t.INT, len),
    "padLeft": Function((_SCALAR, t.INT, t.STRING), t.STRING, lambda a, n, c=" ": _text(a).rjust(n, c), 2),
    "replace": Function((t.STRING, t.STRING, t.STRING), t.STRING, lambda s, a, b: s.replace(a, b)),
    "split": Function((t.STRING, t.union_of(t.STRING, _STRINGS)), _STRINGS, lambda s, d: s.split(d)),
    "startsWith": Function((t.STRING, t.STRING), t.BOOL, lambda a, b: a.lower().startswith(b.lower())),
    "string": Function((t.ANY,), t.STRING, _text),
    "substring": Function((t.STRING, t.INT, t.INT), t.STRING, lambda s, i, n=None: s[i:][:n], 2),
    "toLower": Function((t.STRING,), t.STRING, str.lower),
    "toUpper": Function((t.STRING,), t.STRING, str.upper),
    "trim": Function((t.STRING,), t.STRING, str.strip),
    "uniqueString": Function((t.STRING,), t.StringType(13, 13), unique_string, variadic=True),
    "int": Function((t.union_of(t.STRING, t.INT),), t.INT, int),
    "bool": Function((t.ANY,), t.BOOL, lambda value: value in {True, "true", "True"}),
    # lists and objects
    "any": Function((t.ANY,), t.ANY, lambda value: value),
    "array": Function((t.ANY,), t.ARRAY, lambda value: value if isinstance(value, list) else [value]),
    "coalesce": Function((t.ANY,), _coalesced, None, variadic=True),
    "filter": Function((t.ARRAY, _LAMBDA), _same, lambda v, f: [x for x in v if f(x)], item_lambda=True),
    "first": Function((_TEXT_OR_LIST,), _first_item, lambda value: value[0] if value else None),
    "flatten": Function((t.array_of(t.ARRAY),), _flat, lambda value: [x for y in value for x in y]),
    "items": Function(
        (t.OBJECT,),
        t.array_of(t.ObjectType("item", {"key": t.slot_of(t.STRING), "value": t.slot_of(t.ANY)}, exact=True)),
        lambda value: [{"key": k, "value": v} for k, v in sorted(value.items())],
    ),
    "last": Function((_TEXT_OR_LIST,), _first_item, lambda value: value[-1] if value else None),
    "map": Function((t.ARRAY, _LAMBDA), _mapped, lambda v, f: [f(x) for x in v], item_lambda=True),
    "max": Function((t.INT,), t.INT, max, variadic=True),
    "min": Function((t.INT,), t.INT, min, variadic=True),
    "objectKeys": Function((t.OBJECT,), _STRINGS, sorted),
    "range": Function((t.INT, t.INT), t.array_of(t.INT), lambda a, n: list(range(a, a + n))),
    "skip": Function((_TEXT_OR_LIST, t.INT), _same, lambda value, n: value[n:]),
    "take": Function((_TEXT_OR_LIST, t.INT), _same, lambda value, n: value[:n]),
    "toObject": Function(
        (t.ARRAY, _LAMBDA, _LAMBDA),
        _object_from,
        lambda v, key, value=lambda x: x: {key(x): value(x) for x in v},
        required=2,
        item_lambda=True,
    ),
    "union": Function((t.union_of(t.OBJECT, t.ARRAY),), _union_type, _union, required=2, variadic=True),
    # addresses
    "cidrSubnet": Function((t.STRING, t.INT, t.INT), t.STRING, _subnet),
    # the deployment; the evaluator knows where it runs
    "deployer": Function(
        (),
        t.ObjectType(
            "deployer",
            {
                name: t.slot_of(t.STRING, known_at_start=True)
                for name in ("objectId", "tenantId", "userPrincipalName")
            },
            exact=True,
        ),
    ),
    "resourceGroup": Function(
        (t.STRING, t.STRING), _scope_object("resourceGroup", "id", "name", "location", "type"), required=0
    ),
    "subscription": Function(
        (t.STRING,),
        _scope_object("subscription", "id", "subscriptionId", "tenantId", "displayName"),
        required=0,
    ),
    "tenant": Function((), _scope_object("tenant", "tenantId", "displayName", "countryCode")),
    "resourceId": Function((t.STRING,), t.STRING, None, required=2, variadic=True),
    "subscriptionResourceId": Function((t.STRING,), t.STRING, None, required=2, variadic=True),
    "environment": Function((), t.OBJECT),
    # only in a parameter's default
    "newGuid": Function((), t.STRING, lambda: guid("new"), default_only=True),
    "utcNow": Function((t.STRING,), t.STRING, _now, required=0, default_only=True),
    # files, read by the compiler
    "loadTextContent": Function((t.STRING, t.STRING), t.STRING, None, required=1),
    "loadJsonContent": Function((t.STRING, t.STRING, t.STRING), t.ANY, None, required=1),
}

DECORATORS: Final[dict[str, frozenset[str]]] = {
    # BCP125 to 129: what each may stand on
    "allowed": frozenset({"Param"}),
    "batchSize": frozenset({"Resource", "Module"}),
    "description": frozenset({"Param", "Var", "Output", "Resource", "Module", "TypeAlias", "TypeProperty"}),
    "maxLength": frozenset({"Param", "Output", "TypeAlias", "TypeProperty"}),
    "maxValue": frozenset({"Param", "Output", "TypeAlias", "TypeProperty"}),
    "metadata": frozenset({"Param", "Output", "TypeAlias", "TypeProperty"}),
    "minLength": frozenset({"Param", "Output", "TypeAlias", "TypeProperty"}),
    "minValue": frozenset({"Param", "Output", "TypeAlias", "TypeProperty"}),
    "secure": frozenset({"Param", "Output"}),
}


def path_beside(file: str, reference: str) -> str:
    """The path, from the root of the repository, of what `file` refers to by a relative path."""
    parts: list[str] = []
    for part in (PurePosixPath(file).parent / reference).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)
