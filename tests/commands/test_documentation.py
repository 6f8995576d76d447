"""The documentation shows what is true."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from support.checkout import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Checkout

README = (ROOT / "README.md").read_text()


def test_outputs_are_those_of_the_commands(checkout: Checkout) -> None:
    command = checkout.start(sys.executable, "dev/docs.py", "--check")
    assert command.wait() == 0, "".join(command.output)


def test_the_structure_names_what_is_there() -> None:
    section = README.partition("## Project structure")[2]
    package = ROOT / "src/streaming_chat"
    shown = set(re.findall(r"^    (\w+\.py) ", section, re.MULTILINE))
    assert shown == {path.name for path in package.glob("*.py")} - {"__init__.py"}


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"\bmake (\w+)", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/**/*.md")])


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_and_anchors_resolve(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", page.read_text()):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_no_key_in_prose() -> None:
    """What detect-secrets looks for is quoted; in a command or a variable it need not be."""
    key = re.compile(
        r"(?i)(?:api[-_ ]?key|functions-key|[?&]code|token)\"?\s*[:=]\s*\"?([A-Za-z0-9+/_-]{20,})"
    )
    for page in pages():
        assert not key.findall(page.read_text()), page


def anchors(page: Path) -> set[str]:
    """The headings' anchors, by GitHub's rule: lower case, no punctuation, hyphens for blanks."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
