"""A receiver of alerts on loopback over TLS, as hostile as it is told to be."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

OK = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"
Behave = Callable[["Receiver", asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Receiver:
    """What came, and how it answers. `requests` are (request line, body)."""

    port: int = 0
    behave: Behave | None = None
    connections: int = 0
    requests: list[tuple[str, Any]] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def url(self, path: str = "/canary-hook-token", host: str = "127.0.0.1") -> str:
        return f"https://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(
                (int(one.split(":")[1]) for one in head.lower().split("\r\n")
                 if one.startswith("content-length")), 0,
            )  # fmt: skip
            body = await reader.readexactly(length)
            self.requests.append((head.split("\r\n")[0], json.loads(body) if body else None))
            await (self.behave or says(OK))(self, writer)
        writer.transport.abort()


def says(answer: bytes) -> Behave:
    async def behave(_receiver: Receiver, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return behave


def status(code: int, headers: str = "") -> Behave:
    return says(f"HTTP/1.1 {code} Said\r\nContent-Length: 0\r\n{headers}\r\n".encode())


async def hangs(_receiver: Receiver, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def drips(_receiver: Receiver, writer: asyncio.StreamWriter) -> None:
    for byte in OK * 10_000:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.05)


async def floods(_receiver: Receiver, writer: asyncio.StreamWriter) -> None:
    """A body without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    for _ in range(1_000):
        writer.write(b"x" * 65_536)
        await writer.drain()


async def patience(_receiver: Receiver, writer: asyncio.StreamWriter) -> None:
    """Heads of answers that only ask for patience, without an end."""
    while True:
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000)
        await writer.drain()


huge_headers = says(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 10_000_000 + b"\r\n\r\n")


@asynccontextmanager
async def receiving(
    folder: Path | None, behave: Behave | None = None, name: str = "127.0.0.1"
) -> AsyncIterator[Receiver]:
    """Listens while open; without a folder of certificates it speaks no TLS."""
    receiver = Receiver(behave=behave)
    context = None
    if folder is not None:
        made = certificate(folder, name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=context)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for writer in receiver.writers:
            writer.transport.abort()


def certificate(folder: Path, name: str) -> Path:
    """A certificate that vouches for itself, with its key, in one file; made once a folder."""
    path = folder / f"{name}.pem"
    if path.exists():
        return path
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"a receiver of a test, {name}")])
    other: x509.GeneralName = x509.DNSName(name)
    with contextlib.suppress(ValueError):
        other = x509.IPAddress(ipaddress.ip_address(name))
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([other]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path
