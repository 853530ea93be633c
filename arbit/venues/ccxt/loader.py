"""Imports the one exchange that is needed, not the hundred that ccxt's packages pull in.

`import ccxt.async_support` (or `ccxt.pro`) imports every exchange: 111 MB and the better part of a
second, for a daemon that should stay under 200 MB (measured with ccxt 4.5.90; this loader: 53 MB).
The submodules themselves need of their packages only a few names, so the three package modules are
put into place without running their bodies, and give each name when it is first asked for. Where
the whole of ccxt is already imported it is left alone.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.machinery
import importlib.util
import logging
import sys
import types
from pathlib import Path
from typing import Any

from arbit.domain.errors import BrokenRule, UserError

PACKAGES = ("ccxt", "ccxt.async_support", "ccxt.pro")


class _LazyPackage(types.ModuleType):
    """A ccxt package whose names are found in its submodules when first asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = self._find(name)
        setattr(self, name, value)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        """An import leaves the submodule under its name; ccxt's packages have its class there."""
        if isinstance(value, types.ModuleType) and isinstance(getattr(value, name, None), type):
            value = getattr(value, name)
        super().__setattr__(name, value)

    def _find(self, name: str) -> Any:
        homes: tuple[str, ...] = ()
        if self.__name__ == "ccxt":
            homes = ("ccxt.base.errors", "ccxt.base.decimal_to_precision", "ccxt.base.exchange")
        elif name == "Exchange":
            homes = ("ccxt.async_support.base.exchange",)
        for home in homes:
            module = importlib.import_module(home)
            if hasattr(module, name):
                return getattr(module, name)
        full = f"{self.__name__}.{name}"
        if importlib.util.find_spec(full) is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(full), name)


def _prepare() -> None:
    """Put the three packages into place, unless ccxt is there already. UserError without ccxt."""
    if "ccxt" in sys.modules:
        return
    spec = importlib.util.find_spec("ccxt")
    if spec is None or not spec.submodule_search_locations:
        raise UserError("ccxt is not installed: it is needed to ask this venue anything over REST")
    root = next(iter(spec.submodule_search_locations))
    for name in PACKAGES:
        package = _LazyPackage(name)
        package.__path__ = [str(Path(root, *name.split(".")[1:]))]
        package.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
        sys.modules[name] = package
    for name in PACKAGES[1:]:
        setattr(sys.modules["ccxt"], name.split(".")[1], sys.modules[name])


def _silence() -> None:
    """Silence ccxt: it logs whole requests, signatures included, at DEBUG."""
    logging.getLogger("ccxt").setLevel(logging.WARNING)


def known(package: str) -> list[str]:
    """Ids of the exchanges of `async_support` (REST) or `pro` (streams)."""
    _prepare()
    path = importlib.import_module(f"ccxt.{package}").__path__
    names = (entry.stem for entry in Path(path[0]).glob("*.py"))
    return sorted(name for name in names if name[0].isalpha())


def exchange_class(exchange_id: str, *, streams: bool) -> Any:
    """The asynchronous class of one exchange, with its streams or without.

    UserError names the id and the nearest ones ccxt knows.
    """
    package = "pro" if streams else "async_support"
    ids = known(package)
    if exchange_id not in ids:
        near = ", ".join(difflib.get_close_matches(exchange_id, ids, n=3)) or "e.g. kraken, binance"
        what = "can stream" if streams else "knows"
        raise UserError(f"exchange {exchange_id!r} is none that ccxt {what}; did you mean: {near}?")
    _silence()
    found = getattr(importlib.import_module(f"ccxt.{package}.{exchange_id}"), exchange_id, None)
    if not isinstance(found, type):
        raise BrokenRule(f"ccxt.{package}.{exchange_id} holds no exchange class")
    return found


def errors() -> Any:
    """The module with ccxt's exception classes."""
    _prepare()
    return importlib.import_module("ccxt.base.errors")
