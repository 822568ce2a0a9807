"""The account held against our books: orders and fills that we missed, balances that differ."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from foundation.decimals import EXACT, ZERO, plain
from foundation.times import to_ms
from market.models import Symbol
from market.ticks import Side
from orders.core.position import Fill
from orders.core.status import ENDED, OrderStatus
from orders.events import alarm_changed
from orders.models import Alarm, Epoch, Order, OrdersCheck, Position, Trade
from orders.queries import LIVE, RESTING
from orders.services.booking import record
from orders.services.epochs import begin_epoch, booked, current_epoch
from orders.services.executions import note_foreign
from orders.services.sending import Clock, look_up
from orders.venue.exchange import (
    Busy,
    Exchange,
    ExecutionReport,
    OrderSeen,
    OutcomeUnknown,
    Refused,
)

OVERLAP = timedelta(minutes=2)  # the exchange's lists may lag, and clocks differ
GRACE = timedelta(seconds=90)  # for a difference that fills under way explain
logger = structlog.get_logger(__name__)


def reconcile_account(exchange: Exchange, clock: Clock = timezone.now) -> None:
    """Hold balances, orders and fills against our books; book what we missed.

    What is not ours is noted and never touched. What the balances disagree about for longer
    than GRACE raises an alarm, which settles itself once they agree again.
    """
    try:
        epoch = current_epoch(exchange, clock)
        if epoch is None:
            return
        _check_balances(exchange, epoch, clock)
        for symbol in _watched():
            _check_orders(exchange, symbol, epoch, clock)
    except (Refused, Busy, OutcomeUnknown) as failure:
        logger.warning("account.not_reconciled", reason=str(failure))


def raised_alarms() -> list[Alarm]:
    """The alarms that stand, oldest first."""
    alarms = Alarm.objects.filter(raised_at__isnull=False, settled_at=None)
    return list(alarms.select_related("symbol").order_by("since", "pk"))


def _watched() -> list[Symbol]:
    """Symbols that are followed, held or in doubt, those first that have waited longest."""
    held = Q(positions__status=Position.Status.OPEN)
    doubted = Q(alarms__in=Alarm.objects.filter(settled_at=None))
    symbols = Symbol.objects.filter(Q(followed=True) | held | doubted).distinct()
    return list(symbols.select_related("orders_check").order_by("orders_check__until", "name"))


# --- Orders and fills ---------------------------------------------------------------------------


def _check_orders(exchange: Exchange, symbol: Symbol, epoch: Epoch, clock: Clock) -> None:
    """Read what the exchange lists of a symbol since the last time, and book what we lack."""
    asked_at = clock()
    check = OrdersCheck.objects.filter(symbol=symbol).first()
    since_ms = to_ms((check.until if check else epoch.started_at) - OVERLAP)
    standing = exchange.open_orders(symbol.name)
    listed = exchange.orders_since(symbol.name, since_ms)
    trades = exchange.trades_since(symbol.name, since_ms)
    seen = {one.exchange_order_id: one for one in (*standing, *listed)}
    filled = {trade.exchange_order_id for trade in trades}
    ours = _ours(symbol, epoch, seen.values(), filled)
    told = {(trade.exchange_order_id, trade.fill.trade_id) for trade in trades}
    for order in ours.values():
        if _lacks(order, seen, told):
            _ask(exchange, order, clock)
    for number in sorted((seen.keys() | filled) - ours.keys()):
        order_seen = seen.get(number)
        fills = [trade.fill for trade in trades if trade.exchange_order_id == number]
        if order_seen is not None and _amount(fills) == order_seen.executed_quantity:
            moved = _moved(symbol.base_asset, fills, to_ms(epoch.started_at))
            note_foreign(symbol.name, order_seen, asked_at, moved=moved)
        else:
            _look_up_other(exchange, order_seen, number, symbol, epoch=epoch, now=asked_at)
    OrdersCheck.objects.update_or_create(symbol=symbol, defaults={"until": asked_at})


def _ours(
    symbol: Symbol, epoch: Epoch, seen: Iterable[OrderSeen], filled: set[int]
) -> dict[int, Order]:
    """Our orders among those listed, by the exchange's id; ids of earlier epochs say nothing.

    With them those that rest by our books: what is no longer listed has ended.
    """
    by_name = {one.client_order_id: one.exchange_order_id for one in seen}
    listed = filled | set(by_name.values())
    named = Order.objects.filter(symbol=symbol, client_order_id__in=by_name)
    ours = {by_name[order.client_order_id]: order for order in named}
    numbered = Order.objects.filter(
        symbol=symbol, exchange_order_id__in=listed, submitted_at__gte=epoch.started_at - OVERLAP
    )
    resting = Order.objects.filter(RESTING, symbol=symbol)
    for order in (*numbered, *resting):
        assert order.exchange_order_id is not None  # noqa: S101  # the exchange has it
        ours.setdefault(order.exchange_order_id, order)
    return ours


def _lacks(order: Order, seen: dict[int, OrderSeen], told: set[tuple[int, int]]) -> bool:
    """Whether the exchange's lists say more of an order than our books."""
    number = order.exchange_order_id
    booked_ids = set(order.trades.values_list("trade_id", flat=True))
    if not {trade_id for of, trade_id in told if of == number} <= booked_ids:
        return True
    if number in seen and seen[number].status == order.status == OrderStatus.NEW:
        return False  # a stop that rests as we think
    return order.status not in ENDED or order.status == OrderStatus.EXPIRED_UNSENT


