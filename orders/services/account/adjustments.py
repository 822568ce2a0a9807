"""Adjustments: base asset that leaves positions without a trade of theirs, each with its reason.

A fee in BNB takes from the account what a BNBUSDT position may hold. The account's own stock pays
first, what it began the epoch with; where that is overdrawn, positions make up for it, so that
together they never hold more than there is. What nobody can explain stays an alarm, until
somebody of the staff writes it off.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import NamedTuple

import structlog
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from foundation.decimals import EXACT, ZERO, plain
from market.models import GONE, Symbol
from market.ticks import Side
from orders.core.position import PositionState
from orders.core.status import OrderStatus
from orders.events import position_changed
from orders.models import Adjustment, AdjustmentKind, Alarm, Epoch, Order, Position, Trade
from orders.services.account.epochs import moved_beside_positions
from orders.services.transitions import transition_by_id

logger = structlog.get_logger(__name__)


class NotWrittenOff(Exception):
    """A position cannot be written off now; the text says why."""


class Draw(NamedTuple):
    """A draw on the account's stock of an asset: how much, and the trade, if it was one."""

    kind: AdjustmentKind
    quantity: Decimal
    reason: str
    trade: Trade | None = None


# --- What other trades took ----------------------------------------------------------------------


def charge_positions(trades: Sequence[Trade], now: datetime) -> None:
    """Have positions pay what these trades drew from the account beyond its own stock."""
    drawn = {asset for trade in trades for asset in _assets_drawn(trade)}
    held = Position.objects.unarchived().filter(symbol__base_asset__in=drawn)
    if held.exclude(quantity=0).exists():
        cover_overdrafts(now)


def _assets_drawn(trade: Trade) -> Iterator[str]:
    if trade.commission_asset != trade.symbol.base_asset:
        yield trade.commission_asset
    if trade.side == Side.BUY:
        yield trade.symbol.quote_asset


@transaction.atomic
def cover_overdrafts(now: datetime) -> None:
    """Take off positions what has been taken from the account behind their back; twice is once."""
    epoch = Epoch.objects.select_for_update().first()  # one at a time
    if epoch is None:
        return
    changed: list[Position] = []
    for asset, moved in moved_beside_positions(epoch).items():
        stock = EXACT.add(Decimal(epoch.balances.get(asset, "0")), moved)
        if stock < 0:
            changed += _cover(asset, -stock, epoch, now)
    position_changed.announce(changed)


def _cover(asset: str, overdrawn: Decimal, epoch: Epoch, now: datetime) -> list[Position]:
    """Take so much of an asset off positions, dust first, then those opened first."""
    positions, changed = _holding(asset), list[Position]()
    if not positions:
        return changed
    for draw in _draws(asset, overdrawn, epoch):
        left = draw.quantity
        for position in positions:
            if taken := min(left, position.quantity):
                _take(position, draw._replace(quantity=taken), now)
                left = EXACT.subtract(left, taken)
                changed.append(position)
    return list(dict.fromkeys(changed))


def _holding(asset: str) -> list[Position]:
    rows = Position.objects.select_for_update(of=("self",)).select_related("symbol").order_by("pk")
    held = rows.unarchived().filter(symbol__base_asset=asset).exclude(quantity=0)
    positive = [position for position in held if position.quantity > 0]
    return sorted(positive, key=lambda one: one.status == Position.Status.OPEN)


def _draws(asset: str, overdrawn: Decimal, epoch: Epoch) -> Iterator[Draw]:
    """Draws on an asset that are not paid for, newest first, until they explain that much."""
    for draw in chain(_draws_of_trades(asset, epoch), [_foreign(overdrawn)]):
        part = min(draw.quantity, overdrawn)
        if part > 0:
            yield draw._replace(quantity=part)
            overdrawn = EXACT.subtract(overdrawn, part)
        if not overdrawn:
            return


def _draws_of_trades(asset: str, epoch: Epoch) -> Iterator[Draw]:
    trades = Trade.objects.filter(time__gte=epoch.started_at).exclude(symbol__base_asset=asset)
    drawing = Q(commission_asset=asset) | Q(symbol__quote_asset=asset, side=Side.BUY)
    found = trades.filter(drawing).select_related("symbol").prefetch_related("adjustments")
    for trade in found.order_by("-pk").iterator(chunk_size=100):
        paid = dict.fromkeys(AdjustmentKind, ZERO)
        for adjustment in trade.adjustments.all():
            kind = AdjustmentKind(adjustment.kind)
            paid[kind] = EXACT.add(paid[kind], adjustment.quantity)
        for draw in _draws_of(trade, asset):
            yield draw._replace(quantity=EXACT.subtract(draw.quantity, paid[draw.kind]))


def _draws_of(trade: Trade, asset: str) -> Iterator[Draw]:
    what = f"{trade.side} {trade.symbol.name} of {trade.strategy}, trade {trade.trade_id}"
    if trade.commission_asset == asset:
        yield Draw(AdjustmentKind.FEE, trade.commission, f"fee of {what}", trade)
    if trade.side == Side.BUY and trade.symbol.quote_asset == asset:
        yield Draw(AdjustmentKind.SPENT, trade.quote_quantity, f"paid for {what}", trade)


