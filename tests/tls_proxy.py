"""A real proxy that ends TLS, with a certificate of its own, as one stands before a public site."""

import datetime
import ipaddress
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers import HANG_S

BLOCK = 64 * 1024


class TlsProxy:
    """Passes what comes over TLS on to `upstream`, a port of loopback, until it is closed.

    Where `forwards` it adds X-Forwarded-For and X-Forwarded-Proto to the first request of each
    connection and has the site close it afterwards, so that each request has them; else it passes
    bytes on as they are. `host` replaces the Host header, as nginx does unless told.
    """

    def __init__(self, folder: Path, upstream: int, *, forwards: bool, host: str = "") -> None:
        self._upstream, self._forwards, self._host = upstream, forwards, host
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.certificate = make_certificate(folder)
        self.context.load_cert_chain(self.certificate)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, address = self._listening.accept()
                client.settimeout(HANG_S)
                threading.Thread(target=self._serve, args=(client, address[0]), daemon=True).start()

    def _serve(self, client: socket.socket, address: str) -> None:
        with (
            suppress(OSError),
            self.context.wrap_socket(client, server_side=True) as secure,
            socket.create_connection(("127.0.0.1", self._upstream)) as site,
        ):
            head = _read_head(secure)
            site.sendall(self._forwarded(head, address) if self._forwards else head)
            back = threading.Thread(target=_copy, args=(site, secure), daemon=True)
            back.start()
            _copy(secure, site)
            back.join(HANG_S)

    def _forwarded(self, head: bytes, address: str) -> bytes:
        request, _, rest = head.partition(b"\r\n")
        lines = rest.split(b"\r\n")
        if self._host:
            lines = [line for line in lines if not line.lower().startswith(b"host:")]
            lines.insert(0, b"Host: " + self._host.encode())
        if not any(line.lower().startswith(b"upgrade:") for line in lines):
            lines = [line for line in lines if not line.lower().startswith(b"connection:")]
            lines.insert(0, b"Connection: close")
        added = [b"X-Forwarded-For: " + address.encode(), b"X-Forwarded-Proto: https"]
        return b"\r\n".join([request, *added, *lines])


def _read_head(sock: socket.socket) -> bytes:
    read = b""
    while b"\r\n\r\n" not in read and (more := sock.recv(BLOCK)):
        read += more
    return read


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(BLOCK):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def make_certificate(folder: Path) -> Path:
    """A key and its self-signed certificate for localhost, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "localhost.pem"
    encoding = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
        + certificate.public_bytes(encoding)
    )
    return path
