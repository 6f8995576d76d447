"""Values that must be known when a deployment starts, and secure values."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from infra.bicep import syntax as s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.bicep.checks.context import Context

KNOWN_OF_RESOURCES = frozenset({"id", "name", "type", "apiVersion"})


def later_known(context: Context, node: s.Expression, *, symbols: bool = False) -> Iterator[s.Node]:
    """The parts of an expression that only the running deployment knows.

    Of a resource its id, name, type and version are known at the start, of a module its name. With `symbols`
    a reference to a whole resource is known too, as `scope` and `parent` take it.
    """
    match node:
        case s.Member(base=base, name=name) if _is_reference(context, base):
            allowed = {"name"} if _is_module(context, base) else KNOWN_OF_RESOURCES
            if name not in allowed:
                yield node
        case s.Name(name=name):
            declared = context.symbols.declared.get(name)
            if isinstance(declared, s.Var):
                if any(later_known(context, declared.value)):
                    yield node
            elif isinstance(declared, s.Resource | s.Module) and not symbols:
                yield node
        case s.NestedAccess():
            if not symbols:
                yield node
        case _:
            for child in node.children():
                if isinstance(child, s.Expression):
                    yield from later_known(context, child)
                elif isinstance(child, s.Property):
                    yield from later_known(context, child.key)
                    yield from later_known(context, child.value)


def _is_reference(context: Context, node: s.Expression) -> bool:
    while isinstance(node, s.Index | s.NotNull):
        node = node.base
    if isinstance(node, s.NestedAccess):
        return True
    declared = context.symbols.declared.get(node.name) if isinstance(node, s.Name) else None
    return isinstance(declared, s.Resource | s.Module)


def _is_module(context: Context, node: s.Expression) -> bool:
    while isinstance(node, s.Index | s.NotNull):
        node = node.base
    return isinstance(node, s.Name) and isinstance(context.symbols.declared.get(node.name), s.Module)


def check_known_at_start(context: Context) -> None:
    """Names and scopes (BCP120), conditions (BCP177), loops (BCP178, 182) do not wait for a resource."""
    for declared, _ in context.deployed():
        for key in ("name", "scope", "parent"):
            value = declared.body.get(key)
            if value is not None:
                for part in later_known(context, value, symbols=key != "name"):
                    context.report("BCP120", part, f"{declared.name}'s {key} must be known at the start")
        if declared.condition is not None:
            for part in later_known(context, declared.condition):
                context.report("BCP177", part, f"{declared.name}'s condition must be known at the start")
    for declaration in context.file.declarations:
        for node in declaration.walk():
            if not isinstance(node, s.For):
                continue
            for part in later_known(context, node.source):
                context.report("BCP178", part, "what a loop goes over must be known at the start")
            if isinstance(declaration, s.Var):
                for part in later_known(context, node.body):
                    context.report("BCP182", part, "a variable's loop must be known at the start")


def check_secure_values(context: Context) -> None:
    """A secure value has no default, goes to secure parameters only, and into no output."""
    if not any(_declares_secure(file) for file in context.project.files.values()):
        return
    for declaration in context.file.declarations:
        match declaration:
            case s.Param() if declaration.decorator("secure"):
                default = declaration.default
                if default is not None and not (isinstance(default, s.Text) and default.literal == ""):
                    context.report("secure-parameter-default", declaration, "a secret stands in the text")
            case s.Output() if not declaration.decorator("secure"):
                for part in _secure_parts(context, declaration.value):
                    context.report(
                        "outputs-should-not-contain-secrets", part, f"{declaration.name} is secret"
                    )
            case s.Module():
                _check_secure_arguments(context, declaration)
            case _:
                pass


@lru_cache(maxsize=64)
def _declares_secure(file: s.File) -> bool:
    return any(d.decorator("secure") for d in file.declarations)


def _check_secure_arguments(context: Context, module: s.Module) -> None:
    target, params = context.symbols.interface(module), module.body.get("params")
    if target is None or not isinstance(params, s.Object):
        return
    for item in params.properties:
        wanted = target.declared.get(item.key.literal or "")
        if isinstance(wanted, s.Param) and not wanted.decorator("secure"):
            for part in _secure_parts(context, item.value):
                context.report("secure-params-in-nested-deploy", part, f"{wanted.name} is not @secure()")


def _secure_parts(context: Context, node: s.Node) -> Iterator[s.Node]:
    for part in node.walk():
        if isinstance(part, s.Name):
            declared = context.symbols.declared.get(part.name)
            secure = isinstance(declared, s.Param) and declared.decorator("secure")
            if secure or (isinstance(declared, s.Var) and any(_secure_parts(context, declared.value))):
                yield part
        elif isinstance(part, s.Member) and isinstance(part.base, s.Member) and part.base.name == "outputs":
            base = part.base.base
            module = context.symbols.declared.get(base.name) if isinstance(base, s.Name) else None
            target = context.symbols.interface(module) if isinstance(module, s.Module) else None
            outputs = context.project.outputs(target.file.path) if target else {}
            if part.name in outputs and outputs[part.name].decorator("secure"):
                yield part


def check_names_of_secrets(context: Context) -> None:
    """A string parameter whose name says that it is a secret is @secure() (secure-secrets-in-params)."""
    for declaration in context.file.declarations:
        if isinstance(declaration, s.Param) and not declaration.decorator("secure"):
            name = declaration.name.lower()
            if name.endswith(("password", "secret", "token", "apikey", "accesskey")):
                context.report(
                    "secure-secrets-in-params", declaration, f"{declaration.name} looks like a secret"
                )