def _foreign(quantity: Decimal) -> Draw:
    return Draw(AdjustmentKind.FOREIGN, quantity, "taken by orders that are none of ours")


def _take(position: Position, draw: Draw, now: datetime) -> None:
    before = position.cost
    _lose(position, draw.quantity, now, as_fee=draw.kind == AdjustmentKind.FEE)
    Adjustment.objects.create(
        position=position,
        kind=draw.kind,
        quantity=draw.quantity,
        cost=EXACT.subtract(before, position.cost),
        kept=draw.quantity,
        trade=draw.trade,
        reason=draw.reason,
        at=now,
    )
    logger.warning(
        "position.charged",
        position=position.pk,
        symbol=position.symbol.name,
        quantity=plain(draw.quantity),
        reason=draw.reason,
    )


def _lose(position: Position, quantity: Decimal, now: datetime, *, as_fee: bool) -> None:
    """Take base asset off a locked position; of which nothing is left, that closes."""
    state = PositionState(
        position.symbol.base_asset,
        position.symbol.quote_asset,
        quantity=position.quantity,
        cost=position.cost,
        realised=position.realised,
        fees=position.fees,
    ).without(quantity, as_fee=as_fee)
    position.quantity, position.cost = state.quantity, state.cost
    position.realised, position.fees = state.realised, state.fees
    if position.status == Position.Status.OPEN and not state.quantity:
        position.status, position.closed_at = Position.Status.CLOSED, now
    position.save()


# --- What is given up ----------------------------------------------------------------------------


@transaction.atomic
def write_off(
    position_id: int, quantity: Decimal | None, reason: str, by: User, now: datetime
) -> Adjustment:
    """Give up a position, or so much of it: it is neither held nor sold any more, its cost is lost.

    For what can never be sold: the symbol is no longer listed, or the account does not have it.
    What the account still has of it stays there, outside of positions. Raises NotWrittenOff.
    """
    Epoch.objects.select_for_update().first()  # no other adjustment meanwhile
    _end_orders_of_gone(position_id, now)  # orders are locked before positions, as in booking
    position = _lock_for_write_off(position_id)
    amount = position.quantity if quantity is None else quantity
    if not 0 < amount <= position.quantity:
        text = f"{plain(amount)} is not above 0 and at most {plain(position.quantity)}"
        raise NotWrittenOff(f"{text}, what position {position_id} holds")
    before, kept = position.cost, EXACT.subtract(amount, _take_missing(position.symbol, amount))
    _lose(position, amount, now, as_fee=False)
    position_changed.announce([position])
    logger.warning(
        "position.written_off",
        position=position.pk,
        symbol=position.symbol.name,
        quantity=plain(amount),
        reason=reason,
        by=by.username,
    )
    return Adjustment.objects.create(
        position=position,
        kind=AdjustmentKind.WRITE_OFF,
        quantity=amount,
        cost=EXACT.subtract(before, position.cost),
        kept=kept,
        reason=reason,
        by=by,
        at=now,
    )


def _end_orders_of_gone(position_id: int, now: datetime) -> None:
    """End orders of a symbol that is gone: the exchange will never say what became of them."""
    position = Position.objects.filter(pk=position_id, symbol__status=GONE).first()
    if position is None:
        return
    for order_id in Order.objects.of(position.strategy, position.symbol_id).live().ids():
        why = "the exchange no longer lists the symbol"
        transition_by_id(order_id, OrderStatus.EXPIRED, now, why)


def _lock_for_write_off(position_id: int) -> Position:
    """The open position, of which no order is under way: none is written while it is locked."""
    rows = Position.objects.select_for_update(of=("self",)).select_related("symbol")
    position = rows.open().filter(pk=position_id).first()
    if position is None:
        raise NotWrittenOff(f"position {position_id} is not open")
    live = Order.objects.of(position.strategy, position.symbol_id).live().first()
    if live is not None:
        text = f"order {live.client_order_id} of position {position.pk} is under way"
        raise NotWrittenOff(f"{text} ({live.status}); wait for its end")
    return position


def _take_missing(symbol: Symbol, amount: Decimal) -> Decimal:
    """The part of this that the account does not have, by the alarms that stand.

    It is explained now, so they show so much less of it: nobody writes it off or accepts it again.
    """
    alarms = Alarm.objects.select_for_update(of=("self",)).unsettled().differences()
    standing = alarms.filter(symbol__base_asset=symbol.base_asset).order_by("pk")
    lacking = [alarm for alarm in standing if alarm.difference < 0]
    missing = min(amount, max((-alarm.difference for alarm in lacking), default=ZERO))
    for alarm in lacking:
        alarm.difference = min(ZERO, EXACT.add(alarm.difference, missing))
        alarm.save(update_fields=["difference"])
    return missing
