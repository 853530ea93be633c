"""The tables in the docs are the settings themselves."""

from __future__ import annotations

import re
from pathlib import Path

from arbit.cli.config_docs import CONFIGURATION, ENV_EXAMPLE, configuration_md, env_example
from arbit.config import (
    AlertSettings,
    InventorySettings,
    LogSettings,
    RiskSettings,
    RotationSettings,
    ScanSettings,
    Settings,
    VenueSettings,
    WalletSettings,
    load_settings,
)
from arbit.config.venue import ALPACA_ALONE

ROOT = Path(__file__).parents[3]


def test_the_configuration_page_is_what_the_settings_say() -> None:
    assert (ROOT / CONFIGURATION).read_text("utf-8") == configuration_md()


def test_the_env_example_is_what_the_settings_say() -> None:
    assert (ROOT / ENV_EXAMPLE).read_text("utf-8") == env_example()


def test_every_line_of_the_env_example_may_be_uncommented(tmp_path: Path) -> None:
    text = re.sub(r"^#(?=ARBIT_)", "", env_example(), flags=re.MULTILINE)
    env_file = tmp_path / "settings.env"
    env_file.write_text(text, "utf-8")
    assert text.count("\nARBIT_") >= 30
    assert load_settings(env_file, {}) == Settings()


def test_no_setting_is_left_out() -> None:
    said = set(re.findall(r"^#(ARBIT_\w+)=", env_example(), flags=re.MULTILINE))
    slices = {
        "SCAN": ScanSettings.model_fields,
        "RISK": RiskSettings.model_fields,
        "ROTATION": RotationSettings.model_fields,
        "INVENTORY": InventorySettings.model_fields,
        "ALERTS": AlertSettings.model_fields,
        "LOG": LogSettings.model_fields,
        "WALLET": WalletSettings.model_fields,
        "VENUES__KRAKEN": set(VenueSettings.model_fields) - {"name"} - ALPACA_ALONE,
        "VENUES__ALPACA": {
            *ALPACA_ALONE,
            "api_key",
            "api_secret",
            "max_symbols",
            "order_transport",
        },
    }
    wanted = {
        f"ARBIT_{name}__{field}".upper() for name, fields in slices.items() for field in fields
    }
    assert wanted < said
    general = {f"ARBIT_{field}".upper() for field in Settings.model_fields}
    groups = {f"ARBIT_{name.partition('__')[0]}" for name in slices}
    assert general - groups == said - wanted


def test_every_setting_has_a_meaning_a_bound_and_a_reason() -> None:
    rows = [line for line in configuration_md().splitlines() if line.startswith("| `ARBIT_")]
    for row in rows:
        key, default, accepts, what, why = (cell.strip() for cell in row.strip("| ").split(" | "))
        assert key.startswith("`ARBIT_")
        assert default
        assert accepts
        assert "None" not in accepts
        assert len(what) > 10
        assert len(why) > 10
