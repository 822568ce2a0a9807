"""Every reaction to every event, on one page."""

from collections.abc import Sequence

from django.conf import settings
from django.utils import timezone

from candles.events import ClosedCandle, candle_closed, candle_revised, candle_verified
from candles.models import Candle
from candles.representation import candle_json
from candles.services import last_prices
from foundation.redis import connection
from market.tasks import refresh_symbol
from orders.events import (
    account_subscribed,
    alarm_changed,
    halt_changed,
    order_changed,
    position_changed,
    symbol_refused,
    trade_booked,
)
from orders.models import Alarm, Halt, Order, Position, Trade
from orders.representation import order_json, position_json, trade_json
from orders.services import charge_positions
from orders.tasks import reconcile_account, write_trade_log
from strategies.events import signal_raised
from strategies.models import Signal
from strategies.representation import signal_json
from strategies.services import CandleClose
from strategies.tasks import evaluate, flatten, open_protective_stops
from tradingsite.live import publisher
from tradingsite.stream.stop_monitor import mark_positions_changed


def connect() -> None:
    """Called once, when every app is loaded."""
    candle_closed.reactions = [evaluate_strategies, show_closed_candles]
    candle_revised.reactions = [show_candles]
    candle_verified.reactions = [show_candles]
    signal_raised.reactions = [show_signals]
    order_changed.reactions = [show_orders]
    trade_booked.reactions = [log_trades, show_trades, charge_fees]
    position_changed.reactions = [refresh_stops, protect_positions, show_positions]
    halt_changed.reactions = [obey_halt, show_halt]
    account_subscribed.reactions = [reconcile]
    alarm_changed.reactions = [show_alarms]
    symbol_refused.reactions = [refresh_symbols]


def evaluate_strategies(candles: Sequence[ClosedCandle]) -> None:
    closed = [CandleClose.from_closed(candle) for candle in candles]
    # Celery would spell all of them out, for a log that is not kept; its stubs don't know the word.
    evaluate.apply_async((closed,), argsrepr="(...)")  # type: ignore[call-arg]


def refresh_stops(_: Sequence[Position]) -> None:
    mark_positions_changed(connection())


def protect_positions(_: Sequence[Position]) -> None:
    if settings.PROTECTIVE_STOPS:
        open_protective_stops.delay()


def log_trades(_: Sequence[Trade]) -> None:
    write_trade_log.delay()


def charge_fees(trades: Sequence[Trade]) -> None:
    charge_positions(trades, timezone.now())


def refresh_symbols(names: Sequence[str]) -> None:
    for name in set(names):
        refresh_symbol.delay(name)


def obey_halt(_: Sequence[Halt]) -> None:
    flatten.delay()


def reconcile(_: Sequence[str]) -> None:
    reconcile_account.apply_async(expires=30)


def show_closed_candles(closed: Sequence[ClosedCandle]) -> None:
    show_candles([one.candle for one in closed])


def show_candles(candles: Sequence[Candle]) -> None:
    publisher.publish([publisher.Message("candle", c.symbol.name, candle_json(c)) for c in candles])


def show_signals(signals: Sequence[Signal]) -> None:
    publisher.publish([publisher.Message("signal", s.symbol.name, signal_json(s)) for s in signals])


def show_orders(orders: Sequence[Order]) -> None:
    publisher.publish([publisher.Message("order", o.symbol.name, order_json(o)) for o in orders])


def show_trades(trades: Sequence[Trade]) -> None:
    publisher.publish([publisher.Message("trade", t.symbol.name, trade_json(t)) for t in trades])


def show_positions(positions: Sequence[Position]) -> None:
    prices = last_prices([position.symbol.name for position in positions])
    publisher.publish(
        [
            publisher.Message(
                "position", p.symbol.name, position_json(p, prices.get(p.symbol.name))
            )
            for p in positions
        ]
    )


def show_halt(_: Sequence[Halt]) -> None:
    publisher.publish_status()


def show_alarms(_: Sequence[Alarm]) -> None:
    publisher.publish_status()
