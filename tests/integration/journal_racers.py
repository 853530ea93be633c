"""Two processes that want one account at the same moment, over and over.

`python -m tests.integration.journal_racers FOLDER ROUNDS` prints a JSON list, one entry a round:
for each process what it said, then the token of whoever won. Everything is imported once and each
round forks two real processes, which start together when a pipe closes. The winner writes a cycle
and, every other round, is killed while it still holds the account.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from arbit.app.store import open_journal
from arbit.clock import SystemClock
from arbit.domain.account import AccountId, Mode
from arbit.domain.errors import UserError
from arbit.domain.records import JournalFailed
from arbit.persistence.journal import SqliteJournal
from tests.unit.persistence.made import a_cycle

ACCOUNT = AccountId("kraken", Mode.LIVE, "0123456789ab")


@dataclass
class Racer:
    """A forked process, and the ends of its pipes."""

    pid: int
    says: int
    leave: int

    def heard(self) -> str:
        return os.read(self.says, 4096).decode()

    def end(self, *, killed: bool) -> None:
        if killed:
            os.kill(self.pid, signal.SIGKILL)
        os.close(self.leave)
        os.waitpid(self.pid, 0)
        os.close(self.says)


def race(folder: Path, number: int, gun: int, says: int, leave: int) -> None:
    """What a racer does: wait for the gun, open, say what happened, stay until told to leave."""
    os.read(gun, 1)
    try:
        with open_journal(folder, ACCOUNT, SystemClock(), "race") as journal:
            journal.write(a_cycle(number))
            os.write(says, f"won {token_of(journal)}".encode())
            os.read(leave, 1)
    except UserError as error:
        os.write(says, f"refused: {error}".encode())
    except JournalFailed as failure:
        os.write(says, f"broke: {failure}".encode())


def token_of(journal: SqliteJournal) -> int:
    return journal._token


def fork(folder: Path, number: int, gun: tuple[int, int], others: list[Racer]) -> Racer:
    says, leave = os.pipe(), os.pipe()
    pid = os.fork()
    if pid:
        os.close(says[1])
        os.close(leave[0])
        return Racer(pid, says[0], leave[1])
    try:
        os.close(gun[1])
        os.close(leave[1])
        for other in others:
            os.close(other.leave)
        race(folder, number, gun[0], says[1], leave[0])
    finally:
        os._exit(0)


def a_round(folder: Path, number: int) -> dict[str, object]:
    gun = os.pipe()
    racers: list[Racer] = []
    for _ in range(2):
        racers.append(fork(folder, number, gun, racers))
    os.close(gun[1])
    said = [racer.heard() for racer in racers]
    for racer, words in zip(racers, said, strict=True):
        racer.end(killed=words.startswith("won") and number % 2 == 1)
    os.close(gun[0])
    return {"said": said, "pids": [racer.pid for racer in racers]}


if __name__ == "__main__":
    print(json.dumps([a_round(Path(sys.argv[1]), n) for n in range(int(sys.argv[2]))]))
