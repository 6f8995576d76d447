"""The faults that can be put into a .bicep file.

Each generator goes over the syntax tree and yields a fault as a kind, a place and the changed text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from infra.arrival import HOST_SETTINGS
from infra.bicep import syntax as s
from infra.bicep.lexer import Lexer
from infra.identity import CALLS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Mutant:
    """A fault: its kind, the file and line, what was done, and the text of the file with it."""

    kind: str
    path: str
    line: int
    description: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.path}:{self.line}: {self.description}"


def replaced(kind: str, file: s.File, span: s.Span, new: str) -> Mutant:
    """The fault that puts `new` in the place of a part of a file."""
    old = " ".join(file.text[span.start : span.end].split())
    text = file.text[: span.start] + new + file.text[span.end :]
    shown = " ".join(new.split())
    return Mutant(kind, file.path, span.line, f"{old[:70]} -> {shown[:70]}", text)


def _properties(file: s.File) -> Iterator[tuple[s.Property, bool]]:
    """Every property of every resource's and module's body, and whether it is a resource's."""
    for node in file.walk():
        if isinstance(node, s.Deployed):
            resource = isinstance(node, s.Resource)
            for inner in node.body.walk():
                if isinstance(inner, s.Property):
                    yield inner, resource


def _own_values(file: s.File) -> Iterator[s.Property]:
    """Properties of resources whose values are written out."""
    seen: set[int] = set()
    for item, resource in _properties(file):
        if resource and id(item) not in seen:
            seen.add(id(item))
            yield item


def slipped(word: str) -> str:
    """A slip of the pen: two letters change places, or the last is doubled."""
    middle = len(word) // 2
    swapped = word[:middle] + word[middle : middle + 2][::-1] + word[middle + 2 :]
    return swapped if swapped != word else word + word[-1]


def misspelt_property(file: s.File) -> Iterator[Mutant]:
    seen: set[int] = set()
    for item, _ in _properties(file):
        name = item.key.literal
        if name and id(item) not in seen and file.text[item.key.span.start] != "'":
            seen.add(id(item))
            yield replaced("misspelt property", file, item.key.span, slipped(name))


def dropped_property(file: s.File) -> Iterator[Mutant]:
    for node in file.walk():
        if isinstance(node, s.Deployed):
            for item in node.body.walk():
                if isinstance(item, s.Property) and not _inside_nested(node, item):
                    yield replaced("dropped property", file, item.span, "")


def _inside_nested(node: s.Deployed, item: s.Property) -> bool:
    return any(n.span.start <= item.span.start < n.span.end for n in node.body.nested)


def wrong_type(file: s.File) -> Iterator[Mutant]:
    for item in _own_values(file):
        match item.value:
            case s.Text() | s.Array():
                yield replaced("wrong type", file, item.value.span, "17")
            case s.Boolean(value=value):
                yield replaced("wrong type", file, item.value.span, f"'{str(value).lower()}'")
            case s.Number(value=value):
                yield replaced("wrong type", file, item.value.span, f"'{value}'")
            case s.Object():
                yield replaced("wrong type", file, item.value.span, "'text'")
            case _:
                pass


def wrong_value(file: s.File) -> Iterator[Mutant]:
    for item in _own_values(file):
        for node in item.value.walk() if not isinstance(item.value, s.Object) else ():
            if isinstance(node, s.Text) and node.literal:
                yield replaced("wrong value", file, node.span, f"'{node.literal}X'")


def flipped_boolean(file: s.File) -> Iterator[Mutant]:
    for item in _own_values(file):
        if isinstance(item.value, s.Boolean):
            yield replaced("flipped boolean", file, item.value.span, str(not item.value.value).lower())


def extra_property(file: s.File) -> Iterator[Mutant]:
    for node in file.walk():
        if isinstance(node, s.Deployed):
            at = s.Span(node.body.span.start, node.body.span.start + 1, node.span.line)
            yield replaced("read-only property", file, at, "{\n  id: 'x'\n")
            yield replaced("unknown property", file, at, "{\n  notThere: true\n")


def api_version(file: s.File) -> Iterator[Mutant]:
    for node in file.walk():
        if isinstance(node, s.Resource):
            start = file.text.index(node.type_text, node.span.start)
            span = s.Span(start, start + len(node.type_text), node.span.line)
            if "@" in node.type_text:
                yield replaced("API version", file, span, node.type_text.split("@")[0] + "@2019-02-30")
            kind = node.type_text.split("@")[0]
            yield replaced("resource type", file, span, node.type_text.replace(kind, kind[:-1]))


