"""Orders written down: once, and with every denial's reason."""

from datetime import timedelta

import pytest
from pytest_django import Settings

from market.ticks import Side
from orders.core.status import OrderStatus
from orders.models import HaltLevel, Order, OrderChange
from orders.services import create_orders, current_halt, set_halt
from tests.builders import NOON, intent, opened, symbol
from tests.fakes import FakeExchange

pytestmark = pytest.mark.django_db


def test_an_order_is_written_down_for_sending() -> None:
    order = opened(symbol())
    assert (order.status, order.side, str(order.quantity)) == ("PENDING", "BUY", "0.001")
    assert [change.status for change in order.changes.all()] == ["PENDING"]
    assert order.expires_at == NOON + timedelta(minutes=5)


def test_the_same_id_twice_is_the_same_order() -> None:
    btc = symbol()
    assert opened(btc) == opened(btc)
    assert Order.objects.count() == OrderChange.objects.count() == 1


def test_a_denied_order_keeps_its_reason() -> None:
    order = opened(symbol(), Side.SELL)
    assert order.status == OrderStatus.DENIED
    assert order.reason == "nothing_to_sell: no position is open"
    assert order.ended_at == NOON


def test_of_two_wishes_at_once_the_second_finds_the_first_under_way() -> None:
    btc = symbol()
    first, second = create_orders(
        [intent(btc, number=1), intent(btc, number=2)], [btc], FakeExchange(), now=NOON
    )
    assert first.status == OrderStatus.PENDING
    assert second.reason == "position_open: a BUY order is open"


def test_another_strategy_is_not_in_the_way() -> None:
    btc = symbol()
    wishes = [intent(btc), intent(btc, number=2, strategy="B")]
    assert [order.status for order in create_orders(wishes, [btc], FakeExchange(), now=NOON)] == [
        "PENDING",
        "PENDING",
    ]


def test_the_newest_halt_governs_and_the_older_ones_stay() -> None:
    btc = symbol()
    set_halt(HaltLevel.NO_ENTRIES, None, "lunch", NOON)
    assert opened(btc).reason.startswith("halted: ")
    halt = set_halt("off", None, "", NOON + timedelta(minutes=1))
    assert current_halt() == halt
    assert opened(btc, number=2).status == OrderStatus.PENDING


def test_a_halt_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="sometimes"):
        set_halt("sometimes", None, "", NOON)


def test_disabled_trading_denies_all(settings: Settings) -> None:
    settings.TRADING_ENABLED = False
    assert opened(symbol()).reason.startswith("trading_disabled")