def _ask(exchange: Exchange, order: Order, clock: Clock) -> None:
    report = look_up(order, exchange)
    if report is not None:
        record(order.pk, report, clock())


def _amount(fills: Iterable[Fill]) -> Decimal:
    return sum((fill.quantity for fill in fills), ZERO)


def _look_up_other(
    exchange: Exchange,
    order: OrderSeen | None,
    number: int,
    symbol: Symbol,
    *,
    epoch: Epoch,
    now: datetime,
) -> None:
    """Note an order that is none of ours, of whose fills the list has only some."""
    report = exchange.lookup(symbol.name, "", number)
    if report is None or not report.fills:
        return  # the lists are ahead of it; next time
    ours = Order.objects.filter(client_order_id=report.client_order_id).first()
    if ours is not None:  # the trades knew it before the lists of orders did
        record(ours.pk, report, now)
        return
    moved = _moved(symbol.base_asset, report.fills, to_ms(epoch.started_at))
    note_foreign(symbol.name, order or _seen_in(report), now, moved=moved)


def _seen_in(report: ExecutionReport) -> OrderSeen:
    """An order that no list shows, from its fills."""
    first = report.fills[0]
    return OrderSeen(
        client_order_id=report.client_order_id,
        exchange_order_id=report.exchange_order_id,
        status=report.status,
        side=first.side,
        quantity=report.executed_quantity,
        executed_quantity=report.executed_quantity,
        time_ms=first.time_ms,
    )


def _moved(base: str, fills: Iterable[Fill], since_ms: int) -> Decimal:
    """What fills from `since_ms` on added to what the account holds of `base`."""
    moved = ZERO
    for fill in fills:
        if fill.time_ms >= since_ms:
            amount = fill.quantity if fill.side is Side.BUY else -fill.quantity
            fee = fill.commission if fill.commission_asset == base else ZERO
            moved = EXACT.add(moved, EXACT.subtract(amount, fee))
    return moved


# --- Balances -----------------------------------------------------------------------------------


