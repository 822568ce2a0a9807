"""Orders sent, at most once, and looked up where no answer came."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from foundation.times import now_ms, to_ms
from market.ticks import Side
from orders.core.status import UNANSWERED, OrderStatus
from orders.core.timeline import Step, known
from orders.models import Order
from orders.queries import GUARDED, RESTING
from orders.services.booking import record
from orders.services.halt import entries_halted
from orders.services.transitions import locked, move, move_by_id, note
from orders.venue.exchange import (
    Busy,
    Exchange,
    ExecutionReport,
    OrderRequest,
    OutcomeUnknown,
    Refused,
)
from orders.venue.order_search import Finding, search

SENDERS = 20  # threads; an order waits for the exchange, not for a processor
HEAD_START_S = 0.25  # answers are booked from then on while others are still awaited
ANSWER_DUE = timedelta(seconds=3)
# The exchange refuses a request 5 s after the time it bears, that of its claim, and gives its
# engine 10 s more; the rest is margin. Source: Binance Spot REST, "Timing security" and
# "General API Information".
SURELY_NOT_PLACED = timedelta(seconds=20)
NOT_KNOWN = "asked by its client order id, the exchange did not know it (-2013)"
AT_EXCHANGE = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)

Answer = ExecutionReport | Refused | Busy | OutcomeUnknown


class Answered(NamedTuple):
    """An answer, when the request left, and when the answer was here: milliseconds, our clock."""

    answer: Answer
    sent_ms: int
    answered_ms: int


Clock = Callable[[], datetime]
logger = structlog.get_logger(__name__)


def submit(
    order_ids: Sequence[int], exchange: Exchange, clock: Clock = timezone.now
) -> list[Order]:
    """Send the pending ones among these orders, several at once; book each answer as it comes.

    An order is claimed, and that committed, before it is sent. No transaction is open over the
    network, and the threads that wait there touch no database. The answer is those that were
    not sent, because a protective stop has to end first.
    """
    claimed, guarded = claim(order_ids, clock())
    _send(claimed, exchange, clock)
    return guarded


def send_claimed(orders: Sequence[Order], exchange: Exchange, clock: Clock = timezone.now) -> None:
    """Send orders that this process claimed as it opened them; they passed our checks then.

    Afterwards they are what became of them, for whoever is told of them next.
    """
    _send(orders, exchange, clock)
    for order in orders:
        order.refresh_from_db(from_queryset=Order.objects.select_related("symbol"))


@transaction.atomic
def claim(order_ids: Sequence[int], now: datetime) -> tuple[list[Order], list[Order]]:
    """Take pending orders for sending; those that may no longer be sent end unsent.

    Of several workers one gets an order: the rows are locked, and once the first has committed
    they are no longer pending for the others. Apart from those taken come the sales of what a
    protective stop guards: they stay pending until that has ended. No stop is written while a
    sale is under way, so none can come between.
    """
    rows = Order.objects.select_for_update(of=("self",)).select_related("symbol").order_by("pk")
    rows = rows.annotate(guarded=GUARDED)
    pending = list(rows.filter(pk__in=order_ids, status=OrderStatus.PENDING))
    halted = bool(pending) and entries_halted()
    claimed: list[Order] = []
    guarded: list[Order] = []
    for order in pending:
        refusal = _why_not_sent(order, halted, now)
        if refusal:
            move(order, OrderStatus.EXPIRED_UNSENT, now, refusal)
        elif order.kind == Order.Kind.MARKET and order.guarded:
            guarded.append(order)
        else:
            order.status, order.submitted_at = OrderStatus.SUBMITTED, now
            claimed.append(order)
    if claimed:
        Order.objects.filter(pk__in=[order.pk for order in claimed]).update(
            status=OrderStatus.SUBMITTED, submitted_at=now
        )
        note(claimed, now)
    return claimed, guarded


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
        finding = None
        if report is None and order.submitted_at and _beyond_arrival(order, asked_at):
            finding = search(exchange, name, client_order_id, to_ms(order.submitted_at))
            report = finding.report
    except (Refused, Busy, OutcomeUnknown) as failure:
        logger.warning("order.not_looked_up", order=client_order_id, reason=str(failure))
        return not isinstance(failure, Busy)
    if report is not None:
        record(order.pk, report, clock())
    elif finding is not None and finding.absent:
        _give_up(order.pk, asked_at, finding.text)
    else:
        _note_absence(order.pk, asked_at, finding)
    return True


def look_up(order: Order, exchange: Exchange) -> ExecutionReport | None:
    """What the exchange says of an order; None where it knows none, or another by its number.

    For after a reset it counts from the start. An order that was cancelled has another name, of
    whoever cancelled it, so there the number has to do.
    """
    name, client_order_id = order.symbol.name, order.client_order_id
    report = exchange.lookup(name, client_order_id, order.exchange_order_id)
    if report is None or report.status == OrderStatus.CANCELED:
        return report
    return report if report.client_order_id == client_order_id else None


def unsent() -> list[int]:
    """Orders that wait to be sent."""
    return list(Order.objects.filter(status=OrderStatus.PENDING).values_list("pk", flat=True))


def unanswered(now: datetime) -> list[int]:
    """Orders whose end is not known although an answer was due; a resting stop owes none."""
    due = now - ANSWER_DUE
    waiting = Q(status__in=(OrderStatus.SUBMITTED, *AT_EXCHANGE), submitted_at__lt=due)
    orders = Order.objects.filter(Q(status=OrderStatus.UNKNOWN) | waiting).exclude(RESTING)
    return list(orders.order_by("pk").values_list("pk", flat=True))


def _beyond_arrival(order: Order, at: datetime) -> bool:
    """Whether an order that the exchange never confirmed can no longer arrive there."""
    if order.submitted_at is None or order.exchange_order_id is not None:
        return False  # put back for sending, or known to the exchange once
    return order.status in UNANSWERED and at - order.submitted_at > SURELY_NOT_PLACED


@transaction.atomic
def _give_up(order_id: int, asked_at: datetime, evidence: str) -> None:
    """End an order that the exchange does not know, once it can no longer arrive there."""
    order = locked(order_id)
    if order.submitted_at and _beyond_arrival(order, asked_at):
        seconds = (asked_at - order.submitted_at).total_seconds()
        why = f"never placed: {NOT_KNOWN} {seconds:.1f} s after it was to be sent; {evidence}"
        move(order, OrderStatus.EXPIRED_UNSENT, asked_at, f"{why}: it was in none of them")


@transaction.atomic
def _note_absence(order_id: int, asked_at: datetime, finding: Finding | None) -> None:
    """Keep in the order's history, once, that it was asked for and not known."""
    order = locked(order_id)
    detail = NOT_KNOWN if finding is None else f"{NOT_KNOWN}, yet listed: {finding.text}"
    if order.status in UNANSWERED and not order.changes.filter(detail=detail).exists():
        note([order], asked_at, detail)


