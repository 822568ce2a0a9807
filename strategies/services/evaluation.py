"""Closed candles judged, and acted on: signal and order in one transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from candles.models import Candle
from market.ticks import Side
from market.times import to_ms, to_time
from orders.models import Order
from orders.risk import Intent
from orders.services import open_orders
from orders.status import OrderStatus
from strategies.events import signal_raised
from strategies.keys import candle_key
from strategies.models import Signal, SignalReason, StrategyState
from strategies.rules import Judgement
from strategies.services.judging import Judged, judge_all
from strategies.services.series import Key, Watch, watches

STALE_AFTER = 2  # intervals after its close a candle is no longer acted on
LONGEST_WAIT_MS = 300_000  # nor is an order of a long interval sent later than that
NOTE_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Crossing:
    """A candle at which a strategy's averages crossed."""

    watch: Watch
    open_ms: int
    judgement: Judgement
    side: Side

    @property
    def key(self) -> str:
        return candle_key(*self.watch.key, self.open_ms)

    @property
    def stale_ms(self) -> int:
        """From when on it is too late to act."""
        return self.open_ms + (1 + STALE_AFTER) * self.watch.interval_ms


def evaluate(candles: Sequence[Candle], now: datetime) -> list[Signal]:
    """Judge candles that closed together, and whatever lies between them and the last judged.

    Twice is once: a strategy's place in a series only moves forward, under a lock, and a signal
    has a natural key. What is decided depends on the candles alone; whether it is acted on, on
    the time and on our risk checks. Give candles with their symbol loaded.
    """
    signals: list[Signal] = []
    waiting = watches(candles)
    while waiting:
        raised, waiting = _act(judge_all(waiting), now)
        signals += raised
    return signals


@transaction.atomic
def begin(judged: Sequence[Judged]) -> None:
    """Give new strategies their place in a series; they act from the next candle on."""
    StrategyState.objects.bulk_create(map(_state_of, judged), ignore_conflicts=True)


@transaction.atomic
def _act(judged: Sequence[Judged], now: datetime) -> tuple[list[Signal], list[Watch]]:
    """Write down what is due, each series in order; with it, what has still to be judged.

    Nearly always a series is level: the candle after its place is the newest one. So that is
    judged first, and only where the place turns out to lie further back, the candles between.
    """
    places = _lock_places(judged)
    due = []
    for one in judged:
        if one.open_ms == places[one.watch.key] + one.watch.interval_ms:
            places[one.watch.key] = one.open_ms
            due.append(one)
    signals = _raise_signals(_crossings(due), now)
    _save_states(due, signals)
    signal_raised.announce(signals)
    watched = {one.watch.key: one.watch for one in judged}
    rest = (watch.after(places[key]) for key, watch in watched.items())
    return signals, [watch for watch in rest if watch.first_ms <= watch.last_ms]


def _lock_places(judged: Iterable[Judged]) -> dict[Key, int]:
    """The open time that each series has been judged to, locked until we have moved it."""
    first: dict[Key, Judged] = {}
    for one in judged:
        first.setdefault(one.watch.key, one)
    places = _read_places(first)
    missing = [one for key, one in first.items() if key not in places]
    if missing:
        StrategyState.objects.bulk_create(map(_state_before, missing), ignore_conflicts=True)
        places = _read_places(first)
    return places


def _read_places(keys: Iterable[Key]) -> dict[Key, int]:
    strategies, symbols, intervals = map(set, zip(*keys, strict=True))
    rows = StrategyState.objects.select_for_update().order_by("pk")
    rows = rows.filter(strategy_id__in=strategies, symbol_id__in=symbols, interval__in=intervals)
    return {
        (strategy_id, symbol_id, interval): to_ms(open_time)
        for strategy_id, symbol_id, interval, open_time in rows.values_list(
            "strategy_id", "symbol_id", "interval", "open_time"
        )
    }


