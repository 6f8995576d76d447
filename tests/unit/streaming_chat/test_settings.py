"""Settings: what is accepted, and the one line about what is not."""

from __future__ import annotations

import json

import pytest

from streaming_chat.settings import Settings, SettingsError
from support.checkout import ROOT

GOOD = {"AZURE_OPENAI_ENDPOINT": "https://name.openai.azure.com", "AZURE_OPENAI_DEPLOYMENT": "chat"}


def test_defaults() -> None:
    settings = Settings.from_environment(GOOD)
    assert settings.stream_delivery == "streamed"
    assert settings.azure_openai_authentication == "entra_id"
    assert (settings.stream_connect_timeout, settings.stream_total_timeout) == (5, 220)


def test_values_come_from_the_environment_and_empty_ones_count_as_unset() -> None:
    settings = Settings.from_environment(
        {
            **GOOD,
            "STREAM_IDLE_TIMEOUT": "2.5",
            "STREAM_DELIVERY": "buffered",
            "STREAM_HOLD_BACK": " ",
            "PATH": "x",
        }
    )
    assert (settings.stream_idle_timeout, settings.stream_delivery) == (2.5, "buffered")
    assert settings.stream_hold_back == 10


@pytest.mark.parametrize(
    ("endpoint", "base_url"),
    [
        ("https://name.openai.azure.com", "https://name.openai.azure.com/openai/v1/"),
        (" https://name.openai.azure.com\t", "https://name.openai.azure.com/openai/v1/"),
        ("https://name.openai.azure.com/", "https://name.openai.azure.com/openai/v1/"),
        ("https://name.openai.azure.com/openai/v1/", "https://name.openai.azure.com/openai/v1/"),
        ("http://localhost:11434/v1", "http://localhost:11434/v1/"),
        ("http://127.0.0.1:7072", "http://127.0.0.1:7072/openai/v1/"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1/"),
    ],
)
def test_base_url(endpoint: str, base_url: str) -> None:
    assert Settings.from_environment({**GOOD, "AZURE_OPENAI_ENDPOINT": endpoint}).base_url == base_url


@pytest.mark.parametrize(
    ("change", "setting", "message"),
    [
        ({"AZURE_OPENAI_ENDPOINT": ""}, "AZURE_OPENAI_ENDPOINT", "is not set"),
        ({"AZURE_OPENAI_DEPLOYMENT": ""}, "AZURE_OPENAI_DEPLOYMENT", "is not set"),
        ({"AZURE_OPENAI_ENDPOINT": "name.openai.azure.com"}, "AZURE_OPENAI_ENDPOINT", "is not a URL"),
        (
            {"AZURE_OPENAI_ENDPOINT": "http://name.openai.azure.com"},
            "AZURE_OPENAI_ENDPOINT",
            "must use https",
        ),
        ({"AZURE_OPENAI_ENDPOINT": "http://localhost.evil.com"}, "AZURE_OPENAI_ENDPOINT", "must use https"),
        ({"AZURE_OPENAI_ENDPOINT": "https://user@x.com"}, "AZURE_OPENAI_ENDPOINT", "credentials"),
        ({"AZURE_OPENAI_ENDPOINT": "https://x.com?key=secret"}, "AZURE_OPENAI_ENDPOINT", "query"),
        ({"AZURE_OPENAI_ENDPOINT": "https://a b.openai.azure.com"}, "AZURE_OPENAI_ENDPOINT", "is not a URL"),
        ({"AZURE_OPENAI_ENDPOINT": "https://x.com/\x00"}, "AZURE_OPENAI_ENDPOINT", "is not a URL"),
        ({"AZURE_OPENAI_ENDPOINT": "https://x.com:port"}, "AZURE_OPENAI_ENDPOINT", "is not a URL"),
        ({"AZURE_OPENAI_AUTHENTICATION": "none"}, "AZURE_OPENAI_AUTHENTICATION", "on this machine"),
        ({"AZURE_OPENAI_AUTHENTICATION": "key"}, "AZURE_OPENAI_AUTHENTICATION", "entra_id"),
        ({"STREAM_DELIVERY": "fast"}, "STREAM_DELIVERY", "streamed"),
        ({"STREAM_IDLE_TIMEOUT": "-1"}, "STREAM_IDLE_TIMEOUT", "greater than 0"),
        ({"STREAM_IDLE_TIMEOUT": "soon"}, "STREAM_IDLE_TIMEOUT", "number"),
        ({"STREAM_IDLE_TIMEOUT": "nan"}, "STREAM_IDLE_TIMEOUT", "finite"),
        ({"STREAM_IDLE_TIMEOUT": "300"}, "STREAM_IDLE_TIMEOUT", "STREAM_TOTAL_TIMEOUT (220)"),
        ({"STREAM_CONNECT_TIMEOUT": "221"}, "STREAM_CONNECT_TIMEOUT", "STREAM_TOTAL_TIMEOUT (220)"),
        ({"STREAM_FIRST_TOKEN_TIMEOUT": "221"}, "STREAM_FIRST_TOKEN_TIMEOUT", "STREAM_TOTAL_TIMEOUT (220)"),
        ({"STREAM_HEARTBEAT_INTERVAL": "221"}, "STREAM_HEARTBEAT_INTERVAL", "STREAM_TOTAL_TIMEOUT (220)"),
        ({"STREAM_HOLD_BACK": "221"}, "STREAM_HOLD_BACK", "STREAM_TOTAL_TIMEOUT (220)"),
        ({"STREAM_TOTAL_TIMEOUT": "291"}, "STREAM_TOTAL_TIMEOUT", "less than or equal to 290"),
        ({"STREAM_MAX_CONCURRENT": "0"}, "STREAM_MAX_CONCURRENT", "greater than or equal to 1"),
        ({"STREAM_MAX_RETRIES": "1.5"}, "STREAM_MAX_RETRIES", "integer"),
    ],
)
def test_what_cannot_be_used_is_one_line_that_names_it(
    change: dict[str, str], setting: str, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({**GOOD, **change})
    assert caught.value.setting == setting
    line = str(caught.value)
    assert line.startswith(f"{setting} ")
    assert message in line
    assert "\n" not in line
    assert "secret" not in line


def test_no_token_is_asked_for_on_this_machine_only() -> None:
    settings = Settings.from_environment(
        {
            **GOOD,
            "AZURE_OPENAI_ENDPOINT": "http://localhost:11434/v1",
            "AZURE_OPENAI_AUTHENTICATION": "none",
        }
    )
    assert settings.endpoint_is_local


def test_the_example_settings_name_every_setting() -> None:
    example = json.loads((ROOT / "src/local.settings.json.example").read_text())["Values"]
    hosts_own = {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage", "IDENTITY_ENDPOINT", "IDENTITY_HEADER"}
    assert set(example) - hosts_own == {name.upper() for name in Settings.model_fields}
    Settings.from_environment(example)


def test_the_host_gives_a_function_more_time_than_a_stream_takes() -> None:
    hours, minutes, seconds = json.loads((ROOT / "src/host.json").read_text())["functionTimeout"].split(":")
    timeout = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    with pytest.raises(SettingsError, match="STREAM_TOTAL_TIMEOUT"):
        Settings.from_environment({**GOOD, "STREAM_TOTAL_TIMEOUT": str(timeout)})


def test_every_setting_says_what_it_is_for() -> None:
    assert all(field.description for field in Settings.model_fields.values())
