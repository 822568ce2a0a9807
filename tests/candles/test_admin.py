from decimal import Decimal

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from candles.models import Candle
from candles.services import compare
from tests.admins import may_not_change, page, row_page, signed_in
from tests.builders import NOON, candle, symbol
from tests.candles.klines import kline

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return signed_in()


def test_candles_are_listed_in_plain_digits_and_filtered(client: Client) -> None:
    btc, eth = symbol("BTCUSDT"), symbol("ETHUSDT")
    candle(btc, "100.5000", volume=Decimal("1E+3")).save()
    candle(eth, "7.25", interval="5m").save()
    every = page(client, "candles_candle")
    assert ">100.5<" in every
    assert ">1000<" in every
    assert ">7.25<" not in page(client, "candles_candle", "symbol=BTCUSDT")
    assert ">7.25<" not in page(client, "candles_candle", "interval=1m")
    assert ">7.25<" not in page(client, "candles_candle", "q=btcusdt")
    assert ">7.25<" not in page(client, "candles_candle", "verdict__exact=exact")


def test_a_repaired_candle_shows_what_differed_and_what_it_was(client: Client) -> None:
    btc = symbol()
    candle(btc).save()
    assert "exchange" not in page(client, "candles_candle")
    compare(btc.pk, "1m", [kline(0, trades=5)], NOON, repair_after=NOON - NOON)
    assert "trades 1, exchange 5" in page(client, "candles_candle", "verdict__exact=repaired")
    shown = row_page(client, "candles_candle", Candle.objects.get())
    assert "trades 1, exchange 5" in shown
    assert "close 100, volume 1, quote_volume 100, trades 1" in shown


def test_no_column_of_candles_sorts(client: Client) -> None:
    candle(symbol()).save()
    assert "sortoptions" not in page(client, "candles_candle")


def test_a_candle_never_changes(client: Client) -> None:
    candle(symbol(), "100.500").save()
    [row] = Candle.objects.all()
    assert "100.5<" in row_page(client, "candles_candle", row)
    assert may_not_change(client, "candles_candle", row)


def test_a_list_takes_as_many_queries_for_ten_candles_as_for_one(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    btc = symbol()
    candle(btc).save()
    page(client, "candles_candle")  # content types are read once
    with django_assert_num_queries(5) as one:
        page(client, "candles_candle")
    for minute in range(1, 10):
        candle(btc, minute=minute).save()
    with django_assert_num_queries(len(one)):
        page(client, "candles_candle")
