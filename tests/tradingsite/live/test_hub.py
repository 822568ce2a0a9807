"""Real daphne, real Redis, real sockets."""

import asyncio
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import websocket
from django.contrib.auth.models import User
from django.test import Client as Browser
from redis import Redis

from accounts.models import Token
from accounts.services import create_token
from market.models import Symbol
from tests.servers import Redis as RedisServer
from tests.servers import eventually
from tests.tradingsite.web import Web
from tradingsite.live import publisher, snapshot
from tradingsite.live.auth import has_known_origin
from tradingsite.live.client import ClientChannel, Filter, Refusal
from tradingsite.live.hub import Hub
from tradingsite.live.messages import EncodedMessage
from tradingsite.live.publisher import Message, publish

SMALL_WINDOW = (socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)


def tell(kind: str, symbol: str | None, number: int, padding: int = 0) -> None:
    publish([Message(kind, symbol, {"number": number, "padding": "x" * padding})])


async def nowhere(_: object) -> None:
    """A socket whose messages nobody reads."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A hub without Redis and database, whose snapshots are empty and never reused."""
    monkeypatch.setattr(snapshot, "FRESH_FOR_S", 0.2)
    status = {"stream": "up", "refilling": {}, "polled": [], "standbys": 0}
    empty = {"symbols": [], "forming": [], "candles": [], "positions": [], "status": status}
    monkeypatch.setattr(snapshot, "snapshot_json", lambda: empty)
    built = Hub()
    built._subscription.ready.set()
    return built


