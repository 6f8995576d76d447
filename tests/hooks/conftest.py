"""The hooks as azd runs them: processes in the folder of the scripts, with azd's values in the environment.

`azd` and `az` are stand-ins on the PATH, Azure Resource Manager is a stand-in on a loopback socket. Whatever
a test does, no secret may be in what a hook prints, what it hands to a command, or a file that it writes.
"""

from __future__ import annotations

import asyncio
import compileall
import importlib
import json
import os
import shutil
import sys
from collections import defaultdict
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from azure_simulator import Simulator
from support.app import App, Apps
from support.checkout import ROOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path
    from types import ModuleType

TOKEN = "token-of-azd-6f1c"
MASTER_KEY = "master-key-91d0"
FUNCTION_KEY = "function-key-3b7a"
SECRETS = (TOKEN, MASTER_KEY, FUNCTION_KEY)

SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-demo"

type Reply = tuple[int, Any] | Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Call:
    """One request to Azure Resource Manager."""

    method: str
    path: str
    query: dict[str, str]


@dataclass
class Arm:
    """Azure Resource Manager: what a test has put there, and 404 for the rest. Paths differ not by case."""

    url: str = ""
    calls: list[Call] = field(default_factory=list[Call])
    _replies: dict[tuple[str, str], list[Reply]] = field(default_factory=lambda: defaultdict(list))

    def on(self, method: str, path: str, *replies: Reply | dict[str, Any]) -> None:
        """The answers to this request, in order; the last one stays."""
        self._replies[method, path.lower()] = [
            (200, reply) if isinstance(reply, dict) else reply for reply in replies
        ]

    def called(self, method: str, path: str) -> int:
        return sum(call.method == method and call.path.lower() == path.lower() for call in self.calls)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.calls.append(Call(request.method, request.path, dict(request.query)))
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return refusal(401, "AuthenticationFailed")
        if "api-version" not in request.query:
            return refusal(400, "MissingApiVersionParameter")
        replies = self._replies[request.method, request.path.lower()]
        if not replies:
            return refusal(404, "ResourceNotFound")
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if callable(reply):
            return await reply(request)
        status, document = reply
        return web.json_response(document, status=status)


def refusal(status: int, code: str, message: str = "It is not to be.") -> web.Response:
    return web.json_response(arm_error(code, message), status=status)


def arm_error(code: str, message: str = "It is not to be.") -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


class Servers:
    """Local HTTP servers that live as long as the test."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    async def start(self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> str:
        """Serves every path with the handler. Returns the address."""

        async def handle(request: web.Request) -> web.StreamResponse:
            return await handler(request)

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        self._stack.push_async_callback(_stop, runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{site.port}"


async def _stop(runner: web.AppRunner) -> None:
    for connection in runner.server.connections if runner.server else []:
        if connection.transport is not None:
            connection.transport.abort()
    await runner.cleanup()


@dataclass
class Outcome:
    """How a hook ended, and what it printed."""

    code: int
    output: str

    @property
    def lines(self) -> list[str]:
        return self.output.splitlines()

    @property
    def error(self) -> str:
        """The one line of a hook that failed."""
        assert self.code == 1, self.output
        assert "Traceback" not in self.output
        (line,) = (line for line in self.lines if line.startswith("ERROR: "))
        assert line == self.lines[-1]
        return line.removeprefix("ERROR: ")


@dataclass
class Hooks:
    """A project folder in which azd would run hooks."""

    project: Path
    tools: Path
    environment: dict[str, str]

    async def run(self, name: str, **environment: str) -> Outcome:
        """Runs a hook to its end."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            f"{name}.py",
            cwd=self.project / "scripts/azd",
            env=self.environment | environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        outcome = Outcome(process.returncode or 0, output.decode())
        self._assert_no_secret(outcome)
        return outcome

    @property
    def commands(self) -> list[list[str]]:
        """The command lines of `azd` and `az` that were run."""
        record = self.tools / "record"
        return [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []

    @property
    def local_settings(self) -> Path:
        return self.project / "src/local.settings.json"

    def _assert_no_secret(self, outcome: Outcome) -> None:
        written = [path.read_text(errors="replace") for path in self.project.rglob("*") if path.is_file()]
        for secret in SECRETS:
            assert secret not in outcome.output
            assert secret not in str(self.commands)
            assert not any(secret in text for text in written)


def write_tool(path: Path, body: str) -> None:
    """A command that records how it was called."""
    path.write_text(
        f"#!{sys.executable} -IS\n"  # nothing but the standard library: it starts quickly
        "import json, pathlib, sys\n"
        "with (pathlib.Path(__file__).parent / 'record').open('a') as record:\n"
        "    record.write(json.dumps([pathlib.Path(__file__).name, *sys.argv[1:]]) + '\\n')\n"
        f"{body}\n"
    )
    path.chmod(0o755)


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    async with AsyncExitStack() as stack:
        yield Servers(stack)


@pytest.fixture
async def arm(servers: Servers) -> Arm:
    arm = Arm()
    arm.url = await servers.start(arm.answer)
    return arm


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The part of the project that hooks read, compiled once."""
    project = tmp_path_factory.mktemp("template")
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*_env")
    shutil.copytree(ROOT / "scripts/azd", project / "scripts/azd", ignore=ignored)
    compileall.compile_dir(project / "scripts/azd", quiet=1)
    for name in ("infra/main.parameters.json", "src/local.settings.json.example"):
        (project / name).parent.mkdir()
        shutil.copy(ROOT / name, project / name)
    return project


@pytest.fixture
def hooks(tmp_path: Path, template: Path, arm: Arm) -> Hooks:
    project, tools = tmp_path / "project", tmp_path / "tools"
    shutil.copytree(template, project)
    tools.mkdir()
    write_tool(tools / "azd", f"print(json.dumps({{'token': {TOKEN!r}, 'expiresOn': '2030-01-01'}}))")
    write_tool(tools / "az", "sys.exit('az is not asked for anything')")
    environment = {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
        "AZURE_ENV_NAME": "demo",
        "AZURE_LOCATION": "swedencentral",
        "HOOK_ARM_ENDPOINT": arm.url,
        "HOOK_RETRY_DELAY": "0.01",
    }
    return Hooks(project, tools, environment)


@pytest.fixture
def hook_module(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports a module of the hooks."""
    monkeypatch.syspath_prepend(ROOT / "scripts/azd")
    return importlib.import_module


@pytest.fixture(scope="session")
async def apps() -> AsyncIterator[Apps]:
    """Apps against a simulator that writes as a model does, only faster."""
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator(pace=0.006, record=False))
        yield Apps(stack, simulator)


@pytest.fixture(scope="session")
async def app(apps: Apps) -> App:
    return await apps.start()
