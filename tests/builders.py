"""Values and rows that tests are made of, with harmless defaults."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from candles.comparison import FIELDS
from candles.intervals import NAMES
from candles.models import Candle
from candles.ohlcv import OHLCV
from market.models import Symbol
from market.ticks import Side, Tick
from market.wire.frames import KlineEvent
from orders.core.position import Fill
from orders.core.risk import Intent
from orders.models import Order
from orders.services import create_orders
from strategies.models import Strategy
from tests.fakes import FakeExchange

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)
FILTERS: list[dict[str, Any]] = [
    {"filterType": "PRICE_FILTER", "tickSize": "0.01000000"},
    {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
    {"filterType": "MARKET_LOT_SIZE", "minQty": "0.0", "maxQty": "120", "stepSize": "0.0"},
    {"filterType": "NOTIONAL", "minNotional": "5.0", "applyMinToMarket": True, "maxNotional": "9"},
]


def symbol(name: str = "BTCUSDT", **fields: Any) -> Symbol:
    """A followed symbol in the database, paid in USDT."""
    base = name.removesuffix("USDT")
    defaults: dict[str, Any] = {
        "base_asset": base,
        "quote_asset": "USDT",
        "filters": FILTERS,
        "followed": True,
    }
    return Symbol.objects.create(name=name, **(defaults | fields))


def strategy(name: str = "A", **fields: Any) -> Strategy:
    defaults: dict[str, Any] = {
        "sma_period": 2,
        "ema_period": 1,
        "stop_loss": "0.1",
        "interval": "1m",
    }
    return Strategy.objects.create(name=name, **(defaults | fields))


def candle(of: Symbol, close: str = "100", *, minute: int = 0, **fields: Any) -> Candle:
    """A one-minute candle that opens `minute` minutes after noon; not saved."""
    price = Decimal(close)
    defaults: dict[str, Any] = {
        "interval": "1m",
        "open_time": NOON + timedelta(minutes=minute),
        **dict.fromkeys(("open", "high", "low", "close"), price),
        "volume": Decimal(1),
        "quote_volume": price,
        "trades": 1,
        "taker_volume": Decimal(0),
        "taker_quote_volume": Decimal(0),
    }
    return Candle(symbol=of, **(defaults | fields))


def tick(price: str = "100", *, tick_id: int = 1, time_ms: int = NOON_MS, **fields: Any) -> Tick:
    defaults: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "quantity": Decimal("0.5"),
        "first_trade_id": tick_id,
        "last_trade_id": tick_id,
        "buyer_is_maker": False,
    }
    return Tick(tick_id=tick_id, price=Decimal(price), time_ms=time_ms, **(defaults | fields))


def kline_event(of: OHLCV, symbol: str = "BTCUSDT", **fields: Any) -> KlineEvent:
    """The exchange's last word on a candle: equal to ours in all but `fields`."""
    values = {name: getattr(of, name) for name in FIELDS}
    defaults: dict[str, Any] = {
        "event_ms": of.end_ms + 2,
        "symbol": symbol,
        "open_ms": of.open_ms,
        "interval": NAMES[of.interval_ms],
        "first_trade_id": -1,
        "last_trade_id": -1,
        "closed": True,
        **values,
    }
    return KlineEvent(**(defaults | fields))


def fill(  # noqa: PLR0917
    trade_id: int = 1,
    side: Side = Side.BUY,
    price: str = "100",
    quantity: str = "0.001",
    commission: str = "0",
    commission_asset: str = "USDT",
    time_ms: int = NOON_MS,
) -> Fill:
    amounts = Decimal(price), Decimal(quantity), Decimal(commission)
    return Fill(trade_id, side, *amounts, commission_asset, time_ms)


def intent(of: Symbol, side: Side = Side.BUY, number: int = 1, **fields: Any) -> Intent:
    """Strategy A's wish to buy or sell, five minutes after noon at the latest."""
    defaults: dict[str, Any] = {
        "client_order_id": f"test-{number}",
        "strategy": "A",
        "symbol_id": of.pk,
        "side": side,
        "price": Decimal(60000),
        "stop_loss": Decimal("0.1") if side is Side.BUY else None,
        "expires_ms": NOON_MS + 300_000,
    }
    return Intent(**(defaults | fields))


def opened(of: Symbol, side: Side = Side.BUY, number: int = 1, **fields: Any) -> Order:
    """Strategy A's order, written down at noon."""
    return create_orders([intent(of, side, number, **fields)], [of], FakeExchange(), now=NOON)[0]


def decimals(*texts: str) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, texts))
