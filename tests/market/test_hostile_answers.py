"""HTTP answers that are too long, too slow or no HTTP: one named failure, in bounded time and
memory, and the next request is answered.
"""

import gzip
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from decimal import Decimal
from functools import cache
from itertools import repeat

import pytest
from redis import Redis

from foundation.times import now_ms
from market import rest as public
from market.failures import Busy, ExchangeUnreachable, OutcomeUnknown
from market.ratelimit.limiter import shared_limiter
from market.rest import MarketRest
from market.ticks import Side
from market.wire.bounds import MAX_ANSWER_BYTES
from orders.venue import binance as signed
from orders.venue.binance import BinanceExchange
from orders.venue.exchange import OrderRequest
from tests.market.hostile_server import Answer, HostileServer, dripped, hostile_server
from tests.servers import HANG_S, eventually

pytestmark = pytest.mark.thorough  # real sockets and threads

TIMEOUT_S = 0.2
MAX_MEMORY = 3 * MAX_ANSWER_BYTES
OK = b"HTTP/1.1 200 OK\r\n"
PIECE = b"x" * 100_000


@cache
def zeros(layers: int) -> bytes:
    """A hundred megabytes of zeros, packed `layers` times over."""
    return gzip.compress(bytes(100 << 20) if layers == 1 else zeros(layers - 1))


def answer(head: bytes, parts: Callable[[], Iterable[bytes]]) -> Answer:
    def parts_with_head() -> Iterator[bytes]:
        yield head
        yield from parts()

    return parts_with_head


def packed(layers: int) -> Answer:
    encoding = b", ".join([b"gzip"] * layers)
    return answer(OK + b"Content-Encoding: %s\r\n\r\n" % encoding, lambda: [zeros(layers)])


HOSTILE: dict[str, Answer] = {
    "a length too long": answer(
        OK + b"Content-Length: 1000000000000\r\n\r\n", lambda: repeat(PIECE)
    ),
    "no end": answer(OK + b"\r\n", lambda: repeat(PIECE)),
    "chunks without end": answer(
        OK + b"Transfer-Encoding: chunked\r\n\r\n", lambda: repeat(b"186a0\r\n" + PIECE + b"\r\n")
    ),
    "a chunk's head without end": answer(
        OK + b"Transfer-Encoding: chunked\r\n\r\n", lambda: repeat(b"0" * 100_000)
    ),
    "trailers without end": answer(
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", lambda: repeat(b"a: b\r\n" * 100)
    ),
    "what unpacks to too much": packed(1),
    "packed twice": packed(2),
    "packed without end": answer(
        OK + b"Content-Encoding: gzip\r\n\r\n", lambda: repeat(gzip.compress(b""))
    ),
    "a header without end": answer(OK + b"a: ", lambda: repeat(PIECE)),
    "headers without end": answer(OK, lambda: repeat(b"a: b\r\n" * 1000)),
    "many answers before the answer": answer(
        b"", lambda: repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
    ),
    "no HTTP": answer(b"220 smtp.example.com ESMTP\r\n\r\n", lambda: []),
    "a body byte by byte": answer(OK + b"Content-Length: 1000000\r\n\r\n", lambda: dripped(b"[1")),
    "chunks byte by byte": answer(
        OK + b"Transfer-Encoding: chunked\r\n\r\n", lambda: dripped(b"1;aaaaa")
    ),
    "headers byte by byte": answer(b"", lambda: dripped(OK + b"a: bbb")),
    "nothing but its beginning": answer(b"HTTP/1.1 2", lambda: dripped(b"0", every_s=2.0)),
}


FOR_ORDERS = [
    "a length too long",
    "what unpacks to too much",
    "no HTTP",
    "a body byte by byte",
    "headers byte by byte",
    "nothing but its beginning",
]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HostileServer]:
    monkeypatch.setattr(public, "ANSWER_TIMEOUT_S", TIMEOUT_S)
    monkeypatch.setattr(signed, "ANSWER_TIMEOUT_S", TIMEOUT_S)
    with hostile_server() as started:
        yield started


def answered(ask: Callable[[], object]) -> bool:
    """True where it is, in the short time that there is here; a slow machine asks again."""
    with suppress(ExchangeUnreachable):
        ask()
        return True
    return False


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """No test takes longer or more memory than what is hostile may cost."""
    zeros(2)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    began_s = time.monotonic()
    yield
    took_s, (_, peak) = time.monotonic() - began_s, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - before < MAX_MEMORY
    assert took_s < HANG_S


@pytest.mark.parametrize("name", HOSTILE)
def test_a_public_request_finds_the_exchange_unreachable(server: HostileServer, name: str) -> None:
    rest = MarketRest(f"http://127.0.0.1:{server.port}")
    server.answers["/api/v3/time"] = HOSTILE[name]
    with pytest.raises(ExchangeUnreachable):
        rest.server_time()
    server.answers.clear()
    assert eventually(lambda: answered(rest.server_time))


@pytest.fixture
def exchange(server: HostileServer, redis: Redis) -> BinanceExchange:
    shared_limiter.cache_clear()  # of an earlier server on the same port
    return BinanceExchange(f"http://127.0.0.1:{server.port}", "the-key", "the-secret")


@pytest.mark.parametrize("name", FOR_ORDERS)
def test_the_outcome_of_an_order_is_unknown(
    server: HostileServer, exchange: BinanceExchange, name: str
) -> None:
    request = OrderRequest("BTCUSDT", Side.BUY, Decimal("0.0030"), "t-1", now_ms())
    assert eventually(lambda: answered(exchange.keep_ready))
    server.answers["/api/v3/order"] = HOSTILE[name]
    with pytest.raises(OutcomeUnknown):
        exchange.place(request)
    assert eventually(lambda: answered(exchange.server_time))


@pytest.mark.parametrize("name", ["a body byte by byte", "headers byte by byte"])
def test_a_clock_that_drips_keeps_no_order_waiting(
    server: HostileServer, exchange: BinanceExchange, name: str
) -> None:
    server.answers["/api/v3/time"] = HOSTILE[name]
    with pytest.raises(Busy, match="clock is not known"):
        exchange.keep_ready()


def test_an_answer_in_time_leaves_the_connection_open_for_the_next(
    server: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public, "ANSWER_TIMEOUT_S", HANG_S)
    rest = MarketRest(f"http://127.0.0.1:{server.port}")
    for _ in range(3):
        assert rest.server_time() > 0
    assert server.connections == 1