def outputs(file: s.File) -> Iterator[Mutant]:
    for node in file.declarations:
        if isinstance(node, s.Output):
            start = file.text.index(node.name, node.span.start)
            span = s.Span(start, start + len(node.name), node.span.line)
            yield replaced("renamed output", file, span, slipped(node.name))
            yield replaced("dropped output", file, node.span, "")
            kind = s.Span(node.type.span.start, node.type.span.end, node.span.line)
            yield replaced("output type", file, kind, "int")


def undefined_symbol(file: s.File) -> Iterator[Mutant]:
    for node in file.walk():
        if isinstance(node, s.Name):
            yield replaced("undefined symbol", file, node.span, f"{node.name}X")


def wrong_member(file: s.File) -> Iterator[Mutant]:
    for node in file.walk():
        if isinstance(node, s.Member):
            at = s.Span(node.span.end - len(node.name), node.span.end, node.span.line)
            yield replaced("wrong member", file, at, slipped(node.name))


def function_calls(file: s.File) -> Iterator[Mutant]:
    for node in file.walk():
        if isinstance(node, s.Call):
            name = s.Span(node.span.start, node.span.start + len(node.name), node.span.line)
            yield replaced("unknown function", file, name, slipped(node.name))
            inside = s.Span(node.span.start + len(node.name), node.span.end, node.span.line)
            if node.arguments:
                yield replaced("no arguments", file, inside, "()")
                yield replaced("argument type", file, node.arguments[0].span, "{}")


def null_safety(file: s.File) -> Iterator[Mutant]:
    for node in file.walk():
        if isinstance(node, s.NotNull):
            yield replaced("null safety", file, s.Span(node.span.end - 1, node.span.end, node.span.line), "")


def conditions(file: s.File) -> Iterator[Mutant]:
    for node in file.walk():
        match node:
            case s.Ternary():
                then, otherwise = (file.text[n.span.start : n.span.end] for n in (node.then, node.otherwise))
                between = file.text[node.then.span.end : node.otherwise.span.start]
                span = s.Span(node.then.span.start, node.otherwise.span.end, node.span.line)
                yield replaced("swapped branches", file, span, f"{otherwise}{between}{then}")
            case s.If():
                text = file.text[node.condition.span.start : node.condition.span.end]
                yield replaced("negated condition", file, node.condition.span, f"!({text})")
                yield replaced("constant condition", file, node.condition.span, "true")
                yield replaced("constant condition", file, node.condition.span, "false")
            case _:
                pass


def placement(file: s.File) -> Iterator[Mutant]:
    for node in file.walk():
        if not isinstance(node, s.Deployed):
            continue
        for item in node.body.properties:
            if item.key.literal == "scope":
                yield replaced("wrong scope", file, item.value.span, "subscription()")
                yield replaced("wrong scope", file, item.value.span, "tenant()")
                yield replaced("another resource group", file, item.value.span, "resourceGroup('theirs')")
            if item.key.literal == "parent":
                yield replaced("wrong parent", file, item.value.span, "'parent'")
            if item.key.literal == "dependsOn" and isinstance(item.value, s.Array):
                for one in item.value.items:
                    yield replaced("missing dependsOn", file, one.span, "")


def known_too_late(file: s.File) -> Iterator[Mutant]:
    others = {node.name for node in file.declarations if isinstance(node, s.Resource)}
    modules = {node.name for node in file.declarations if isinstance(node, s.Module)}
    for node in file.walk():
        if not isinstance(node, s.Deployed):
            continue
        late = next((f"{o}.properties.later" for o in sorted(others) if o != node.name), None)
        late = late or next((f"{m}.outputs.later" for m in sorted(modules) if m != node.name), None)
        name = node.body.get("name")
        if late and name:
            yield replaced("name known too late", file, name.span, f"'x${{{late}}}'")
        if late and node.condition:
            yield replaced("condition known too late", file, node.condition.span, f"empty({late})")


def roles(file: s.File) -> Iterator[Mutant]:
    known = [call.role_id for call in CALLS]
    for node in file.walk():
        if isinstance(node, s.Text) and node.literal in known:
            other = known[(known.index(node.literal) + 1) % len(known)]
            yield replaced("wrong role", file, node.span, f"'{other}'")
            yield replaced("wrong role", file, node.span, "'8e3af657-a8ff-443c-a75c-2fe8c4bcb635'")
        if isinstance(node, s.Resource) and "roleAssignments" in node.type_text:
            yield replaced("dropped role", file, node.span, "")
            body = node.body.get("properties")
            principal = body.get("principalId") if isinstance(body, s.Object) else None
            if principal is not None:
                yield replaced(
                    "wrong principal", file, principal.span, "'00000000-0000-0000-0000-000000000099'"
                )


