"""The stream of trade updates: every event of an account's orders, once, to who listens.

No snapshot and no replay: who was away asks over REST. Frames are bytes, as paper sends them, or
text. Stamps are of both kinds that were recorded, ``Z`` and ``-04:00``.
"""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from arbit.sandbox.alpaca import keys, words
from arbit.sandbox.alpaca.assets import asset_id
from arbit.sandbox.alpaca.house import House
from arbit.sandbox.alpaca.views import order_json
from arbit.sandbox.exchange import (
    Accepted,
    BalanceChanged,
    Canceled,
    Happened,
    Opened,
    Traded,
)
from arbit.sandbox.faults import Fault
from arbit.sandbox.scene import Scene
from arbit.sandbox.session import Session

MS: Final = 1_000_000
TRADE_UPDATES: Final = "trade_updates"
POLICY: Final = 1008


@dataclass(slots=True)
class Listener:
    """One socket."""

    session: Session
    account: str = ""  # "" until it is authorized
    listens: bool = False
    held: str = ""  # a frame that changes places with the next one


@dataclass(slots=True)
class TradeUpdates:
    """All sockets of the stream."""

    scene: Scene
    house: House
    clients: dict[int, Listener] = field(default_factory=dict)
    _late: deque[tuple[int, str, str]] = field(default_factory=deque)  # due, account, frame

    def __post_init__(self) -> None:
        self.house.listeners.append(self.on_event)

    def join(self, session: Session) -> None:
        """A new socket: it is told nothing."""
        self.clients[session.number] = Listener(session)

    def leave(self, session: Session) -> None:
        """It is gone."""
        del self.clients[session.number]

    def receive(self, session: Session, text: str) -> None:
        """Authorize, or say what is listened to."""
        client, message = self.clients[session.number], _object(text)
        action, data = message.get("action"), message.get("data")
        inner = data if isinstance(data, dict) else {}
        if action == "auth":
            self._authorize(client, message.get("key"), message.get("secret"))
        elif action == "authenticate":
            self._authorize(client, inner.get("key_id"), inner.get("secret_key"))
        elif action == "listen" and client.account:
            streams = inner.get("streams")
            wanted = streams if isinstance(streams, list) else []
            client.listens = TRADE_UPDATES in wanted
            heard = [TRADE_UPDATES] if client.listens else []
            self._say(client, "listening", {"streams": heard})
        else:
            self._refuse(client, "listen" if action == "listen" else "authenticate")

    def tick(self) -> None:
        """Send what a fault held back, when its time has come."""
        now_ns = self.scene.clock.elapsed_ns()
        while self._late and self._late[0][0] <= now_ns:
            _, account, frame = self._late.popleft()
            self._send(account, frame)
        for client in self.clients.values():
            client.session.release(now_ns)

    def on_event(self, happened: Happened) -> None:
        """Tell an account's listeners what became of its order."""
        event = _event_of(happened)
        if event is None or isinstance(happened, BalanceChanged):
            return
        update: words.Body = {"event": event, "timestamp": words.stamp(happened.at_ns)}
        order = order_json(happened.order, updates=True)
        if isinstance(happened, Traded):
            base = happened.order.symbol.split("/")[0]
            position = self.house.books.account(happened.account).balance(base)
            update |= {
                "execution_id": happened.trade.trade_id,
                "price": words.text_of(happened.trade.price),
                "qty": words.text_of(happened.trade.qty),
                "position_qty": words.text_of(position),
            }
            if event == "fill":
                order |= {"status": "filled", "filled_at": order["updated_at"]}
        else:
            update["execution_id"] = asset_id(f"{happened.order.order_id} {event}")
        frame = words.compact({"stream": TRADE_UPDATES, "data": update | {"order": order}})
        self._deliver(happened.account, frame)

    def _deliver(self, account: str, frame: str) -> None:
        faults = self.scene.faults
        if faults.find("exec_mute") is not None or self._lost():
            return
        late = faults.find("updates_late")
        twice = faults.find("exec_duplicate")
        copies = 0 if twice is None else int(twice.number("copies"))
        if twice is not None:
            faults.use(twice)
        for _ in range(copies + 1):
            if late is None and not self._late:
                self._send(account, frame)
            else:
                delay_ns = 0 if late is None else int(late.number("delay_ms") * MS)
                due_ns = self.scene.clock.elapsed_ns() + delay_ns
                self._late.append((due_ns, account, frame))
        if late is not None:
            faults.use(late)

    def _lost(self) -> bool:
        gap = self.scene.faults.find("exec_gap")
        if gap is None:
            return False
        gap.seen += 1
        if gap.seen <= gap.number("skip"):
            return False
        self.scene.faults.use(gap)
        return True

    def _send(self, account: str, frame: str) -> None:
        reorder: Fault | None = self.scene.faults.find("exec_reorder")
        for client in list(self.clients.values()):
            if client.account != account or not client.listens:
                continue
            if reorder is not None and not client.held:
                client.held = frame
                continue
            self._put(client, frame)
            held, client.held = client.held, ""
            if held:
                self._put(client, held)

    def _authorize(self, client: Listener, key: object, secret: object) -> None:
        found = keys.find(self.house.keys, key, secret)
        if found is None:
            self._refuse(client, "authenticate")
            return
        client.account = found.account
        self._say(client, "authorization", {"status": "authorized", "action": "authenticate"})

    def _refuse(self, client: Listener, action: str) -> None:
        self.scene.stats.bad_requests += 1
        told: Mapping[str, object] = {"status": "unauthorized", "action": action}
        self._say(client, "authorization", told)
        client.session.close(POLICY, "")

    def _say(self, client: Listener, stream: str, data: Mapping[str, object]) -> None:
        self._put(client, words.compact({"stream": stream, "data": data}))

    def _put(self, client: Listener, text: str) -> None:
        as_text = self.scene.faults.find("updates_text") is not None
        binary = self.scene.options.binary_updates and not as_text
        frame: str | bytes = text.encode() if binary else text
        client.session.send(frame, self.scene.clock.elapsed_ns())


def _event_of(happened: Happened) -> str | None:
    """The venue's word for an event; None for what it does not tell."""
    if isinstance(happened, Traded):
        return "fill" if happened.cum_qty >= happened.order.qty else "partial_fill"
    if isinstance(happened, Accepted):
        return "pending_new"
    if isinstance(happened, Opened):
        return "new"
    return happened.status if isinstance(happened, Canceled) else None


def _object(text: str) -> dict[str, object]:
    """A JSON object, or an empty one where there is none."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}
