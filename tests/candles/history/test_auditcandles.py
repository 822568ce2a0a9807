import threading
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from msgspec.structs import replace
from pytest_django import Settings
from redis import Redis

from candles.history import backfill
from candles.history.audit import AuditPage, audit
from candles.history.backfill import SeriesSpan
from candles.klines import fetch_history
from candles.models import Candle, Verdict
from candles.ohlcv import OHLCV
from candles.services import record_history
from foundation.backoff import Backoff
from foundation.times import to_ms, to_time
from market.models import Symbol
from market.rest import MarketRest
from market.wire.bounds import BadFrame
from tests.builders import NOON, candle, symbol
from tests.candles.klines import FakeKlines, kline, minute_ms
from tests.rows import at
from tests.servers import Sandbox

pytestmark = pytest.mark.django_db
MINUTE_MS = 60_000


def held(rest: MarketRest, of: Symbol, until: int, *, repair: bool = False) -> list[AuditPage]:
    span = SeriesSpan(of, "1m", minute_ms(0), minute_ms(until))
    now = NOON + timedelta(days=1)
    return list(audit(rest, span, now, threading.Event(), repair=repair))


def differing(minute: int) -> OHLCV:
    return replace(kline(minute), trades=5)


def test_an_audit_counts_what_it_finds_and_only_proves() -> None:
    btc = symbol()
    for minute in (0, 1, 3, 4):
        candle(btc, minute=minute).save()
    [page] = held(FakeKlines([kline(0), differing(1), kline(2), kline(3)]), btc, 10)
    assert (page.checked, page.exact, page.not_there) == (4, 2, 1)
    assert page.differing == {minute_ms(1): {"trades": ["1", "5"]}}
    assert (page.missing, page.repaired) == ([minute_ms(2)], {})
    verdicts = Candle.objects.order_by("open_time").values_list("verdict", "differed")
    assert [verdict for verdict, _ in verdicts] == ["exact", "unverified", "exact", "unverified"]
    assert all(not differed for _, differed in verdicts)


def test_a_repairing_audit_takes_over_what_the_exchange_says_at_once() -> None:
    btc = symbol()
    candle(btc, minute=0, verdict=Verdict.EXACT).save()
    rest = FakeKlines([differing(0), kline(1)])
    [page] = held(rest, btc, 2, repair=True)
    assert page.repaired == {minute_ms(0): {"trades": ["1", "5"]}}
    assert page.missing == [minute_ms(1)]
    assert Candle.objects.get(open_time=at(0)).verdict == Verdict.REPAIRED
    assert Candle.objects.get(open_time=at(1)).verdict == Verdict.EXACT
    [again] = held(rest, btc, 2, repair=True)
    assert (again.checked, again.exact, again.repaired, again.missing) == (2, 2, {}, [])


def test_an_audit_goes_page_by_page_across_holes() -> None:
    btc = symbol()
    klines = [kline(minute) for minute in (*range(1200), *range(5000, 5300))]
    record_history("BTCUSDT", "1m", klines, at(6000))
    rest = FakeKlines(klines)
    pages = held(rest, btc, 6000)
    assert [page.checked for page in pages] == [1000, 500]
    assert all(page.exact == page.checked and not page.missing for page in pages)
    assert len(rest.asked) == 2


def test_a_kline_that_cannot_be_read_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "BACKOFF", Backoff(0, 0))
    btc = symbol()
    klines = [kline(minute) for minute in range(1200)]
    record_history("BTCUSDT", "1m", klines, at(6000))
    rest = FakeKlines(klines)
    rest.damaged = {minute_ms(7)}
    with pytest.raises(BadFrame, match="1 of 1000 klines could not be read"):
        held(rest, btc, 1200)


# --- The command ----------------------------------------------------------------------------------


