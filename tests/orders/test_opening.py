"""Orders written down: once, and with every denial's reason."""

from datetime import timedelta

import pytest

from market.ticks import Side
from orders.models import HaltLevel, Order, OrderChange
from orders.services import current_halt, open_order, open_orders, set_halt
from orders.status import OrderStatus
from tests.builders import NOON, intent, symbol

pytestmark = pytest.mark.django_db


def test_an_order_is_written_down_for_sending():
    order = open_order(intent(symbol()), now=NOON)
    assert (order.status, order.side, str(order.quantity)) == ("PENDING", "BUY", "0.001")
    assert [change.status for change in order.changes.all()] == ["PENDING"]
    assert order.expires_at == NOON + timedelta(minutes=5)


def test_the_same_id_twice_is_the_same_order():
    wish = intent(symbol())
    assert open_order(wish, now=NOON) == open_order(wish, now=NOON)
    assert Order.objects.count() == OrderChange.objects.count() == 1


def test_a_denied_order_keeps_its_reason():
    order = open_order(intent(symbol(), Side.SELL), now=NOON)
    assert order.status == OrderStatus.DENIED
    assert order.reason == "nothing_to_sell: no position is open"
    assert order.ended_at == NOON


def test_of_two_wishes_at_once_the_second_finds_the_first_under_way():
    btc = symbol()
    first, second = open_orders([intent(btc, number=1), intent(btc, number=2)], now=NOON)
    assert first.status == OrderStatus.PENDING
    assert second.reason == "position_open: a BUY is under way"


def test_another_strategy_is_not_in_the_way():
    btc = symbol()
    wishes = [intent(btc), intent(btc, number=2, strategy="B")]
    assert [order.status for order in open_orders(wishes, now=NOON)] == ["PENDING", "PENDING"]


def test_the_newest_halt_governs_and_the_older_ones_stay():
    btc = symbol()
    set_halt(HaltLevel.NO_ENTRIES, None, "lunch", NOON)
    assert open_order(intent(btc), now=NOON).reason.startswith("halted: ")
    halt = set_halt("off", None, "", NOON + timedelta(minutes=1))
    assert current_halt() == halt
    assert open_order(intent(btc, number=2), now=NOON).status == OrderStatus.PENDING


def test_a_halt_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="sometimes"):
        set_halt("sometimes", None, "", NOON)


def test_disabled_trading_denies_all(settings):
    settings.TRADING_ENABLED = False
    assert open_order(intent(symbol()), now=NOON).reason.startswith("trading_disabled")
