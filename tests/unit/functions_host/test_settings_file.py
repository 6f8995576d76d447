from pathlib import Path

import pytest

from functions_host import FunctionsHostError, local_settings
from functions_host.settings_file import route_prefix


def write(directory: Path, text: str) -> None:
    (directory / "local.settings.json").write_text(text)


def test_values_are_overlaid_by_the_environment(tmp_path: Path) -> None:
    write(
        tmp_path,
        """\ufeff{
  // a comment, "quoted"
  "IsEncrypted": false, /* another
  */
  "Values": {"A": "file", "B": "file", "C": "http://x//y,}", "T": true, "I": 3, "F": 1.0, "N": null,
             "Empty": "",},
}""",
    )
    environment = {"A": "environment", "B": "", "X": "1"}
    assert local_settings(tmp_path, environment) == {
        "A": "environment",
        "B": "file",
        "C": "http://x//y,}",
        "T": "True",
        "I": "3",
        "F": "1",
        "Empty": "",
        "X": "1",
    }
    assert environment == {"A": "environment", "B": "", "X": "1"}


def test_no_file_is_no_error(tmp_path: Path) -> None:
    assert local_settings(tmp_path, {"A": "1"}) == {"A": "1"}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('{\n // comment\n "Values": {"A" 1}\n}', "line 3, column 17"),
        ("[]", "JSON object"),
        ('{"Values": []}', "`Values`"),
        ('{"Values": {"A": {}}}', "`A`"),
        ('{"IsEncrypted": true}', "encrypted"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, text: str, part: str) -> None:
    write(tmp_path, text)
    with pytest.raises(FunctionsHostError) as raised:
        local_settings(tmp_path, {})
    assert str(tmp_path / "local.settings.json") in str(raised.value)
    assert part in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", "api"),
        ('{"extensions": {"http": {"routePrefix": ""}}}', ""),
        ('{"extensions": {"http": {"routePrefix": "/v1/x/"}}}', "v1/x"),
    ],
)
def test_route_prefix(tmp_path: Path, text: str, expected: str) -> None:
    assert route_prefix(tmp_path) == "api"
    (tmp_path / "host.json").write_text(text)
    assert route_prefix(tmp_path) == expected
