"""Exits without a signal of the rule: a stop was hit, or the halt flattens."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

import structlog
from django.db import transaction

from candles.models import Candle
from foundation.backoff import Backoff
from foundation.times import now_ms, to_ms
from market.ticks import Side
from orders.core.risk import Intent
from orders.core.stops import Hit
from orders.core.timeline import Step, Timeline, known_steps
from orders.models import HaltLevel, Position
from orders.queries import live_orders
from orders.services import current_halt, open_orders
from orders.venue.exchange import Exchange
from strategies import queries
from strategies.events import signal_raised
from strategies.keys import exit_key
from strategies.models import Signal, SignalReason, Strategy
from strategies.services.evaluation import outcome_of
from strategies.services.windows import interval_of

SEND_WITHIN_MS = 60_000
BACKOFF = Backoff(first_s=2, max_s=60)  # between attempts at one sale
logger = structlog.get_logger(__name__)


def stop_out(
    hits: Sequence[Hit], now: datetime, exchange: Exchange, *, send: bool = False
) -> list[Signal]:
    """Sell the positions whose stops were hit: signal and order in one transaction.

    `exchange` and `send` are for `orders.services.open_orders`.

    A position has one sale under way at a time. A hit is a fact, whatever the price does next:
    where a sale ends without selling everything, `finish_exits` makes the next attempt.
    """
    prices = {hit.stop.position_id: hit.price for hit in hits}
    timelines = {hit.stop.position_id: _timeline(hit) for hit in hits}
    return _sell(prices, SignalReason.STOP_LOSS, now, exchange, timelines, send=send)


def flatten(now: datetime, exchange: Exchange) -> list[Signal]:
    """Sell every open position."""
    positions = Position.objects.open().select_related("symbol")
    prices = {position.pk: _price_of(position) for position in positions}
    return _sell(prices, SignalReason.HALT, now, exchange)


def flatten_if_halted(now: datetime, exchange: Exchange) -> list[Signal]:
    """Go on selling while the trading halt says flatten."""
    halt = current_halt()
    return flatten(now, exchange) if halt and halt.level == HaltLevel.FLATTEN else []


def finish_exits(now: datetime, exchange: Exchange) -> list[Signal]:
    """Sell what was stopped out and is still held, and all that is held in a flattening halt."""
    stopped = Signal.objects.stop_losses().filter(position__in=Position.objects.open())
    prices = dict(stopped.order_by("created_at", "pk").values_list("position", "price"))
    stopped_out = _sell(prices, SignalReason.STOP_LOSS, now, exchange)
    return stopped_out + flatten_if_halted(now, exchange)


@transaction.atomic
def _sell(
    prices: Mapping[int, Decimal],
    reason: SignalReason,
    now: datetime,
    exchange: Exchange,
    timelines: Mapping[int, Timeline] = MappingProxyType({}),
    *,
    send: bool = False,
) -> list[Signal]:
    """`prices` are those that led to the sale, by position; `timelines` say when that was."""
    if not prices:
        return []
    rows = Position.objects.select_for_update(of=("self",)).select_related("symbol").order_by("pk")
    positions = list(rows.open().filter(pk__in=prices))
    if not positions:
        return []
    signals = _exit_signals(positions, prices, reason, now)
    _order(signals, now, exchange, timelines, send=send)
    signal_raised.announce(signals)
    return signals


def _exit_signals(
    positions: Sequence[Position],
    prices: Mapping[int, Decimal],
    reason: SignalReason,
    now: datetime,
) -> list[Signal]:
    """The signals to sell, of positions that may be sold now; not in the database yet."""
    found = Strategy.objects.filter(name__in={position.strategy for position in positions})
    strategies = {strategy.name: strategy for strategy in found}
    live = live_orders({(one.strategy, one.symbol_id) for one in positions})
    past = _past_exits(positions)
    signals = []
    for position in positions:
        strategy = strategies.get(position.strategy)
        if strategy is None:
            logger.error("exit.strategy_unknown", strategy=position.strategy, position=position.pk)
            continue
        sold_now = bool(live.sides[position.strategy, position.symbol_id])
        attempt = _attempt(reason, past[position.pk], sold_now, now)
        if attempt is not None:
            signal = _exit_signal(position, strategy, attempt)
            signal.reason, signal.price, signal.created_at = reason, prices[position.pk], now
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


class PastExit(NamedTuple):
    """An earlier signal to sell: its reason, and when its order ended, or it was denied."""

    reason: str
    ended_at: datetime


def _past_exits(positions: Iterable[Position]) -> defaultdict[int | None, list[PastExit]]:
    """The signals to sell so far, by position, the last one first."""
    past: defaultdict[int | None, list[PastExit]] = defaultdict(list)
    signals = Signal.objects.filter(position__in=[position.pk for position in positions])
    rows = signals.values_list("position", "reason", "order__ended_at", "created_at")
    for position_id, reason, ended_at, created_at in rows:
        past[position_id].append(PastExit(reason, ended_at or created_at))
    return past


def _attempt(
    reason: SignalReason, past: Sequence[PastExit], sold_now: bool, now: datetime
) -> int | None:
    """The number of the sale to try now; None while one is under way or was just tried.

    A hit is written down even then, once: our checks deny its order, but it stands, and
    `finish_exits` knows that the stop was hit if the other sale fails.
    """
    ready = not past or now >= past[0].ended_at + pause_after(len(past))
    first_hit = reason == SignalReason.STOP_LOSS and all(one.reason != reason for one in past)
    return len(past) + 1 if (ready and not sold_now) or first_hit else None


def pause_after(failures: int) -> timedelta:
    """The wait before the next attempt after so many that failed, 1 or more."""
    return timedelta(seconds=BACKOFF.pause_s(failures - 1))


def _order(
    signals: Sequence[Signal],
    now: datetime,
    exchange: Exchange,
    timelines: Mapping[int, Timeline],
    *,
    send: bool,
) -> None:
    """Write the signals down, each with its order."""
    if not signals:
        return
    intents = [_intent(one, now, timelines.get(one.position_id or 0, {})) for one in signals]
    symbols = [signal.symbol for signal in signals]
    orders = open_orders(intents, symbols, exchange, now=now, send=send)
    for signal, order in zip(signals, orders, strict=True):
        signal.order = order
        signal.outcome = outcome_of(order)
    queries.insert_signals(signals)


def _intent(signal: Signal, now: datetime, timeline: Timeline) -> Intent:
    return Intent(
        client_order_id=signal.key,
        strategy=signal.strategy.name,
        symbol_id=signal.symbol_id,
        side=Side.SELL,
        price=signal.price,
        stop_loss=None,
        expires_ms=to_ms(now) + SEND_WITHIN_MS,
        timeline={**timeline, Step.EVALUATED.value: now_ms()},
    )


def _timeline(hit: Hit) -> Timeline:
    return known_steps({Step.TRADED: hit.time_ms, Step.RECEIVED: hit.received_ms})


def _price_of(position: Position) -> Decimal:
    """The newest close; the entry where there is no candle yet."""
    closes = Candle.objects.filter(symbol=position.symbol_id).values_list("close", flat=True)
    return closes.first() or position.entry_price
