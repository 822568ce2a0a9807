"""The account's epochs: the testnet erases orders, trades and balances about once a month."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from django.db import transaction
from django.db.models import Min, QuerySet

from foundation.decimals import EXACT, plain
from foundation.times import Clock, to_ms
from market.models import GONE, Symbol
from market.ticks import Side
from orders.core.status import LIVE, OrderStatus
from orders.events import alarm_changed, position_changed
from orders.models import (
    Adjustment,
    Alarm,
    Epoch,
    ForeignOrder,
    Order,
    OrdersCheck,
    Position,
    Trade,
)
from orders.services.lookup import look_up
from orders.services.transitions import lock_order, transition
from orders.venue.exchange import Exchange, OutcomeUnknown, Refused

# Lists may lag behind; an order this old is in them, unless it was erased.
SURELY_LISTED = timedelta(seconds=60)
MAX_ASKED = 3  # symbols, of those that don't answer
logger = structlog.get_logger(__name__)


def current_epoch(exchange: Exchange, clock: Clock) -> Epoch | None:
    """The epoch that the account is in, a new one where it begins just now.

    None while none can begin: orders are under way, and nobody knows what they will move.
    """
    epoch = Epoch.objects.first()
    if epoch is None:
        return begin_epoch(exchange, clock, "first look at the account")
    if not was_reset(epoch, exchange, clock()):
        return epoch
    archive_erased(exchange, clock())
    return begin_epoch(exchange, clock, "the exchange was reset")


def begin_epoch(exchange: Exchange, clock: Clock, reason: str) -> Epoch | None:
    """Note what the account holds beyond our positions, at a moment when nothing moves."""
    before = booked_balances(None)
    held = exchange.balances()
    now = clock()
    live = Order.objects.live()
    if booked_balances(None) != before or live.not_resting().exists():
        return None
    if not all(_is_untouched(stop, exchange) for stop in live.select_related("symbol")):
        return None
    start = {asset: EXACT.subtract(held[asset], before[asset]) for asset in held}
    epoch = Epoch.objects.create(
        started_at=now,
        reason=reason,
        balances={asset: plain(amount) for asset, amount in start.items() if amount},
    )
    # What it begins with contains what foreign orders moved before.
    ForeignOrder.objects.exclude(net_quantity=0).update(net_quantity=0)
    logger.info("account.epoch_began", reason=reason)
    return epoch


def booked_balances(epoch: Epoch | None) -> defaultdict[str, Decimal]:
    """Base assets that the account holds, by our books, beyond what it began the epoch with:
    positions, their dust, and what moved beside them.
    """
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    positions = Position.objects.unarchived().exclude(quantity=0)
    for base, quantity in positions.values_list("symbol__base_asset", "quantity"):
        sums[base] = EXACT.add(sums[base], quantity)
    if epoch is not None:
        for asset, amount in moved_beside_positions(epoch).items():
            sums[asset] = EXACT.add(sums[asset], amount)
    return sums


def moved_beside_positions(epoch: Epoch) -> defaultdict[str, Decimal]:
    """Base assets by how much more of them the account has outside of positions since the epoch
    began.

    What our trades in other symbols took (a fee in BNB, the price of a symbol that is paid in it),
    what orders that are not ours moved, and what positions gave up for it.
    """
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    symbols = {one.pk: one for one in Symbol.objects.all()}
    bases = {one.base_asset for one in symbols.values()}
    trades = Trade.objects.filter(time__gte=epoch.started_at)
    for trade in trades.filter(commission_asset__in=bases).exclude(commission=0):
        if trade.commission_asset != symbols[trade.symbol_id].base_asset:
            fee = trade.commission_asset
            sums[fee] = EXACT.subtract(sums[fee], trade.commission)
    for trade in trades.filter(symbol__quote_asset__in=bases):
        quote = symbols[trade.symbol_id].quote_asset
        paid = -trade.quote_quantity if trade.side == Side.BUY else trade.quote_quantity
        sums[quote] = EXACT.add(sums[quote], paid)
    by_name = {one.name: one.base_asset for one in symbols.values()}
    foreign = ForeignOrder.objects.filter(symbol__in=by_name).exclude(net_quantity=0)
    for name, quantity in foreign.values_list("symbol", "net_quantity"):
        sums[by_name[name]] = EXACT.add(sums[by_name[name]], quantity)
    adjusted = Adjustment.objects.filter(at__gte=epoch.started_at).exclude(kept=0)
    for base, kept in adjusted.values_list("position__symbol__base_asset", "kept"):
        sums[base] = EXACT.add(sums[base], kept)
    return sums


def was_reset(epoch: Epoch, exchange: Exchange, now: datetime) -> bool:
    """True where the exchange has forgotten our orders of this epoch and counts from the start.

    One symbol's orders tell, of those that the exchange answers for; what it no longer lists says
    nothing. Where it answers for none, nothing tells so.
    """
    ours = Order.objects.filter(
        kind=Order.Kind.MARKET,  # a cancel renames a stop
        exchange_order_id__isnull=False,
        submitted_at__gte=epoch.started_at,
        submitted_at__lt=now - SURELY_LISTED,
    ).exclude(symbol__status=GONE)
    oldest = ours.order_by().values("symbol").annotate(first=Min("submitted_at"))
    for symbol_id in oldest.order_by("first").values_list("symbol", flat=True)[:MAX_ASKED]:
        try:
            own = ours.filter(symbol=symbol_id).select_related("symbol")
            return _are_erased(own, epoch, exchange)
        except (Refused, OutcomeUnknown) as failure:
            logger.warning("account.check_for_reset_failed", reason=str(failure))
    return False


def _are_erased(ours: QuerySet[Order], epoch: Epoch, exchange: Exchange) -> bool:
    """True where a reset has erased these orders of one symbol.

    Not known is not enough, for what is read may lag: the oldest must be gone, and the newest
    gone as well or numbered no higher than one before it. Source: protocol H.
    """
    oldest = ours.order_by("submitted_at", "pk")[0]
    if _is_known(oldest, exchange):
        return False
    newest = ours.order_by("-submitted_at", "-pk")[0]
    higher = ours.filter(exchange_order_id__gte=newest.exchange_order_id)
    fell_back = higher.exclude(pk=newest.pk).exists()
    if not fell_back and _is_known(newest, exchange):
        return False
    since = to_ms(epoch.started_at)
    listed = exchange.orders_since(oldest.symbol.name, since)
    if listed.left_out:  # it may be among those that could not be read
        return False
    return all(one.client_order_id != oldest.client_order_id for one in listed)


def archive_erased(exchange: Exchange, now: datetime) -> None:
    """Archive what the exchange has erased: nothing is sold, and no result is invented.

    The exchange is asked first: no row is locked over the network.
    """
    placed = Order.objects.live().filter(exchange_order_id__isnull=False).select_related("symbol")
    orders = [order.pk for order in placed if not _is_known(order, exchange)]
    holding = Position.objects.holding().select_related("symbol")
    positions = [position.pk for position in holding if not _is_new(position, exchange)]
    _archive(orders, positions, now)


@transaction.atomic
def _archive(order_ids: Sequence[int], position_ids: Sequence[int], now: datetime) -> None:
    erased = "the exchange was reset, and does not know it any more"
    for order_id in order_ids:
        transition(lock_order(order_id), OrderStatus.EXPIRED, now, erased)
    rows = Position.objects.select_for_update(of=("self",)).select_related("symbol")
    gone = list(rows.holding().filter(pk__in=position_ids).order_by("pk"))
    for position in gone:
        position.status = Position.Status.ARCHIVED
        position.save(update_fields=["status"])
    position_changed.announce(gone)
    alarms = list(Alarm.objects.unsettled().select_related("symbol"))
    Alarm.objects.unsettled().update(settled_at=now)
    alarm_changed.announce(alarms)
    ForeignOrder.objects.filter(status__in=LIVE).update(status=OrderStatus.EXPIRED)
    OrdersCheck.objects.all().delete()
    logger.warning("account.was_reset", archived=len(gone))


def _is_untouched(stop: Order, exchange: Exchange) -> bool:
    """True where a protective stop has moved nothing so far, by the exchange's own word."""
    report = look_up(stop, exchange)
    return report is not None and report.status == OrderStatus.NEW


def _is_new(position: Position, exchange: Exchange) -> bool:
    """True where a position was opened after the reset: the exchange knows the order that did."""
    first = position.trades.select_related("order__symbol").order_by("pk").first()
    return first is not None and _is_known(first.order, exchange)


def _is_known(order: Order, exchange: Exchange) -> bool:
    """True where the exchange knows the order by its number, under the name that we gave it.

    Of a symbol that it no longer lists it knows none, and answers no question.
    """
    if order.symbol.status == GONE:
        return False
    report = exchange.lookup(order.symbol.name, order.client_order_id, order.exchange_order_id)
    return report is not None and report.client_order_id == order.client_order_id
