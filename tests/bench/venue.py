"""The venue of the benches: another process that sends a generated session over loopback.

`python -m tests.bench.venue '{"profile": "calm", "seed": 7, "depth": 25, "count": 50000}'` prints
its addresses as one JSON line and then obeys one JSON command a line on its standard input:
{"rate": 0, "first": 0, "count": 50000} sends those updates, as fast as they are taken (0) or at a
rate a second, ends with a heartbeat on every socket, and answers with what it did. It ends with
its standard input. Parts follow each other: a socket hears the tape from its beginning.

Messages are encoded beforehand, message k with a timestamp k milliseconds after the first. With
"stamp": "sent" that is overwritten with the monotonic time of its sending; with "due", with the
moment it was due, so that a sender held up by a slow reader shows as lag instead of hiding it.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.bench.tape import BASE_MS, Tape, record
from tests.bench.wire import (
    HEARTBEAT,
    STAMP,
    Splitter,
    accept_key,
    read_head,
    stamp,
    text_frame,
)

HOST = "127.0.0.1"
CHUNK_BYTES = 1 << 16
SPIN_NS = 80_000
ONLINE = (
    b'{"channel":"status","type":"update","data":[{"version":"2.0.10","system":"online",'
    b'"api_version":"v2","connection_id":1}]}'
)


class Reader:
    """One socket of the contestant. Answers what it asks; `play` writes to it as well."""

    def __init__(self, venue: VenueProcess, sock: socket.socket) -> None:
        self._venue = venue
        self.sock = sock
        self._lock = threading.Lock()

    def send(self, payload: bytes) -> None:
        """One message."""
        with self._lock:
            self.sock.sendall(text_frame(payload))

    def serve(self) -> None:
        """Handshake, then answer requests until the socket is gone."""
        try:
            head = read_head(self.sock)
            lines = [line.partition(b":") for line in head.split(b"\r\n")]
            keys = [v.strip() for k, _, v in lines if k.strip().lower() == b"sec-websocket-key"]
            self.sock.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept_key(keys[0]) + b"\r\n\r\n"
            )
            self.send(ONLINE)
            self._listen()
        except OSError:
            pass  # a contestant that is done just leaves
        finally:
            self._venue.left(self)
            self.sock.close()

    def _listen(self) -> None:
        splitter = Splitter()
        while data := self.sock.recv(CHUNK_BYTES):
            for payload in splitter.feed(data):
                if payload is None:
                    return
                self._answer(json.loads(payload))

    def _answer(self, request: dict[str, Any]) -> None:
        method, req_id = request["method"], request.get("req_id")
        if method == "ping":
            self.send(json.dumps({"method": "pong", "req_id": req_id}).encode())
            return
        params = request["params"]
        for symbol in params.get("symbol", ("",)):
            result = {"channel": params["channel"]}
            if params["channel"] == "book":
                result |= {"symbol": symbol, "depth": params["depth"]}
            ack = {"method": method, "result": result, "success": True, "req_id": req_id}
            self.send(json.dumps(ack).encode())
            if method == "subscribe" and params["channel"] == "book":
                self.send(self._venue.tape.snapshots[symbol])
                self._venue.readers[symbol] = self
        if params["channel"] == "instrument" and method == "subscribe":
            self.send(self._venue.tape.instruments.encode())


class VenueProcess:
    """The addresses, who reads which symbol, and the playing of the tape."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.readers: dict[str, Reader] = {}
        self._listener = socket.create_server((HOST, 0))
        self._rest = _rest_server(tape)
        threading.Thread(target=self._rest.serve_forever, daemon=True).start()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def facts(self) -> dict[str, Any]:
        """What a contestant must know."""
        return {
            "rest": f"http://{HOST}:{self._rest.server_address[1]}",
            "ws": f"ws://{HOST}:{self._listener.getsockname()[1]}/v2",
            "symbols": list(self.tape.snapshots),
            "depth": self.tape.depth,
            "mean_bytes": self.tape.mean_bytes,
        }

    def left(self, reader: Reader) -> None:
        """A socket is gone, and its subscriptions with it."""
        for symbol in [s for s, other in self.readers.items() if other is reader]:
            del self.readers[symbol]

    def play(self, command: dict[str, Any]) -> dict[str, Any]:
        """Send a part of the tape to whoever reads it; how many, when, and each one's last."""
        readers = dict(self.readers)
        first = command["first"]
        wanted = self.tape.updates[first : first + command["count"]]
        part = [(readers[symbol].sock, frame) for symbol, frame in wanted if symbol in readers]
        began_ns = time.monotonic_ns()
        if command["rate"]:
            _pace(part, 1e9 / command["rate"], began_ns, command.get("stamp", ""))
        else:
            _flood(part)
        for reader in dict.fromkeys(readers.values()):
            reader.send(HEARTBEAT)
        ended_ns = time.monotonic_ns()
        last_ms = {symbol: BASE_MS + first + at for at, (symbol, _) in enumerate(wanted)}
        return {
            "sent": len(part),
            "began_ns": began_ns,
            "ended_ns": ended_ns,
            "last_ms": {symbol: at_ms for symbol, at_ms in last_ms.items() if symbol in readers},
        }

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=Reader(self, sock).serve, daemon=True).start()


def _flood(part: list[tuple[socket.socket, bytearray]]) -> None:
    waiting: dict[socket.socket, bytearray] = {}
    for sock, frame in part:
        held = waiting.setdefault(sock, bytearray())
        held += frame
        if len(held) > CHUNK_BYTES:
            sock.sendall(held)
            held.clear()
    for sock, held in waiting.items():
        sock.sendall(held)


def _pace(
    part: list[tuple[socket.socket, bytearray]], gap_ns: float, began_ns: int, stamped: str
) -> None:
    """Each at its moment; late ones at once, so that the mean rate holds."""
    for number, (sock, frame) in enumerate(part):
        due_ns = began_ns + int(number * gap_ns)
        now_ns = time.monotonic_ns()
        while now_ns < due_ns:
            if due_ns - now_ns > SPIN_NS:
                time.sleep((due_ns - now_ns - SPIN_NS) / 1e9)
            now_ns = time.monotonic_ns()
        if stamped:
            frame[STAMP] = stamp(due_ns if stamped == "due" else now_ns)
        sock.sendall(frame)


def _rest_server(tape: Tape) -> ThreadingHTTPServer:
    class Face(BaseHTTPRequestHandler):
        """Kraken's public REST, from the same market: for those who ask before they listen."""

        def do_GET(self) -> None:
            """Answer one call."""
            url = urlsplit(self.path)
            answer = tape.rest.answer(url.path.rpartition("/")[2], dict(parse_qsl(url.query)))
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    return ThreadingHTTPServer((HOST, 0), Face)


def main() -> None:
    """Record, listen, obey."""
    wanted = json.loads(sys.argv[1])
    venue = VenueProcess(
        record(wanted["profile"], wanted["seed"], wanted["depth"], wanted["count"])
    )
    print(json.dumps(venue.facts), flush=True)
    for line in sys.stdin:
        print(json.dumps(venue.play(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
