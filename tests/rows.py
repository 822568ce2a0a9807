"""Orders, trades, positions and signals in the database, and what the stream keeps in Redis."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import redis

from candles.live.lease import Lease
from candles.live.state import Batch, StateWriter, StreamState, SymbolState, TickRun, encode_ticks
from candles.rollup import SymbolCandles
from foundation.times import now_ms
from market.models import Symbol
from market.ticks import Side, Tick
from orders.core.status import OrderStatus
from orders.models import Order, OrderChange, Position, Trade
from strategies.models import Signal, Strategy
from tests.builders import NOON


def at(minute: float = 0) -> datetime:
    """So many minutes after noon."""
    return NOON + timedelta(minutes=minute)


def order(of: Symbol, number: int = 1, **fields: Any) -> Order:
    """Strategy A's BUY of 0.001, sent and filled at 60000."""
    defaults = {
        "client_order_id": f"test-{number}",
        "strategy": "A",
        "side": Side.BUY,
        "quantity": Decimal("0.001"),
        "reference_price": Decimal(60000),
        "status": OrderStatus.FILLED,
        "executed_quantity": Decimal("0.001"),
        "executed_quote": Decimal(60),
        "created_at": at(number),
        "expires_at": at(number + 5),
        "submitted_at": at(number),
    }
    made = Order.objects.create(symbol=of, **(defaults | fields))
    for status in (OrderStatus.PENDING, made.status):
        OrderChange.objects.create(order=made, status=status, at=made.created_at)
    return made


def position(of: Symbol, strategy: str = "A", **fields: Any) -> Position:
    """An open position of 0.001, bought at 60000 without fees."""
    defaults = {
        "quantity": Decimal("0.001"),
        "cost": Decimal(60),
        "entry_price": Decimal(60000),
        "stop_price": Decimal(54000),
        "opened_at": at(0),
    }
    return Position.objects.create(symbol=of, strategy=strategy, **(defaults | fields))


def trade(of: Order, held: Position, number: int = 1, **fields: Any) -> Trade:
    """The fill of the whole order at 60000, for a fee of 0.06."""
    defaults = {
        "trade_id": number,
        "side": of.side,
        "price": Decimal(60000),
        "quantity": of.quantity,
        "quote_quantity": of.quantity * 60000,
        "commission": Decimal("0.060"),
        "commission_asset": "USDT",
        "time": at(number),
    }
    columns = {"symbol": of.symbol, "strategy": of.strategy, **defaults, **fields}
    return Trade.objects.create(order=of, position=held, **columns)


def signal(of: Strategy, symbol: Symbol, number: int = 1, **fields: Any) -> Signal:
    """A BUY at a crossover, not acted upon."""
    defaults = {
        "key": f"{of.name}-{symbol.name}-{number}",
        "interval": "1m",
        "reason": "crossover",
        "side": Side.BUY,
        "candle_open_time": at(number),
        "price": Decimal(60000),
        "sma": Decimal("59999.50"),
        "ema": Decimal("60001"),
        "outcome": "denied",
        "created_at": at(number + 1),
    }
    return Signal.objects.create(strategy=of, symbol=symbol, **(defaults | fields))


def stream_state(**fields: Any) -> StreamState:
    """A stream process that is connected and spoke just now, and counts as alive for an hour."""
    now = now_ms()
    defaults: dict[str, Any] = {
        "connected": True,
        "last_frame_ms": now,
        "beat_ms": now + 3_600_000,
        "lag_ms": 3,
        "clock_offset_ms": 2,
        "refilling": {},
    }
    return StreamState(**(defaults | fields))


def write_stream(client: redis.Redis, ticks: list[Tick], **fields: Any) -> None:
    """What the stream process leaves in Redis after these ticks, 1m candles being followed."""
    by_symbol: dict[str, list[Tick]] = {}
    for tick in ticks:
        by_symbol.setdefault(tick.symbol, []).append(tick)
    writer = StateWriter(Lease(client), watched="positions")
    assert writer.lease.acquire()
    writer.save(
        Batch(
            stream=stream_state(**fields),
            states=[_state(symbol, of_symbol) for symbol, of_symbol in by_symbol.items()],
            runs=[
                TickRun(symbol, encode_ticks(run), keep=100) for symbol, run in by_symbol.items()
            ],
        )
    )
    writer.lease.release()


def _state(symbol: str, ticks: list[Tick]) -> SymbolState:
    candles = SymbolCandles(["1m"])
    candles.fold(ticks)
    assert candles.builder.forming is not None
    last = ticks[-1]
    return SymbolState(
        symbol, last.tick_id, last.price, last.time_ms, ["1m"], candles.builder.forming, {}
    )
