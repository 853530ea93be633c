"""An exchange of our own: a deterministic synthetic market behind the venue's real wire.

Nothing here imports the rest of ``arbit``: two independent readings of one wire are worth more
than one. ``Market`` is the core (seeded, virtual time, no IO); ``SandboxServer`` puts it on
loopback sockets; ``python -m arbit.sandbox`` runs that as a child process.
"""

from arbit.sandbox.faults import FAULT_KINDS, Fault, Faults
from arbit.sandbox.market import BookChange, Market
from arbit.sandbox.server import SandboxOptions, SandboxServer

__all__ = [
    "FAULT_KINDS",
    "BookChange",
    "Fault",
    "Faults",
    "Market",
    "SandboxOptions",
    "SandboxServer",
]
