"""`scripts/setup`: finds Python 3.13, or says in one line what to do."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Checkout

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell script")


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH without any Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("sh", "dirname", "sed", "cut", "touch"):
        found = shutil.which(tool)
        assert found
        (folder / tool).symlink_to(found)
    return str(folder)


def test_no_python_3_13_is_one_clear_line(checkout: Checkout, bare_path: str, tmp_path: Path) -> None:
    (checkout.root / ".venv").unlink()
    command = checkout.start("scripts/setup", PATH=bare_path, HOME=str(tmp_path), PYENV_ROOT=str(tmp_path))
    assert command.wait() == 1
    (line,) = command.output
    assert line.startswith("Python 3.13 was not found. Install it")
    assert "PYTHON=/path/to/python3.13" in line


def test_another_python_is_not_taken(checkout: Checkout, bare_path: str, tmp_path: Path) -> None:
    (checkout.root / ".venv").unlink()
    older = tmp_path / "bin/python3"
    older.write_text("#!/bin/sh\nexit 1\n")
    older.chmod(0o755)
    command = checkout.start("scripts/setup", PATH=bare_path, HOME=str(tmp_path), PYENV_ROOT=str(tmp_path))
    assert command.wait() == 1
    assert command.output[0].startswith("Python 3.13 was not found")


@pytest.mark.parametrize("where", ["PYTHON", "pyenv", "PATH"])
def test_python_3_13_is_found(checkout: Checkout, bare_path: str, tmp_path: Path, where: str) -> None:
    """Up to the making of the environment, which this Python is made to refuse."""
    (checkout.root / ".venv").unlink()
    fake = {"PYTHON": "anywhere", "pyenv": "versions/3.13.5/bin/python", "PATH": "bin/python3.13"}[where]
    python = tmp_path / fake
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text(
        "#!/bin/sh\n"
        'case "$1" in -c) exit 0;; --version) echo Python 3.13.5;; *) echo "ran $*"; exit 7;; esac\n'
    )
    python.chmod(0o755)
    environment = {"PATH": bare_path, "HOME": str(tmp_path), "PYENV_ROOT": str(tmp_path)}
    if where == "PYTHON":
        environment["PYTHON"] = str(python)
    command = checkout.start("scripts/setup", **environment)
    assert command.wait() == 7
    assert command.output == ["Making .venv with Python 3.13.5 ...\n", "ran -m venv --clear .venv\n"]
