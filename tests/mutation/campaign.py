"""Runs all mutants of a list of modules, one at a time, and tells how each ended."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from typing import Any

from tests.mutation.nursery import ROOT, Nursery, used_s
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
                yield {"path": target.path, "name": mutant.name, "end": nursery.run(mutant.source)}
        yield {"path": target.path, "used_s": used_s(alone=False)}
    finally:
        nursery.close()


def _worker(target: Target, only: str, told: Any) -> None:
    for line in outcomes(target, only):
        told.send(line)
    told.close()


def campaign(targets: list[Target], only: str) -> Iterator[dict[str, Any]]:
    """Each module's mutants, one after the other, in a process of the module's own."""
    fresh = multiprocessing.get_context("spawn")
    for target in targets:
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