async def test_a_snapshot_that_failed_once_is_built_anew(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise ValueError("no JSON")

    with monkeypatch.context() as broken:
        broken.setattr(snapshot, "snapshot_json", fails)
        with pytest.raises(ValueError, match="no JSON"):
            await hub.join(ClientChannel(nowhere))
    await asyncio.sleep(2 * snapshot.FRESH_FOR_S)
    await hub.join(ClientChannel(nowhere))
    assert len(hub.channels) == 1


async def test_who_joins_while_the_hub_ends_is_sent_to_the_next_one(hub: Hub) -> None:
    hub.has_ended = True
    with pytest.raises(Refusal) as refused:
        await hub.join(ClientChannel(nowhere))
    assert refused.value.code == 4503
    assert not hub.channels


def resident_bytes(web: Web) -> int:
    pages = Path(f"/proc/{web.pid}/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()


def test_the_query_says_which_messages_are_wanted() -> None:
    filter = Filter.parse(b"symbols=btcusdt,ETHUSDT&types=candle,signal")
    assert filter.passes(EncodedMessage("candle", "BTCUSDT", ""))
    assert filter.passes(EncodedMessage("signal", None, ""))
    assert not filter.passes(EncodedMessage("candle", "BNBUSDT", ""))
    assert not filter.passes(EncodedMessage("trade", "BTCUSDT", ""))


@pytest.mark.parametrize("query", [b"types=kandle", b"symbols=BTC;ETH", b"symbol=BTCUSDT"])
def test_a_strange_query_is_refused_by_name(query: bytes) -> None:
    with pytest.raises(Refusal, match=query.split(b"=")[0].decode()) as refused:
        Filter.parse(query)
    assert refused.value.code == 4400


def test_a_socket_gets_one_snapshot_and_then_what_is_told(web: Web) -> None:
    client = web.connect("/")
    snapshot = client.next()
    assert (snapshot["type"], snapshot["seq"]) == ("snapshot", 1)
    assert snapshot["data"]["symbols"] == ["BTCUSDT", "ETHUSDT"]
    assert snapshot["data"]["status"]["stream"] == "stale"  # none runs
    for number in range(3):
        tell("candle", "BTCUSDT", number)
    told = [client.next() for _ in range(3)]
    assert [message["data"]["number"] for message in told] == [0, 1, 2]
    assert [message["seq"] for message in told] == [2, 3, 4]


def test_a_filter_leaves_out_what_was_not_asked_for(web: Web) -> None:
    client = web.connect("/ws/?symbols=ETHUSDT&types=candle")
    assert client.next()["data"] == {"symbols": ["ETHUSDT"], "candles": []}
    tell("candle", "BTCUSDT", 1)
    tell("signal", "ETHUSDT", 2)
    tell("candle", "ETHUSDT", 3)
    message = client.next()
    assert (message["data"]["number"], message["seq"]) == (3, 2)


@pytest.mark.parametrize(
    ("path", "code", "named"),
    [("/?types=kandle", 4400, "kandle"), ("/?symbols=NOPE", 4404, "NOPE")],
)
def test_a_refused_socket_is_told_why(web: Web, path: str, code: int, named: str) -> None:
    client = web.connect(path)
    error = client.next()
    assert error["type"] == "error"
    assert named in error["data"]["detail"]
    assert client.close_code() == code


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_a_strange_page_gets_no_socket(web: Web, origin: str) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        web.connect(origin=origin)
    assert refused.value.status_code == 403
    web.connect(origin=web.url).close()


def test_one_long_message_closes_the_socket(web: Web) -> None:
    client = web.connect()
    client.socket.send("x" * 5000)
    assert client.close_code() == 4413


def test_a_message_without_end_is_not_kept_and_troubles_nobody(web: Web) -> None:
    client, other = web.connect(), web.connect("/?types=candle")
    other.next()
    before = resident_bytes(web)
    opcodes = websocket.ABNF.OPCODE_TEXT, *[websocket.ABNF.OPCODE_CONT] * 1000
    with suppress(OSError, websocket.WebSocketException):  # the connection is closed
        for opcode in opcodes:
            client.socket.send_frame(websocket.ABNF.create_frame("x" * 100_000, opcode, 0))
    assert resident_bytes(web) - before < 50_000_000
    tell("candle", "BTCUSDT", 1)
    assert other.next()["data"]["number"] == 1


def test_forming_candles_come_at_most_twenty_times_a_second(web: Web) -> None:
    client = web.connect("/?types=forming")
    client.next()
    begun_s = time.monotonic()
    for number in range(400):
        tell("forming", ("BTCUSDT", "ETHUSDT")[number % 2], number)
        time.sleep(0.0025)
    numbers: list[int] = []
    while not {398, 399} <= set(numbers):  # the last of each symbol
        numbers.append(client.next()["data"]["number"])
    seconds = time.monotonic() - begun_s
    assert 5 < len(numbers) < 20 * seconds + 10


def test_a_client_that_stops_reading_is_closed_and_slows_nobody(web: Web) -> None:
    slow, fast = web.connect("/?types=candle"), web.connect("/?types=candle")
    before = memory_mb(web.pid)
    fast.next()
    for number in range(3000):
        tell("candle", "BTCUSDT", number, padding=2000)
        message = fast.next()
    assert message["data"]["number"] == 2999
    assert eventually(lambda: "live.client_too_slow" in web.text())
    assert memory_mb(web.pid) - before < 20
    assert slow.close_code() == 4008


def test_a_slow_client_that_reads_again_in_time_has_missed_only_forming_candles(web: Web) -> None:
    slow = web.connect("/?types=forming,order", sockopt=[SMALL_WINDOW])
    messages = [slow.next()]
    for number in range(24):  # not for so long that a slow machine makes it too slow a client
        tell("forming", "BTCUSDT", number, padding=20_000)
        tell("order", "BTCUSDT", number)
        time.sleep(0.03)
    while messages[-1]["data"].get("number") != 23 or messages[-1]["type"] != "order":
        messages.append(slow.next())
    orders = [each["data"]["number"] for each in messages if each["type"] == "order"]
    assert orders == list(range(24))
    assert [each["seq"] for each in messages] == list(range(1, len(messages) + 1))
    assert sum(each["type"] == "forming" for each in messages) < 12


def test_pages_see_a_gap_where_a_message_was_lost(web: Web) -> None:
    client = web.connect("/?types=status,order")
    client.next()
    tell("order", "BTCUSDT", 1)
    assert client.next()["seq"] == 2
    publisher._publisher().backlog.appended += 1  # as if one had been dropped; nothing follows it
    status = client.next()
    assert (status["type"], status["seq"]) == ("status", 4)


@pytest.mark.processes
def test_pages_see_a_gap_when_redis_was_away(symbols: list[Symbol], tmp_path: Path) -> None:
    first = RedisServer(tmp_path)
    web = Web(tmp_path, REDIS_URL=first.url)
    client = web.connect("/?types=status")
    client.next()
    first.kill()
    assert eventually(lambda: "live.beat_lost" in web.text())
    second = RedisServer(tmp_path)
    assert client.next()["seq"] == 3
    assert "Traceback" not in web.text()
    web.stop()
    second.stop()


@pytest.fixture
def private(symbols: list[Symbol], redis: Redis, tmp_path: Path) -> Iterator[Web]:
    server = Web(tmp_path, PUBLIC_READ="false")
    yield server
    server.stop()


def test_without_public_read_a_session_or_a_token_is_needed(private: Web) -> None:
    user = User.objects.create_user("reader", password="reads-a-lot")
    assert private.connect().close_code() == 4401
    browser = Browser()
    browser.force_login(user)
    cookie = f"sessionid={browser.cookies['sessionid'].value}"
    assert private.connect(cookie=cookie).next()["type"] == "snapshot"
    token = create_token(user)
    assert private.connect(f"/?token={token}").next()["type"] == "snapshot"
    header = {"Authorization": f"Token {token}"}
    assert private.connect(header=header).next()["type"] == "snapshot"
    assert private.connect("/?token=wrong").close_code() == 4401


def test_a_socket_is_closed_when_what_let_it_in_ends(private: Web) -> None:
    user = User.objects.create_user("reader")
    browser = Browser()
    browser.force_login(user)
    cookie = f"sessionid={browser.cookies['sessionid'].value}"
    by_token, other = create_token(user, "one"), create_token(user, "other")
    session = private.connect(cookie=cookie)
    sockets = [private.connect(f"/?token={token}") for token in (by_token, other)]
    for socket_ in (session, *sockets):
        assert socket_.next()["type"] == "snapshot"
    Token.objects.get(name="one").delete()
    assert sockets[0].close_code() == 4401
    browser.logout()
    assert session.close_code() == 4401
    user.is_active = False
    user.save()
    assert sockets[1].close_code() == 4401


@pytest.mark.parametrize(
    "query", ["symbols=币安人生USDT".encode(), b"symbols=%E5%B8%81%E5%AE%89USDT"]
)
def test_names_that_are_not_ascii_can_be_asked_for(query: bytes) -> None:
    [name] = Filter.parse(query).symbols or ()
    assert name in ("币安人生USDT", "币安USDT")


@pytest.mark.parametrize(
    ("origin", "known"),
    [
        ("http://127.0.0.1:8001", True),
        ("http://127.0.0.1:8000", True),  # our pages, on the port of sockets
        ("http://127.0.0.1:9999", False),
        ("http://127.0.0.1", False),
        ("https://127.0.0.1:8001", False),
        ("http://localhost:8001", False),
        ("http://127.0.0.1:8001.evil.example", False),
        ("null", False),
        ("http://[", False),
    ],
)
def test_the_origin_is_compared_with_port_and_scheme(origin: str, known: bool) -> None:
    headers = [(b"host", b"127.0.0.1:8001"), (b"origin", origin.encode())]
    assert has_known_origin({"scheme": "ws", "headers": headers}) is known


def memory_mb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) // 1024
