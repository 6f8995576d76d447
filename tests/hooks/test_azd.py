"""What the hooks share: sign-in, calls to Azure Resource Manager, and that they run with any Python."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from support.checkout import ROOT

from .conftest import SUBSCRIPTION, Arm, Hooks, Servers, arm_error, write_tool

if TYPE_CHECKING:
    from collections.abc import Callable

LISTED = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignments"
IDENTITY = {"AZURE_IDENTITY_PRINCIPAL_ID": "principal-1", "HOOK_ROLE_PROPAGATION": "0.1"}
SCRIPTS = sorted((ROOT / "scripts/azd").glob("*.py"))


@pytest.mark.parametrize(
    "answer", ["sys.exit('not signed in')", "print('no JSON')", "print('{}')", "print('[]')"]
)
async def test_nobody_is_signed_in(hooks: Hooks, answer: str) -> None:
    write_tool(hooks.tools / "azd", answer)
    error = (await hooks.run("predeploy", **IDENTITY)).error
    assert error == "azd gave no token for Azure. Sign in with `azd auth login`, then try again."


async def test_azd_is_not_on_the_path(hooks: Hooks) -> None:
    assert (await hooks.run("predeploy", **IDENTITY, PATH="")).error.startswith(
        "azd was not found on the PATH"
    )


@pytest.mark.parametrize(
    "endpoint",
    ["http://management.example", "http://127.0.0.1.example", "ftp://127.0.0.1", "//", "http://[::"],
)
async def test_a_token_goes_out_over_https_only(hooks: Hooks, endpoint: str) -> None:
    error = (await hooks.run("predeploy", **IDENTITY, HOOK_ARM_ENDPOINT=endpoint)).error
    assert error.startswith("HOOK_ARM_ENDPOINT ")
    assert hooks.commands == []  # none was even asked for


async def test_a_redirect_does_not_get_the_token(hooks: Hooks, arm: Arm, servers: Servers) -> None:
    asked: list[str] = []

    async def thief(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response()

    elsewhere = await servers.start(thief)

    async def redirect(_: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(elsewhere)

    arm.on("GET", LISTED, redirect)
    assert "Azure Resource Manager answered 307." in (await hooks.run("predeploy", **IDENTITY)).output
    assert asked == []


async def test_what_may_pass_is_tried_again(hooks: Hooks, arm: Arm) -> None:
    arm.on("GET", LISTED, (429, arm_error("TooManyRequests")), (503, {}), {"value": []})
    assert (await hooks.run("predeploy", **IDENTITY)).code == 0
    assert arm.called("GET", LISTED) == 3


async def test_what_does_not_pass_is_one_line(hooks: Hooks, arm: Arm) -> None:
    arm.on("GET", LISTED, (500, arm_error("InternalServerError")))
    assert "Azure Resource Manager answered 500" in (await hooks.run("predeploy", **IDENTITY)).output
    assert arm.called("GET", LISTED) == 4


async def test_azure_cannot_be_reached(hooks: Hooks) -> None:
    outcome = await hooks.run("predeploy", **IDENTITY, HOOK_ARM_ENDPOINT="http://127.0.0.1:1")
    assert "127.0.0.1 could not be reached: " in outcome.output


async def test_an_answer_that_no_hook_knows_is_one_line(hooks: Hooks, arm: Arm) -> None:
    arm.on("GET", LISTED, {"items": []})
    assert (await hooks.run("predeploy", **IDENTITY)).error == (
        "Azure gave an answer that predeploy does not know (KeyError). HOOK_SKIP=predeploy goes on without."
    )
    assert "Traceback" in (await hooks.run("predeploy", **IDENTITY, HOOK_TRACEBACK="1")).output


async def test_a_hook_can_be_skipped(hooks: Hooks, arm: Arm) -> None:
    outcome = await hooks.run("predeploy", HOOK_SKIP="postdeploy,predeploy")
    assert (outcome.code, outcome.lines) == (0, ["predeploy is skipped, as HOOK_SKIP says."])
    assert arm.calls == []


@pytest.mark.parametrize("seconds", ["-1", "soon", "inf", "nan"])
async def test_a_duration_that_is_none(hooks: Hooks, seconds: str) -> None:
    error = (await hooks.run("predeploy", **IDENTITY | {"HOOK_ROLE_PROPAGATION": seconds})).error
    assert error == f"HOOK_ROLE_PROPAGATION is '{seconds}': it must be a number of seconds."


def test_values_are_filled_in_as_azd_does(
    hook_module: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIVEN", "given")
    monkeypatch.setenv("EMPTY", "")
    expand = hook_module("azd").expand
    assert expand("${GIVEN=default}-${EMPTY=default}-${ABSENT=[]}-${ABSENT}") == "given-default-[]-"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_the_hooks_need_nothing_but_python_3_10(script: Any) -> None:
    tree = ast.parse(script.read_text(), feature_version=(3, 10))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= {*sys.stdlib_module_names, *(path.stem for path in SCRIPTS)}


def test_the_hooks_load_in_every_python_that_is_here() -> None:
    modules = ", ".join(path.stem for path in SCRIPTS)
    for version in ("3.10", "3.11", "3.12", "3.13", "3.14"):
        if (python := shutil.which(f"python{version}")) and _works(python):
            subprocess.run([python, "-B", "-c", f"import {modules}"], cwd=ROOT / "scripts/azd", check=True)


def _works(python: str) -> bool:
    """A version manager's stand-in for a version that is not installed fails."""
    return subprocess.run([python, "--version"], capture_output=True, check=False).returncode == 0


def test_azd_installs_nothing_for_them() -> None:
    lines = (ROOT / "scripts/azd/requirements.txt").read_text().splitlines()
    assert all(line.startswith("#") for line in lines)
