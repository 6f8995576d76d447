"""The checks can fail: of more than 500 faults, put one at a time into the tree, 95 in 100 are caught."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from infra.mutations import Mutant, chosen
from infra.suite import findings, first_finding

if TYPE_CHECKING:
    from pathlib import Path

    from infra.bicep.project import Project
    from infra.bicep.published import Published

OF_EACH_KIND = 12


class Outcome:
    """What became of the faults."""

    def __init__(self, project: Project, faults: list[Mutant]) -> None:
        known = frozenset((finding.rule, finding.message) for finding in findings(project))
        self.made = Counter(fault.kind for fault in faults)
        self.survivors = [
            fault for fault in faults if not first_finding(project.with_text(fault.path, fault.text), known)
        ]

    def report(self) -> str:
        lost = Counter(fault.kind for fault in self.survivors)
        rows = [f"{kind:26}{made:6}{made - lost[kind]:8}" for kind, made in sorted(self.made.items())]
        total, caught = self.made.total(), self.made.total() - lost.total()
        head = [f"{'fault':26}{'made':>6}{'caught':>8}"]
        return "\n".join(
            [*head, *rows, f"{'all':26}{total:6}{caught:8}", "survivors:", *map(str, self.survivors)]
        )


@pytest.fixture(scope="session")
def outcome(project: Project, types: Published) -> Outcome:
    assert types
    return Outcome(project, chosen(project, OF_EACH_KIND))


def test_faults_are_caught(outcome: Outcome, tmp_path_factory: pytest.TempPathFactory) -> None:
    report: Path = tmp_path_factory.mktemp("infra") / "mutations.txt"
    report.write_text(outcome.report(), encoding="utf-8")
    print(outcome.report())  # noqa: T201  shown by `pytest -rP`
    assert outcome.made.total() >= 500
    assert len(outcome.survivors) <= 0.05 * outcome.made.total(), outcome.report()


def test_no_kind_of_fault_escapes(outcome: Outcome) -> None:
    """A kind of which half survives is a hole, however good the sum is."""
    lost = Counter(fault.kind for fault in outcome.survivors)
    assert {kind: lost[kind] for kind, made in outcome.made.items() if lost[kind] * 2 > made} == {}
