from decimal import Decimal

import pytest
from django.test import Client
from pytest_django import Settings
from redis import Redis

from market.models import Symbol
from tests.admins import act, page, row_page, save, signed_in
from tests.builders import symbol
from tests.rows import position
from tests.servers import Sandbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return signed_in()


@pytest.fixture
def exchange(sandbox: Sandbox, settings: Settings) -> None:
    settings.BINANCE_REST_URL = f"http://127.0.0.1:{sandbox.port}"


def test_symbols_are_listed_searched_and_filtered(client: Client) -> None:
    symbol("BTCUSDT", order_quantity=Decimal("0.00100000"))
    symbol("ETHUSDT", followed=False)
    assert ">0.001<" in page(client, "market_symbol")
    assert "ETHUSDT" not in page(client, "market_symbol", "followed__exact=1")
    assert "BTCUSDT" not in page(client, "market_symbol", "q=ETH")


@pytest.mark.parametrize(
    ("quantity", "told"),
    [("0", "above 0"), ("-1", "above 0"), ("0.000015", "multiple of 0.00001"), ("x", "number")],
)
def test_a_wrong_order_quantity_is_refused(client: Client, quantity: str, told: str) -> None:
    btc = symbol()
    assert told in save(client, "market_symbol", btc, {"order_quantity": quantity})
    btc.refresh_from_db()
    assert btc.order_quantity is None


def test_an_order_quantity_is_kept_exactly_and_may_be_taken_back(client: Client) -> None:
    btc = symbol()
    save(client, "market_symbol", btc, {"order_quantity": "0.00123"})
    btc.refresh_from_db()
    assert btc.order_quantity == Decimal("0.00123")
    save(client, "market_symbol", btc, {"order_quantity": ""})
    btc.refresh_from_db()
    assert btc.order_quantity is None


def test_what_the_exchange_says_of_a_symbol_cannot_be_edited(client: Client) -> None:
    btc = symbol()
    save(client, "market_symbol", btc, {"order_quantity": "", "name": "X", "followed": ""})
    btc.refresh_from_db()
    assert (btc.name, btc.followed) == ("BTCUSDT", True)
    assert "LOT_SIZE" in row_page(client, "market_symbol", btc)


def test_symbols_are_let_go_unless_they_are_held(client: Client) -> None:
    btc, eth = symbol("BTCUSDT"), symbol("ETHUSDT")
    position(btc)
    told = act(client, "market_symbol", "unfollow", btc, eth)
    assert "BTCUSDT is held" in told
    assert "ETHUSDT is no longer followed" in told
    assert list(Symbol.objects.followed()) == [btc]


def test_symbols_are_followed_if_the_exchange_knows_them(
    client: Client, exchange: None, redis: Redis
) -> None:
    btc, strange = symbol("BTCUSDT", followed=False), symbol("NOPE", followed=False)
    told = act(client, "market_symbol", "follow", btc, strange)
    assert "BTCUSDT is followed" in told
    assert "the exchange knows no symbol" in told
    assert list(Symbol.objects.followed()) == [btc]
