"""Booking of fills, each once: trades, positions, and the order they belong to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import structlog
from django.db import transaction

from foundation.decimals import ZERO, plain, total
from foundation.times import to_time
from market.models import Symbol
from market.rules import SymbolRules
from market.ticks import Side
from orders.core.exits import ExitReason
from orders.core.position import Fill, PositionState, stop_price
from orders.core.status import ENDED, NOT_SENT, OrderStatus
from orders.events import order_changed, position_changed, trade_booked
from orders.models import Order, Position, Trade
from orders.queries import decide_exits
from orders.services.transitions import lock_order, record_changes, transition
from orders.venue.exchange import ExecutionReport

logger = structlog.get_logger(__name__)


@transaction.atomic
def record(order_id: int, report: ExecutionReport, now: datetime) -> None:
    """Book the exchange's report of an order: each fill once, whatever comes twice or late.

    Fills are facts and booked in any status; the status itself only moves forward, and not to
    an end before every fill that belongs to it is known.
    """
    order = lock_order(order_id)
    known = set(order.trades.values_list("trade_id", flat=True))
    fills = sorted(
        (fill for fill in report.fills if fill.trade_id not in known), key=lambda f: f.trade_id
    )
    position = _book_fills(order, fills) if fills else None
    complete = _book_status(order, report, now)
    if position is not None:
        _decide_exit(order, position, now)
    if order.side == Side.BUY and not complete:
        return
    _close_if_sold(order, position, now)
    if position is not None and order.kind == Order.Kind.STOP_LOSS:
        _fit_waiting_sale(order, position, now)


def _book_status(order: Order, report: ExecutionReport, now: datetime) -> bool:
    """Bring the order up to the report; True where it has ended with all its fills."""
    reported = {
        "exchange_order_id": report.exchange_order_id,
        "executed_quantity": max(report.executed_quantity, order.executed_quantity),
        "executed_quote": max(report.executed_quote, order.executed_quote),
    }
    unsent = order.status in NOT_SENT
    after_all = "the exchange knows it after all" if unsent else ""
    booked = total(order.trades.values_list("quantity", flat=True))
    if report.status in ENDED and booked < report.executed_quantity:
        # Orders and trades are read apart and trades may lag: ended now, the rest would be lost.
        detail = f"{plain(booked)} of {plain(report.executed_quantity)} filled is known so far"
        status = OrderStatus.PARTIALLY_FILLED if unsent else OrderStatus.UNKNOWN
        changed = transition(order, status, now, detail, **reported)
    else:
        # One that the exchange knows is not sent again, whatever it may be in there.
        status = report.status
        if unsent and status == OrderStatus.UNKNOWN:
            status = OrderStatus.NEW
        changed = transition(order, status, now, report.reason or after_all, **reported)
    if not changed and any(getattr(order, name) != value for name, value in reported.items()):
        Order.objects.filter(pk=order.pk).update(**reported)
        order_changed.announce([order])
    return order.status in ENDED


def _book_fills(order: Order, fills: Sequence[Fill]) -> Position:
    book = _book_of(order, fills[0])
    for fill in fills:
        book.state = book.state.after(fill)
    position = book.save(order)
    trades = Trade.objects.bulk_create(_trade(order, position, fill) for fill in fills)
    trade_booked.announce(trades)
    position_changed.announce([position])
    for trade in trades:
        logger.info(
            "trade.booked",
            order=order.client_order_id,
            symbol=order.symbol.name,
            side=trade.side,
            quantity=plain(trade.quantity),
            price=plain(trade.price),
        )
    return position


@dataclass
class Book:
    """A position's row, and its state by the fills booked so far."""

    position: Position
    state: PositionState

    def save(self, order: Order) -> Position:
        position, state = self.position, self.state
        position.quantity = state.quantity
        position.cost = state.cost
        position.realised = state.realised
        position.fees = state.fees
        if order.side == Side.BUY:
            position.entry_price = state.entry_price
            if order.stop_loss is not None:
                position.stop_price = stop_price(state.entry_price, order.stop_loss)
        position.save()
        return position


