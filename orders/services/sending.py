"""Orders sent, at most once, and looked up where no answer came."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from datetime import datetime, timedelta
from functools import cache
from operator import attrgetter
from typing import NamedTuple

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from foundation.times import now_ms, to_ms
from market.ticks import Side
from orders.core.status import AT_EXCHANGE, UNANSWERED, OrderStatus
from orders.core.timeline import Step, known_steps
from orders.models import Order
from orders.queries import HAS_RESTING_STOP
from orders.services.booking import record
from orders.services.halt import entries_halted
from orders.services.transitions import lock_order, record_changes, transition, transition_by_id
from orders.venue.exchange import (
    Busy,
    Exchange,
    ExecutionReport,
    OrderRequest,
    OutcomeUnknown,
    Refused,
)
from orders.venue.order_search import SearchResult, find

MAX_SENDERS = 20  # threads; an order waits for the exchange, not for a processor
HEAD_START_S = 0.25  # answers are booked from then on while others are still awaited
ANSWER_DUE = timedelta(seconds=3)  # an order without an answer is looked up from then on
# The exchange refuses a request 5 s after the time it bears, that of its claim, and gives its
# engine 10 s more; the rest is margin. Source: Binance Spot REST, "Timing security" and
# "General API Information".
NEVER_PLACED_AFTER = timedelta(seconds=20)
NOT_FOUND = "asked by its client order id, the exchange did not know it (-2013)"

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


Clock = Callable[[], datetime]
_annotated = attrgetter("has_resting_stop")
logger = structlog.get_logger(__name__)


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


def reconcile(order_id: int, exchange: Exchange, clock: Clock = timezone.now) -> bool:
    """Ask the exchange what became of an order that has no answer. Never sends it again.

    False where it was not asked at all, because it is busy: asking for others is no use either.
    """
    asked_at = clock()
    order = Order.objects.select_related("symbol").get(pk=order_id)
    if order.status not in (*UNANSWERED, *AT_EXCHANGE):
        return True
    name, client_order_id = order.symbol.name, order.client_order_id
    try:
        report = look_up(order, exchange)
        searched = None
        if report is None and order.submitted_at and _cannot_arrive(order, asked_at):
            searched = find(exchange, name, client_order_id, to_ms(order.submitted_at))
            report = searched.report
    except (Refused, Busy, OutcomeUnknown) as failure:
        logger.warning("order.lookup_failed", order=client_order_id, reason=str(failure))
        return not isinstance(failure, Busy)
    if report is not None:
        record(order.pk, report, clock())
    elif searched is not None and searched.absent:
        _expire_never_placed(order.pk, asked_at, searched.evidence)
    else:
        _record_absence(order.pk, asked_at, searched)
    return True


def look_up(order: Order, exchange: Exchange) -> ExecutionReport | None:
    """The exchange's report of an order; None where it knows none, or another by its number.

    For after a reset it counts from the start. An order that was cancelled has another name, of
    whoever cancelled it, so there the number has to do.
    """
    name, client_order_id = order.symbol.name, order.client_order_id
    report = exchange.lookup(name, client_order_id, order.exchange_order_id)
    if report is None or report.status == OrderStatus.CANCELED:
        return report
    return report if report.client_order_id == client_order_id else None


def _cannot_arrive(order: Order, at: datetime) -> bool:
    """True where an order that the exchange never confirmed can no longer arrive there."""
    if order.submitted_at is None or order.exchange_order_id is not None:
        return False  # put back for sending, or known to the exchange once
    return order.status in UNANSWERED and at - order.submitted_at > NEVER_PLACED_AFTER


@transaction.atomic
def _expire_never_placed(order_id: int, asked_at: datetime, evidence: str) -> None:
    """End an order that the exchange does not know, once it can no longer arrive there."""
    order = lock_order(order_id)
    if order.submitted_at and _cannot_arrive(order, asked_at):
        seconds = (asked_at - order.submitted_at).total_seconds()
        why = f"never placed: {NOT_FOUND} {seconds:.1f} s after it was to be sent; {evidence}"
        transition(order, OrderStatus.EXPIRED_UNSENT, asked_at, f"{why}: it was in none of them")


@transaction.atomic
def _record_absence(order_id: int, asked_at: datetime, searched: SearchResult | None) -> None:
    """Keep in the order's history, once, that it was asked for and not known."""
    order = lock_order(order_id)
    detail = NOT_FOUND if searched is None else f"{NOT_FOUND}, yet listed: {searched.evidence}"
    if order.status in UNANSWERED and not order.changes.filter(detail=detail).exists():
        record_changes([order], asked_at, detail)


def _reason_not_to_send(order: Order, halted: bool, now: datetime) -> str | None:
    if now > order.expires_at:
        return "stale: it was not sent in time"
    if not settings.TRADING_ENABLED:
        return "TRADING_ENABLED is false"
    if halted and order.side == Side.BUY:
        return "the trading halt lets no entries through"
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
