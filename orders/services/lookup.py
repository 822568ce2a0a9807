"""Lookup of orders without an answer: what became of them, found out and never guessed."""

from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from foundation.outages import is_outage
from foundation.times import Clock, to_ms
from market.models import GONE
from orders.core.status import AT_EXCHANGE, ENDED, UNANSWERED, OrderStatus
from orders.events import symbol_refused
from orders.models import AlarmKind, Order
from orders.services.account.alarms import raise_alarm
from orders.services.booking import record
from orders.services.transitions import lock_order, record_changes, transition
from orders.venue.exchange import Busy, Exchange, ExecutionReport, OutcomeUnknown, Refused
from orders.venue.order_search import SearchResult, find

ANSWER_DUE = timedelta(seconds=3)  # an order without an answer is looked up from then on
# The exchange refuses a request 5 s after the time it bears, that of its claim, and gives its
# engine 10 s more; the rest is margin. Source: Binance Spot REST, "Timing security" and
# "General API Information".
NEVER_PLACED_AFTER = timedelta(seconds=20)
# Of a symbol that is gone: after so long nobody will tell, and it may still come back until then.
GIVEN_UP_AFTER = timedelta(hours=1)
DELISTED = "the exchange no longer lists the symbol, and refuses to say what became of the order"
NOT_FOUND = "asked by its client order id, the exchange did not know it (-2013)"
logger = structlog.get_logger(__name__)


def resolve_unanswered(exchange: Exchange, clock: Clock = timezone.now) -> None:
    """Ask what became of all orders whose answer is due; one that fails holds up no other."""
    for order_id in Order.objects.unanswered(clock() - ANSWER_DUE).ids():
        try:
            if not resolve_order(order_id, exchange, clock):
                break
        except Exception as error:  # whatever it is about this order, the next one is not to wait
            if is_outage(error):
                raise
            logger.exception("order.resolve_failed", order=order_id)


def resolve_order(order_id: int, exchange: Exchange, clock: Clock = timezone.now) -> bool:
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
        if isinstance(failure, Refused):
            symbol_refused.announce([name])
            if order.symbol.status == GONE:
                _give_up_delisted(order.pk, asked_at, failure)
        return not isinstance(failure, Busy)
    if report is not None:
        record(order.pk, report, clock())
        if report.status == OrderStatus.UNKNOWN:
            text = f"an order is in a status that we don't know: {report.reason}"
            raise_alarm(order.symbol, AlarmKind.ORDER_STATUS, text, clock())
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
def _give_up_delisted(order_id: int, asked_at: datetime, refusal: Refused) -> None:
    """End an order of a symbol that is gone, where nothing but refusals came for long.

    Its history keeps the first of them; whatever else comes in between begins the time anew.
    """
    order = lock_order(order_id)
    if order.status in ENDED:
        return
    last = order.changes.last()
    if last is None or last.detail != DELISTED:
        record_changes([order], asked_at, DELISTED)
    elif asked_at - last.at >= GIVEN_UP_AFTER:
        known = order.exchange_order_id is not None
        status = OrderStatus.EXPIRED if known else OrderStatus.EXPIRED_UNSENT
        why = f"{DELISTED}, since {last.at:%Y-%m-%d %H:%M:%S} UTC ({refusal})"
        transition(order, status, asked_at, why)


@transaction.atomic
def _record_absence(order_id: int, asked_at: datetime, searched: SearchResult | None) -> None:
    """Keep in the order's history, once, that it was asked for and not known."""
    order = lock_order(order_id)
    detail = NOT_FOUND if searched is None else f"{NOT_FOUND}, yet listed: {searched.evidence}"
    if order.status in UNANSWERED and not order.changes.filter(detail=detail).exists():
        record_changes([order], asked_at, detail)