def _book_of(order: Order, first: Fill) -> Book:
    """The position that takes the order's fills: the open one, else a new one."""
    rows = Position.objects.select_for_update().of(order.strategy, order.symbol).unarchived()
    position = rows.open().first()
    if position is None and order.side == Side.SELL:
        position = rows.first()  # a fill that comes late belongs to what was just closed
    if position is None:
        return _new_book(order, rows.first(), first)
    bought = list(position.trades.filter(side=Side.BUY).values_list("quantity", "quote_quantity"))
    state = PositionState(
        base=order.symbol.base_asset,
        quote=order.symbol.quote_asset,
        quantity=position.quantity,
        cost=position.cost,
        realised=position.realised,
        fees=position.fees,
        bought=total(quantity for quantity, _ in bought),
        bought_quote=total(quote for _, quote in bought),
    )
    return Book(position, state)


def _new_book(order: Order, last: Position | None, first: Fill) -> Book:
    """A new position; dust that the last one could not sell moves over with its cost."""
    dust = PositionState(order.symbol.base_asset, order.symbol.quote_asset)
    if last is not None and (last.quantity or last.cost):
        dust = PositionState(dust.base, dust.quote, quantity=last.quantity, cost=last.cost)
        last.quantity, last.cost = ZERO, ZERO
        last.save(update_fields=["quantity", "cost"])
        position_changed.announce([last])
    position = Position(
        strategy=order.strategy,
        symbol=order.symbol,
        entry_price=first.price,
        opened_at=to_time(first.time_ms),
    )
    return Book(position, dust)


def _decide_exit(order: Order, position: Position, now: datetime) -> None:
    """Have a position sold whose fills come after it was decided to hold nothing.

    A protective stop that sold a part wants the rest sold too. A BUY that was filled late, after
    its strategy gave the word to sell, is sold again.
    """
    if position.exit_reason or position.status != Position.Status.OPEN:
        return
    reason = ExitReason.STOP_LOSS
    if order.side == Side.BUY:
        later = Order.objects.of(order.strategy, order.symbol).filter(kind=Order.Kind.MARKET)
        last = later.filter(created_at__gt=order.created_at).first()
        if last is None or last.side == Side.BUY:
            return
        reason = ExitReason.CROSSOVER
    decide_exits([position.pk], reason, now)


def _close_if_sold(order: Order, position: Position | None, now: datetime) -> None:
    """Close the position once what is left of it is too little to sell."""
    if position is None:
        rows = Position.objects.select_for_update().of(order.strategy, order.symbol)
        position = rows.open().first()
    if position is None or position.status == Position.Status.CLOSED:
        return
    price = _last_price(order)
    if price is None or not _rules(order.symbol).is_dust(position.quantity, price):
        return
    position.status = Position.Status.CLOSED
    position.closed_at = now
    position.save(update_fields=["status", "closed_at"])
    position_changed.announce([position])


def _fit_waiting_sale(stop: Order, position: Position, now: datetime) -> None:
    """Take what a protective stop has sold off the sale that waits for its end."""
    rows = Order.objects.select_for_update(of=("self",)).select_related("symbol")
    waiting = rows.of(stop.strategy, stop.symbol).sales().unsent()
    sale = waiting.filter(kind=Order.Kind.MARKET).first()
    if sale is None:
        return
    if position.status != Position.Status.OPEN:
        why = f"the protective stop {stop.client_order_id} has sold the position"
        transition(sale, OrderStatus.EXPIRED_UNSENT, now, why)
        return
    left = min(sale.quantity, _rules(stop.symbol).sellable(position.quantity))
    if left < sale.quantity:
        sale.quantity = left
        sale.save(update_fields=["quantity"])
        detail = f"{plain(left)} is left by the protective stop {stop.client_order_id}"
        record_changes([sale], now, detail)
        order_changed.announce([sale])


def _last_price(order: Order) -> Decimal | None:
    return order.trades.values_list("price", flat=True).first()


def _rules(symbol: Symbol) -> SymbolRules:
    return SymbolRules.from_filters(symbol.filters)


def _trade(order: Order, position: Position, fill: Fill) -> Trade:
    return Trade(
        order=order,
        position=position,
        symbol=order.symbol,
        strategy=order.strategy,
        trade_id=fill.trade_id,
        side=fill.side,
        price=fill.price,
        quantity=fill.quantity,
        quote_quantity=fill.quote_quantity,
        commission=fill.commission,
        commission_asset=fill.commission_asset,
        time=to_time(fill.time_ms),
    )
