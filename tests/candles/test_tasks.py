import pytest
from pytest_django import Settings
from redis import Redis

from candles import tasks
from candles.klines import fetch_history
from candles.models import Candle, Verdict
from candles.services import record_history
from foundation.times import now_ms, to_time
from market.rest import MarketRest
from tests.builders import symbol, tick
from tests.rows import write_stream
from tests.servers import Sandbox

pytestmark = pytest.mark.django_db
MINUTE_MS = 60_000


def test_sweeps_fill_and_settle_from_the_exchanges_own_klines(
    redis: Redis, sandbox: Sandbox, settings: Settings
) -> None:
    settings.BINANCE_REST_URL = sandbox.rest_url
    symbol("BTCUSDT")
    rest = MarketRest(sandbox.rest_url)
    end_ms = rest.server_time() // MINUTE_MS * MINUTE_MS - MINUTE_MS
    for page in fetch_history(rest, "BTCUSDT", "1m", end_ms - 10 * MINUTE_MS, end_ms):
        record_history("BTCUSDT", "1m", page, to_time(end_ms))
    Candle.objects.filter(open_time=to_time(end_ms - 3 * MINUTE_MS)).delete()
    tasks.sweep_verdicts()
    assert Candle.objects.filter(verdict=Verdict.EXACT).count() == 9
    tasks.sweep_missing()
    assert Candle.objects.count() == 10
    tasks.sweep_verdicts()
    assert Candle.objects.filter(verdict=Verdict.EXACT).count() == 10


def test_a_sweep_without_an_exchange_ends_without_a_word_too_many(settings: Settings) -> None:
    settings.BINANCE_REST_URL = "http://127.0.0.1:9"
    tasks.sweep_verdicts()
    tasks.sweep_missing()


def test_symbols_in_which_nothing_was_traded_are_asked_about(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    symbol("BTCUSDT"), symbol("ETHUSDT"), symbol("BNBUSDT", status="GONE")
    long_ago = now_ms() - 60_000
    busy = tick("100", time_ms=now_ms())
    silent = [tick("100", symbol=name, time_ms=long_ago) for name in ("ETHUSDT", "BNBUSDT")]
    write_stream(redis, [busy, *silent])
    asked: list[str] = []
    monkeypatch.setattr(tasks, "ask_about", asked.extend)
    tasks.ask_about_silent_symbols()
    assert asked == ["ETHUSDT"]
