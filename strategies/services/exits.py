"""Exits: positions that are to be sold, sold by one attempt after the other until nothing is left.

A crossover, a stop that was hit and a halt that flattens all decide the same way: by a fact on
the position (`Position.exit_reason`), written in one transaction with the first attempt. From
then on `finish_exits` makes the next one, whatever became of those before and whoever died
meanwhile (docs/decisions/0020).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

import structlog
from django.db import transaction
from django.db.models import QuerySet

from candles.models import Candle
from candles.services import last_prices
from foundation.times import now_ms, to_ms
from market.ticks import Side
from orders.core.exits import ExitReason
from orders.core.risk import Intent
from orders.core.stops import Hit
from orders.core.timeline import Step, Timeline, known_steps
from orders.models import HaltLevel, Position
from orders.queries import decide_exits
from orders.services import (
    close_dust,
    create_orders,
    current_halt,
    read_available,
    revoke_halt_exits,
    sellable_now,
)
from orders.venue.exchange import Exchange
from strategies import queries
from strategies.events import signal_raised
from strategies.keys import exit_key
from strategies.models import Signal, SignalReason, Strategy
from strategies.services.evaluation import outcome_of
from strategies.services.windows import interval_of

SEND_WITHIN_MS = 60_000
logger = structlog.get_logger(__name__)


class Attempt(NamedTuple):
    """An attempt at a sale: the price that leads to it, when that was, and the quantity that is
    `available` where that was asked for.
    """

    price: Decimal
    timeline: Timeline = MappingProxyType({})
    available: Decimal | None = None


def stop_out(
    hits: Sequence[Hit], now: datetime, exchange: Exchange, *, send: bool = False
) -> list[Signal]:
    """Sell the positions whose stops were hit: signal and order in one transaction.

    `exchange` and `send` are for `orders.services.create_orders`. A hit is a fact, whatever the
    price does next: it is written down even where another sale of the position is under way.
    """
    attempts = {hit.stop.position_id: Attempt(hit.price, _timeline(hit)) for hit in hits}
    return _sell(attempts, now, exchange, decided=ExitReason.STOP_LOSS, send=send)


def flatten(now: datetime, exchange: Exchange) -> list[Signal]:
    """Sell every open position; those that are to be sold as it is, `finish_exits` goes on with."""
    attempts = _attempts_today(Position.objects.open().filter(exit_reason=""))
    return _sell(attempts, now, exchange, decided=ExitReason.HALT)


def flatten_if_halted(now: datetime, exchange: Exchange) -> list[Signal]:
    """Go on selling while the trading halt says flatten, and no longer."""
    halt = current_halt()
    if halt and halt.level == HaltLevel.FLATTEN:
        return flatten(now, exchange)
    revoke_halt_exits()
    return []


def finish_exits(now: datetime, exchange: Exchange) -> list[Signal]:
    """Sell what is to be sold and still held, and all that is held in a flattening halt.

    At today's price, one sale of a position at a time, and ever more seldom while nothing is
    sold. Where the exchange refused a sale, the next one takes no more than the account has. What
    is held of a symbol that is not trading waits until it is.
    """
    flattened = flatten_if_halted(now, exchange)
    due = sellable_now(list(Position.objects.exiting().select_related("symbol")), now)
    attempts = _attempts_today(Position.objects.filter(pk__in=[one.pk for one in due]))
    for position in due:
        if close_dust(position.pk, attempts[position.pk].price, now):
            del attempts[position.pk]
    for position_id, available in read_available(attempts, exchange).items():
        attempts[position_id] = attempts[position_id]._replace(available=available)
    return flattened + _sell(attempts, now, exchange)


def _attempts_today(positions: QuerySet[Position]) -> dict[int, Attempt]:
    """Attempts at the last price, else the newest close, else the entry, by position."""
    found = list(positions.select_related("symbol"))
    last = last_prices(sorted({position.symbol.name for position in found})) if found else {}
    return {one.pk: Attempt(last.get(one.symbol.name) or _newest_close(one)) for one in found}


@transaction.atomic
def _sell(
    attempts: Mapping[int, Attempt],
    now: datetime,
    exchange: Exchange,
    *,
    decided: ExitReason | None = None,
    send: bool = False,
) -> list[Signal]:
    """Make these attempts, by position, where none is under way and none was made just now.

    With `decided` it is written down in any case that the positions are to be sold; without it
    those are left alone that no longer are, because a halt was called off meanwhile.
    """
    if not attempts:
        return []
    rows = Position.objects.select_for_update(of=("self",)).select_related("symbol").order_by("pk")
    rows = rows.exiting() if decided is None else rows.open()
    positions = list(rows.filter(pk__in=attempts))
    if decided is not None:
        decide_exits([position.pk for position in positions], decided, now)
    signals = _exit_signals(sellable_now(positions, now), attempts, decided, now)
    _order(signals, attempts, now, exchange, send=send)
    signal_raised.announce(signals)
    return signals


def _exit_signals(
    positions: Sequence[Position],
    attempts: Mapping[int, Attempt],
    decided: ExitReason | None,
    now: datetime,
) -> list[Signal]:
    """The signals to sell; not in the database yet."""
    found = Strategy.objects.filter(name__in={position.strategy for position in positions})
    strategies = {strategy.name: strategy for strategy in found}
    past = Signal.objects.filter(position__in=positions)
    tried = Counter(past.values_list("position", flat=True))
    signals = []
    for position in positions:
        strategy = strategies.get(position.strategy)
        if strategy is None:
            logger.error("exit.strategy_unknown", strategy=position.strategy, position=position.pk)
            continue
        signal = _exit_signal(position, strategy, tried[position.pk] + 1)
        signal.reason = SignalReason(position.exit_reason_with(decided))
        signal.price, signal.created_at = attempts[position.pk].price, now
        signals.append(signal)
    return signals


def _exit_signal(position: Position, strategy: Strategy, attempt: int) -> Signal:
    return Signal(
        key=exit_key(strategy.pk, position.symbol_id, to_ms(position.opened_at), attempt),
        strategy=strategy,
        symbol=position.symbol,
        interval=interval_of(strategy),
        side=Side.SELL,
        position=position,
    )


def _order(
    signals: Sequence[Signal],
    attempts: Mapping[int, Attempt],
    now: datetime,
    exchange: Exchange,
    *,
    send: bool,
) -> None:
    """Write the signals down, each with its order."""
    if not signals:
        return
    intents = [_intent(one, attempts[one.position_id or 0], now) for one in signals]
    symbols = [signal.symbol for signal in signals]
    orders = create_orders(intents, symbols, exchange, now=now, send=send)
    for signal, order in zip(signals, orders, strict=True):
        signal.order = order
        signal.outcome = outcome_of(order)
    queries.insert_signals(signals)


def _intent(signal: Signal, attempt: Attempt, now: datetime) -> Intent:
    return Intent(
        client_order_id=signal.key,
        strategy=signal.strategy.name,
        symbol_id=signal.symbol_id,
        side=Side.SELL,
        price=signal.price,
        stop_loss=None,
        expires_ms=to_ms(now) + SEND_WITHIN_MS,
        timeline={**attempt.timeline, Step.EVALUATED.value: now_ms()},
        reason=ExitReason(signal.reason),
        available=attempt.available,
    )


def _timeline(hit: Hit) -> Timeline:
    return known_steps({Step.TRADED: hit.time_ms, Step.RECEIVED: hit.received_ms})


def _newest_close(position: Position) -> Decimal:
    """The newest close; the entry where there is no candle yet."""
    closes = Candle.objects.filter(symbol=position.symbol_id).values_list("close", flat=True)
    return closes.first() or position.entry_price
