"""All of the compiler's rules over all files."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from infra.bicep import syntax as s
from infra.bicep.checks import declarations, placement, resources, start
from infra.bicep.checks.context import Context
from infra.bicep.functions import path_beside
from infra.bicep.outline import from_tree_sitter
from infra.bicep.outline_of import outline_of
from infra.bicep.project import MAIN, Finding, Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECKS: tuple[Callable[[Context], None], ...] = (
    declarations.check_names,
    declarations.check_decorators,
    declarations.check_params,
    declarations.check_variables_and_outputs,
    declarations.check_default_only_functions,
    declarations.check_everything_is_used,
    declarations.check_described,
    declarations.check_module_outputs_are_used,
    resources.check_resources,
    resources.check_modules,
    resources.check_one_version,
    placement.check_resource_placement,
    placement.check_module_scope,
    placement.check_scope_functions,
    placement.check_batch_size,
    start.check_known_at_start,
    start.check_secure_values,
    start.check_names_of_secrets,
)

# What may be silenced: the service takes a property that the published type does not have yet.
SUPPRESSIBLE = {("infra/modules/function-app.bicep", "BCP037")}


@lru_cache(maxsize=64)
def second_opinion(file: s.File) -> tuple[Finding, ...]:
    """Where the two parsers differ on a file."""
    try:
        second = from_tree_sitter(file.path, file.text)
    except s.BicepError as error:
        return (Finding("syntax", error.file, error.line, error.message),)
    first = outline_of(file)
    if first == second:
        return ()
    pairs = zip(first, second, file.declarations, strict=False)
    line = next((d.span.line for a, b, d in pairs if a != b), 1)
    return (Finding("syntax", file.path, line, "the two parsers read this declaration differently"),)


_CHECKED: dict[object, list[Finding]] = {}


def check_file(project: Project, file: s.File) -> list[Finding]:
    """Everything that the compiler's rules say of one file, less what the file suppresses.

    It follows from the file, the modules that it names and the versions in use, so it is found once for them.
    """
    named = [path_beside(file.path, m.path) for m in project.modules(file.path).values()]
    targets = tuple(project.files.get(path) for path in named)
    key = (file, targets, tuple(sorted(types_in_use(project))))
    if key not in _CHECKED:
        if len(_CHECKED) >= 64:
            _CHECKED.clear()
        _CHECKED[key] = _check_file(project, file)
    return _CHECKED[key]


def types_in_use(project: Project) -> set[str]:
    """Every resource type with its version that the tree names."""
    return set().union(*(_types_of(file) for file in project.files.values()))


@lru_cache(maxsize=64)
def _types_of(file: s.File) -> frozenset[str]:
    return frozenset(node.type_text for node in file.walk() if isinstance(node, s.Resource))


def _check_file(project: Project, file: s.File) -> list[Finding]:
    context = Context(project, file)
    for check in CHECKS:
        check(context)
    return [*second_opinion(file), *_not_suppressed(context)]


def _not_suppressed(context: Context) -> Iterator[Finding]:
    path, suppressed = context.file.path, set[Finding]()
    for suppression in context.file.suppressions:
        for code in suppression.codes or ("",):
            hidden = {f for f in context.findings if f.rule == code and f.line == suppression.line + 1}
            suppressed |= hidden
            if (path, code) not in SUPPRESSIBLE:
                yield Finding("suppression", path, suppression.line, f"{code!r} may not be suppressed here")
            elif not hidden and context.types:
                yield Finding("suppression", path, suppression.line, f"there is no {code} on the next line")
    yield from (finding for finding in context.findings if finding not in suppressed)


def check_all(project: Project) -> Iterator[Finding]:
    """The findings of every file; and every file is one that main.bicep reaches."""
    for file in project.files.values():
        yield from check_file(project, file)
    reached, open_paths = {MAIN}, [MAIN]
    while open_paths:
        path = open_paths.pop()
        for module in project.modules(path).values():
            target = path_beside(path, module.path)
            if target in project.files and target not in reached:
                reached.add(target)
                open_paths.append(target)
    for path in project.files.keys() - reached:
        yield Finding("unused", path, 1, "main.bicep does not reach this file")