def _check_balances(exchange: Exchange, epoch: Epoch, clock: Clock) -> None:
    """Hold what the account has of each base asset against our books."""
    before = booked(epoch)
    held = exchange.balances()
    if booked(epoch) != before:
        return  # something was booked meanwhile: there is nothing to compare
    now = clock()
    moving = Order.objects.filter(status__in=LIVE).exclude(RESTING)
    live = set(moving.values_list("symbol__base_asset", flat=True))
    differing = []
    for symbol in _watched():
        asset = symbol.base_asset
        if asset in live:
            continue
        expected = EXACT.add(Decimal(epoch.balances.get(asset, "0")), before[asset])
        has = held.get(asset, ZERO)
        if has != expected:
            differing.append((symbol, has, expected))
        else:
            settle(symbol, now)
    if differing and _nothing_at_stake(epoch):
        # Nothing of ours can be wrong: others have used the account, or it was granted anew.
        begin_epoch(exchange, clock, "the balances changed before we traded")
        return
    for symbol, has, expected in differing:
        doubt(symbol, has, expected, now)


def _nothing_at_stake(epoch: Epoch) -> bool:
    """Whether we have neither traded nor held anything in this epoch."""
    traded = Trade.objects.filter(time__gte=epoch.started_at).exists()
    positions = Position.objects.exclude(status=Position.Status.ARCHIVED)
    return not traded and not positions.exclude(quantity=0).exists()


@transaction.atomic
def doubt(symbol: Symbol, has: Decimal, expected: Decimal, now: datetime) -> None:
    """Note a difference in the base asset, and raise an alarm once it has lasted."""
    alarm, _ = Alarm.objects.select_for_update(of=("self",)).get_or_create(
        symbol=symbol, settled_at=None, defaults={"since": now}
    )
    asset = symbol.base_asset
    text = f"the account holds {plain(has)} {asset}, our books say {plain(expected)}"
    alarm.text, alarm.difference = text, EXACT.subtract(has, expected)
    if alarm.raised_at is None and now - alarm.since >= GRACE:
        alarm.raised_at = now
        logger.error("account.differs", symbol=symbol.name, text=text)
        alarm_changed.announce([alarm])
    alarm.save(update_fields=["text", "difference", "raised_at"])


@transaction.atomic
def settle(symbol: Symbol, now: datetime) -> None:
    """Account and books agree: end the alarm, or forget a difference that never was one."""
    standing = Alarm.objects.select_for_update(of=("self",)).select_related("symbol")
    alarm = standing.filter(symbol=symbol, settled_at=None).first()
    if alarm is None:
        return
    if alarm.raised_at is None:
        alarm.delete()
        return
    alarm.settled_at = now
    alarm.save(update_fields=["settled_at"])
    logger.info("account.agrees", symbol=symbol.name)
    alarm_changed.announce([alarm])


@transaction.atomic
def accept_alarm(alarm_id: int, difference: Decimal, by: User, now: datetime) -> list[Alarm]:
    """Take the account's word: the `difference` that an alarm told is no mistake, but a deposit.

    From now on the epoch's beginning counts it in. With the alarm settle those of other symbols
    in the same asset, which say the same; the answer is all that were settled. None are where the
    alarm no longer stands, or tells another difference by now. What the account has moved since
    it was read, the next reconciliation finds.
    """
    epoch = Epoch.objects.select_for_update().first()
    standing = Alarm.objects.select_for_update(of=("self",)).select_related("symbol")
    raised = list(standing.filter(raised_at__isnull=False, settled_at=None).order_by("pk"))
    alarm = next((one for one in raised if one.pk == alarm_id), None)
    if epoch is None or alarm is None or alarm.difference != difference:
        return []
    asset = alarm.symbol.base_asset
    start = EXACT.add(Decimal(epoch.balances.get(asset, "0")), difference)
    epoch.balances[asset] = plain(start)
    epoch.save(update_fields=["balances"])
    settled = [one for one in raised if one.symbol.base_asset == asset]
    for one in settled:
        one.settled_at, one.accepted_by = now, by
        one.save(update_fields=["settled_at", "accepted_by"])
        logger.warning("account.accepted", symbol=one.symbol.name, text=one.text, by=by.username)
    alarm_changed.announce(settled)
    return settled
