"""What the tests of the infrastructure share, and what a check that cannot run does."""

from __future__ import annotations

import os
import shutil

import pytest

from infra.bicep import published
from infra.bicep.project import Project
from infra.evidence import Evidence


@pytest.fixture(scope="session")
def project() -> Project:
    return Project()


@pytest.fixture(scope="session")
def evidence(project: Project) -> Evidence:
    return Evidence(project)


def cannot_run(reason: str) -> None:
    """Skip, with the reason. Under CI=true nothing is skipped: a check that cannot run has failed."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and under CI every check must run")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def compiler() -> str:
    """The real Bicep compiler. Under CI it may be absent only where the published types are at hand."""
    path = shutil.which("bicep")
    if path is None:
        reason = "there is no bicep on the PATH"
        if published.available():
            pytest.skip(f"{reason}; the published types stand in for it")
        cannot_run(reason)
    return str(path)


@pytest.fixture(scope="session")
def types() -> published.Published:
    """The published resource types. Where they are absent the real compiler takes their place."""
    if not published.available():
        reason = "the published resource types are absent (BICEP_TYPES, or ../shared/azure-schemas)"
        if shutil.which("bicep") is not None:
            pytest.skip(f"{reason}; the compiler's own test takes their place")
        cannot_run(reason)
    return published.published()
