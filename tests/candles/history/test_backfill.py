import re
import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
import redis as redis_library
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from pytest_django import Settings
from redis import Redis

from candles.history import backfill as backfill_module
from candles.history.backfill import SeriesSpan, backfill, first_kline_ms
from candles.management.arguments import utc_time
from candles.models import Candle, Verdict
from foundation.backoff import Backoff
from foundation.times import to_time
from market.failures import ExchangeUnreachable
from market.rest import MarketRest
from market.wire.bounds import BadFrame
from tests.builders import symbol
from tests.candles.klines import FakeKlines, kline, minute_ms
from tests.servers import PYTHON, Sandbox, Server, Site, eventually

pytestmark = pytest.mark.django_db
DAY_MS = 86_400_000


def span(until: int) -> SeriesSpan:
    """BTCUSDT's minutes from noon on."""
    of = symbol("BTCUSDT")
    return SeriesSpan(of, "1m", minute_ms(0), minute_ms(until))


def fill(rest: MarketRest, of: SeriesSpan) -> list[int]:
    """How much each page fetched."""
    return [page.fetched for page in backfill(rest, of, threading.Event())]


def test_a_page_is_stored_before_it_is_told_of_and_the_next_one_fetched() -> None:
    rest, of = FakeKlines(map(kline, range(2500))), span(2500)
    pages = backfill(rest, of, threading.Event())
    assert next(pages) == (minute_ms(999), 999)
    assert Candle.objects.filter(verdict=Verdict.EXACT).count() == 999
    assert len(rest.asked) == 1


def test_what_is_stored_is_not_fetched_again() -> None:
    rest, of = FakeKlines(map(kline, range(2500))), span(2500)
    next(backfill(rest, of, threading.Event()))
    assert fill(rest, of) == [0, 999, 502]
    assert fill(rest, of) == [0, 0, 0]
    assert [start for *_, start, _ in rest.asked] == [minute_ms(n) for n in (0, 999, 1998)]


def test_only_the_part_of_a_page_that_has_holes_is_asked_for() -> None:
    rest, of = FakeKlines(map(kline, range(900))), span(900)
    fill(rest, of)
    Candle.objects.filter(open_time__in=[to_time(minute_ms(n)) for n in (300, 305)]).delete()
    rest.asked.clear()
    assert fill(rest, of) == [6]
    assert rest.asked == [("BTCUSDT", "1m", minute_ms(300), minute_ms(306))]


def test_klines_that_leave_the_boundary_are_all_taken() -> None:
    off = [kline(0, open_ms=minute_ms(n) + 20_799) for n in range(400, 1300)]
    rest, of = FakeKlines([*map(kline, range(401)), *off]), span(1300)
    fill(rest, of)
    assert Candle.objects.count() == 1301
    assert fill(rest, of) == [0, 0]


class Holes(TestCase):
    @given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)))
    def test_whatever_is_there_or_missing_the_exchanges_klines_are_stored_afterwards(
        self, ours: set[int], theirs: set[int]
    ) -> None:
        of = span(41)
        fill(FakeKlines(map(kline, ours)), of)
        fill(FakeKlines(map(kline, theirs)), of)
        stored = set(Candle.objects.values_list("open_time", flat=True))
        assert stored == {to_time(minute_ms(minute)) for minute in ours | theirs}


def test_an_exchange_that_is_away_for_a_moment_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backfill_module, "BACKOFF", Backoff(0.05, 0.05))
    rest, of = FakeKlines(map(kline, range(10))), span(10)
    rest.away = True
    threading.Timer(0.08, lambda: setattr(rest, "away", False)).start()
    assert fill(rest, of) == [10]
    rest.away = True
    Candle.objects.all().delete()
    with pytest.raises(ExchangeUnreachable):
        fill(rest, of)


def test_klines_that_cannot_be_read_are_asked_for_again_and_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backfill_module, "BACKOFF", Backoff(0, 0))
    rest, of = FakeKlines(map(kline, range(10))), span(10)
    rest.damaged = {minute_ms(4)}
    with pytest.raises(BadFrame, match="1 of 1 klines could not be read"):
        fill(rest, of)
    assert Candle.objects.count() == 9
    assert {asked[2:] for asked in rest.asked[1:]} == {(minute_ms(4), minute_ms(5))}
    rest.damaged = set()
    assert fill(rest, of) == [1]
    assert Candle.objects.count() == 10


