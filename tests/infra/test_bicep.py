"""Every .bicep file: both parsers, and the compiler's rules."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from infra.bicep import syntax as s
from infra.bicep.checks.compiler import CHECKS, check_all, second_opinion
from infra.bicep.checks.context import Context
from infra.bicep.project import MAIN, Project

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.bicep.published import Published

PATHS = Project().bicep_paths


@pytest.mark.parametrize("path", PATHS)
def test_two_parsers_read_the_same(project: Project, path: str) -> None:
    assert project.files[path].declarations
    assert [*second_opinion(project.files[path])] == []


def test_no_rule_of_the_compiler_is_broken(project: Project) -> None:
    """Without the published types this says nothing of the resources' own properties: the next one does."""
    assert [str(finding) for finding in check_all(project)] == []


def test_every_resource_has_the_published_type_of_its_version(project: Project, types: Published) -> None:
    resources = [r for file in project.files.values() for r in Context(project, file).symbols.resources()]
    names = [
        Context(project, f).symbols.resource_type(r) for f in project.files.values() for r in f.resources
    ]
    assert len(resources) > 20
    assert [name for name in names if types.get(name) is None] == []


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_rule(project: Project, check: Callable[[Context], None]) -> None:
    """The same, rule by rule: which one is broken stands in the test's name."""
    found: list[str] = []
    for file in project.files.values():
        context = Context(project, file)
        check(context)
        hidden = {
            (code, suppressed.line + 1) for suppressed in file.suppressions for code in suppressed.codes
        }
        found += [str(finding) for finding in context.findings if (finding.rule, finding.line) not in hidden]
    assert found == []


@pytest.mark.parametrize(
    ("text", "construct"),
    [
        ("func double(text string) string => '${text}${text}'\n", "func"),
        ("import * as shared from 'shared.bicep'\n", "import"),
        ("extension microsoftGraphV1\n", "extension"),
        ("assert always = true\n", "assert"),
        ("#disable-diagnostics BCP037\nparam a string\n", "disable"),
        ("var all = [...others]\n", "."),
        ("var a = 1 +\n  2\n", "expression"),
        ("param a string = 'b\n", "string"),
        ("resource a 'b@c' = if (true) [for x in []: {}]\n", "expected"),
        ("var a = {b: [for x in []: x], c: [[for x in []: x]]}\n", "loop"),
    ],
)
def test_what_is_not_understood_is_refused(project: Project, text: str, construct: str) -> None:
    """Refused with the file, the line and the construct: nothing passes unseen."""
    with pytest.raises(s.BicepError, match=rf"^infra/main\.bicep:\d+: .*{construct}"):
        _ = project.with_text(MAIN, text).files


def test_the_compiler_builds_and_lints(project: Project, compiler: str) -> None:
    for command in ("build", "lint"):
        arguments = [compiler, command, str(project.root / MAIN)]
        arguments += ["--stdout"] if command == "build" else []
        run = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
        assert run.returncode == 0, run.stderr
        assert "Warning" not in run.stderr
