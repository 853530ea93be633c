"""Runs all mutants of a list of modules, one at a time, and tells how each ended."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.mutation.nursery import ROOT, Nursery, reached, used_s
from tests.mutation.targets import Target


def outcomes(target: Target, only: str) -> Iterator[dict[str, Any]]:
    """A line about the tests, one for each mutant, one about the processor. In a process alone."""
    from tests.mutation.mutants import mutants_of  # noqa: PLC0415  the extra may be missing

    source = (ROOT / target.path).read_text("utf-8")
    nursery = Nursery(target.path, target.tests)
    try:
        yield {"path": target.path, "tests_s": nursery.prepare()}
        for mutant in mutants_of(source):
            if only in mutant.name:
                end, by = nursery.run(mutant.source)
                yield {"path": target.path, "name": mutant.name, "end": end, "by": by}
        nursery.original()  # whatever has befallen the machine meanwhile
        yield {"path": target.path, "used_s": used_s(alone=False)}
    finally:
        nursery.close()


def _worker(target: Target, only: str, told: Any) -> None:
    for line in outcomes(target, only):
        told.send(line)
    told.close()


def campaign(targets: list[Target], only: str, keep: Path | None) -> Iterator[dict[str, Any]]:
    """Each module's mutants, one by one; what `keep` knows of a module is not run again."""
    kept: dict[str, list[dict[str, Any]]] = {}
    if keep is not None and keep.exists():
        kept = json.loads(keep.read_text("utf-8"))
    for target in targets:
        key = _digest(target, only)
        found = kept.get(key)
        if found is not None:
            yield from found
            continue
        found = []
        for line in _run(target, only):
            found.append(line)
            yield line
        if keep is not None:
            kept[key] = found
            keep.write_text(json.dumps(kept), "utf-8")


def _digest(target: Target, only: str) -> str:
    """Another word as soon as a letter changes in what the tests import, or in what is asked."""
    told = hashlib.sha256(f"{target} {only} {sys.version}".encode())
    makers = [
        ROOT / "tests" / "mutation" / name for name in ("mutants.py", "nursery.py", "witness.py")
    ]
    for file in [*makers, ROOT / "pyproject.toml", *sorted(reached(target.tests))]:
        told.update(file.read_bytes())
    return told.hexdigest()


def _run(target: Target, only: str) -> Iterator[dict[str, Any]]:
    """One module's mutants, in a process of their own."""
    fresh = multiprocessing.get_context("spawn")
    hears, tells = fresh.Pipe(duplex=False)
    worker = fresh.Process(target=_worker, args=(target, only, tells))
    worker.start()
    tells.close()
    while True:
        try:
            yield hears.recv()
        except EOFError:
            break
    worker.join()
    if worker.exitcode:
        raise SystemExit(f"{target.path}: the worker ended with {worker.exitcode}")
