"""Reconciliation of the exchange's account with our books: orders, fills and balances."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from django.db.models import Q
from django.utils import timezone

from foundation.decimals import EXACT, ZERO, total
from foundation.outages import is_outage
from foundation.times import Clock, to_ms, to_time
from market.models import GONE, Symbol
from market.ticks import Side
from orders.core.position import Fill
from orders.core.status import ENDED, OrderStatus
from orders.events import symbol_refused
from orders.models import Alarm, Epoch, Order, OrdersCheck, Position, Trade
from orders.services.account.adjustments import cover_overdrafts
from orders.services.account.alarms import record_difference, settle_difference
from orders.services.account.epochs import begin_epoch, booked_balances, current_epoch
from orders.services.account.executions import record_foreign_order
from orders.services.booking import record
from orders.services.lookup import look_up
from orders.venue.exchange import (
    Busy,
    Exchange,
    ExecutionReport,
    ListedOrder,
    OutcomeUnknown,
    Refused,
)

OVERLAP = timedelta(minutes=2)  # the exchange's lists may lag, and clocks differ
ASK_AGAIN = timedelta(minutes=30)  # for rows that could not be read, at most so far back
logger = structlog.get_logger(__name__)


def reconcile_account(exchange: Exchange, clock: Clock = timezone.now) -> None:
    """Compare balances, orders and fills with our books; book what we missed.

    What is not ours is recorded and never touched. A difference of balances that lasts raises an
    alarm, which settles itself once they agree again.
    """
    try:
        epoch = current_epoch(exchange, clock)
        if epoch is None:
            return
        cover_overdrafts(clock())
        _check_balances(exchange, epoch, clock)
        for symbol in _symbols_to_check():
            if symbol.status != GONE:  # nobody answers questions about it
                _check_symbol(exchange, symbol, epoch, clock)
    except (Refused, Busy, OutcomeUnknown) as failure:
        logger.warning("account.reconcile_failed", reason=str(failure))


def _check_symbol(exchange: Exchange, symbol: Symbol, epoch: Epoch, clock: Clock) -> None:
    """Check one symbol's orders; what fails of it holds up no other.

    Raises Busy: then asking for others is no use either.
    """
    try:
        _check_orders(exchange, symbol, epoch, clock)
    except (Refused, OutcomeUnknown) as failure:
        logger.warning("orders.reconcile_failed", symbol=symbol.name, reason=str(failure))
        if isinstance(failure, Refused):
            symbol_refused.announce([symbol.name])
    except Exception as error:  # whatever it is about this symbol, the next one is not to wait
        if isinstance(error, Busy) or is_outage(error):
            raise
        logger.exception("orders.reconcile_failed", symbol=symbol.name)


def _symbols_to_check() -> list[Symbol]:
    """Symbols that are followed, held or in doubt, those first that have waited longest."""
    held = Q(positions__in=Position.objects.open())
    differing = Q(alarms__in=Alarm.objects.unsettled())
    symbols = Symbol.objects.filter(Q(followed=True) | held | differing).distinct()
    return list(symbols.select_related("orders_check").order_by("orders_check__until", "name"))


# --- Orders and fills ---------------------------------------------------------------------------


def _check_orders(exchange: Exchange, symbol: Symbol, epoch: Epoch, clock: Clock) -> None:
    """Read what the exchange lists of a symbol since the last time, and book what we lack."""
    asked_at = clock()
    check = OrdersCheck.objects.filter(symbol=symbol).first()
    since_ms = to_ms((check.until if check else epoch.started_at) - OVERLAP)
    open_orders = exchange.open_orders(symbol.name)
    listed = exchange.orders_since(symbol.name, since_ms)
    trades = exchange.trades_since(symbol.name, since_ms)
    seen = {one.exchange_order_id: one for one in (*open_orders, *listed)}
    filled = {trade.exchange_order_id for trade in trades}
    ours = _ours(symbol, epoch, seen.values(), filled)
    listed_trades = {(trade.exchange_order_id, trade.fill.trade_id) for trade in trades}
    for order in ours.values():
        if _is_behind(order, seen, listed_trades):
            _book_report(exchange, order, clock)
    for number in sorted((seen.keys() | filled) - ours.keys()):
        order_seen = seen.get(number)
        fills = [trade.fill for trade in trades if trade.exchange_order_id == number]
        if (
            order_seen is not None
            and total(fill.quantity for fill in fills) == order_seen.executed_quantity
        ):
            net_quantity = _net_quantity(symbol.base_asset, fills, to_ms(epoch.started_at))
            record_foreign_order(symbol.name, order_seen, asked_at, net_quantity=net_quantity)
        else:
            _look_up_foreign(exchange, order_seen, number, symbol, epoch=epoch, now=asked_at)
    until = asked_at
    if unread := open_orders.left_out + listed.left_out + trades.left_out:
        logger.warning("orders.rows_unread", symbol=symbol.name, count=unread)
        until = max(to_time(since_ms) + OVERLAP, asked_at - ASK_AGAIN)
    OrdersCheck.objects.update_or_create(symbol=symbol, defaults={"until": until})


def _ours(
    symbol: Symbol, epoch: Epoch, seen: Iterable[ListedOrder], filled: set[int]
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
    resting = Order.objects.resting().filter(symbol=symbol)
    for order in (*numbered, *resting):
        if order.exchange_order_id is not None:  # the exchange has it
            ours.setdefault(order.exchange_order_id, order)
    return ours


def _is_behind(
    order: Order, seen: dict[int, ListedOrder], listed_trades: set[tuple[int, int]]
) -> bool:
    """True where the exchange's lists say more of an order than our books."""
    number = order.exchange_order_id
    booked_ids = set(order.trades.values_list("trade_id", flat=True))
    if not {trade_id for of, trade_id in listed_trades if of == number} <= booked_ids:
        return True
    if number in seen and seen[number].status == order.status == OrderStatus.NEW:
        return False  # a stop that rests as we think
    return order.status not in ENDED or order.status == OrderStatus.EXPIRED_UNSENT


