"""What may be said of wallets, and what is refused, before anybody is asked."""

from __future__ import annotations

import pytest

from arbit.config import Settings, load_settings
from arbit.domain.errors import UserError

AT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
OTHER = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
NODE = "https://node.example/v3/canary"


def said(**of_wallet: str) -> Settings:
    return load_settings(None, {f"ARBIT_WALLET__{key}": text for key, text in of_wallet.items()})


def refused(**of_wallet: str) -> list[str]:
    with pytest.raises(UserError) as caught:
        said(**of_wallet)
    return str(caught.value).splitlines()


def test_nobody_is_asked_unless_a_node_is_set() -> None:
    assert Settings().wallet.rpc_url is None
    assert said(ADDRESSES=AT, ERC20=f"USDC={OTHER}", RPC_URL="").wallet.rpc_url is None


def test_everything_may_be_said_in_one_line_each() -> None:
    wallet = said(
        RPC_URL=NODE,
        CHAIN_ID="137",
        NATIVE="POL",
        ADDRESSES=f"{AT}, {OTHER}",
        ERC20=f"USDC={OTHER}",
        AAVE=f"aUSDC={AT}",
        EVERY_S="60",
    ).wallet
    assert wallet.rpc_url is not None
    assert wallet.rpc_url.get_secret_value() == NODE
    assert (wallet.chain_id, wallet.native, wallet.every_s) == (137, "POL", 60)
    assert wallet.addresses == (AT, OTHER)
    assert (wallet.erc20, wallet.aave) == ({"USDC": OTHER}, {"aUSDC": AT})


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8545", "http://localhost/x?key=1", "http://[::1]:8545", "https://10.0.0.1"],
)
def test_a_node_is_reached_safely_or_on_this_machine(url: str) -> None:
    assert said(RPC_URL=url, ADDRESSES=AT).wallet.rpc_url is not None


@pytest.mark.parametrize(
    "url",
    [
        "http://node.example/canary",
        "http://10.0.0.1/canary",
        "http://127.0.0.1.node.example/canary",
        "http://localhost.node.example/canary",
        "ws://127.0.0.1/canary",
        "file:///canary",
        "https://",
        "https://user:canary@node.example",
        "https://node.example:canary/",
        "https://node.example/can ary",
        "https://node.example\\@canary.example/",
        "http://127.0.0.1#@node.example/canary",
        "http://127.0.0.1?@node.example/canary",
        "canary",
    ],
)
def test_any_other_node_is_refused_and_not_repeated(url: str) -> None:
    (line,) = refused(RPC_URL=url, ADDRESSES=AT)
    assert line.startswith("ARBIT_WALLET__RPC_URL=***: expected an https:// address")
    assert "canary" not in line


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("ADDRESSES", AT[:-1]),
        ("ADDRESSES", f"{AT},vitalik.eth"),
        ("ADDRESSES", ",".join([AT] * 11)),
        ("ERC20", "USDC"),
        ("ERC20", "USDC=0x0"),
        ("AAVE", f"={AT}"),
        ("CHAIN_ID", "0"),
        ("EVERY_S", "29"),
        ("TIMEOUT_S", "26"),
        ("NATIVE", "two words"),
    ],
)
def test_a_slip_is_one_line_with_the_key_and_what_was_expected(key: str, text: str) -> None:
    (line,) = refused(**{key: text})
    assert line.startswith(f"ARBIT_WALLET__{key}={text[:20]}")
    assert ": expected " in line


def test_a_look_ends_before_the_next_is_due() -> None:
    slowest = said(EVERY_S="30", TIMEOUT_S="25").wallet
    assert slowest.timeout_s < slowest.every_s


def test_what_contradicts_itself_is_refused_where_a_node_is_set() -> None:
    assert refused(RPC_URL=NODE)[0].startswith("ARBIT_WALLET__ADDRESSES: expected up to ten")
    assert (
        "USDC is the chain's own coin or another token"
        in refused(RPC_URL=NODE, ADDRESSES=AT, ERC20=f"USDC={AT}", AAVE=f"USDC={OTHER}")[0]
    )
    assert refused(RPC_URL=NODE, ADDRESSES=AT, ERC20=f"ETH={OTHER}")
    many = ",".join(f"0x{n:040x}" for n in range(10))
    tokens = ",".join(f"T{n}=0x{n:040x}" for n in range(20))
    (line,) = refused(RPC_URL=NODE, ADDRESSES=many, ERC20=tokens)
    assert "no more than 200 balances in all" in line
    fewer = ",".join(tokens.split(",")[:19])
    assert len(said(RPC_URL=NODE, ADDRESSES=many, ERC20=fewer).wallet.erc20) == 19
