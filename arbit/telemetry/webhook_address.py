"""Where an alert may go: to addresses that everybody can reach, or to those that were listed.

A name is looked up once for each delivery, every answer is judged, and the connection goes to what
was judged, so a name whose answers change gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Lookup = Callable[[str, int], Awaitable[Sequence[str]]]

MAX_ANSWERS = 16
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # an IPv4 address in its last four bytes
# Beside what `is_global` says, which differs between versions of Python.
_NEVER: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20"),
        *("5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
    )
)


class Allowed:
    """Judges addresses: public ones, and those in the listed networks."""

    def __init__(self, listed: Iterable[str] = ()) -> None:
        self._listed = [ipaddress.ip_network(text) for text in listed]

    def __call__(self, text: str) -> bool:
        """Whether an alert may go to this address. What is no address may not be gone to."""
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return False
        return any(address in network for network in self._listed) or is_public(address)


def is_public(address: Address) -> bool:
    """Whether it is one of the internet's; one that stands for another is judged as that."""
    inner = _inner(address)
    if inner is not None:
        return is_public(inner)
    return address.is_global and not any(address in network for network in _NEVER)


def _inner(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that this one leads to, where it is a way of writing one."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


class SystemLookup:
    """Asks the system for a name's addresses, in a thread of its own, one question at a time.

    Not in the loop's threads: those that hang there would keep venues from being looked up, and the
    process from ending.
    """

    def __init__(self) -> None:
        self._asking = False

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Every address. OSError where there is none, or an earlier question hangs still."""
        if self._asking:
            raise OSError("the look-up before has not come back")
        self._asking = True
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[str]] = loop.create_future()

        def ask() -> None:
            found: Sequence[str] = ()
            try:
                found = addresses_of(host, port)
            finally:
                self._asking = False
                if not loop.is_closed():
                    loop.call_soon_threadsafe(_answered, answer, found)

        try:
            threading.Thread(target=ask, name="alerts look-up", daemon=True).start()
        except RuntimeError as error:  # the system has no thread left
            self._asking = False
            raise OSError(str(error)) from None
        found = await answer
        if not found:
            raise OSError("no address")
        return found


def _answered(answer: asyncio.Future[Sequence[str]], found: Sequence[str]) -> None:
    if not answer.done():
        answer.set_result(found)


def addresses_of(host: str, port: int) -> Sequence[str]:
    """What the system says, each once; nothing where it says that there is none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return list(dict.fromkeys(str(address[0]) for *_, address in found))[:MAX_ANSWERS]
