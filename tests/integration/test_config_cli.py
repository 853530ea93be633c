"""`arbit config`: what is in force and who said so, all that is wrong at once, a first `.env`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from arbit.app.config import init as config_init
from arbit.cli.config_docs import env_first
from arbit.config import Settings, VenueSettings, load_settings
from arbit.config.rows import value_text
from tests.integration.typing_in import Run, typing_in

KEY, SECRET = "canary-key-0123456789", "canary-secret-0123456789"
FILE = f"""\
ARBIT_SCAN__LATENCY_MS=80
ARBIT_LOG_JSON=true
ARBIT_VENUES__KRAKEN__API_KEY={KEY}
ARBIT_VENUES__KRAKEN__API_SECRET={SECRET}
ARBIT_HISTORY_URL=postgresql://me:{SECRET}@host/base
"""


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    return typing_in(tmp_path, monkeypatch, capsys, {})


def said_in_file(folder: Path, text: str = FILE) -> Path:
    """A `.env` that its owner alone may read: it holds secrets."""
    path = folder / ".env"
    path.write_text(text)
    path.chmod(0o600)
    return path


def shown(typed: Run, *words: str) -> dict[str, tuple[str, str]]:
    code, out, err = typed("config", "show", "--json", *words)
    assert (code, err) == (0, "")
    told = json.loads(out)["settings"]
    return {one["key"]: (one["value"], one["source"]) for one in told}


def test_each_setting_says_where_it_comes_from(
    typed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said_in_file(tmp_path)
    monkeypatch.setenv("ARBIT_LOG_JSON", "false")
    monkeypatch.setenv("ARBIT_RISK", '{"cooldown_ms": 5}')
    found = shown(typed)
    assert found["ARBIT_SCAN__LATENCY_MS"] == ("80", ".env, line 1")
    assert found["ARBIT_LOG_JSON"] == ("false", "environment")
    assert found["ARBIT_RISK__COOLDOWN_MS"] == ("5", "environment")
    assert found["ARBIT_LOG_LEVEL"] == ("info", "default")
    assert found["ARBIT_VENUES__KRAKEN__API_KEY"] == ("***", ".env, line 3")
    assert set(shown(typed, "--changed")) == {
        *("ARBIT_SCAN__LATENCY_MS", "ARBIT_LOG_JSON", "ARBIT_RISK__COOLDOWN_MS"),
        *("ARBIT_VENUES__KRAKEN__API_KEY", "ARBIT_VENUES__KRAKEN__API_SECRET"),
        "ARBIT_HISTORY_URL",
    }


def test_a_secret_in_a_file_is_masked_and_says_that_it_is_in_one(
    typed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    path.write_text(SECRET)
    path.chmod(0o600)
    monkeypatch.setenv("ARBIT_VENUES__KRAKEN__API_SECRET_FILE", str(path))
    found = shown(typed, "--venue", "kraken", "--changed")
    assert found == {"ARBIT_VENUES__KRAKEN__API_SECRET": ("***", "environment, in a file")}


def test_every_setting_there_is_is_shown(typed: Run) -> None:
    names = set(VenueSettings.model_fields) - {"name"}
    found = shown(typed, "--venue", "alpaca")
    for field in names:
        assert f"ARBIT_VENUES__ALPACA__{field.upper()}" in found
    settings = Settings()
    for group in ("scan", "risk", "inventory", "rotation", "alerts", "log", "wallet"):
        model = getattr(settings, group)
        for field in type(model).model_fields:
            value = getattr(model, field)
            text = "***" if isinstance(value, SecretStr) else value_text(field, value)
            assert found[f"ARBIT_{group}__{field}".upper()] == (text, "default")
    assert shown(typed, "--venue", "mexc")["ARBIT_VENUES__MEXC__MAX_SYMBOLS"] == ("100", "default")


@pytest.mark.parametrize("words", [(), ("--changed",), ("--json",)])
@pytest.mark.parametrize(
    ("more", "wanted"), [("", 0), (f"ARBIT_VENUES__MEXC__REST_URL=https://me:{SECRET}@host\n", 2)]
)
def test_no_secret_is_shown_whoever_asks_how(
    typed: Run, tmp_path: Path, words: list[str], more: str, wanted: int
) -> None:
    said_in_file(tmp_path, FILE + more)
    for asked in (("show", *words), ("check",), ("check", "--json")):
        code, out, err = typed("config", *asked)
        assert code == wanted
        assert SECRET not in out + err
        assert KEY not in out + err


def test_a_setting_named_like_a_secret_is_of_a_type_that_hides_it() -> None:
    for field, info in VenueSettings.model_fields.items():
        if "key" in field or "secret" in field:
            assert info.annotation == SecretStr | None, field


def test_settings_that_are_in_order_say_so(typed: Run, tmp_path: Path) -> None:
    said_in_file(tmp_path)
    assert typed("config", "check") == (0, "the settings are in order; 5 of them were set\n", "")
    code, out, _ = typed("config", "check", "--json")
    assert (code, json.loads(out)) == (0, {"ok": True, "problems": []})


def test_everything_wrong_is_told_at_once_a_line_each(
    typed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("ARBIT_SCAN__LATENCY_MS=fast\nno line at all\nARBIT_NOPE=1\n")
    monkeypatch.setenv("ARBIT_RISK__POLICY", "reckless")
    code, out, err = typed("config", "check")
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert len(lines) == 4
    assert all(line.startswith("arbit: ") and "expected" in line for line in lines)
    for words in ("LATENCY_MS=fast", "line 2: expected KEY=value", "ARBIT_NOPE", "POLICY=reckless"):
        assert any(words in line for line in lines), words
    code, out, _ = typed("config", "check", "--json")
    assert code == 2
    assert [f"arbit: {one}" for one in json.loads(out)["problems"]] == lines
    assert typed("config", "show") == (2, "", err)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"VENUES__KRAKEN__API_KEY": KEY}, ["KRAKEN__API_SECRET", "both or neither"]),
        ({"VENUES__SANDBOX__REST_URL": "http://127.0.0.1:1"}, ["SANDBOX__WS_URL", "both or neit"]),
        ({"VENUES__ALPACA__DATA_URL": "https://host"}, ["ALPACA__REST_URL", "all four or none"]),
        ({"DEFAULT_VENUES": "nosuchvenue"}, ["ARBIT_DEFAULT_VENUES", "nosuchvenue"]),
        ({"VENUES__NOSUCHVENUE__BOOK_DEPTH": "10"}, ["ARBIT_VENUES", "nosuchvenue"]),
    ],
)
def test_what_a_command_would_complain_of_later_is_told_here(
    typed: Run, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], words: list[str]
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(f"ARBIT_{name}", value)
    code, out, err = typed("config", "check")
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    for word in words:
        assert word in line


def test_the_first_file_is_the_owner_s_alone_and_good_as_it_is(typed: Run, tmp_path: Path) -> None:
    code, out, _ = typed("config", "init")
    path = tmp_path / ".env"
    assert code == 0
    assert ".env: written" in out
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text("utf-8") == env_first()
    assert load_settings(path, {}) == Settings()
    assert [one.name for one in tmp_path.iterdir()] == [".env"]


def test_a_file_that_is_there_is_never_written_over(typed: Run, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(FILE)
    path.chmod(0o644)
    code, out, err = typed("config", "init")
    assert (code, out) == (2, "")
    assert (
        err
        == "arbit: .env: expected none; --force writes a new one and keeps the old as a backup\n"
    )
    assert path.read_text() == FILE
    for number in (1, 2):
        code, out, _ = typed("config", "init", "--force")
        assert code == 0
        assert f".env.backup-{number}: what was there before" in out
    kept = tmp_path / ".env.backup-1"
    assert kept.read_text() == FILE
    assert kept.stat().st_mode & 0o777 == 0o600
    assert path.read_text("utf-8") == env_first()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_folder_a_link_and_too_many_backups_are_left_alone(
    typed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / ".env", tmp_path / "other"
    path.mkdir()
    assert typed("config", "init", "--force")[0] == 2
    path.rmdir()
    other.write_text(FILE)
    path.symlink_to(other)
    code, _, err = typed("config", "init", "--force")
    assert (code, other.read_text()) == (2, FILE)
    assert "expected a file" in err
    path.unlink()
    path.write_text(FILE)
    monkeypatch.setattr(config_init, "MOST_BACKUPS", 1)
    assert typed("config", "init", "--force")[0] == 0
    path.write_text(FILE)
    code, _, err = typed("config", "init", "--force")
    assert (code, path.read_text()) == (2, FILE)
    assert "fewer than 1 backups" in err


def test_a_disk_that_is_full_leaves_no_half_of_a_file(
    typed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    code, _, err = typed("config", "init")
    assert (code, err) == (2, "arbit: .env: cannot be written: No space left on device\n")
    assert list(tmp_path.iterdir()) == []
