"""Closed candles judged, and acted on: signal and order in one transaction."""

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
from orders.core.timeline import Step, Timeline, known
from orders.models import Order
from orders.services import open_orders
from orders.venue.exchange import Exchange
from strategies import queries
from strategies.events import signal_raised
from strategies.keys import candle_key
from strategies.models import Signal, SignalReason, StrategyState
from strategies.queries import Place
from strategies.rules.sma_ema import Judgement
from strategies.services.evaluator import Judged, judge_all
from strategies.services.series import Closed, Key, Watch, watches

STALE_AFTER = 2  # intervals after its close a candle is no longer acted on
LONGEST_WAIT_MS = 300_000  # nor is an order of a long interval sent later than that
NOTE_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Crossing:
    """A candle at which a strategy's averages crossed."""

    watch: Watch
    open_ms: int
    revision: int
    judgement: Judgement
    side: Side

    @property
    def key(self) -> str:
        return candle_key(*self.watch.key, self.open_ms)

    @property
    def stale_ms(self) -> int:
        """From when on it is too late to act."""
        return self.open_ms + (1 + STALE_AFTER) * self.watch.interval_ms


def evaluate(
    closed: Sequence[Closed], now: datetime, exchange: Exchange, *, send: bool = False
) -> list[Signal]:
    """Judge candles that closed together, and whatever lies between them and the last judged.

    Twice is once: a strategy's place in a series moves on by compare-and-set, and a signal has
    a natural key. What is decided depends on the candles alone; whether it is acted on, on the
    time and on our risk checks. `exchange` and `send` are for `orders.services.open_orders`.
    """
    signals: list[Signal] = []
    waiting = watches(closed)
    while waiting:
        raised, waiting = _act(judge_all(waiting), now, exchange, send)
        signals += raised
    return signals


def begin(judged: Sequence[Judged]) -> None:
    """Give new strategies their place in a series; they act from the next candle on."""
    queries.begin(list(map(_place_of, judged)))


@transaction.atomic
def _act(
    judged: Sequence[Judged], now: datetime, exchange: Exchange, send: bool
) -> tuple[list[Signal], list[Watch]]:
    """Write down what is due, each series in order; with it, what has still to be judged.

    Nearly always a series is level: the candle after its place is the newest one. So that is
    judged first, and only where the place turns out to lie further back, the candles between.
    """
    moved = _move_on(judged)
    signals = _raise_signals(_crossings(judged, moved), now, exchange, send)
    signal_raised.announce(signals)
    return signals, _still_to_judge(judged, moved)


def _move_on(judged: Iterable[Judged]) -> set[Key]:
    """Take each series from before its first candle to its last; the keys of those taken.

    A series that stands elsewhere stays: another worker was faster, or candles were missed.
    """
    last = {one.watch.key: one for one in judged}
    level: defaultdict[int, list[Place]] = defaultdict(list)
    for key in sorted(last):  # in one order, so that no two workers wait for each other
        watch = last[key].watch
        level[watch.first_ms - watch.interval_ms].append(_place_of(last[key]))
    moved: set[Key] = set()
    for from_ms, places in level.items():
        moved |= queries.advance(places, from_ms)
    return moved


def _still_to_judge(judged: Iterable[Judged], moved: Collection[Key]) -> list[Watch]:
    """What lies between the place of a series and its newest candle: nearly always nothing."""
    watched = {one.watch.key: one.watch for one in judged}
    stayed = [watch for key, watch in watched.items() if key not in moved]
    places = _read_places(stayed) if stayed else {}
    rest = [
        watch.after(places.get(key, watch.last_ms))
        for key, watch in watched.items()
        if key in places or watch.last_ms < watch.target_ms
    ]
    return [watch for watch in rest if watch.first_ms <= watch.last_ms]


