"""Declarations: names, decorators, defaults, and that everything declared is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.bicep import syntax as s
from infra.bicep import types as t
from infra.bicep.functions import DECORATORS, FUNCTIONS, path_beside
from infra.bicep.project import MAIN
from infra.bicep.symbols import number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from infra.bicep.checks.context import Context

SCOPES = {"resourceGroup", "subscription", "managementGroup", "tenant"}


def check_names(context: Context) -> None:
    """No two declarations share a name (BCP028, 145), no name is too long (BCP024), the scope exists."""
    for repeated in context.symbols.repeated:
        context.report("BCP028", repeated, f"{repeated.name!r} is declared twice")
    seen: set[str] = set()
    for declaration in context.file.declarations:
        if len(declaration.name) > 255:
            context.report("BCP024", declaration, "a name has at most 255 characters")
        if isinstance(declaration, s.Output):
            if declaration.name in seen:
                context.report("BCP145", declaration, f"the output {declaration.name!r} is declared twice")
            seen.add(declaration.name)
    if context.scope not in SCOPES:
        context.report("BCP033", context.file.declarations[0], f"targetScope is one of {sorted(SCOPES)}")


def check_decorators(context: Context) -> None:
    """Decorators exist, stand where they may, once, with constants of the right type (BCP123 to 130, 166)."""
    for node in context.file.walk():
        if isinstance(node, s.Declaration | s.TypeProperty):
            _decorators_of(context, node)


def _decorators_of(context: Context, node: s.Declaration | s.TypeProperty) -> None:
    kind = type(node).__name__
    names = [decorator.name for decorator in node.decorators]
    for decorator in node.decorators:
        allowed = DECORATORS.get(decorator.name)
        if allowed is None or kind not in allowed:
            context.report("BCP124", decorator, f"@{decorator.name} cannot stand on this {kind.lower()}")
            continue
        if names.count(decorator.name) > 1:
            context.report("BCP166", decorator, f"@{decorator.name} is given twice")
        for argument in decorator.arguments:
            if any(isinstance(n, s.Name | s.Call | s.Member) for n in argument.walk()):
                context.report("BCP032", argument, "a decorator's argument is a constant")
                return
        _decorator_arguments(context, node, decorator)
    bounds = {d.name: _constant(d) for d in node.decorators}
    for least, most in (("minLength", "maxLength"), ("minValue", "maxValue")):
        low, high = bounds.get(least), bounds.get(most)
        if low is not None and high is not None and low > high:
            context.report("BCP331", node, f"@{least} is above @{most}")


def _constant(decorator: s.Decorator) -> int | None:
    return number(decorator.arguments[0]) if decorator.arguments else None


def _decorator_arguments(
    context: Context, node: s.Declaration | s.TypeProperty, decorator: s.Decorator
) -> None:
    wanted = {"secure": None, "description": t.STRING, "allowed": t.ARRAY, "metadata": t.OBJECT}.get(
        decorator.name, t.INT
    )
    if len(decorator.arguments) != (0 if wanted is None else 1):
        context.report("BCP071", decorator, f"@{decorator.name} has the wrong number of arguments")
        return
    if wanted is not None:
        context.fits(decorator.arguments[0], wanted, f"@{decorator.name}", {})
    name = decorator.name
    if name in {"minLength", "maxLength"} and (_constant(decorator) or 0) < 0:
        context.report("BCP168", decorator, "a length is not negative")
    if not isinstance(node, s.Param | s.Output):
        return
    kind = t.not_null(context.symbols.declared_type(node.type))
    suits = {
        "minLength": isinstance(kind, t.StringType | t.ArrayType),
        "maxLength": isinstance(kind, t.StringType | t.ArrayType),
        "minValue": isinstance(kind, t.IntType),
        "maxValue": isinstance(kind, t.IntType),
        "secure": isinstance(kind, t.StringType | t.ObjectType),
    }
    if not suits.get(name, True):
        context.report("BCP439" if name == "secure" else "BCP124", decorator, f"@{name} does not suit {kind}")
    if name == "allowed" and isinstance(decorator.arguments[0], s.Array):
        if not decorator.arguments[0].items:
            context.report("BCP099", decorator, "@allowed lists at least one value")
        context.fits(decorator.arguments[0], t.array_of(kind), "@allowed", {})


def check_params(context: Context) -> None:
    """A default fits its parameter (BCP033), reads parameters only (BCP072), is not beside `?` (BCP326)."""
    for param in context.file.declarations:
        if not isinstance(param, s.Param) or param.default is None:
            continue
        if isinstance(param.type, s.Nullable):
            context.report("BCP326", param, "a parameter that may be null has no default")
        context.fits(param.default, context.symbols.param_type(param), param.name, {}, "BCP033")
        for node in param.default.walk():
            if isinstance(node, s.Name) and isinstance(
                context.symbols.declared.get(node.name), s.Var | s.Resource | s.Module
            ):
                context.report("BCP072", node, "a parameter's default may read other parameters only")


def check_variables_and_outputs(context: Context) -> None:
    """What is inside a variable is sound; an output's value fits its type (BCP026)."""
    for declaration in context.file.declarations:
        if isinstance(declaration, s.Var):
            kind = context.inference.of(declaration.value, {})
            if isinstance(kind, t.ResourceType | t.ModuleType | t.NullType):
                context.report("BCP041", declaration, f"a variable cannot hold {kind}")
        elif isinstance(declaration, s.Output):
            kind = context.symbols.declared_type(declaration.type)
            context.fits(declaration.value, kind, declaration.name, {}, "BCP026")


