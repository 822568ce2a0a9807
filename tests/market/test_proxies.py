"""Proxies of the environment, with a real one: who asks it, for what, and who never does."""

import base64
import contextlib
import socketserver
import threading
from collections.abc import Iterator

import pytest
from websocket import WebSocketException

from market.failures import Busy
from market.proxies import proxy_of
from market.stream.websocket import BatchSocket
from market.transport import HttpTransport
from orders.venue.account_subscription import AccountSubscription

pytestmark = pytest.mark.processes  # it listens on a port
HOST = "testnet.binance.vision"
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Proxy(socketserver.ThreadingTCPServer):
    """Notes what it is asked for, and opens no tunnel."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.credentials: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(socketserver.StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        first = self.rfile.readline().decode().strip()
        while line := self.rfile.readline().decode().strip():
            name, _, value = line.partition(": ")
            if name.lower() == "proxy-authorization":
                self.server.credentials.append(value)
        self.server.asked.append(first.rsplit(" ", 1)[0])
        self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """In the environment for all protocols."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with Proxy() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, server.url)
        yield server
        server.shutdown()


def ask_everywhere(host: str, *, secure: bool) -> None:
    """By REST, as the market's streams do, and as the account's does."""
    end = "s" if secure else ""
    with pytest.raises(Busy):
        HttpTransport(f"http{end}://{host}", {}, None, 2.0).send("GET", "/api/v3/time")
    with pytest.raises((OSError, WebSocketException)):
        BatchSocket().dial(f"ws{end}://{host}/stream", 2.0)
    with pytest.raises((OSError, WebSocketException)):
        AccountSubscription.dial(f"ws{end}://{host}/ws-api/v3", "{}")


def test_requests_and_sockets_ask_it_for_the_exchange(proxy):
    ask_everywhere(HOST, secure=True)
    assert proxy.asked == [f"CONNECT {HOST}:443"] * 3


def test_it_is_told_the_name_and_password_that_its_address_holds(proxy, monkeypatch):
    monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//me:p%40ss@"))
    ask_everywhere(HOST, secure=True)
    assert proxy.credentials == ["Basic " + base64.b64encode(b"me:p@ss").decode()] * 3


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost:1"])
def test_nobody_asks_it_for_loopback(proxy, host):
    ask_everywhere(host, secure=False)
    assert proxy.asked == []


@pytest.mark.parametrize(
    "exempt", [HOST, f"intern.example,{HOST}", "binance.vision", ".vision", "*"]
)
def test_all_heed_no_proxy_alike(proxy, monkeypatch, exempt):
    monkeypatch.setenv("no_proxy", exempt)
    assert proxy_of(f"https://{HOST}") is None
    assert proxy_of(f"wss://{HOST}/ws") is None
    with contextlib.suppress(OSError, WebSocketException):
        BatchSocket().dial(f"wss://{HOST}/stream", 0.2)
    assert proxy.asked == []


def test_a_proxy_without_a_scheme_is_one_of_http(proxy, monkeypatch):
    monkeypatch.setenv("https_proxy", proxy.url.removeprefix("http://"))
    ask_everywhere(HOST, secure=True)
    assert len(proxy.asked) == 3


def test_for_all_protocols_one_is_enough(proxy, monkeypatch):
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("all_proxy", proxy.url)
    ask_everywhere(HOST, secure=True)
    assert len(proxy.asked) == 3
