"""The same cases against every exchange there is: the fake that tests use, and the sandbox."""

from dataclasses import replace
from decimal import Decimal

import pytest
import requests
from django.conf import settings

from foundation.times import now_ms
from market.ticks import Side
from orders.core.status import OrderStatus
from orders.venue.binance import BinanceExchange
from orders.venue.exchange import Exchange, ExecutionReport, OrderRequest, Refused
from orders.venue.order_search import find
from tests.fakes import FakeExchange
from tests.servers import HANG_S, Sandbox


@pytest.fixture(params=["fake", pytest.param("sandbox", marks=pytest.mark.processes)])
def exchange(request: pytest.FixtureRequest) -> Exchange:
    if request.param == "fake":
        return FakeExchange(slices=2, fee="0.001")
    sandbox = request.getfixturevalue("sandbox")
    key, secret = settings.SANDBOX_API_KEY, settings.SANDBOX_API_SECRET
    return BinanceExchange(sandbox.rest_url, key, secret)


def request_for(number: int, side: Side = Side.BUY, quantity: str = "0.001") -> OrderRequest:
    now = now_ms()
    return OrderRequest("BTCUSDT", side, Decimal(quantity), f"c-{now}-{number}", now)


@pytest.mark.parametrize("side", list(Side))
def test_a_market_order_is_filled_whole(exchange: Exchange, side: Side) -> None:
    report = exchange.place(request_for(1, side))
    assert report.status == OrderStatus.FILLED
    assert report.executed_quantity == Decimal("0.001")
    assert sum(fill.quantity for fill in report.fills) == report.executed_quantity
    assert sum(fill.quote_quantity for fill in report.fills) == report.executed_quote
    assert {fill.side for fill in report.fills} == {side}


def test_the_fee_is_taken_from_what_is_received(exchange: Exchange) -> None:
    bought = exchange.place(request_for(1, Side.BUY))
    sold = exchange.place(request_for(2, Side.SELL))
    assert {fill.commission_asset for fill in bought.fills} == {"BTC"}
    assert {fill.commission_asset for fill in sold.fills} == {"USDT"}


def test_a_lookup_says_the_same_as_the_answer(exchange: Exchange) -> None:
    request = request_for(1)
    answer = exchange.place(request)
    for exchange_order_id in (None, answer.exchange_order_id):
        found = exchange.lookup("BTCUSDT", request.client_order_id, exchange_order_id)
        assert found == answer


def resting(exchange: Exchange, number: int = 1) -> tuple[OrderRequest, ExecutionReport]:
    """A stop far below the market."""
    request = replace(request_for(number, Side.SELL), stop_price=Decimal(20000))
    return request, exchange.place(request)


def test_a_stop_rests_until_it_is_cancelled(exchange: Exchange) -> None:
    request, placed = resting(exchange)
    number = placed.exchange_order_id
    assert (placed.status, placed.fills) == (OrderStatus.NEW, ())
    listed = [order.client_order_id for order in exchange.open_orders("BTCUSDT")]
    assert request.client_order_id in listed
    gone = exchange.cancel("BTCUSDT", request.client_order_id, number)
    assert (gone.status, gone.executed_quantity) == (OrderStatus.CANCELED, Decimal(0))
    found = exchange.lookup("BTCUSDT", request.client_order_id, number)
    assert found is not None
    assert found.client_order_id == f"{request.client_order_id}-c"


def test_what_rests_no_more_cannot_be_cancelled(exchange: Exchange) -> None:
    filled = exchange.place(request_for(1))
    with pytest.raises(Refused, match="-2011"):
        exchange.cancel("BTCUSDT", filled.client_order_id, filled.exchange_order_id)


def test_an_order_never_placed_is_not_found(exchange: Exchange) -> None:
    assert exchange.lookup("BTCUSDT", "never-placed", None) is None


def test_trade_ids_do_not_repeat(exchange: Exchange) -> None:
    reports = [exchange.place(request_for(number)) for number in range(3)]
    ids = [fill.trade_id for report in reports for fill in report.fills]
    assert len(ids) == len(set(ids))


def test_the_lists_know_an_order_and_its_fills(exchange: Exchange) -> None:
    request = request_for(4)
    answer = exchange.place(request)
    [order] = [
        one
        for one in exchange.orders_since("BTCUSDT", request.claimed_ms - 1000)
        if one.client_order_id == request.client_order_id
    ]
    assert (order.exchange_order_id, order.status) == (answer.exchange_order_id, answer.status)
    assert (order.side, order.quantity) == (request.side, request.quantity)
    assert order.executed_quantity == request.quantity
    trades = exchange.trades_since("BTCUSDT", request.claimed_ms - 1000)
    ours = [one.fill for one in trades if one.exchange_order_id == answer.exchange_order_id]
    assert tuple(ours) == answer.fills


def test_a_filled_order_is_not_open(exchange: Exchange) -> None:
    request = request_for(5)
    exchange.place(request)
    names = [one.client_order_id for one in exchange.open_orders("BTCUSDT")]
    assert request.client_order_id not in names


def test_balances_move_by_what_was_filled_and_its_fees(exchange: Exchange) -> None:
    before = exchange.balances()
    report = exchange.place(request_for(6))
    after = exchange.balances()
    received = sum((one.quantity - one.commission for one in report.fills), Decimal(0))
    assert after["BTC"] - before["BTC"] == received
    assert before["USDT"] - after["USDT"] == report.executed_quote


def test_an_order_never_placed_is_in_no_list(exchange: Exchange) -> None:
    now = now_ms()
    finding = find(exchange, "BTCUSDT", "never-placed", now)
    assert (finding.report, finding.absent) == (None, True)


def test_an_order_that_was_placed_is_found_by_the_lists(exchange: Exchange) -> None:
    request = request_for(7)
    answer = exchange.place(request)
    finding = find(exchange, "BTCUSDT", request.client_order_id, request.claimed_ms)
    assert (finding.report, finding.absent) == (answer, False)


class TestSandboxAlone:
    @pytest.fixture
    def account(self, sandbox: Sandbox) -> BinanceExchange:
        key, secret = settings.SANDBOX_API_KEY, settings.SANDBOX_API_SECRET
        return BinanceExchange(sandbox.rest_url, key, secret)

    def test_a_wrong_secret_is_refused(self, sandbox: Sandbox) -> None:
        stranger = BinanceExchange(sandbox.rest_url, settings.SANDBOX_API_KEY, "wrong")
        with pytest.raises(Refused, match="-1022"):
            stranger.place(request_for(1))

    def test_a_broken_filter_is_refused(self, account: BinanceExchange) -> None:
        with pytest.raises(Refused, match="LOT_SIZE"):
            account.place(request_for(1, quantity="0.000001"))

    def test_what_was_claimed_too_long_ago_is_not_carried_out(
        self, account: BinanceExchange
    ) -> None:
        request = request_for(1)
        old = OrderRequest(
            request.symbol, request.side, request.quantity, "too-old", request.claimed_ms - 6000
        )
        with pytest.raises(Exception, match="not carried out"):
            account.place(old)
        assert account.lookup("BTCUSDT", "too-old", None) is None

    def test_the_ledger_knows_what_was_placed(
        self, account: BinanceExchange, sandbox: Sandbox
    ) -> None:
        request = request_for(9)
        account.place(request)
        ledger = requests.get(f"{sandbox.rest_url}/sandbox/ledger", timeout=HANG_S).text
        assert ledger.count(request.client_order_id) >= 1
