"""README.md shows what is true."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from support.checkout import ROOT

if TYPE_CHECKING:
    from .conftest import Checkout

README = (ROOT / "README.md").read_text()


def test_outputs_are_those_of_the_commands(checkout: Checkout) -> None:
    command = checkout.start(sys.executable, "dev/readme.py", "--check")
    assert command.wait() == 0, "".join(command.output)


def test_the_structure_names_what_is_there() -> None:
    section = README.partition("## Project structure")[2]
    package = ROOT / "src/streaming_chat"
    shown = set(re.findall(r"^    (\w+\.py) ", section, re.MULTILINE))
    assert shown == {path.name for path in package.glob("*.py")} - {"__init__.py"}


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"\bmake (\w+)", README)) - {"all"}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_relative_links_resolve() -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert Path(ROOT / link).exists(), link
