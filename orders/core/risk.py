"""Pre-trade risk checks: which intents are denied, and why."""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from foundation.decimals import EXACT, ZERO, plain
from market.rules import SymbolRules
from market.ticks import Side
from orders.core.exits import ExitReason
from orders.core.timeline import Timeline

# Source: Binance Spot REST, "New order", newClientOrderId.
CLIENT_ORDER_ID = re.compile(r"[a-zA-Z0-9_-]{1,36}")


class DenialCode(StrEnum):
    TRADING_DISABLED = "trading_disabled"
    HALTED = "halted"
    STALE_SIGNAL = "stale_signal"
    SYMBOL_NOT_TRADING = "symbol_not_trading"
    POSITION_OPEN = "position_open"
    EXIT_PENDING = "exit_pending"
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
    led to it happened. Of a SELL, `reason` says why, and `available` is what the account has of
    the base asset, where that was asked for: no more is sold.
    """

    client_order_id: str
    strategy: str
    symbol_id: int
    side: Side
    price: Decimal
    stop_loss: Decimal | None
    expires_ms: int
    timeline: Timeline = field(default_factory=dict)
    reason: ExitReason = ExitReason.CROSSOVER
    available: Decimal | None = None

    def __post_init__(self) -> None:
        if not CLIENT_ORDER_ID.fullmatch(self.client_order_id):
            raise ValueError(f"{self.client_order_id!r} is no client order id")


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of entries, from the settings; 0 switches one off."""

    entries_per_hour: int = 0  # of one strategy
    daily_loss: Decimal = ZERO  # quote asset, down from the day's peak
    price_move: Decimal = ZERO  # fraction of the signal's price


@dataclass(frozen=True, slots=True)
class RiskContext:
    """State of market, account and settings that an intent is checked against.

    `held` is the open position in base asset, None where there is none; `live_sides` those
    of the strategy's market orders on this symbol that have not ended; with `has_resting_stop` a
    protective stop has not; with `exit_pending` what is held is to be sold. What follows these
    concerns entries alone: `entries` are the
    strategy's of the last hour, `drawdown` and `total_drawdown` the deepest of the day, of the
    strategy and of all together; `free_balance` is the quote asset left to spend, and
    `account_position` the base asset on the account with what open BUYs bring, where a rule bounds
    that. Both are None where they are not known, as `last_price` is.
    """

    now_ms: int
    trading_enabled: bool
    entries_halted: bool
    symbol_status: str
    base_asset: str
    order_quantity: Decimal | None  # the operator's override
    rules: SymbolRules
    held: Decimal | None
    live_sides: frozenset[Side]
    has_resting_stop: bool = False
    exit_pending: bool = False
    unreconciled: bool = False  # an alarm is raised: account and books disagree
    quote_asset: str = ""
    limits: Limits = Limits()
    clock_known: bool = True
    entries: int = 0
    drawdown: Decimal = ZERO
    total_drawdown: Decimal = ZERO
    free_balance: Decimal | None = None
    account_position: Decimal | None = None
    last_price: Decimal | None = None


def quantity_of(intent: Intent, context: RiskContext) -> Decimal:
    """The order's quantity in base asset; 0 where there is nothing it could sell."""
    if intent.side is Side.SELL:
        held = context.held or ZERO
        there = held if intent.available is None else min(held, intent.available)
        return context.rules.sellable(there, intent.price)
    return context.rules.order_quantity(context.base_asset, context.order_quantity, intent.price)


def check_intent(intent: Intent, context: RiskContext) -> Denial | None:
    """The first reason not to place the order, or None. What limits entries lets exits pass."""
    if not context.trading_enabled:
        return Denial(DenialCode.TRADING_DISABLED, "TRADING_ENABLED is false")
    if intent.side is Side.BUY and context.entries_halted:
        return Denial(DenialCode.HALTED, "trading halt: no entries")
    if intent.side is Side.BUY and context.unreconciled:
        return Denial(DenialCode.UNRECONCILED, "account balance and recorded positions differ")
    if context.now_ms > intent.expires_ms:
        late_s = (context.now_ms - intent.expires_ms) / 1000
        return Denial(DenialCode.STALE_SIGNAL, f"expired {late_s:.1f} s ago")
    if context.symbol_status != "TRADING":
        return Denial(DenialCode.SYMBOL_NOT_TRADING, f"the symbol is in {context.symbol_status}")
    check = _check_entry if intent.side is Side.BUY else _check_exit
    return check(intent, context)