def _book_report(exchange: Exchange, order: Order, clock: Clock) -> None:
    report = look_up(order, exchange)
    if report is not None:
        record(order.pk, report, clock())


def _look_up_foreign(
    exchange: Exchange,
    order: ListedOrder | None,
    number: int,
    symbol: Symbol,
    *,
    epoch: Epoch,
    now: datetime,
) -> None:
    """Record an order that is none of ours, of whose fills the list has only some."""
    report = exchange.lookup(symbol.name, "", number)
    if report is None or not report.fills:
        return  # the lists are ahead of it; next time
    ours = Order.objects.filter(client_order_id=report.client_order_id).first()
    if ours is not None:  # the trades knew it before the lists of orders did
        record(ours.pk, report, now)
        return
    net_quantity = _net_quantity(symbol.base_asset, report.fills, to_ms(epoch.started_at))
    listed = order or _listed_order(report)
    record_foreign_order(symbol.name, listed, now, net_quantity=net_quantity)


def _listed_order(report: ExecutionReport) -> ListedOrder:
    """An order that no list shows, from its fills."""
    first = report.fills[0]
    return ListedOrder(
        client_order_id=report.client_order_id,
        exchange_order_id=report.exchange_order_id,
        status=report.status,
        side=first.side,
        quantity=report.executed_quantity,
        executed_quantity=report.executed_quantity,
        time_ms=first.time_ms,
    )


def _net_quantity(base: str, fills: Iterable[Fill], since_ms: int) -> Decimal:
    """Base asset that fills from `since_ms` on added to the account, fees in it included."""
    net = ZERO
    for fill in fills:
        if fill.time_ms >= since_ms:
            amount = fill.quantity if fill.side is Side.BUY else -fill.quantity
            fee = fill.commission if fill.commission_asset == base else ZERO
            net = EXACT.add(net, EXACT.subtract(amount, fee))
    return net


# --- Balances -----------------------------------------------------------------------------------


def _check_balances(exchange: Exchange, epoch: Epoch, clock: Clock) -> None:
    """Compare what the account has of each base asset with our books."""
    before = booked_balances(epoch)
    held = exchange.balances()
    if booked_balances(epoch) != before:
        return  # something was booked meanwhile: there is nothing to compare
    now = clock()
    live = Order.objects.live().not_resting()
    moving = set(live.values_list("symbol__base_asset", flat=True))
    differing = []
    for symbol in _symbols_to_check():
        asset = symbol.base_asset
        if asset in moving:
            continue
        expected = EXACT.add(Decimal(epoch.balances.get(asset, "0")), before[asset])
        has = held.get(asset, ZERO)
        if has != expected:
            differing.append((symbol, has, expected))
        else:
            settle_difference(symbol, now)
    if differing and _nothing_at_stake(epoch):
        # Nothing of ours can be wrong: others have used the account, or it was granted anew.
        begin_epoch(exchange, clock, "the balances changed before we traded")
        return
    for symbol, has, expected in differing:
        record_difference(symbol, has, expected, now)


def _nothing_at_stake(epoch: Epoch) -> bool:
    """True where we have neither traded nor held anything in this epoch."""
    traded = Trade.objects.filter(time__gte=epoch.started_at).exists()
    held = Position.objects.unarchived().exclude(quantity=0)
    return not traded and not held.exists()