def check_default_only_functions(context: Context) -> None:
    """utcNow() and newGuid() stand in parameters' defaults and nowhere else (BCP065)."""
    defaults = {
        id(node)
        for declaration in context.file.declarations
        if isinstance(declaration, s.Param) and declaration.default
        for node in declaration.default.walk()
    }
    for node in context.file.walk():
        function = FUNCTIONS.get(node.name) if isinstance(node, s.Call) else None
        if function and function.default_only and id(node) not in defaults:
            context.report("BCP065", node, "this function may stand in a parameter's default only")


def used_names(nodes: Iterable[s.Node]) -> set[str]:
    """The names that the nodes read, and the type aliases that they name."""
    return {node.name for node in nodes if isinstance(node, s.Name | s.NamedType)}


def check_everything_is_used(context: Context) -> None:
    """No parameter, variable, type or existing resource is unused (the linter's no-unused-*)."""
    used = used_names(context.file.walk())
    for name, declaration in context.symbols.declared.items():
        deploys = isinstance(declaration, s.Module) or (
            isinstance(declaration, s.Resource) and not declaration.existing
        )
        if name not in used and not deploys:
            context.report("unused", declaration, f"{name!r} is never used")


def check_described(context: Context) -> None:
    """Every parameter of main.bicep says what it is: the documentation is compared with it."""
    if context.file.path != MAIN:
        return
    for declaration in context.file.declarations:
        if isinstance(declaration, s.Param) and not declaration.decorator("description"):
            context.report("description", declaration, f"{declaration.name!r} has no @description")


def check_module_outputs_are_used(context: Context) -> None:
    """Every output of every module is read by the file that deploys the module."""
    read: dict[str, set[str]] = {}
    for node in context.file.walk():
        if isinstance(node, s.Member) and isinstance(node.base, s.Member) and node.base.name == "outputs":
            owner = node.base.base
            while isinstance(owner, s.NotNull | s.Index):
                owner = owner.base
            if isinstance(owner, s.Name):
                read.setdefault(owner.name, set()).add(node.name)
    by_path: dict[str, set[str]] = {}
    modules = [d for d in context.file.declarations if isinstance(d, s.Module)]
    for module in modules:
        path = path_beside(context.file.path, module.path)
        by_path.setdefault(path, set()).update(read.get(module.name, set()))
    for path, names in by_path.items():
        if path in context.project.files:
            for name in context.project.outputs(path).keys() - names:
                context.report("unused", modules[0], f"nothing reads the output {name!r} of {path}")
