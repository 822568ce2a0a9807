"""Evaluation of closed candles, acted on: signal and order in one transaction."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db import transaction

from candles.services import last_prices
from foundation.times import now_ms, to_ms, to_time
from market.models import Symbol
from market.queries import read_symbols
from market.ticks import Side
from orders.core.risk import Intent
from orders.core.status import OrderStatus
from orders.core.timeline import Step, Timeline, known_steps
from orders.models import Order, Position
from orders.services import create_orders
from orders.venue.exchange import Exchange
from strategies import queries
from strategies.events import signal_raised
from strategies.keys import candle_key
from strategies.models import Key, Signal, SignalReason, StrategyState
from strategies.queries import Offset
from strategies.rules import Evaluation
from strategies.services.evaluator import EvaluatedCandle, evaluate_windows
from strategies.services.windows import CandleClose, Window, windows_of

STALE_AFTER = 2  # intervals after its close a candle is no longer acted on
MAX_WAIT_MS = 300_000  # nor is an order of a long interval sent later than that
MAX_NOTE_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Crossover:
    """A candle at which a strategy's averages crossed."""

    window: Window
    open_ms: int
    revision: int
    evaluation: Evaluation
    side: Side

    @property
    def key(self) -> str:
        return candle_key(*self.window.key, self.open_ms)

    @property
    def stale_ms(self) -> int:
        """From when on it is too late to act."""
        return self.open_ms + (1 + STALE_AFTER) * self.window.interval_ms


def evaluate(
    closed: Sequence[CandleClose], now: datetime, exchange: Exchange, *, send: bool = False
) -> list[Signal]:
    """Evaluate candles that closed together, and those between them and the last evaluated.

    Twice is once: a strategy's offset in a series moves on by compare-and-set, and a signal has
    a natural key. What is decided depends on the candles alone; whether it is acted on, on the
    time and on our risk checks. `exchange` and `send` are for `orders.services.create_orders`.
    """
    signals: list[Signal] = []
    waiting = windows_of(closed)
    while waiting:
        raised, waiting = _act(evaluate_windows(waiting), now, exchange, send)
        signals += raised
    return signals


def start_series(evaluated: Sequence[EvaluatedCandle]) -> None:
    """Give new strategies their offset in a series; they act from the next candle on."""
    queries.insert_offsets(list(map(_offset_of, evaluated)))


@transaction.atomic
def _act(
    evaluated: Sequence[EvaluatedCandle], now: datetime, exchange: Exchange, send: bool
) -> tuple[list[Signal], list[Window]]:
    """Write down what is due, each series in order.

    Returns the signals, and the windows that are still to be evaluated.

    Nearly always a series is level: the candle after its offset is the newest one. So that is
    evaluated first, and only where the offset turns out to lie further back, the candles between.
    """
    moved = _advance(evaluated)
    signals = _raise_signals(_crossovers(evaluated, moved), now, exchange, send)
    signal_raised.announce(signals)
    return signals, _remaining(evaluated, moved)


def _advance(evaluated: Iterable[EvaluatedCandle]) -> set[Key]:
    """Take each series from before its first candle to its last; the keys of those taken.

    A series that stands elsewhere stays: another worker was faster, or candles were missed.
    """
    last = {one.window.key: one for one in evaluated}
    level: defaultdict[int, list[Offset]] = defaultdict(list)
    for key in sorted(last):  # in one order, so that no two workers wait for each other
        window = last[key].window
        level[window.first_ms - window.interval_ms].append(_offset_of(last[key]))
    moved: set[Key] = set()
    for from_ms, offsets in level.items():
        moved |= queries.advance_offsets(offsets, from_ms)
    return moved


def _remaining(evaluated: Iterable[EvaluatedCandle], moved: Collection[Key]) -> list[Window]:
    """Windows between the offset of a series and its newest candle: nearly always none."""
    windows = {one.window.key: one.window for one in evaluated}
    stayed = [window for key, window in windows.items() if key not in moved]
    offsets = _read_offsets(stayed) if stayed else {}
    rest = [
        window.advanced_to(offsets.get(key, window.last_ms))
        for key, window in windows.items()
        if key in offsets or window.last_ms < window.target_ms
    ]
    return [window for window in rest if window.first_ms <= window.last_ms]


def _read_offsets(windows: Sequence[Window]) -> dict[Key, int]:
    """The open time that each series has been evaluated to."""
    strategies, symbols, intervals = map(set, zip(*(one.key for one in windows), strict=True))
    states = StrategyState.objects.filter(
        strategy_id__in=strategies, symbol_id__in=symbols, interval__in=intervals
    )
    offsets = states.offsets()
    return {window.key: offsets[window.key] for window in windows if window.key in offsets}