@pytest.fixture
def minutes(settings: Settings, sandbox: Sandbox, redis: Redis) -> list[int]:
    """The last ten minutes of BTCUSDT, stored as the sandbox has them; their open times."""
    settings.BINANCE_REST_URL = sandbox.rest_url
    symbol("BTCUSDT")
    rest = MarketRest(sandbox.rest_url)
    end_ms = (rest.server_time() - 10_000) // MINUTE_MS * MINUTE_MS
    for page in fetch_history(rest, "BTCUSDT", "1m", end_ms - 10 * MINUTE_MS, end_ms):
        record_history("BTCUSDT", "1m", page, to_time(end_ms) + timedelta(hours=1))
    return [to_ms(time) for time in Candle.objects.values_list("open_time", flat=True)][::-1]


def command(*words: str) -> tuple[list[str], str]:
    """The lines that it prints, and why it failed."""
    out, failure = StringIO(), ""
    try:
        call_command("auditcandles", *words, stdout=out)
    except CommandError as error:
        failure = f"{error} [{error.returncode}]"
    return out.getvalue().splitlines(), failure


def test_a_clean_audit_of_the_last_day_succeeds(minutes: list[int]) -> None:
    Candle.objects.update(verdict=Verdict.UNVERIFIED)
    (header, line), failure = command()
    assert failure == ""
    assert header.split()[:4] == ["symbol", "interval", "from", "to"]
    assert line.split()[:2] == ["BTCUSDT", "1m"]
    assert line.split()[6:] in (["10", "10"] + ["0"] * 5, ["10", "10", "0", "0", "0", "1", "0"])
    assert not Candle.objects.exclude(verdict=Verdict.EXACT).exists()


def test_differences_are_told_with_what_differs_and_fail(minutes: list[int]) -> None:
    Candle.objects.filter(open_time=to_time(minutes[3])).update(trades=0, volume=0)
    Candle.objects.filter(open_time=to_time(minutes[5])).delete()
    until = to_time(minutes[-1]).isoformat()
    lines, failure = command("btcusdt", "--interval", "1m", "--until", until)
    assert lines[1].split()[6:] == ["8", "7", "0", "1", "0", "1", "0"]
    assert f"BTCUSDT 1m {to_time(minutes[3]):%Y-%m-%d %H:%M:%S}: volume 0, at the" in lines[2]
    assert "differing: 1, missing: 1; --repair" in failure
    assert failure.endswith("[1]")
    lines, failure = command("BTCUSDT", "--until", until, "--repair")
    assert lines[1].split()[6:] == ["8", "7", "1", "0", "1", "0", "0"]
    assert failure == ""
    assert Candle.objects.get(open_time=to_time(minutes[3])).verdict == Verdict.REPAIRED


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("NOPEUSDT",), "NOPEUSDT: no candles are stored of it"),
        (("--interval", "7m"), "--interval: 7m: use one of"),
        (("--since", "x"), "--since: x: give a date or time"),
    ],
)
def test_a_wrong_wish_is_answered_in_one_line(words: tuple[str, ...], told: str) -> None:
    assert told in command(*words)[1]


def test_without_candles_there_is_nothing_to_hold(minutes: list[int]) -> None:
    Candle.objects.all().delete()
    assert command() == (["no candles are stored of that time"], "")


def test_an_audit_without_an_exchange_says_so(settings: Settings) -> None:
    settings.BINANCE_REST_URL = "http://127.0.0.1:9"
    assert "could not be asked" in command()[1]


def test_a_symbol_that_the_exchange_no_longer_knows_is_told_and_the_others_are_audited(
    minutes: list[int], sandbox: Sandbox
) -> None:
    gone = symbol("GONEUSDT")
    for offset in (2, 1):
        time = to_time(minutes[-1] - offset * MINUTE_MS)
        candle(gone, open_time=time).save()
    lines, failure = command()
    assert any(line.split()[:2] == ["BTCUSDT", "1m"] for line in lines)
    assert "GONEUSDT 1m: the exchange no longer knows GONEUSDT" in lines[-1]
    assert "1 series could not be audited" in failure
