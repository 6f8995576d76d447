"""A copy of the working tree, as a clone would have it, with the environment of this one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def copy_tree(target: Path, *, environment: bool = True) -> Path:
    """Copies the files that git has or would add. `environment` links .venv, so that nothing is installed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    if environment:
        (target / ".venv").symlink_to(ROOT / ".venv")
    return target