def _crossovers(evaluated: Iterable[EvaluatedCandle], moved: Collection[Key]) -> list[Crossover]:
    """The crossovers in the series that we took on, oldest first in each."""
    return [
        Crossover(one.window, one.open_ms, one.revision, one.evaluation, one.evaluation.side)
        for one in evaluated
        if one.evaluation and one.evaluation.side and one.window.key in moved
    ]


def _raise_signals(
    crossovers: Sequence[Crossover], now: datetime, exchange: Exchange, send: bool
) -> list[Signal]:
    """Write signals, and an order for the newest of each series where it is not stale.

    A SELL of what is held, or is being bought, is written even then: its order is denied, but the
    position is to be sold from now on.
    """
    if not crossovers:
        return []
    newest = {crossover.window.key: crossover for crossover in crossovers}.values()
    fresh = [one for one in newest if to_ms(now) <= one.stale_ms or _is_exit(one)]
    symbols = read_symbols({crossover.window.symbol_id for crossover in crossovers})
    orders = _open(fresh, symbols, now, exchange, send) if fresh else []
    by_key = {order.client_order_id: order for order in orders}
    signals = [
        _signal(crossover, symbols[crossover.window.symbol_id], by_key.get(crossover.key), now)
        for crossover in crossovers
    ]
    queries.insert_signals(signals)
    return signals


def _is_exit(crossover: Crossover) -> bool:
    """True for a SELL of something. Asked of stale ones alone."""
    if crossover.side is Side.BUY:
        return False
    series = crossover.window.strategy.name, crossover.window.symbol_id
    held, orders = Position.objects.open().of(*series), Order.objects.of(*series)
    return held.exists() or orders.live().exists()


def _open(
    crossovers: Sequence[Crossover],
    symbols: Mapping[int, Symbol],
    now: datetime,
    exchange: Exchange,
    send: bool,
) -> list[Order]:
    """An order for each crossover; entries are held against the last price as well."""
    entered = {c.window.symbol_id for c in crossovers if c.side is Side.BUY}
    prices: Mapping[str, Decimal] = {}
    if entered and settings.MAX_PRICE_MOVE:
        prices = last_prices([symbols[symbol_id].name for symbol_id in entered])
    intents = [_intent(crossover, now) for crossover in crossovers]
    return create_orders(
        intents, symbols.values(), exchange, now=now, send=send, last_prices=prices
    )


def _intent(crossover: Crossover, now: datetime) -> Intent:
    strategy = crossover.window.strategy
    return Intent(
        client_order_id=crossover.key,
        strategy=strategy.name,
        symbol_id=crossover.window.symbol_id,
        side=crossover.side,
        price=crossover.evaluation.close,
        stop_loss=strategy.stop_loss if crossover.side is Side.BUY else None,
        expires_ms=min(crossover.stale_ms, to_ms(now) + MAX_WAIT_MS),
        timeline=_timeline(crossover),
    )


def _timeline(crossover: Crossover) -> Timeline:
    """Times of what led to the order, known of a candle that was evaluated as it closed."""
    target = crossover.window.target
    steps: dict[Step, int | None] = {Step.EVALUATED: now_ms()}
    if target.open_ms == crossover.open_ms:
        steps[Step.TRADED] = target.traded_ms
        steps[Step.RECEIVED] = target.received_ms
        steps[Step.CLOSED] = target.closed_ms
    return known_steps(steps)


def _signal(crossover: Crossover, symbol: Symbol, order: Order | None, now: datetime) -> Signal:
    evaluation = crossover.evaluation
    return Signal(
        key=crossover.key,
        strategy=crossover.window.strategy,
        symbol=symbol,
        interval=crossover.window.interval,
        reason=SignalReason.CROSSOVER,
        side=crossover.side,
        candle_open_time=to_time(crossover.open_ms),
        candle_revision=crossover.revision,
        price=evaluation.close,
        sma=evaluation.current.sma,
        ema=evaluation.current.ema,
        previous_sma=evaluation.previous.sma,
        previous_ema=evaluation.previous.ema,
        order=order,
        outcome=outcome_of(order) if order else _reason_not_acted_on(crossover, now),
        created_at=now,
    )


def outcome_of(order: Order) -> str:
    """The outcome of a signal whose order is written down, in words for the page."""
    denied = order.status == OrderStatus.DENIED
    return (f"denied: {order.reason}" if denied else "ordered")[:MAX_NOTE_LENGTH]


def _reason_not_acted_on(crossover: Crossover, now: datetime) -> str:
    late_s = (to_ms(now) - crossover.stale_ms) / 1000
    if late_s > 0:
        return f"stale: evaluated {late_s:.1f} s too late"
    return "superseded: a newer candle of the series gave a signal too"


def _offset_of(one: EvaluatedCandle) -> Offset:
    current = one.evaluation.current if one.evaluation else None
    return Offset(
        *one.window.key,
        open_time=to_time(one.open_ms),
        sma=current.sma if current else None,
        ema=current.ema if current else None,
        note=one.note[:MAX_NOTE_LENGTH],
    )
