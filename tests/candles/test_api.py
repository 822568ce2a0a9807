from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import Settings
from redis import Redis

from candles.live.state import read_states
from candles.models import Candle, Verdict
from candles.representation import candle_json, forming_json
from foundation.rest.fields import iso
from market.models import Symbol
from tests.builders import NOON_MS, candle, symbol, tick
from tests.clients import promised, redis_away, refused, stranger
from tests.rows import at, write_stream

pytestmark = pytest.mark.django_db
MINUTE_MS = 60_000


@pytest.fixture
def btc() -> Symbol:
    return symbol("BTCUSDT")


def record(of: Symbol, minutes: Iterable[int], **fields: Any) -> list[Candle]:
    rows = [candle(of, str(100 + minute), minute=minute, **fields) for minute in minutes]
    return Candle.objects.bulk_create(rows)


def opened(answer: Any) -> list[str]:
    return [one["open_time"] for one in answer["candles"]]


def ask(query: str = "", path: str = "/candles/BTCUSDT") -> Any:
    template = path.replace("BTCUSDT", "{symbol}")
    return promised(stranger().get(f"{path}?{query}"), template)


def test_candles_come_oldest_first_and_the_newest_are_kept(btc: Symbol) -> None:
    record(btc, range(5))
    answer = ask("limit=2")
    assert (answer["symbol"], answer["interval"]) == ("BTCUSDT", "1m")
    assert opened(answer) == [iso(at(3)), iso(at(4))]


def test_a_candle_is_the_same_over_rest_as_over_the_socket(btc: Symbol) -> None:
    record(btc, [0], volume=Decimal("1234.50000"), quote_volume=Decimal("1E+3"))
    [answered] = ask()["candles"]
    assert answered == candle_json(Candle.objects.get())
    assert (answered["volume"], answered["quote_volume"]) == ("1234.5", "1000")
    assert answered["open_time"] == "2026-01-02T12:00:00.000Z"
    assert answered["close_time"] == "2026-01-02T12:00:59.999Z"
    assert answered["closed"] is True


def test_a_candle_says_which_revision_it_is_and_what_differed(btc: Symbol) -> None:
    differed = {"volume": ["1", "1.5"]}
    record(btc, [0], verdict=Verdict.REPAIRED, revision=2, differed=differed)
    [answered] = ask()["candles"]
    assert (answered["verdict"], answered["revision"]) == ("repaired", 2)
    assert answered["differed"] == differed
    assert answered == candle_json(Candle.objects.get())


def test_what_an_archive_lacked_is_null(btc: Symbol) -> None:
    lacking = ("quote_volume", "trades", "taker_volume", "taker_quote_volume")
    record(btc, [0], **dict.fromkeys(lacking))
    [answered] = ask()["candles"]
    assert [answered[name] for name in lacking] == [None] * 4
    assert answered == candle_json(Candle.objects.get())


def test_candles_of_one_verdict_are_found(btc: Symbol, redis: Redis) -> None:
    record(btc, [0, 2])
    record(btc, [1], verdict=Verdict.EXACT)
    write_stream(redis, [tick(time_ms=NOON_MS + 3 * MINUTE_MS)])
    assert opened(ask("verdict=exact&forming=true")) == [iso(at(1))]
    assert opened(ask("verdict=unverified", path="/candles")) == [iso(at(0)), iso(at(2))]
    assert opened(ask("verdict=repaired")) == []


def test_start_and_end_are_both_within(btc: Symbol) -> None:
    record(btc, range(5))
    start, end = NOON_MS + MINUTE_MS, iso(at(3))
    assert opened(ask(f"start={start}&end={end}")) == [iso(at(1)), iso(at(2)), iso(at(3))]
    assert opened(ask(f"end={end}&limit=1")) == [iso(at(3))]


def test_a_start_alone_gives_the_oldest_from_there_on(btc: Symbol) -> None:
    record(btc, range(5))
    assert opened(ask(f"start={NOON_MS + MINUTE_MS}&limit=2")) == [iso(at(1)), iso(at(2))]


def test_intervals_are_kept_apart_and_the_first_setting_is_meant_by_default(
    btc: Symbol, settings: Settings
) -> None:
    settings.INTERVALS = ["5m", "1m"]
    record(btc, [0])
    record(btc, [5], interval="5m")
    assert opened(ask()) == [iso(at(5))]
    assert opened(ask("interval=1m")) == [iso(at(0))]


def test_a_symbol_may_be_written_in_small_letters(btc: Symbol) -> None:
    record(btc, [0])
    assert promised(stranger().get("/candles/btcusdt"), "/candles/{symbol}")["symbol"] == "BTCUSDT"


