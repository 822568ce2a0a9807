import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from shutil import which

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from redis import Redis

from candles.live.lease import Lease
from candles.live.state import Batch, StateWriter, StreamState
from candles.models import Candle, Verdict
from market.models import Symbol
from strategies.models import Strategy
from tests.conftest import missing
from tests.servers import HANG_S
from tests.tradingsite.web import Web

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PRICE_STEP = [{"filterType": "PRICE_FILTER", "tickSize": "0.01000000"}]
HISTORY = 120


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Not for the whole session: while it lives, an event loop runs in this thread, in which
    asynchronous tests cannot run and Django would refuse the database.
    """
    path = which("chromium") or which("chromium-browser") or which("google-chrome")
    if path is None:
        missing("no Chromium on the PATH")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        expect.set_options(timeout=HANG_S * 1000)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


def minute(back: int) -> datetime:
    """The start of the minute that began `back` minutes before this one."""
    return datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=back)


def stream_is_up(redis: Redis) -> None:
    """As if a stream process had just said so, and would for an hour."""
    later_ms = int((time.time() + 3600) * 1000)
    state = StreamState(True, later_ms, later_ms, 5, 0, {}, holder="here:1", standbys=["there:2"])
    writer = StateWriter(Lease(redis), "test:watched")
    assert writer.lease.acquire()
    writer.save(Batch(stream=state))


@pytest.fixture
def history(transactional_db: None, redis: Redis) -> None:
    """Two followed symbols with two hours of closed candles, both strategies, a live stream."""
    for name, base in (("A", "BTC"), ("B", "ETH")):
        symbol = Symbol.objects.create(
            name=f"{base}USDT",
            base_asset=base,
            quote_asset="USDT",
            filters=PRICE_STEP,
            followed=True,
        )
        Strategy.objects.create(name=name, sma_period=10, ema_period=5, stop_loss=Decimal("0.1"))
        Candle.objects.bulk_create(candle(symbol, back) for back in range(1, HISTORY + 1))
    stream_is_up(redis)


def candle(symbol: Symbol, back: int) -> Candle:
    """A closed one, whose close tells how far back it is."""
    opened, closed = Decimal(60_000 - back - 1), Decimal(60_000 - back)
    return Candle(
        symbol=symbol, interval="1m", open_time=minute(back), open=opened, high=closed + 5,
        low=opened - 5, close=closed, volume=Decimal(3), quote_volume=closed * 3, trades=30,
        taker_volume=Decimal(1), taker_quote_volume=closed, verdict=Verdict.EXACT,
    )  # fmt: skip


@pytest.fixture
def web(history: None, tmp_path: Path) -> Iterator[Web]:
    server = Web(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained about: errors, and breaches of the content policy."""
    return []


@pytest.fixture
def page(chromium: Browser, web: Web, complaints: list[str]) -> Iterator[Page]:
    """The dashboard, opened and live."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(HANG_S * 1000)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(web.url)
    page.wait_for_selector("body[data-connection=live][data-fresh=yes]")
    page.wait_for_selector("#legend .ema")
    yield page
    context.close()
