"""How an order reaches the exchange from a worker, and from anywhere else."""

import pytest
from celery import shared_task

from orders import tasks
from orders.models import Order
from orders.services import append_trade_log
from orders.status import OrderStatus
from tests.builders import opened, symbol
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


@shared_task
def in_a_worker(order_id: int) -> None:
    order = Order.objects.select_related("symbol").get(pk=order_id)
    tasks.send([order])
    assert order.status == Order.objects.get(pk=order_id).status


def test_a_worker_sends_from_where_it_stands(order: Order, exchange: FakeExchange) -> None:
    in_a_worker.apply((order.pk,), throw=True)
    order.refresh_from_db()
    assert order.status == OrderStatus.FILLED


def test_elsewhere_the_order_is_queued(
    order: Order, exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued: list[list[int]] = []
    monkeypatch.setattr(tasks.submit_orders, "delay", queued.append)
    tasks.send([order])
    assert (queued, exchange.placed) == ([[order.pk]], [])


def test_an_order_that_another_worker_took_is_left_to_it(
    order: Order, exchange: FakeExchange
) -> None:
    Order.objects.filter(pk=order.pk).update(status=OrderStatus.SUBMITTED)
    in_a_worker.apply((order.pk,), throw=True)
    assert exchange.placed == []


def test_the_sweep_sends_looks_up_and_logs(order: Order, exchange: FakeExchange) -> None:
    tasks.sweep_orders.apply(throw=True)
    order.refresh_from_db()
    assert order.status == OrderStatus.FILLED
    assert append_trade_log() == 0
