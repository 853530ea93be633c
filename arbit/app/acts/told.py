"""What commands that convert tell alike: a way, what it came to, and a refusal in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, InvalidOperation
from typing import Any

from arbit.app.acts.opened import Access, Ask, Opened
from arbit.config import SANDBOXES, Settings
from arbit.config.text import key_of
from arbit.domain.money import plain
from arbit.domain.plan import PlannedLeg
from arbit.domain.refusal import RefusalCode, Refused
from arbit.domain.route import Conversion

_DOWN = Context(prec=8, rounding=ROUND_FLOOR)  # digits of what is shown; JSON has them all
_UP = Context(prec=8, rounding=ROUND_CEILING)
SHOWN = 5  # names of a list that are spelt out


@dataclass(slots=True)
class CommandTold:
    """All of a command: where, how (`quote` sends nothing), and what is to be said of the whole."""

    venue: str
    mode: str
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class WayTold:
    """One way of converting, in exact text: what it is expected to spend and to bring."""

    path: str = ""
    spend: str = ""
    receive: str = ""
    orders: list[str] = field(default_factory=list)


def refusal_of(why: Refused | str, settings: Settings) -> tuple[str, dict[str, str]]:
    """It is not sent: why, in words, and the gate's figures to the last digit."""
    if isinstance(why, str):
        return why, {}
    return words_of(why, settings), {"code": why.code.value, **why.figures}


def trimmed(value: Decimal) -> str:
    """Exact text without the zeros at its end."""
    return plain(value.normalize())


def way_words(found: Conversion) -> dict[str, Any]:
    """A route in words: the fields of `WayTold`."""
    return {
        "path": found.path,
        "spend": trimmed(found.expected_spend),
        "receive": trimmed(found.expected_receive),
        "orders": [order_words(leg) for leg in found.legs],
    }


def order_words(leg: PlannedLeg) -> str:
    """`sell 5 ETH/BTC, at least 0.053116`."""
    bound = "at most" if leg.leg.receive == leg.leg.symbol_base else "at least"
    side, symbol = leg.leg.side.value, leg.leg.symbol
    return f"{side} {plain(leg.qty)} {symbol}, {bound} {plain(leg.limit_price)}"


def words_of(refused: Refused, settings: Settings) -> str:
    """Why the gate says no: the setting that binds, its value and what is allowed.

    Figures are rounded to eight digits, what is allowed down and what is asked up.
    """
    said = {name: _shown(name, text) for name, text in refused.figures.items()}
    asset, cap = said.get("asset", ""), said.get("cap", "")
    if refused.code is RefusalCode.ASSET_CAP:
        own, most = settings.risk.asset_caps.get(asset), settings.risk.max_exposure
        key = f"{key_of(('risk', 'max_exposure'))}={trimmed(most)}"
        if own is not None and plain(own) == refused.figures["cap"]:
            key = f"{key_of(('risk', 'asset_caps'))}={asset}={trimmed(own)}"
        return (
            f"{key}: expected trading to move at most {cap} {asset}, but it may be moved by "
            f"{said['exposure']}"
        )
    if refused.code is RefusalCode.INVENTORY_CAP:
        key = f"{key_of(('inventory', 'caps'))}={asset}={settings.inventory.caps[asset]}"
        return f"{key}: expected at most {cap} {asset} to be owned, but it may be {said['owned']}"
    return f"{refused.code.value}: " + ", ".join(f"{name} {text}" for name, text in said.items())


def _shown(name: str, text: str) -> str:
    """A figure of a refusal, rounded where it has more digits than anybody reads."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return text
    allowed = name in {"cap", "free", "spendable", "left", "reserve"}
    return trimmed((_DOWN if allowed else _UP).plus(value)) if value.is_finite() else text


def mode_of(ask: Ask) -> str:
    """`quote` sends nothing."""
    if ask.access is not Access.TRADED:
        return "quote"
    return "sandbox" if ask.venue in SANDBOXES else "live"


def notes_of(opened: Opened, ask: Ask) -> list[str]:
    """What the venue's side said, whose fees these are, and which books were not believed."""
    said = [*opened.notes]
    if ask.access is Access.QUOTED:
        said.append("fees are the published ones, or those you set: your account's may be others")
    books = opened.books()
    missing = [symbol for symbol in opened.markets if symbol not in books]
    if missing:
        said.append(f"no believable book of {listing(missing)}: no route leads there")
    return said


def listing(names: list[str]) -> str:
    """The first of them, in one line."""
    return ", ".join(names[:SHOWN]) + (" and more" if len(names) > SHOWN else "")
