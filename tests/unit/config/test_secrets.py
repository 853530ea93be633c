"""Secrets in files: who may read them, what stands in them, and that nothing of it is repeated."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from arbit.config import load_settings
from arbit.config.childs import childs_environment
from arbit.config.secrets import MAX_BYTES, secret_in
from arbit.domain.errors import UserError

KEY = "ARBIT_VENUES__KRAKEN__API_KEY"
FILE = f"{KEY}_FILE"
SECRET = "made-up-secret-7Qz"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="files have no such modes there")


def kept(folder: Path, text: str | bytes = SECRET, mode: int = 0o600, name: str = "key") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def key_from(environ: Mapping[str, str], env_file: Path | None = None) -> str:
    key = load_settings(env_file, environ).venues["kraken"].api_key
    return "" if key is None else key.get_secret_value()


def complaint(environ: Mapping[str, str], env_file: Path | None = None) -> str:
    with pytest.raises(UserError) as told:
        load_settings(env_file, environ)
    assert SECRET not in str(told.value)
    assert len(str(told.value).splitlines()) == 1, told.value
    return str(told.value)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_is_read_from_a_file_of_its_owner_alone(
    tmp_path: Path, mode: int, end: str
) -> None:
    assert key_from({FILE: str(kept(tmp_path, SECRET + end, mode))}) == SECRET


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o444, 0o777])
def test_a_file_that_others_may_read_is_refused_by_its_name_and_mode(
    tmp_path: Path, mode: int
) -> None:
    path = kept(tmp_path, mode=mode)
    said = complaint({FILE: str(path)})
    assert said == (
        f"{FILE}: {path}: mode is {mode:04o}, expected 0600 or 0400, its owner's alone (chmod 600)"
    )


@pytest.mark.parametrize("mode", [0o444, 0o644, 0o440, 0o400])
def test_what_a_runtime_hands_to_this_container_may_have_its_modes(
    tmp_path: Path, mode: int
) -> None:
    (tmp_path / "..data").mkdir()
    kept(tmp_path / "..data", mode=mode)
    (tmp_path / "key").symlink_to(tmp_path / "..data" / "key")
    assert secret_in(str(tmp_path / "key"), [tmp_path]) == SECRET


@pytest.mark.parametrize("mode", [0o666, 0o620, 0o646])
def test_but_none_that_others_may_write(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ValueError, match="expected one that others cannot write"):
        secret_in(str(kept(tmp_path, mode=mode)), [tmp_path])


def test_a_link_out_of_a_runtimes_folder_is_judged_by_where_it_leads(tmp_path: Path) -> None:
    inside, outside = tmp_path / "run", tmp_path / "home"
    inside.mkdir()
    outside.mkdir()
    (inside / "key").symlink_to(kept(outside, mode=0o644))
    with pytest.raises(ValueError, match="mode is 0644"):
        secret_in(str(inside / "key"), [inside])


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = kept(tmp_path)
    os.chown(path, 4_321, -1)
    assert "its owner is user 4321, expected 0, who runs this, or root" in complaint(
        {FILE: str(path)}
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "expected one line with the secret in it"),
        ("\n", "expected one line with the secret in it"),
        (f"{SECRET}\n{SECRET}\n", "expected one line with the secret in it"),
        (f"{SECRET}\n\n", "expected one line with the secret in it"),
        (SECRET * 400, f"expected a secret of at most {MAX_BYTES} bytes"),
        (b"\xff\xfe\x00" + SECRET.encode(), "expected text in UTF-8"),
    ],
)
def test_what_is_no_secret_on_one_line_is_refused(
    tmp_path: Path, text: str | bytes, wanted: str
) -> None:
    assert complaint({FILE: str(kept(tmp_path, text))}).endswith(wanted)


def test_a_folder_and_a_pipe_nobody_writes_to_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "expected a file, this is none" in complaint({FILE: str(tmp_path / "pipe")})
    assert "expected a file, this is none" in complaint({FILE: str(tmp_path)})


@pytest.mark.parametrize("said", [SECRET, f"nowhere/{SECRET}", f"{SECRET}\0"])
def test_a_secret_that_was_written_in_place_of_its_file_is_not_repeated(said: str) -> None:
    assert complaint({FILE: said}).startswith(
        f"{FILE}: expected the path of a file with the secret in it: "
    )


def test_a_secret_is_said_once(tmp_path: Path) -> None:
    path = str(kept(tmp_path))
    assert complaint({FILE: path, KEY: "another-one"}) == (
        f"{FILE}: expected without {KEY}, one of the two"
    )
    assert key_from({FILE: path, KEY: ""}) == SECRET
    assert key_from({FILE: "", KEY: "another-one"}) == "another-one"
    assert key_from({FILE: ""}) == ""


def test_what_is_in_a_file_has_the_settings_own_bounds(tmp_path: Path) -> None:
    said = complaint({FILE: str(kept(tmp_path, "too few"))})
    assert said == f"{FILE}=***: expected the key as the venue shows it"


def test_a_whole_group_and_every_secret_may_be_in_files(tmp_path: Path) -> None:
    hook = kept(tmp_path, "https://hooks.example.org/T0/made-up", name="hook")
    settings = load_settings(
        None,
        {
            "ARBIT_VENUES__KRAKEN": f'{{"api_key_file": "{kept(tmp_path)}"}}',
            "ARBIT_ALERTS__WEBHOOK_URL_FILE": str(hook),
            "ARBIT_HISTORY_URL_FILE": str(kept(tmp_path, "postgresql://me@db/arbit", name="db")),
        },
    )
    key, history = settings.venues["kraken"].api_key, settings.history_url
    assert key is not None
    assert key.get_secret_value() == SECRET
    assert settings.alerts.webhook_url is not None
    assert history is not None
    assert {SECRET, history.get_secret_value()} <= set(settings.secrets())


def test_only_secrets_are_read_from_files(tmp_path: Path) -> None:
    said = complaint({"ARBIT_DATA_DIR_FILE": str(kept(tmp_path))})
    assert "ARBIT_DATA_DIR_FILE: unknown setting" in said


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_settings_that_others_may_read_may_hold_no_secret(tmp_path: Path, mode: int) -> None:
    path = kept(tmp_path, f"ARBIT_LOG_LEVEL=debug\n{KEY}={SECRET}\n", mode, ".env")
    assert complaint({}, path) == (
        f"{path}, line 2: {KEY}: a secret, in a file that others may read: its mode is "
        f"{mode:04o}, expected 0600, its owner's alone (chmod 600 {path})"
    )
    path.chmod(0o600)
    assert key_from({}, path) == SECRET


def test_settings_without_a_secret_may_be_read_by_all(tmp_path: Path) -> None:
    lines = f"ARBIT_LOG_LEVEL=debug\n{KEY}=\n{FILE}={kept(tmp_path)}\n"
    assert key_from({}, kept(tmp_path, lines, 0o644, ".env")) == SECRET
    group = kept(tmp_path, f'ARBIT_VENUES__KRAKEN={{"api_key": "{SECRET}"}}\n', 0o644, ".env")
    assert "a secret, in a file that others may read" in complaint({}, group)


def test_a_process_of_ours_is_given_what_starts_it_and_no_setting_or_secret_of_anybody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needed = {"PATH": "somewhere", "LC_ALL": "C.UTF-8", "GUIX_PYTHONPATH": "there", "TZ": "UTC"}
    theirs = {KEY: SECRET, "arbit_log_level": "debug", "AWS_SECRET_ACCESS_KEY": SECRET}
    for name, text in {**needed, **theirs}.items():
        monkeypatch.setenv(name, text)
    given = childs_environment()
    assert needed.items() <= given.items()
    assert SECRET not in given.values()
    assert not theirs.keys() & given.keys()
