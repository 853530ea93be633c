"""The wallet: what is owned on a chain, read and never moved. No key is known here."""

from __future__ import annotations

import importlib
import sys

# Something that web3 brings with it raises the interpreter's recursion limit a hundredfold, and for
# all: the nested answer of a hostile server would then be no RecursionError, but a broken stack.
_limit = sys.getrecursionlimit()
try:
    importlib.import_module("web3")
finally:
    sys.setrecursionlimit(_limit)
