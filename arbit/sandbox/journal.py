"""The exchange's event log: what truly happened, written before anybody is told.

Append-only JSON lines, each handed to the operating system before the reply leaves. It is also
the sandbox's own memory: a second run replays it and finds balances, orders, trades, ledgers,
nonces and id counters again. An independent checker needs nothing else.

Every line has ``n`` (1, 2, 3, ... without a gap, over all runs), ``at`` (wall nanoseconds),
``account`` ("" when none is known) and ``kind``. Amounts are decimal strings, symbols and assets
v2 names. The kinds, with their further fields:

``session``  a run begins: ``profile``, ``seed``, ``restart`` (true when the log held lines before).
``opening``  an account's starting balance: ``asset``, ``amount``.
``request``  an order or cancel request as received, before any check: ``face`` ("rest"/"ws"),
             ``method`` (as sent), ``order_id``, ``cl_ord_id``, ``pair``, ``side``, ``qty``,
             ``price``, ``tif``, ``deadline``, ``validate``: the sender's text, "" when absent.
``accept``   ``order_id``, ``cl_ord_id``, ``userref``, ``symbol``, ``side``, ``qty``, ``price``,
             ``tif``, ``fee_in`` ("base"/"quote"), ``stp``.
``fill``     ``trade_id``, ``order_id``, ``cl_ord_id``, ``symbol``, ``side``, ``qty``, ``price``,
             ``cost``, ``fee``, ``fee_asset``, ``maker``, ``usd`` (what counts to the 30-day volume)
             ``ledgers`` (entry ids: base, quote, and one more when the fee is in neither) and
             ``moves``, for each of those (asset, amount, fee). Balances change by ``amount - fee``
             and that is all that a fill does: ``moves`` say what ``qty``, ``cost`` and ``fee`` say,
             cut off at each asset's decimals.
``end``      an order's end: ``order_id``, ``cl_ord_id``, ``status`` (closed/canceled/expired),
             ``filled``, ``reason``.
``refuse``   an order or cancel request was turned down: ``cl_ord_id``, ``words``.
``flow``     money in or out: ``asset``, ``amount`` (signed), ``ref``, ``type``
             (deposit/withdrawal), ``ledger``.
``drift``    a fault: ``asset`` changed by ``amount`` without any entry.
``nonce``    ``key`` used ``nonce``.

A torn last line (the process was killed while it wrote) is cut away when the log is opened.
"""

import json
import os
from collections import deque
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

Record = dict[str, Any]

REMEMBERED: Final = 200_000  # newest records kept in memory
FILE_NAME: Final = "events.ndjson"


class EventLog:
    """The log at ``path``, or in memory only when there is none.

    Raises ``ValueError`` when a line other than a torn last one cannot be read, and ``OSError``
    when the file cannot be opened.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.last_n = 0
        self.records: deque[Record] = deque(maxlen=REMEMBERED)
        self._file: FileIO | None = None
        self._bytes = 0
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._load(path)
            self._file = path.open("ab", buffering=0)

    def write(self, kind: str, at_ns: int, account: str, **fields: object) -> Record:
        """Append one record, unbuffered; returns it. Raises ``OSError`` when the disk refuses."""
        record: Record = {
            "n": self.last_n + 1,
            "at": at_ns,
            "account": account,
            "kind": kind,
        } | fields
        if self._file is not None:
            self._append(self._file, json.dumps(record, separators=(",", ":")).encode() + b"\n")
        self.last_n += 1
        self.records.append(record)
        return record

    def replay(self) -> Iterator[Record]:
        """Every record from the first, read anew."""
        if self.path is None:
            yield from list(self.records)
            return
        with self.path.open("rb") as lines:
            for line in lines:
                yield json.loads(line)

    def close(self) -> None:
        """Bring it to the disk and let the file go; harmless when done already."""
        if self._file is not None:
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _append(self, file: FileIO, line: bytes) -> None:
        """One unbuffered write, so that a failed line is not written later after all."""
        if file.write(line) != len(line):
            os.truncate(file.fileno(), self._bytes)
            raise OSError("the event log took only a part of a line")
        self._bytes += len(line)

    def _load(self, path: Path) -> None:
        """Count and remember what is there; cut a torn end."""
        if not path.exists():
            return
        whole = 0
        with path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                self._remember(path, line)
                whole += len(line)
        self._bytes = whole
        if whole != path.stat().st_size:
            os.truncate(path, whole)

    def _remember(self, path: Path, line: bytes) -> None:
        try:
            record = json.loads(line)
            number = record["n"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path.name}: line {self.last_n + 1} is no record") from error
        if number != self.last_n + 1:
            raise ValueError(f"{path.name}: record {number} follows {self.last_n}")
        self.last_n = number
        self.records.append(record)
