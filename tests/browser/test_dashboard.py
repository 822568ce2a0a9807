"""The page in a real browser, over real daphne and Redis."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect
from redis import Redis

from candles.models import Candle
from candles.representation import candle_json
from market.models import Symbol
from orders.models import Halt
from tests.rows import position
from tests.tradingsite.web import Web
from tradingsite.live.publisher import Message, publish

pytestmark = pytest.mark.browser

COLOURED_PIXELS = """() => {
  const coloured = (canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let at = 0; at < data.length; at += 4)
      if (data[at + 3] && Math.abs(data[at] - data[at + 1]) > 60) count += 1;
    return count;
  };
  return Math.max(...[...document.querySelectorAll("#chart canvas")].map(coloured));
}"""

LONGEST_STATES = """() => {
  const longest = { page: "connecting", stream: "unknown", worker: "unknown", halt: "no entries" };
  for (const [name, text] of Object.entries(longest))
    document.querySelector(`#state-${name} dd`).textContent = text;
}"""


def forming(price: str) -> dict[str, Any]:
    """The open candle after the newest one that the database has."""
    newest = Candle.objects.filter(symbol__name="BTCUSDT").latest("open_time")
    newest.open_time += timedelta(minutes=1)
    tick = {"last_price": price, "last_tick_id": 1, "time": "2099-01-01T00:00:00.000Z"}
    return candle_json(newest) | {"verdict": None, "closed": False, "close": price} | tick


def test_the_page_loads_without_complaints_and_draws_its_chart(
    page: Page, complaints: list[str]
) -> None:
    expect(page.locator("#chart-title")).to_have_text("BTCUSDT 1m")
    expect(page.locator("#legend")).to_contain_text("C 59,999.00")
    expect(page.locator("#positions")).to_contain_text("No open positions.")
    expect(page.locator("#trades")).to_contain_text("No trades yet.")
    assert page.evaluate(COLOURED_PIXELS) > 2000
    assert complaints == []


def test_ticks_and_candles_arrive_without_reloading(page: Page, complaints: list[str]) -> None:
    publish([Message("forming", "BTCUSDT", forming("60123.4"))])
    expect(page.locator("#last-price")).to_have_text("60,123.40")
    expect(page.locator("#legend")).to_contain_text("C 60,123.40")
    closed = forming("60200") | {"verdict": "exact", "closed": True}
    publish([Message("candle", "BTCUSDT", closed)])
    expect(page.locator("#legend")).to_contain_text("C 60,200.00")
    assert complaints == []


def test_the_feed_line_shows_state_verification_and_leader(page: Page) -> None:
    expect(page.locator("#feed .verification")).to_have_text("120 of 120 candles exact")
    expect(page.locator("#feed .leader")).to_have_text("Leader here:1, 1 standby")
    newest = Candle.objects.filter(symbol__name="BTCUSDT").latest("open_time")
    repaired = candle_json(newest) | {"verdict": "repaired"}
    publish([Message("candle", "BTCUSDT", repaired)])
    expect(page.locator("#feed .verification")).to_have_text("119 of 120 candles exact, 1 repaired")
    now = datetime.now(UTC).isoformat()
    publish([Message("forming", "BTCUSDT", forming("60123.4") | {"time": now})])
    expect(page.locator("#feed .state")).to_have_text("live")


def test_a_cut_connection_is_shown_and_heals(page: Page, web: Web, tmp_path: Path) -> None:
    web.kill()
    page.wait_for_selector("body[data-connection=lost][data-fresh=no]")
    expect(page.locator("#notice")).to_contain_text("Connection lost")
    expect(page.locator("#state-stream")).to_contain_text("unknown")
    expect(page.locator("#feed .state")).to_have_text("unknown")
    again = Web(tmp_path, port=web.port)
    page.wait_for_selector("body[data-connection=live][data-fresh=yes]")
    expect(page.locator("#notice")).to_be_hidden()
    again.stop()


def test_a_silent_stream_is_shown_as_stale(page: Page, redis: Redis) -> None:
    redis.flushdb()
    expect(page.locator("#state-stream")).to_contain_text("stale")
    expect(page.locator("#notice")).to_contain_text("Prices are stale since")
    page.wait_for_selector("body[data-fresh=no]")


def test_profits_have_the_digits_they_need_and_no_sum_over_assets(page: Page) -> None:
    btc = Symbol.objects.get(name="BTCUSDT")
    ltc = Symbol.objects.create(name="LTCBTC", base_asset="LTC", quote_asset="BTC", followed=True)
    position(btc, quantity=Decimal("0.5"), cost=Decimal("29999"))
    position(ltc, quantity=Decimal(1), cost=Decimal("0.00196"))
    position(ltc, "B", quantity=Decimal(1), cost=Decimal("0.002"))
    page.reload()
    publish([Message("forming", "BTCUSDT", forming("60000"))])
    publish([Message("forming", "LTCBTC", forming("0.002") | {"symbol": "LTCBTC"})])
    expect(page.locator("#positions")).to_contain_text("+0.00004")
    expect(page.locator("#positions-total")).to_contain_text("+0.00004 BTC (+1.01")
    expect(page.locator("#positions-total")).to_contain_text("+1.00 USDT (+0.00")


def test_the_admin_leaves_the_theme_of_the_system(page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    page.evaluate("() => localStorage.setItem('theme', 'auto')")  # as the admin does
    page.reload()
    page.wait_for_selector("html[data-theme=dark]")


def test_strangers_cannot_halt(page: Page) -> None:
    for button in page.locator("#halt button").all():
        expect(button).to_be_disabled()
    expect(page.locator("#halt-hint")).to_contain_text("Sign in as staff")


def test_staff_can_halt_and_is_asked_before_selling(page: Page, web: Web) -> None:
    User.objects.create_superuser("boss", password="decides-things")
    page.get_by_role("link", name="Sign in", exact=True).click()
    page.fill("#id_username", "boss")
    page.fill("#id_password", "decides-things")
    page.click("[type=submit]")
    page.click("#halt [value=no_entries]")
    expect(page.locator("#state-halt")).to_contain_text("no entries")
    page.click("#halt [value=flatten]")
    page.get_by_role("button", name="Keep positions").click()
    expect(page.locator("#state-halt")).to_contain_text("no entries")
    assert [halt.level for halt in Halt.objects.all()] == ["no_entries"]


def test_nothing_sticks_out_at_any_width(page: Page) -> None:
    page.evaluate(LONGEST_STATES)
    for width in (360, 375, 600, 768, 1024, 1120, 1440, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_theme_is_switched_and_remembered(page: Page) -> None:
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert light != dark
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


def test_the_theme_follows_the_system_until_one_is_chosen(page: Page) -> None:
    root = page.locator("html")
    page.emulate_media(color_scheme="dark")
    expect(root).to_have_attribute("data-theme", "dark")
    page.click("#theme")
    page.emulate_media(color_scheme="light")
    page.emulate_media(color_scheme="dark")
    expect(root).to_have_attribute("data-theme", "light")