def notional_of(intent: Intent, context: RiskContext) -> Decimal:
    """The order's value at the price that led to it, in quote asset."""
    return EXACT.multiply(quantity_of(intent, context), intent.price)


def _check_entry(intent: Intent, context: RiskContext) -> Denial | None:
    checks = (
        _check_position,
        _check_filters,
        _check_limits,
        _check_timeliness,
        _check_balance,
    )
    return next(filter(None, (check(intent, context) for check in checks)), None)


def _check_position(_: Intent, context: RiskContext) -> Denial | None:
    if context.held is not None and context.exit_pending:
        text = f"a position of {plain(context.held)} is being sold"
        return Denial(DenialCode.EXIT_PENDING, text)
    if context.held is not None:
        return Denial(DenialCode.POSITION_OPEN, f"a position of {plain(context.held)} is open")
    if Side.BUY in context.live_sides:
        return Denial(DenialCode.POSITION_OPEN, "a BUY order is open")
    if context.live_sides:
        return Denial(DenialCode.ORDER_OPEN, "a SELL order is open")
    if context.has_resting_stop:
        return Denial(DenialCode.ORDER_OPEN, "the last position's protective stop has not ended")
    return None


def _check_filters(intent: Intent, context: RiskContext) -> Denial | None:
    quantity = quantity_of(intent, context)
    broken = context.rules.violation(quantity, intent.price)
    if not broken and context.account_position is not None:
        broken = context.rules.position_violation(EXACT.add(context.account_position, quantity))
    return Denial(DenialCode.FILTER_UNMET, broken) if broken else None


def _check_limits(intent: Intent, context: RiskContext) -> Denial | None:
    limits, limit = context.limits, context.limits.daily_loss
    drawdowns = (
        (context.drawdown, intent.strategy),
        (context.total_drawdown, "all strategies together"),
    )
    for drawdown, whose in drawdowns:
        if limit and drawdown >= limit:
            lost = f"{whose} lost {plain(drawdown)} {context.quote_asset} from the day's peak"
            return Denial(DenialCode.LOSS_LIMIT, f"{lost}, MAX_DAILY_LOSS is {plain(limit)}")
    if limits.entries_per_hour and context.entries >= limits.entries_per_hour:
        many = f"{context.entries} entries of {intent.strategy} in the last hour"
        setting = f"MAX_ENTRIES_PER_HOUR is {limits.entries_per_hour}"
        return Denial(DenialCode.TOO_MANY_ENTRIES, f"{many}, {setting}")
    return None


def _check_timeliness(intent: Intent, context: RiskContext) -> Denial | None:
    """The price may have left the signal behind, or the exchange's time not be known."""
    if not context.clock_known:
        text = "the exchange's clock is not known, so nothing can be signed"
        return Denial(DenialCode.CLOCK_UNKNOWN, text)
    limit, price = context.limits.price_move, context.last_price
    if not limit or price is None:
        return None
    if abs(EXACT.subtract(price, intent.price)) <= EXACT.multiply(limit, intent.price):
        return None
    moved = f"from {plain(intent.price)} to {plain(price)} since the signal"
    return Denial(DenialCode.PRICE_MOVED, f"{moved}, MAX_PRICE_MOVE is {plain(limit)}")


def _check_balance(intent: Intent, context: RiskContext) -> Denial | None:
    needed = notional_of(intent, context)
    if context.free_balance is None or needed <= context.free_balance:
        return None
    free = plain(max(context.free_balance, ZERO))
    text = f"{plain(needed)} {context.quote_asset} are needed, {free} are free"
    return Denial(DenialCode.BALANCE_TOO_LOW, text)


def _check_exit(intent: Intent, context: RiskContext) -> Denial | None:
    if context.live_sides:
        under_way = " and a ".join(sorted(context.live_sides))
        return Denial(DenialCode.ORDER_OPEN, f"a {under_way} order is open")
    if context.held is None:
        return Denial(DenialCode.NOTHING_TO_SELL, "no position is open")
    quantity = quantity_of(intent, context)
    if quantity:
        return None  # `sellable` keeps within every rule
    text = f"{plain(context.held)} is too little to sell"
    if intent.available is not None and intent.available < context.held:
        text = f"of {plain(context.held)} the account has {plain(intent.available)} free"
    return Denial(DenialCode.BELOW_MINIMUM, text)
