"""What we refuse to order, and why."""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from foundation.decimals import EXACT, ZERO, plain
from market.rules import SymbolRules
from market.ticks import Side
from orders.core.timeline import Timeline

# Source: Binance Spot REST, "New order", newClientOrderId.
CLIENT_ORDER_ID = re.compile(r"[a-zA-Z0-9_-]{1,36}")


class DenialCode(StrEnum):
    TRADING_DISABLED = "trading_disabled"
    HALTED = "halted"
    STALE_SIGNAL = "stale_signal"
    SYMBOL_NOT_TRADING = "symbol_not_trading"
    POSITION_OPEN = "position_open"
    NOTHING_TO_SELL = "nothing_to_sell"
    ORDER_OPEN = "order_open"
    BELOW_MINIMUM = "below_minimum"
    FILTER_UNMET = "filter_unmet"
    UNRECONCILED = "unreconciled"
    CLOCK_UNKNOWN = "clock_unknown"
    LOSS_LIMIT = "loss_limit"
    TOO_MANY_ENTRIES = "too_many_entries"
    PRICE_MOVED = "price_moved"
    BALANCE_TOO_LOW = "balance_too_low"


@dataclass(frozen=True, slots=True)
class Denial:
    code: DenialCode
    detail: str

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Intent:
    """A strategy's wish to buy one order's size, or to sell all it holds.

    `price` (quote asset) is the one that led to it, `stop_loss` the fraction of the entry
    price that a BUY may lose. After `expires_ms` it is no longer meant. `timeline` says when what
    led to it happened.
    """

    client_order_id: str
    strategy: str
    symbol_id: int
    side: Side
    price: Decimal
    stop_loss: Decimal | None
    expires_ms: int
    timeline: Timeline = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not CLIENT_ORDER_ID.fullmatch(self.client_order_id):
            raise ValueError(f"{self.client_order_id!r} is no client order id")


