"""What somebody owns on a chain, as one look at it found."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from decimal import Context, Decimal

from arbit.domain.errors import ArbitError

WORDS = Context(prec=120)  # a word of 256 bits has 78 digits
ON_CHAIN = "chain-"  # what the accounts of addresses begin with; no venue's does


class WalletUnread(ArbitError):
    """A look at the chain came to nothing. The text is ours: nothing a node or token said."""


class AssetKind(enum.StrEnum):
    """What kind of thing an asset on a chain is."""

    NATIVE = "native"
    ERC20 = "erc20"
    ATOKEN = "atoken"


@dataclass(frozen=True, slots=True)
class WalletBalance:
    """How much of one asset one address owns, in its units, as of a block.

    `account` is what its rows are kept under, `contract` the token's address (empty for the
    chain's own coin).
    """

    account: str
    asset: str
    kind: AssetKind
    contract: str
    amount: Decimal
    block: int


@dataclass(frozen=True, slots=True)
class WalletLook:
    """All that one look found, as of one block; `problems` say in our words what it left out."""

    block: int
    balances: tuple[WalletBalance, ...]
    problems: tuple[str, ...] = ()


def account_on(chain_id: int, address: str) -> str:
    """The account that rows of an address carry: `chain-1:0x5aAe...`."""
    return f"{ON_CHAIN}{chain_id}:{address}"