def _read_places(watched: Sequence[Watch]) -> dict[Key, int]:
    """The open time that each series has been judged to."""
    strategies, symbols, intervals = map(set, zip(*(one.key for one in watched), strict=True))
    rows = StrategyState.objects.filter(
        strategy_id__in=strategies, symbol_id__in=symbols, interval__in=intervals
    ).values_list("strategy_id", "symbol_id", "interval", "open_time")
    places = {(strategy, symbol, interval): to_ms(at) for strategy, symbol, interval, at in rows}
    return {watch.key: places[watch.key] for watch in watched if watch.key in places}


def _crossings(judged: Iterable[Judged], moved: Collection[Key]) -> list[Crossing]:
    """The crossings in the series that we took on, oldest first in each."""
    return [
        Crossing(one.watch, one.open_ms, one.revision, one.judgement, one.judgement.side)
        for one in judged
        if one.judgement and one.judgement.side and one.watch.key in moved
    ]


def _raise_signals(
    crossings: Sequence[Crossing], now: datetime, exchange: Exchange, send: bool
) -> list[Signal]:
    """Write signals, and an order for the newest of each series where it is not stale."""
    if not crossings:
        return []
    newest = {crossing.watch.key: crossing for crossing in crossings}.values()
    fresh = [crossing for crossing in newest if to_ms(now) <= crossing.stale_ms]
    symbols = read_symbols({crossing.watch.symbol_id for crossing in crossings})
    orders = _open(fresh, symbols, now, exchange, send) if fresh else []
    by_key = {order.client_order_id: order for order in orders}
    signals = [
        _signal(crossing, symbols[crossing.watch.symbol_id], by_key.get(crossing.key), now)
        for crossing in crossings
    ]
    queries.insert_signals(signals)
    return signals


def _open(
    crossings: Sequence[Crossing],
    symbols: Mapping[int, Symbol],
    now: datetime,
    exchange: Exchange,
    send: bool,
) -> list[Order]:
    """An order for each crossing; entries are held against the last price as well."""
    entered = {c.watch.symbol_id for c in crossings if c.side is Side.BUY}
    prices: Mapping[str, Decimal] = {}
    if entered and settings.MAX_PRICE_MOVE:
        prices = last_prices([symbols[symbol_id].name for symbol_id in entered])
    intents = [_intent(crossing, now) for crossing in crossings]
    return open_orders(intents, symbols.values(), exchange, now=now, send=send, last_prices=prices)


def _intent(crossing: Crossing, now: datetime) -> Intent:
    strategy = crossing.watch.strategy
    return Intent(
        client_order_id=crossing.key,
        strategy=strategy.name,
        symbol_id=crossing.watch.symbol_id,
        side=crossing.side,
        price=crossing.judgement.close,
        stop_loss=strategy.stop_loss if crossing.side is Side.BUY else None,
        expires_ms=min(crossing.stale_ms, to_ms(now) + LONGEST_WAIT_MS),
        timeline=_timeline(crossing),
    )


def _timeline(crossing: Crossing) -> Timeline:
    """When what led to the order happened: known of a candle that was judged as it closed."""
    target = crossing.watch.target
    steps: dict[Step, int | None] = {Step.EVALUATED: now_ms()}
    if target.open_ms == crossing.open_ms:
        steps[Step.TRADED] = target.traded_ms
        steps[Step.RECEIVED] = target.received_ms
        steps[Step.CLOSED] = target.closed_ms
    return known(steps)


def _signal(crossing: Crossing, symbol: Symbol, order: Order | None, now: datetime) -> Signal:
    judgement = crossing.judgement
    return Signal(
        key=crossing.key,
        strategy=crossing.watch.strategy,
        symbol=symbol,
        interval=crossing.watch.interval,
        reason=SignalReason.CROSSOVER,
        side=crossing.side,
        candle_open_time=to_time(crossing.open_ms),
        candle_revision=crossing.revision,
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


def _place_of(one: Judged) -> Place:
    current = one.judgement.current if one.judgement else None
    return Place(
        *one.watch.key,
        open_time=to_time(one.open_ms),
        sma=current.sma if current else None,
        ema=current.ema if current else None,
        note=one.note[:NOTE_LENGTH],
    )
