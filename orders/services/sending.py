"""Sending of orders, each at most once."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from foundation.times import Clock, now_ms, to_ms
from market.ticks import Side
from orders.core.status import OrderStatus
from orders.core.timeline import Step, known_steps
from orders.events import symbol_refused
from orders.models import Order
from orders.queries import HAS_RESTING_STOP
from orders.services.booking import record
from orders.services.halt import entries_halted
from orders.services.transitions import record_changes, transition, transition_by_id
from orders.venue.exchange import (
    Busy,
    Exchange,
    ExecutionReport,
    OrderRequest,
    OutcomeUnknown,
    Refused,
)

MAX_SENDERS = 20  # threads; an order waits for the exchange, not for a processor
HEAD_START_S = 0.25  # answers are booked from then on while others are still awaited

Answer = ExecutionReport | Refused | Busy | OutcomeUnknown


class TimedAnswer(NamedTuple):
    """An answer, when the request left, and when the answer was here: milliseconds, our clock."""

    answer: Answer
    sent_ms: int
    answered_ms: int


class PendingOrder(NamedTuple):
    """An order that waits to be sent; with `has_resting_stop` a protective stop of its position
    has not ended.
    """

    order: Order
    has_resting_stop: bool


class Claim(NamedTuple):
    """Orders taken for sending, and the sales that wait for the end of a protective stop."""

    claimed: list[Order]
    waiting: list[Order]


_annotated = attrgetter("has_resting_stop")


def submit(
    order_ids: Sequence[int], exchange: Exchange, clock: Clock = timezone.now
) -> list[Order]:
    """Send the pending ones among these orders, several at once; book each answer as it comes.

    An order is claimed, and that committed, before it is sent. No transaction is open over the
    network, and the threads that wait there touch no database. Returns those that were not sent,
    because a protective stop has to end first.
    """
    claimed, waiting = claim(order_ids, clock())
    _send(claimed, exchange, clock)
    return waiting


def send_claimed(orders: Sequence[Order], exchange: Exchange, clock: Clock = timezone.now) -> None:
    """Send orders that this process claimed as it opened them; they passed our checks then.

    Afterwards they are what became of them, for whoever is told of them next.
    """
    _send(orders, exchange, clock)
    for order in orders:
        order.refresh_from_db(from_queryset=Order.objects.select_related("symbol"))


@transaction.atomic
def claim(order_ids: Sequence[int], now: datetime) -> Claim:
    """Take pending orders for sending; those that may no longer be sent end unsent.

    Of several workers one gets an order: the rows are locked, and once the first has committed
    they are no longer pending for the others. Sales of what a protective stop guards stay pending
    until that has ended. No stop is written while a
    sale is under way, so none can come between.
    """
    pending = _lock_pending(order_ids)
    halted = bool(pending) and entries_halted()
    claimed: list[Order] = []
    waiting: list[Order] = []
    for order, has_resting_stop in pending:
        refusal = _reason_not_to_send(order, halted, now)
        if refusal:
            transition(order, OrderStatus.EXPIRED_UNSENT, now, refusal)
        elif order.kind == Order.Kind.MARKET and has_resting_stop:
            waiting.append(order)
        else:
            order.status, order.submitted_at = OrderStatus.SUBMITTED, now
            claimed.append(order)
    if claimed:
        Order.objects.filter(pk__in=[order.pk for order in claimed]).update(
            status=OrderStatus.SUBMITTED, submitted_at=now
        )
        record_changes(claimed, now)
    return Claim(claimed, waiting)


def _lock_pending(order_ids: Sequence[int]) -> list[PendingOrder]:
    rows = Order.objects.select_for_update(of=("self",)).select_related("symbol").order_by("pk")
    rows = rows.unsent().filter(pk__in=order_ids)
    found = rows.annotate(has_resting_stop=HAS_RESTING_STOP)
    return [PendingOrder(order, _annotated(order)) for order in found]


def _reason_not_to_send(order: Order, halted: bool, now: datetime) -> str | None:
    if now > order.expires_at:
        return "stale: it was not sent in time"
    if not settings.TRADING_ENABLED:
        return "TRADING_ENABLED is false"
    if halted and order.side == Side.BUY:
        return "trading halt: no entries"
    return None


def _send(orders: Sequence[Order], exchange: Exchange, clock: Clock) -> None:
    """Send claimed orders, several at once, and book each answer as it comes.

    The first goes from this very thread: waking another one takes longer than asking it to.
    Should its answer be long in coming, the sweep looks the others up meanwhile.
    """
    if not orders:
        return
    committed_ms = now_ms()
    for order in orders:
        order.timeline[Step.COMMITTED.value] = committed_ms
    first, *others = orders
    waiting = {senders().submit(_place, exchange, _request(order)): order for order in others}
    answer = _place(exchange, _request(first))
    # Booking would take the processor from those that are still to be sent.
    wait(waiting, timeout=HEAD_START_S)
    _book_answer(first, answer, clock())
    for future in as_completed(waiting):
        _book_answer(waiting[future], future.result(), clock())


def _place(exchange: Exchange, request: OrderRequest) -> TimedAnswer:
    sent_ms = now_ms()
    try:
        answer: Answer = exchange.place(request)
    except (Refused, Busy, OutcomeUnknown) as failure:
        answer = failure
    return TimedAnswer(answer, sent_ms, now_ms())


def _request(order: Order) -> OrderRequest:
    assert order.submitted_at is not None  # noqa: S101  # claimed
    return OrderRequest(
        symbol=order.symbol.name,
        side=Side(order.side),
        quantity=order.quantity,
        client_order_id=order.client_order_id,
        claimed_ms=to_ms(order.submitted_at),
        stop_price=order.stop_price,
    )


def _book_answer(order: Order, timed: TimedAnswer, now: datetime) -> None:
    answer = timed.answer
    if not isinstance(answer, Busy):  # it will be sent again
        order.timeline |= _steps(timed)
        Order.objects.filter(pk=order.pk).update(timeline=order.timeline)
    if isinstance(answer, ExecutionReport):
        record(order.pk, answer, now)
    elif isinstance(answer, Refused):
        transition_by_id(order.pk, OrderStatus.REJECTED, now, str(answer))
        symbol_refused.announce([order.symbol.name])
    elif isinstance(answer, Busy):
        transition_by_id(order.pk, OrderStatus.PENDING, now, str(answer))
    else:
        transition_by_id(order.pk, OrderStatus.UNKNOWN, now, str(answer))


def _steps(timed: TimedAnswer) -> dict[str, int]:
    """The steps that an order took between being sent and being booked."""
    answer, acknowledged_ms, filled_ms = timed.answer, timed.answered_ms, None
    if isinstance(answer, ExecutionReport):
        filled_ms = max((fill.time_ms for fill in answer.fills), default=None)
    return known_steps(
        {
            Step.SENT: timed.sent_ms,
            Step.ACKNOWLEDGED: None if isinstance(answer, OutcomeUnknown) else acknowledged_ms,
            Step.FILLED: filled_ms,
        }
    )


@cache
def senders() -> ThreadPoolExecutor:
    """The process's sending threads; each keeps a connection open."""
    return ThreadPoolExecutor(MAX_SENDERS, thread_name_prefix="send-order")


# Threads do not survive a fork.
os.register_at_fork(after_in_child=senders.cache_clear)
