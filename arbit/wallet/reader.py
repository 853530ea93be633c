"""Reads what addresses own on a chain: its coin, tokens, aTokens. It cannot move any of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from web3 import AsyncWeb3
from web3.exceptions import Web3Exception

from arbit.config.wallet import ADDRESSES, CONTRACTS, WalletSettings
from arbit.domain.errors import UserError
from arbit.domain.wallet import (
    WORDS,
    AssetKind,
    WalletBalance,
    WalletLook,
    WalletUnread,
    account_on,
)
from arbit.wallet.node import Node, NodeRefused

MAX_DECIMALS = 36  # 18 is common; what states more is no token that anybody uses
NATIVE_DECIMALS = 18
_WORD = 32  # bytes of a number


def _view(name: str, gives: str, takes: str = "") -> dict[str, Any]:
    return {
        "type": "function",
        "name": name,
        "stateMutability": "view",
        "inputs": [{"name": "of", "type": takes}] if takes else [],
        "outputs": [{"name": "", "type": gives}],
    }


_ABI: Any = [
    _view("balanceOf", "uint256", "address"),
    _view("decimals", "uint8"),
    _view("UNDERLYING_ASSET_ADDRESS", "address"),
]


class _NoToken(WalletUnread):
    """A contract answers, and not as such a token would."""


@dataclass(frozen=True, slots=True)
class _Token:
    asset: str
    kind: AssetKind
    address: str


class EvmWallet:
    """`ports.WalletReader` of one chain. UserError for an address that EIP-55 spells otherwise."""

    def __init__(self, settings: WalletSettings) -> None:
        self._settings = settings
        self._tokens = (
            *(_Token(one, AssetKind.ERC20, at) for one, at in settings.erc20.items()),
            *(_Token(one, AssetKind.ATOKEN, at) for one, at in settings.aave.items()),
        )
        self._decimals: dict[_Token, int] = {}
        if misspelt := list(_misspelt(settings)):
            raise UserError("\n".join(misspelt))

    async def read(self) -> WalletLook:
        """One look at everything, as of one block. WalletUnread when the node gives none.

        A token that cannot be read is left out, and named in the look's `problems`.
        """
        settings = self._settings
        if settings.rpc_url is None:
            raise WalletUnread("no node is set")
        try:
            async with (
                asyncio.timeout(settings.timeout_s),
                Node(settings.rpc_url.get_secret_value()) as node,
            ):
                return await self._look(AsyncWeb3(node, middleware=[]))
        except TimeoutError:
            raise WalletUnread(f"not read within {settings.timeout_s} s") from None
        except (Web3Exception, ValueError, TypeError) as error:
            raise WalletUnread(f"the node's answer is none ({type(error).__name__})") from None

    async def _look(self, chain: AsyncWeb3[Any]) -> WalletLook:
        found_id, wanted_id = await chain.eth.chain_id, self._settings.chain_id
        if found_id != wanted_id:
            raise WalletUnread(f"the node is of chain {found_id}, expected {wanted_id}")
        block = int(await chain.eth.block_number)
        balances, problems = [], []
        for address in dict.fromkeys(self._settings.addresses):
            owned = await chain.eth.get_balance(_at(address), block)
            balances.append(self._balance(address, None, int(owned), block))
        for token in self._tokens:
            try:
                balances += await self._token(chain, token, block)
            except (NodeRefused, _NoToken) as error:
                problems.append(f"{token.asset} ({token.kind.value} {token.address}): {error}")
        return WalletLook(block, tuple(balances), tuple(problems))

    async def _token(self, chain: AsyncWeb3[Any], token: _Token, block: int) -> list[WalletBalance]:
        contract = chain.eth.contract(address=_at(token.address), abi=_ABI)

        async def asked(function: str, *args: Any) -> int:
            """One number of the token's, as of the block. What answers otherwise is no token."""
            called: Any = {"to": contract.address, "data": contract.encode_abi(function, args)}
            found = await chain.eth.call(called, block, ccip_read_enabled=False)
            if len(found) != _WORD:
                raise _NoToken(f"its answer to {function} is no number")
            return int.from_bytes(found, "big")

        if token not in self._decimals:  # they never change
            decimals = await asked("decimals")
            if decimals > MAX_DECIMALS:
                raise _NoToken(f"its decimals are more than {MAX_DECIMALS}")
            if token.kind is AssetKind.ATOKEN and not await asked("UNDERLYING_ASSET_ADDRESS"):
                raise _NoToken("it names nothing that was deposited")
            self._decimals[token] = decimals
        return [
            self._balance(address, token, await asked("balanceOf", _at(address)), block)
            for address in dict.fromkeys(self._settings.addresses)
        ]

    def _balance(self, address: str, token: _Token | None, raw: int, block: int) -> WalletBalance:
        decimals = NATIVE_DECIMALS if token is None else self._decimals[token]
        return WalletBalance(
            account=account_on(self._settings.chain_id, address),
            asset=self._settings.native if token is None else token.asset,
            kind=AssetKind.NATIVE if token is None else token.kind,
            contract="" if token is None else token.address,
            amount=WORDS.scaleb(Decimal(raw), -decimals),
            block=block,
        )


def _at(address: str) -> Any:
    """web3's own type of an address, which is text that was checked."""
    return AsyncWeb3.to_checksum_address(address)


def _misspelt(settings: WalletSettings) -> Iterator[str]:
    fields: tuple[tuple[str, Mapping[str, str], str], ...] = (
        ("ADDRESSES", {at: at for at in settings.addresses}, ADDRESSES),
        ("ERC20", settings.erc20, CONTRACTS),
        ("AAVE", settings.aave, CONTRACTS),
    )
    for name, said, expected in fields:
        for asset, address in said.items():
            if not AsyncWeb3.is_checksum_address(address):
                value = address if asset == address else f"{asset}={address}"
                yield f"ARBIT_WALLET__{name}={value}: expected {expected}"
