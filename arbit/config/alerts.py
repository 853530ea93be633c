"""Who is told of trouble, how often, and what says that we are alive."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator

from arbit.config.fields import setting, within
from arbit.config.text import as_list

HTTPS = re.compile(r"https://[^\s/?#@\\:]+(:\d{1,5})?(/[\x21-\x7e]*)?", re.IGNORECASE)
MAX_URL = 2000


def _as_network(value: object) -> str:
    """One address or network, as it is written: `10.0.0.5`, `192.168.1.0/24`, `fd00::/8`."""
    text = str(value).strip()
    ip_network(text)
    return text


Networks = Annotated[
    tuple[Annotated[str, BeforeValidator(_as_network)], ...],
    Field(max_length=50),
    BeforeValidator(as_list),
]


class AlertSettings(BaseModel):
    """Where alerts go. With no address set nobody is told, and nothing is contacted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    discord_url: SecretStr | None = setting(
        None,
        "address of a Discord webhook that alerts are posted to",
        why="nobody is told unasked; whoever knows it may post there: it is never shown",
        expect="an https:// address",
    )
    webhook_url: SecretStr | None = setting(
        None,
        "address that alerts are posted to as JSON (docs/alerts.md)",
        why="nobody is told unasked; it is never shown",
        expect="an https:// address",
    )
    min_severity: Literal["info", "warning", "critical"] = setting(
        "warning",
        "least severe alert that is sent",
        why="info tells each cycle and each venue that comes back, too",
    )
    repeat_after_s: Annotated[int, within(10, 86_400)] = setting(
        300,
        "how long the same alert is told no second time; what came meanwhile is told as a number",
        unit="s",
        why="whoever has read it once is on the way",
    )
    per_minute: Annotated[int, within(1, 60)] = setting(
        10,
        "most alerts a minute; critical ones have as many again for themselves",
        unit="alerts",
        why="Discord takes thirty a minute, a person reads fewer",
    )
    amounts: bool = setting(
        False,
        "let alerts say amounts: profits, and what is left behind",
        why="a chat room is read by others; what happened is told without them",
    )
    timeout_ms: Annotated[int, within(100, 3000)] = setting(
        3000,
        "longest that one delivery may take, from the name's look-up to the answer",
        unit="ms",
        why="who has not answered by then is tried again later",
    )
    allow_private: Networks = setting(
        (),
        "addresses or networks of your own that alerts may go to although they are not public",
        why="a name that leads to your router or a cloud's metadata is a mistake or an attack",
        expect="a list of addresses or networks such as 10.0.0.5,192.168.1.0/24",
    )
    ca_file: Path | None = setting(
        None,
        "file of certificate authorities (PEM) to trust beside the system's",
        why="a receiver of your own may have a certificate that you made",
        expect="a path",
    )
    deadman_url: SecretStr | None = setting(
        None,
        "address that is asked now and then while decisions are made: a service there tells you "
        "when it is asked no more",
        why="a process that is dead tells nobody itself; it is never shown",
        expect="an https:// address",
    )
    deadman_method: Literal["get", "post"] = setting(
        "get", "how the dead man's address is asked", why="what most such services expect"
    )
    deadman_every_s: Annotated[int, within(5, 86_400)] = setting(
        60,
        "how often the dead man's address is asked",
        unit="s",
        why="you hear of an end within minutes, and the service is not flooded",
    )
    deadman_max_age_s: Annotated[int, within(1, 86_400)] = setting(
        60,
        "age of each venue's last decision beyond which the dead man's address is not asked",
        unit="s",
        why="a process that lives and decides nothing is dead for whoever waits for trades",
    )

    @field_validator("discord_url", "webhook_url", "deadman_url")
    @classmethod
    def _is_https(cls, url: SecretStr | None) -> SecretStr | None:
        text = "" if url is None else url.get_secret_value()
        if url is not None and (len(text) > MAX_URL or not HTTPS.fullmatch(text)):
            raise ValueError("url")
        return url
