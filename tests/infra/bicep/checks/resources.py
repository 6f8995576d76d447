"""Resources and modules against what is published and declared: the properties and their values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.bicep import syntax as s
from infra.bicep import types as t

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.bicep.checks.context import Context

# What stands beside a resource's own properties. `placement` checks the values.
AROUND = ("parent", "scope", "dependsOn")
_IDENTITY = ("name", "parent", "scope")


def check_resources(context: Context) -> None:
    """Every resource fits the published type of exactly its API version (BCP035, 036, 037, 073, 081 …)."""
    for declaration, local in context.deployed():
        if not isinstance(declaration, s.Resource):
            continue
        if declaration.condition is not None:
            context.inference.expect(
                context.inference.of(declaration.condition, local), t.BOOL, declaration.condition, "BCP046"
            )
        _check_body(context, declaration, local)


def _check_body(context: Context, resource: s.Resource, local: Mapping[str, t.Type]) -> None:
    body = resource.body
    for key in AROUND:
        value = body.get(key)
        if value is not None:
            context.inference.of(value, local)
    kept = tuple(p for p in body.properties if p.key.literal not in AROUND)
    own = s.Object(body.span, kept, body.nested)
    if body.get("name") is None:
        context.report("BCP035", resource, f"{resource.name} has no name")
    if resource.existing:
        for item in kept:
            if item.key.literal != "name":
                context.report("BCP173", item, f"an existing resource has no {item.key.literal!r}")
    name = context.symbols.resource_type(resource)
    published = context.types.get(name)
    if published is None:
        if context.types:
            known = context.types.versions(name.split("@")[0])
            context.report("BCP081", resource, f"{name} is not published; known versions: {known}")
        context.inference.of(own, local)
    elif resource.existing:
        context.inference.of(own, local)
    else:
        context.fits(own, published.body, name.split("@")[0].rsplit("/", 1)[1], local)


def check_modules(context: Context) -> None:
    """Every module exists and gets its parameters: names, types, the required ones (BCP035 to 037, 091)."""
    for module, local in context.deployed():
        if not isinstance(module, s.Module):
            continue
        wanted = context.symbols.module_parameters(module)
        if wanted is None:
            context.report("BCP091", module, f"there is no file {module.path}")
            continue
        if module.condition is not None:
            context.inference.expect(
                context.inference.of(module.condition, local), t.BOOL, module.condition, "BCP046"
            )
        kinds = {"name": t.StringType(1, 64), "scope": t.ANY, "params": wanted, "dependsOn": t.ARRAY}
        for item in module.body.properties:
            kind = kinds.get(item.key.literal or "")
            if kind is None:
                context.report("BCP037", item, f"a module has no {item.key.literal!r}")
                continue
            context.fits(item.value, kind, f"{module.name}.{item.key.literal}", local)
        if module.body.get("params") is None and any(slot.required for slot in wanted.slots.values()):
            context.report("BCP035", module, f"{module.name} gets no params, and {module.path} asks for some")


def check_one_version(context: Context) -> None:
    """API versions agree: one version of a resource type in the whole tree."""
    here = {context.symbols.resource_type(r): r for r in context.symbols.resources()}
    versions: dict[str, set[str]] = {}
    for file in context.project.files.values():
        for node in file.walk():
            if isinstance(node, s.Resource) and "@" in node.type_text:
                kind, version = node.type_text.split("@", 1)
                versions.setdefault(kind.lower(), set()).add(version)
    for name, resource in here.items():
        found = versions.get(name.split("@")[0].lower(), set())
        if len(found) > 1:
            context.report("api-version", resource, f"{name} is used at the versions {sorted(found)}")