def app_settings(file: s.File) -> Iterator[Mutant]:
    for node in file.walk():
        if isinstance(node, s.Property) and node.key.literal in HOST_SETTINGS | {
            "AZURE_CLIENT_ID",
            "AZURE_OPENAI_ENDPOINT",
            "AZURE_OPENAI_DEPLOYMENT",
        }:
            yield replaced("dropped app setting", file, node.span, "")
            yield replaced("renamed app setting", file, node.key.span, slipped(str(node.key.literal)))
            yield replaced(
                "key in a setting", file, node.value.span, "listKeys('x', '2025-06-01').keys[0].value"
            )
            yield replaced("wrong app setting", file, node.value.span, "'other'")


def module_arguments(file: s.File) -> Iterator[Mutant]:
    """Two neighbouring arguments of a module change places."""
    for node in file.declarations:
        params = node.body.get("params") if isinstance(node, s.Module) else None
        if not isinstance(params, s.Object):
            continue
        for left, right in zip(params.properties, params.properties[1:], strict=False):
            first, second = (file.text[p.value.span.start : p.value.span.end] for p in (left, right))
            between = file.text[left.value.span.end : right.value.span.start]
            span = s.Span(left.value.span.start, right.value.span.end, left.span.line)
            if first != second:
                yield replaced("swapped arguments", file, span, f"{second}{between}{first}")


def declarations(file: s.File) -> Iterator[Mutant]:
    for node in file.declarations:
        if isinstance(node, s.Param):
            start = file.text.index(node.name, node.span.start)
            yield replaced(
                "renamed parameter",
                file,
                s.Span(start, start + len(node.name), node.span.line),
                f"{node.name}X",
            )
            wrong = "int" if file.text[node.type.span.start : node.type.span.end] != "int" else "bool"
            yield replaced("parameter type", file, node.type.span, wrong)
            if node.required:
                yield replaced("secret in an output", file, node.span, f"@secure()\n{_leaking(file, node)}")
        if isinstance(node, s.Param | s.Var):
            yield replaced("dropped declaration", file, node.span, "")
            copy = file.text[node.span.start : node.span.end]
            yield replaced("repeated declaration", file, node.span, f"{copy}\n{copy}")
        if isinstance(node, s.Module):
            start = file.text.index(node.path, node.span.start)
            span = s.Span(start, start + len(node.path), node.span.line)
            yield replaced("module path", file, span, node.path.replace(".bicep", "s.bicep"))
            other = "modules/identity.bicep" if "identity" not in node.path else "modules/storage.bicep"
            yield replaced("wrong module", file, span, other)


def _leaking(file: s.File, node: s.Param) -> str:
    text = file.text[node.span.start : node.span.end]
    return f"{text}\noutput leak string = '${{{node.name}}}'"


def syntax(file: s.File) -> Iterator[Mutant]:
    brackets = [t for t in Lexer(file.path, file.text).tokens() if t.kind in {"{", "}", "[", "]", "(", ")"}]
    for token in brackets[::9]:
        yield replaced("syntax", file, token.span, "")


def long_names(file: s.File) -> Iterator[Mutant]:
    for node in file.walk():
        if isinstance(node, s.Var) and node.name == "names" and isinstance(node.value, s.Object):
            for item in node.value.properties:
                text = file.text[item.value.span.start : item.value.span.end]
                yield replaced(
                    "name too long", file, item.value.span, f"{text[:-1]}-${{environmentName}}{'x' * 250}'"
                )
                yield replaced("illegal name", file, item.value.span, f"{text[:-1]}/!'")


GENERATORS: Final[tuple[Callable[[s.File], Iterator[Mutant]], ...]] = (
    misspelt_property,
    dropped_property,
    wrong_type,
    wrong_value,
    flipped_boolean,
    extra_property,
    api_version,
    outputs,
    undefined_symbol,
    wrong_member,
    function_calls,
    null_safety,
    conditions,
    placement,
    known_too_late,
    roles,
    app_settings,
    module_arguments,
    declarations,
    syntax,
    long_names,
)