def test_forming_adds_the_open_candle(btc: Symbol, redis: Redis) -> None:
    record(btc, [0])
    write_stream(redis, [tick("7.50", tick_id=9, time_ms=NOON_MS + MINUTE_MS + 5)])
    closed, forming = ask("forming=true")["candles"]
    assert closed["closed"] is True
    state = read_states(redis, ["BTCUSDT"]).get("BTCUSDT")
    assert state is not None
    assert forming == forming_json("BTCUSDT", state)
    assert (forming["closed"], forming["verdict"], forming["close"]) == (False, None, "7.5")
    assert (forming["revision"], forming["differed"]) == (None, None)
    assert (forming["last_tick_id"], forming["time"]) == (9, "2026-01-02T12:01:00.005Z")


@pytest.mark.parametrize("query", ["end=2026-01-02T12:00:00Z", "interval=1h", "start=0&limit=1"])
def test_the_open_candle_is_left_out_where_it_does_not_belong(
    btc: Symbol, redis: Redis, query: str
) -> None:
    record(btc, [0])
    write_stream(redis, [tick(time_ms=NOON_MS + MINUTE_MS)])
    answer = ask(f"forming=true&{query}")
    assert all(one["closed"] for one in answer["candles"])


def test_a_candle_that_closed_meanwhile_is_not_forming_too(btc: Symbol, redis: Redis) -> None:
    record(btc, [0, 1])
    write_stream(redis, [tick(time_ms=NOON_MS + MINUTE_MS)])
    assert opened(ask("forming=true")) == [iso(at(0)), iso(at(1))]


def test_candles_of_all_followed_symbols_come_in_order_of_time(btc: Symbol) -> None:
    eth, gone = symbol("ETHUSDT"), symbol("LTCUSDT", followed=False)
    for one in (btc, eth, gone):
        record(one, range(3))
    answer = ask("limit=4", path="/candles")
    found = [(one["symbol"], one["open_time"]) for one in answer["candles"]]
    assert found == [(name, iso(at(m))) for m in (1, 2) for name in ("BTCUSDT", "ETHUSDT")]


def test_history_of_a_symbol_no_longer_followed_stays_readable() -> None:
    record(symbol("BTCUSDT", followed=False), [0])
    assert len(ask()["candles"]) == 1


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit='0'"),
        ("limit=5001", "limit='5001'"),
        ("limit=many", "limit='many'"),
        ("interval=7m", "interval='7m': use one of 1s, 1m"),
        ("start=never", "start='never'"),
        ("start=2&end=1", "start='2': lies after end"),
        ("forming=perhaps", "forming='perhaps'"),
        ("verdict=good", "verdict='good': use one of exact, repaired, unverified"),
        ("limti=5", "limti='5': no such parameter; there are interval, start"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(btc: Symbol, query: str, named: str) -> None:
    assert named in refused(stranger().get(f"/candles/BTCUSDT?{query}"), 400, "bad_parameter")


def test_an_unknown_symbol_is_not_found() -> None:
    for path in ("/candles/NOPE", "/ticks/NOPE"):
        assert "'NOPE'" in refused(stranger().get(path), 404, "unknown_symbol")


def test_the_latest_ticks_are_those_of_the_followed_symbols(redis: Redis) -> None:
    symbol("BTCUSDT"), symbol("ETHUSDT")
    write_stream(redis, [tick(tick_id=1), tick("101.50", tick_id=2, buyer_is_maker=True)])
    [latest] = promised(stranger().get("/ticks"), "/ticks")["ticks"]
    assert (latest["symbol"], latest["tick_id"], latest["price"]) == ("BTCUSDT", 2, "101.5")
    assert (latest["taker"], latest["time"]) == ("SELL", "2026-01-02T12:00:00.000Z")


def test_the_last_ticks_of_a_symbol_come_oldest_first(btc: Symbol, redis: Redis) -> None:
    write_stream(redis, [tick(tick_id=number) for number in range(1, 8)])
    answer = promised(stranger().get("/ticks/BTCUSDT?limit=3"), "/ticks/{symbol}")
    assert [one["tick_id"] for one in answer["ticks"]] == [5, 6, 7]
    for limit in ("0", "1001", "x"):
        refused(stranger().get(f"/ticks/BTCUSDT?limit={limit}"), 400, "bad_parameter")


def test_without_redis_closed_candles_are_answered_and_the_rest_says_why_not(btc: Symbol) -> None:
    record(btc, [0])
    with redis_away():
        assert len(ask()["candles"]) == 1
        for path in (
            "/candles/BTCUSDT?forming=true",
            "/candles?forming=1",
            "/ticks",
            "/ticks/BTCUSDT",
        ):
            assert "Redis" in refused(stranger().get(path), 503, "redis_unavailable")
