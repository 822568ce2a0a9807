"""How an order reaches the exchange from a worker, and from anywhere else."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from orders import services, tasks
from orders.core.status import OrderStatus
from orders.models import Balance, Order
from orders.services import ANSWER_DUE, append_trade_log, create_orders, resolve_order
from tests.builders import intent, opened, symbol
from tests.fakes import FakeExchange

pytestmark = pytest.mark.django_db


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> FakeExchange:
    """Takes the place of the process's exchange; orders of these tests do not expire."""
    fake = FakeExchange()
    monkeypatch.setattr(tasks, "exchange", lambda: fake)
    return fake


@pytest.fixture
def order() -> Order:
    return opened(symbol(), expires_ms=4_000_000_000_000)


def claimed(exchange: FakeExchange) -> Order:
    btc = symbol()
    wish = intent(btc, expires_ms=4_000_000_000_000)
    return create_orders([wish], [btc], exchange, now=timezone.now(), send=True)[0]


def test_an_order_claimed_as_it_was_opened_is_sent_once_that_is_committed(
    exchange: FakeExchange, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        order = claimed(exchange)
        assert exchange.placed == []
    assert order.status == OrderStatus.FILLED
    history = [change.status for change in order.changes.all()]
    assert history == ["PENDING", "SUBMITTED", "FILLED"]


def test_one_whose_process_died_before_sending_is_looked_up_and_never_sent(
    exchange: FakeExchange,
) -> None:
    order = claimed(exchange)
    soon, late = (order.created_at + timedelta(seconds=s) for s in (4, 25))
    tasks.sweep_orders.apply(throw=True)
    assert Order.objects.unanswered(soon - ANSWER_DUE).ids() == [order.pk]
    resolve_order(order.pk, exchange, lambda: late)
    order.refresh_from_db()
    assert order.status == OrderStatus.EXPIRED_UNSENT
    assert exchange.placed == []


def test_elsewhere_the_order_is_queued(
    order: Order, exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued: list[list[int]] = []
    monkeypatch.setattr(tasks.submit_orders, "delay", queued.append)
    tasks.queue_orders([order, None])
    assert (queued, exchange.placed) == ([[order.pk]], [])


def test_a_disk_that_is_full_keeps_nobody_from_trading(
    order: Order, exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    def append_trade_log() -> int:
        raise OSError("no space left on device")

    monkeypatch.setattr(services, "append_trade_log", append_trade_log)
    with pytest.raises(OSError, match="no space"):
        tasks.sweep_orders.apply(throw=True)
    assert Balance.objects.get().asset == "USDT"


def test_the_sweep_sends_looks_up_and_logs(order: Order, exchange: FakeExchange) -> None:
    tasks.sweep_orders.apply(throw=True)
    order.refresh_from_db()
    assert order.status == OrderStatus.FILLED
    assert append_trade_log() == 0
