"""What is read of a chain: whose balances, of what, from which node, how often."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator

from arbit.config.fields import Asset, setting, within
from arbit.config.text import as_list, as_mapping

MAX_READS = 200  # balances in one look: each is a question to the node
_PLACE = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # the example of EIP-55
ADDRESSES = f"up to ten addresses such as {_PLACE}, in the capitals and small letters of EIP-55"
CONTRACTS = (
    f"up to twenty such as USDC={_PLACE} (or a JSON object), each address as EIP-55 spells it"
)

Address = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]
Contracts = Annotated[Mapping[Asset, Address], Field(max_length=20), BeforeValidator(as_mapping)]


class WalletSettings(BaseModel):
    """On-chain balances to look at. With no node set nothing is tried."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rpc_url: SecretStr | None = setting(
        None,
        "JSON-RPC address of a node of the chain; needs `pip install arbit[wallet]`",
        why="unset: nobody is asked. It is kept like a key: many providers put one into the path",
        expect="an https:// address, or http:// of this machine itself; redirects are not followed",
    )
    chain_id: Annotated[int, within(1, 2**53)] = setting(
        1,
        "the chain that the node must be of; another one's answers are not taken",
        why="1 is Ethereum; the same address is somebody's on every chain",
    )
    native: Asset = setting(
        "ETH",
        "what the chain's own coin is called in snapshots",
        why="the coin of chain 1",
        expect="a name such as ETH",
    )
    addresses: Annotated[tuple[Address, ...], Field(max_length=10), BeforeValidator(as_list)] = (
        setting(
            (),
            "whose balances are read; an address is enough, a key is never asked for",
            why="empty: there is nobody to look at",
            expect=ADDRESSES,
        )
    )
    erc20: Contracts = setting(
        {},
        "tokens that are read at each address, by the name that snapshots give them",
        why="empty: the chain's own coin alone. A token's own name is never asked for: anybody may "
        "call theirs USDC",
        expect=CONTRACTS,
    )
    aave: Contracts = setting(
        {},
        "aTokens (deposits at Aave, which grow by themselves) that are read at each address",
        why="empty; a contract that does not name what was deposited is told, and not read",
        expect=CONTRACTS,
    )
    every_s: Annotated[int, within(30, 86_400)] = setting(
        300,
        "how often it is looked at",
        unit="s",
        why="a chain's balances change seldom, and a public node counts its questions",
    )
    timeout_s: Annotated[int, within(1, 25)] = setting(
        20,
        "how long one look at everything may take",
        unit="s",
        why="a hundred questions to a slow node; less than the shortest time between two looks",
    )

    @field_validator("rpc_url")
    @classmethod
    def _node(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _may_be_asked(url.get_secret_value()):
            raise ValueError("node")
        return url


def conflicts(wallet: WalletSettings) -> Iterator[tuple[str, str]]:
    """(field, what was expected of it) for what is good by itself and not together."""
    if wallet.rpc_url is None:
        return
    if not wallet.addresses:
        yield "addresses", f"{ADDRESSES}: a node is set, and nobody to look at"
    names = Counter([wallet.native, *wallet.erc20, *wallet.aave])
    for name, times in names.items():
        if times > 1:
            field = "aave" if name in wallet.aave else "erc20"
            yield field, f"a name for each: {name} is the chain's own coin or another token already"
    if len(set(wallet.addresses)) * len(names) > MAX_READS:
        yield "addresses", f"no more than {MAX_READS} balances in all, of every token at each"


def _may_be_asked(url: str) -> bool:
    """Whether nobody on the way reads what we ask for, nor what the address itself may hide."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:  # no address at all, or a port that is no number
        return False
    if not re.fullmatch(r"https?://[^\s/?#@\\]+(/[^\s#\\]*)?", url) or not host:
        return False
    return parts.scheme == "https" or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
