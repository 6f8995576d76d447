"""Where resources and modules go: scopes, parents, and the names that follow from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.bicep import syntax as s
from infra.bicep import types as t
from infra.bicep.symbols import FULL_TYPE, target_scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.bicep.checks.context import Context

_RESOURCE_GROUP = "microsoft.resources/resourcegroups"


def check_resource_placement(context: Context) -> None:
    """Types, scopes, parents and names of resources (BCP029, 135, 139, 156, 164, 169, 170, 171)."""
    for resource, local in context.deployed():
        if not isinstance(resource, s.Resource):
            continue
        nested = resource in context.symbols.parent_of
        name = context.symbols.resource_type(resource)
        if not FULL_TYPE.match(name) or (nested and "/" in resource.type_text):
            code = "BCP156" if nested else "BCP029"
            context.report(code, resource, f"{resource.type_text!r} is no resource type with a version")
            continue
        _check_parent(context, resource, name, local)
        _check_scope(context, resource, name, local)
        _check_depends_on(context, resource, local)


def _check_parent(context: Context, resource: s.Resource, name: str, local: Mapping[str, t.Type]) -> None:
    body = resource.body
    parent, own_name = body.get("parent"), body.get("name")
    nested = resource in context.symbols.parent_of
    segments = name.split("@", maxsplit=1)[0].count("/") - 1
    if parent is not None:
        kind = context.inference.of(parent, local)
        if nested or not isinstance(kind, t.ResourceType):
            context.report("BCP240", parent, f"{kind} is no parent: a resource's symbolic name is")
        elif kind.name.split("@")[0].lower() != name.split("@", maxsplit=1)[0].rsplit("/", 1)[0].lower():
            context.report("BCP171", parent, f"{kind.name} is not the parent of {name}")
    if own_name is None:
        return
    slashes = _slashes(own_name)
    if (parent is not None or nested) and slashes:
        context.report("BCP170", own_name, "the name of a child resource has no '/'")
    if parent is None and not nested and slashes != segments and isinstance(own_name, s.Text):
        context.report("BCP169", own_name, f"the name of {name} has {segments} '/', or the resource a parent")
    if parent is None and not nested and segments and not isinstance(own_name, s.Text):
        context.report("BCP169", own_name, f"the name of {name} has {segments} '/', or the resource a parent")


def _slashes(name: s.Expression) -> int:
    if not isinstance(name, s.Text):
        return 0
    return sum(part.count("/") for part in name.parts if isinstance(part, str))


def _check_scope(context: Context, resource: s.Resource, name: str, local: Mapping[str, t.Type]) -> None:
    scope = resource.body.get("scope")
    published = context.types.get(name)
    if scope is None:
        if published is None or resource in context.symbols.parent_of or resource.body.get("parent"):
            return
        at = published.writable | (published.readable if resource.existing else frozenset[str]())
        if context.scope not in at:
            context.report("BCP135", resource, f"{name} is not deployed at the scope {context.scope}")
        return
    if resource.body.get("parent") or resource in context.symbols.parent_of:
        context.report("BCP164", scope, "a child resource has its parent's scope")
    kind = context.inference.of(scope, local)
    if isinstance(kind, t.ResourceType):
        group = resource.existing and kind.name.lower().startswith(_RESOURCE_GROUP)
        if published is not None and "extension" not in published.writable and not group:
            context.report("BCP135", scope, f"{name} is no extension of another resource")
    elif not isinstance(kind, t.ScopeType):
        context.report("BCP036", scope, f"{kind} is no scope")
    elif not resource.existing and (
        kind.kind != context.scope or (isinstance(scope, s.Call) and scope.arguments)
    ):
        context.report("BCP139", scope, "a resource of another scope is deployed by a module")


def _check_depends_on(context: Context, declared: s.Deployed, local: Mapping[str, t.Type]) -> None:
    """dependsOn lists symbolic names (BCP034, 036), each once."""
    value = declared.body.get("dependsOn")
    if value is None:
        return
    if not isinstance(value, s.Array):
        context.report("BCP034", value, "dependsOn is a written-out array")
        return
    seen: set[str] = set()
    for item in value.items:
        kind = context.inference.of(item, local)
        whole = isinstance(kind, t.ArrayType) and kind.loop
        if not isinstance(kind, t.ResourceType | t.ModuleType) and not whole:
            context.report("BCP034", item, f"dependsOn lists resources and modules, not {kind}")
        if isinstance(item, s.Name):
            if item.name in seen or item.name == declared.name:
                context.report("BCP080", item, f"dependsOn names {item.name!r} twice, or itself")
            seen.add(item.name)


def check_module_scope(context: Context) -> None:
    """A module is deployed at the scope that its file is written for (BCP113 to 116, 134)."""
    for module, local in context.deployed():
        if not isinstance(module, s.Module):
            continue
        _check_depends_on(context, module, local)
        target = context.symbols.interface(module)
        if target is None:
            continue
        wanted = target_scope(target.file)
        scope = module.body.get("scope")
        if scope is None:
            if wanted != context.scope:
                context.report("BCP134", module, f"{module.path} is written for the scope {wanted}")
            continue
        kind = context.inference.of(scope, local)
        found = kind.kind if isinstance(kind, t.ScopeType) else ""
        if isinstance(kind, t.ResourceType) and kind.name.lower().startswith(_RESOURCE_GROUP):
            found = "resourceGroup"
        elif isinstance(kind, t.UnionType) and all(isinstance(m, t.ScopeType) for m in kind.members):
            found = "undecidable"  # BCP420: a scope's kind is fixed when the file is compiled
        if found != wanted:
            context.report("BCP134", scope, f"{module.path} is written for {wanted}, not for {found or kind}")
        if context.scope == "resourceGroup" and found not in {"resourceGroup", "subscription", "tenant"}:
            context.report("BCP116", scope, f"{kind} is no scope for a module of a resource group")


def check_scope_functions(context: Context) -> None:
    """resourceGroup() without a name means the group of the deployment: there is none at other scopes."""
    if context.scope == "resourceGroup":
        return
    for node in context.file.walk():
        if isinstance(node, s.Call) and node.name == "resourceGroup" and not node.arguments:
            context.report("BCP115", node, f"resourceGroup() has no meaning at the scope {context.scope}")


def check_batch_size(context: Context) -> None:
    """@batchSize stands on loops only (BCP155) and is at least 1 (BCP154)."""
    for declared, _ in context.deployed():
        decorator = declared.decorator("batchSize")
        if decorator is None:
            continue
        if declared.loop is None:
            context.report("BCP155", decorator, "@batchSize stands on a loop")
        argument = decorator.arguments[0] if decorator.arguments else None
        if isinstance(argument, s.Number) and argument.value < 1:
            context.report("BCP154", decorator, "@batchSize is at least 1")