def _crossings(judged: Iterable[Judged]) -> list[Crossing]:
    """The crossings that are no signal yet, oldest first in each series."""
    crossings = [
        Crossing(one.watch, one.open_ms, one.judgement, one.judgement.side)
        for one in judged
        if one.judgement and one.judgement.side
    ]
    if not crossings:
        return []
    signals = Signal.objects.filter(key__in=[crossing.key for crossing in crossings]).order_by()
    known = set(signals.values_list("key", flat=True))
    return [crossing for crossing in crossings if crossing.key not in known]


def _raise_signals(crossings: Sequence[Crossing], now: datetime) -> list[Signal]:
    """Write signals, and an order for the newest of each series where it is not stale."""
    if not crossings:
        return []
    newest = {crossing.watch.key: crossing for crossing in crossings}.values()
    fresh = [crossing for crossing in newest if to_ms(now) <= crossing.stale_ms]
    intents = [_intent(crossing, now) for crossing in fresh]
    symbols = [crossing.watch.symbol for crossing in fresh]
    orders = open_orders(intents, symbols, now=now) if intents else []
    by_key = {order.client_order_id: order for order in orders}
    return Signal.objects.bulk_create(
        _signal(crossing, by_key.get(crossing.key), now) for crossing in crossings
    )


def _intent(crossing: Crossing, now: datetime) -> Intent:
    strategy = crossing.watch.strategy
    return Intent(
        client_order_id=crossing.key,
        strategy=strategy.name,
        symbol_id=crossing.watch.symbol.pk,
        side=crossing.side,
        price=crossing.judgement.close,
        stop_loss=strategy.stop_loss if crossing.side is Side.BUY else None,
        expires_ms=min(crossing.stale_ms, to_ms(now) + LONGEST_WAIT_MS),
    )


def _signal(crossing: Crossing, order: Order | None, now: datetime) -> Signal:
    judgement = crossing.judgement
    return Signal(
        key=crossing.key,
        strategy=crossing.watch.strategy,
        symbol=crossing.watch.symbol,
        interval=crossing.watch.interval,
        reason=SignalReason.CROSSOVER,
        side=crossing.side,
        candle_open_time=to_time(crossing.open_ms),
        price=judgement.close,
        sma=judgement.current.sma,
        ema=judgement.current.ema,
        previous_sma=judgement.previous.sma,
        previous_ema=judgement.previous.ema,
        order=order,
        outcome=outcome_of(order) if order else _why_not_acted_on(crossing, now),
        created_at=now,
    )


def outcome_of(order: Order) -> str:
    """What became of a signal when its order was written down."""
    denied = order.status == OrderStatus.DENIED
    return (f"denied: {order.reason}" if denied else "ordered")[:NOTE_LENGTH]


def _why_not_acted_on(crossing: Crossing, now: datetime) -> str:
    late_s = (to_ms(now) - crossing.stale_ms) / 1000
    if late_s > 0:
        return f"stale: judged {late_s:.1f} s after it was too late to act"
    return "overtaken: a newer candle of the series signalled as well"


def _save_states(judged: Iterable[Judged], signals: Iterable[Signal]) -> None:
    outcomes = {signal.key: signal.outcome for signal in signals}
    states = []
    for one in {one.watch.key: one for one in judged}.values():
        state = _state_of(one)
        outcome = outcomes.get(candle_key(*one.watch.key, one.open_ms))
        if outcome:
            state.note = f"{one.note}; {outcome}"[:NOTE_LENGTH]
        states.append(state)
    if states:
        StrategyState.objects.bulk_create(
            states,
            update_conflicts=True,
            unique_fields=["strategy", "symbol", "interval"],
            update_fields=["open_time", "sma", "ema", "note"],
        )


def _state_of(one: Judged) -> StrategyState:
    current = one.judgement.current if one.judgement else None
    return StrategyState(
        strategy=one.watch.strategy,
        symbol=one.watch.symbol,
        interval=one.watch.interval,
        open_time=to_time(one.open_ms),
        sma=current.sma if current else None,
        ema=current.ema if current else None,
        note=one.note[:NOTE_LENGTH],
    )


def _state_before(one: Judged) -> StrategyState:
    """A place just before the first candle to judge: a row to lock."""
    state = _state_of(one)
    state.open_time = to_time(one.open_ms - one.watch.interval_ms)
    return state