def test_a_first_kline_that_cannot_be_read_is_not_none() -> None:
    rest = FakeKlines([kline(0)])
    rest.damaged = {minute_ms(0)}
    with pytest.raises(BadFrame):
        first_kline_ms(rest, "BTCUSDT", "1m", minute_ms(0), minute_ms(10))


# --- The command ----------------------------------------------------------------------------------


@pytest.fixture
def rest(settings: Settings, sandbox: Sandbox, redis: Redis) -> MarketRest:
    settings.BINANCE_REST_URL = sandbox.rest_url
    return MarketRest(sandbox.rest_url)


def command(*words: str) -> str:
    out = StringIO()
    call_command("backfill", *words, stdout=out)
    return out.getvalue()


def test_the_command_begins_at_the_exchanges_first_kline_and_resumes(rest: MarketRest) -> None:
    printed = command("btcusdt", "--since", "2016-01-01")
    first = rest.klines_page("BTCUSDT", "1m", minute_ms(0), rest.server_time(), limit=1)[0][0]
    stored = Candle.objects.order_by("open_time").values_list("open_time", flat=True)
    assert stored[0] == to_time(first)
    assert Candle.objects.exclude(verdict=Verdict.EXACT).count() <= 61  # the last hour
    assert f"BTCUSDT 1m: {to_time(first):%Y-%m-%d %H:%M:%S} to " in printed
    count = len(stored)
    assert count >= DAY_MS // 60_000
    command("BTCUSDT", "--since", "2016-01-01")
    assert Candle.objects.count() - count in {0, 1}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("NOPEUSDT", "--since", "2024-01-01"), "the exchange knows no symbol 'NOPEUSDT'"),
        (("BTCUSDT", "--since", "yesterday"), "--since: yesterday: give a date or time like"),
        (("BTCUSDT", "--since", "2024-01-01", "--interval", "7m"), "--interval: 7m: use one of 1s"),
        (
            ("BTCUSDT", "--since", "2024-02-01", "--until", "2024-01-01"),
            "has to lie before --until",
        ),
        (
            ("BTCUSDT", "--since", "2099-01-01"),
            "--since 2099-01-01 00:00:00: no 1m candle closed since",
        ),
        (("BTCUSDT", "--since", "2023-01-01", "--until", "2023-02-01"), "has no 1m klines before"),
    ],
)
def test_a_wrong_wish_is_answered_in_one_line(
    rest: MarketRest, words: tuple[str, ...], told: str
) -> None:
    with pytest.raises(CommandError) as error:
        command(*words)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_an_exchange_that_does_not_answer_is_told_in_one_line(settings: Settings) -> None:
    settings.BINANCE_REST_URL = "http://127.0.0.1:9"
    with pytest.raises(CommandError, match=r"could not be asked: http://127\.0\.0\.1:9: "):
        command("BTCUSDT", "--since", "2024-01-01")


@pytest.mark.parametrize(
    ("text", "minute"),
    [("2026-01-02T12:01", 1), ("2026-01-02 13:02+01:00", 2), ("20260102T120300Z", 3)],
)
def test_times_are_utc_unless_they_name_a_zone(text: str, minute: int) -> None:
    assert utc_time(text) == minute_ms(minute)


@pytest.mark.processes
def test_ctrl_c_ends_a_backfill_that_waits_and_says_how_to_go_on(site: Site) -> None:
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    site.manage("backfill", "BTCUSDT", "--since", hour_ago.isoformat())
    host = site.environment["BINANCE_REST_URL"].removeprefix("http://")
    half, this_minute = 3000, int(time.time()) // 60  # of the weight is for the background
    with redis_library.Redis.from_url(site.redis.url) as client:
        client.set(f"market:weight_limit:{host}", 2 * half)
        minutes = [f"market:weight:{host}:{this_minute + n}" for n in range(10)]
        client.mset(dict.fromkeys(minutes, half - 5))  # what is left is enough for one page
        words = ["backfill", "BTCUSDT", "--since", "2020-01-01", "--interval", "1s"]
        log = site.folder / "backfill.log"
        server = Server([PYTHON, "manage.py", *words], log, site.environment)
        assert eventually(lambda: str(half).encode() in client.mget(minutes))
        time.sleep(0.5)
        assert server.stop(signal.SIGINT) == 130
    told = r"stopped; BTCUSDT 1s is stored up to .*, the same command goes on"
    assert re.search(told, server.text()), server.text()
    assert "Traceback" not in server.text()