def _why_not_sent(order: Order, halted: bool, now: datetime) -> str | None:
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


def _place(exchange: Exchange, request: OrderRequest) -> Answered:
    sent_ms = now_ms()
    try:
        answer: Answer = exchange.place(request)
    except (Refused, Busy, OutcomeUnknown) as failure:
        answer = failure
    return Answered(answer, sent_ms, now_ms())


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


def _book_answer(order: Order, answered: Answered, now: datetime) -> None:
    answer = answered.answer
    if not isinstance(answer, Busy):  # it will be sent again
        order.timeline |= _steps(answered)
        Order.objects.filter(pk=order.pk).update(timeline=order.timeline)
    if isinstance(answer, ExecutionReport):
        record(order.pk, answer, now)
    elif isinstance(answer, Refused):
        move_by_id(order.pk, OrderStatus.REJECTED, now, str(answer))
    elif isinstance(answer, Busy):
        move_by_id(order.pk, OrderStatus.PENDING, now, str(answer))
    else:
        move_by_id(order.pk, OrderStatus.UNKNOWN, now, str(answer))


def _steps(answered: Answered) -> dict[str, int]:
    """The steps that an order took between being sent and being booked."""
    answer, acknowledged_ms, filled_ms = answered.answer, answered.answered_ms, None
    if isinstance(answer, ExecutionReport):
        filled_ms = max((fill.time_ms for fill in answer.fills), default=None)
    return known(
        {
            Step.SENT: answered.sent_ms,
            Step.ACKNOWLEDGED: None if isinstance(answer, OutcomeUnknown) else acknowledged_ms,
            Step.FILLED: filled_ms,
        }
    )


@cache
def senders() -> ThreadPoolExecutor:
    """The process's sending threads; each keeps a connection open."""
    return ThreadPoolExecutor(SENDERS, thread_name_prefix="send-order")


# Threads do not survive a fork.
os.register_at_fork(after_in_child=senders.cache_clear)