@dataclass(frozen=True, slots=True)
class Limits:
    """How far entries may go; 0 switches a limit off."""

    entries_per_hour: int = 0  # of one strategy
    daily_loss: Decimal = ZERO  # quote asset, down from the day's peak
    price_move: Decimal = ZERO  # fraction of the signal's price


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What an intent is held against.

    `held` is the open position in base asset, None where there is none; `live` the sides of
    the strategy's market orders on this symbol that have not ended, and `guarded` says whether a
    protective stop has not. What follows these concerns entries alone: `entries` are the
    strategy's of the last hour, `fall` and `total_fall` the deepest of the day from a peak before
    it, of the strategy and of all together; `free` is the quote asset left to spend. A `free` or
    `last_price` that is not known is None.
    """

    now_ms: int
    trading_enabled: bool
    entries_halted: bool
    symbol_status: str
    base_asset: str
    order_quantity: Decimal | None  # the operator's override
    rules: SymbolRules
    held: Decimal | None
    live: frozenset[Side]
    guarded: bool = False
    unreconciled: bool = False  # an alarm is raised: account and books disagree
    quote_asset: str = ""
    limits: Limits = Limits()
    clock_known: bool = True
    entries: int = 0
    fall: Decimal = ZERO
    total_fall: Decimal = ZERO
    free: Decimal | None = None
    last_price: Decimal | None = None


def quantity_of(intent: Intent, now: Circumstances) -> Decimal:
    """How much the order asks for, in base asset; 0 where there is nothing it could sell."""
    if intent.side is Side.SELL:
        return now.rules.sellable(now.held, intent.price) if now.held else Decimal(0)
    return now.rules.order_quantity(now.base_asset, now.order_quantity, intent.price)


def deny(intent: Intent, now: Circumstances) -> Denial | None:
    """The first reason not to place the order, or None. What limits entries lets exits pass."""
    if not now.trading_enabled:
        return Denial(DenialCode.TRADING_DISABLED, "TRADING_ENABLED is false")
    if intent.side is Side.BUY and now.entries_halted:
        return Denial(DenialCode.HALTED, "the trading halt lets no entries through")
    if intent.side is Side.BUY and now.unreconciled:
        return Denial(DenialCode.UNRECONCILED, "the account holds other than our books say")
    if now.now_ms > intent.expires_ms:
        late_s = (now.now_ms - intent.expires_ms) / 1000
        return Denial(DenialCode.STALE_SIGNAL, f"expired {late_s:.1f} s ago")
    if now.symbol_status != "TRADING":
        return Denial(DenialCode.SYMBOL_NOT_TRADING, f"the symbol is in {now.symbol_status}")
    return _deny_entry(intent, now) if intent.side is Side.BUY else _deny_exit(intent, now)


def notional_of(intent: Intent, now: Circumstances) -> Decimal:
    """What the order would move at the price that led to it, in quote asset."""
    return EXACT.multiply(quantity_of(intent, now), intent.price)


def _deny_entry(intent: Intent, now: Circumstances) -> Denial | None:
    checks = (_in_the_way, _unmet, _limited, _too_late_for, _unaffordable)
    return next(filter(None, (check(intent, now) for check in checks)), None)


def _in_the_way(_: Intent, now: Circumstances) -> Denial | None:
    if now.held is not None:
        return Denial(DenialCode.POSITION_OPEN, f"already holds {plain(now.held)}")
    if Side.BUY in now.live:
        return Denial(DenialCode.POSITION_OPEN, "a BUY is under way")
    if now.live:
        return Denial(DenialCode.ORDER_OPEN, "a SELL is under way")
    if now.guarded:
        return Denial(DenialCode.ORDER_OPEN, "the last position's protective stop has not ended")
    return None


def _unmet(intent: Intent, now: Circumstances) -> Denial | None:
    broken = now.rules.why_not(quantity_of(intent, now), intent.price)
    return Denial(DenialCode.FILTER_UNMET, broken) if broken else None


def _limited(intent: Intent, now: Circumstances) -> Denial | None:
    most, limits = now.limits.daily_loss, now.limits
    for fall, whose in ((now.fall, intent.strategy), (now.total_fall, "all strategies together")):
        if most and fall >= most:
            lost = f"{whose} lost {plain(fall)} {now.quote_asset} from the day's peak"
            return Denial(DenialCode.LOSS_LIMIT, f"{lost}, MAX_DAILY_LOSS is {plain(most)}")
    if limits.entries_per_hour and now.entries >= limits.entries_per_hour:
        many = f"{now.entries} entries of {intent.strategy} in the last hour"
        limit = f"MAX_ENTRIES_PER_HOUR is {limits.entries_per_hour}"
        return Denial(DenialCode.TOO_MANY_ENTRIES, f"{many}, {limit}")
    return None


def _too_late_for(intent: Intent, now: Circumstances) -> Denial | None:
    """Whether the market, or our knowledge of its time, has left the signal behind."""
    if not now.clock_known:
        text = "the exchange's clock is not known, so nothing can be signed"
        return Denial(DenialCode.CLOCK_UNKNOWN, text)
    most, price = now.limits.price_move, now.last_price
    if not most or price is None:
        return None
    if abs(EXACT.subtract(price, intent.price)) <= EXACT.multiply(most, intent.price):
        return None
    moved = f"from {plain(intent.price)} to {plain(price)} since the signal"
    return Denial(DenialCode.PRICE_MOVED, f"{moved}, MAX_PRICE_MOVE is {plain(most)}")


def _unaffordable(intent: Intent, now: Circumstances) -> Denial | None:
    needed = notional_of(intent, now)
    if now.free is None or needed <= now.free:
        return None
    text = f"{plain(needed)} {now.quote_asset} are needed, {plain(max(now.free, ZERO))} are free"
    return Denial(DenialCode.BALANCE_TOO_LOW, text)


def _deny_exit(intent: Intent, now: Circumstances) -> Denial | None:
    if now.live:
        under_way = " and a ".join(sorted(now.live))
        return Denial(DenialCode.ORDER_OPEN, f"a {under_way} is under way")
    if now.held is None:
        return Denial(DenialCode.NOTHING_TO_SELL, "no position is open")
    quantity = quantity_of(intent, now)
    if not quantity:
        return Denial(DenialCode.BELOW_MINIMUM, f"{plain(now.held)} is too little to sell")
    broken = now.rules.why_not(quantity, intent.price)
    return Denial(DenialCode.FILTER_UNMET, broken) if broken else None
