"""Symbols: their trading rules, and the character of their random markets."""

import math
import random
from dataclasses import dataclass
from decimal import Decimal

MAX_PRICE_STEPS, MAX_QUANTITY_STEPS = 100_000_000, 900_000_000
MAX_PLACES = 8  # of both steps together, so that price times quantity prints exactly
QUOTE_VALUES_USDT = {
    "USDT": 1.0,
    "USDC": 1.0,
    "FDUSD": 1.0,
    "TUSD": 1.0,
    "DAI": 1.0,
    "EUR": 1.1,
    "TRY": 0.03,
    "BRL": 0.18,
    "BTC": 60_000.0,
    "ETH": 2_700.0,
    "BNB": 550.0,
}


@dataclass(frozen=True, slots=True)
class SymbolRules:
    """Steps and bounds of a symbol: prices in quote asset, quantities in base asset."""

    symbol: str
    base: str
    quote: str
    price_step: Decimal
    quantity_step: Decimal
    market_max_quantity: Decimal
    min_notional: Decimal = Decimal(5)
    max_notional: Decimal = Decimal(9_000_000)

    @property
    def max_price(self) -> Decimal:
        return self.price_step * MAX_PRICE_STEPS

    @property
    def max_quantity(self) -> Decimal:
        return self.quantity_step * MAX_QUANTITY_STEPS


@dataclass(frozen=True, slots=True)
class Listing:
    """A symbol, its rules, and the character of its random market.

    `price` is where it starts (quote asset), `orders_per_second` how often a taker comes,
    `volatility` the standard deviation of the log price over one second.
    """

    rules: SymbolRules
    price: float
    orders_per_second: float
    volatility: float


def _usdt(
    base: str,
    price: float,
    *,
    grid: tuple[str, str],
    market_max: str,
    pace: float,
    volatility: float,
) -> Listing:
    """A listing against USDT; `grid` is its price step and its quantity step."""
    rules = SymbolRules(
        symbol=f"{base}USDT",
        base=base,
        quote="USDT",
        price_step=Decimal(grid[0]),
        quantity_step=Decimal(grid[1]),
        market_max_quantity=Decimal(market_max),
    )
    return Listing(rules, price, pace, volatility)


_TABLE = (
    _usdt("BTC", 60_000, grid=("0.01", "0.00001"), market_max="95.5", pace=3, volatility=6e-5),
    _usdt("ETH", 2_700, grid=("0.01", "0.0001"), market_max="1800.5", pace=2.5, volatility=8e-5),
    _usdt("BNB", 550, grid=("0.01", "0.001"), market_max="5400.25", pace=1.5, volatility=6e-5),
    _usdt("SOL", 150, grid=("0.01", "0.001"), market_max="21000.5", pace=2, volatility=1e-4),
    _usdt("XRP", 0.58, grid=("0.0001", "0.1"), market_max="4000000", pace=1.5, volatility=1e-4),
    _usdt("NEXO", 1.2, grid=("0.001", "0.01"), market_max="40000", pace=0.4, volatility=1.2e-4),
)
KNOWN_LISTINGS = {entry.rules.symbol: entry for entry in _TABLE}


def find_listings(wanted: list[str], seed: int) -> list[Listing]:
    """The known symbols first, then what else was wanted, invented where unknown."""
    names = dict.fromkeys([*KNOWN_LISTINGS, *wanted])
    return [find_listing(name, seed) for name in names]


def find_listing(name: str, seed: int) -> Listing:
    """The known listing of a symbol, else an invented one."""
    return KNOWN_LISTINGS.get(name) or invent_listing(name, seed)


def split_symbol(symbol: str) -> tuple[str, str]:
    """Base and quote asset of a symbol; raises ValueError where no quote asset fits."""
    for quote in sorted(QUOTE_VALUES_USDT, key=len, reverse=True):
        if symbol.endswith(quote) and len(symbol) > len(quote):
            return symbol[: -len(quote)], quote
    raise ValueError(
        f"{symbol!r} ends in no known quote asset; use one of {', '.join(QUOTE_VALUES_USDT)}"
    )


def invent_listing(symbol: str, seed: int) -> Listing:
    """Plausible rules and price of a symbol that is not known; the same for the same seed."""
    base, quote = split_symbol(symbol)
    rng = random.Random(f"{seed}:listing:{symbol}")
    value = math.exp(rng.uniform(math.log(0.02), math.log(400)))
    price = value / QUOTE_VALUES_USDT[quote]
    step_places = max(0, math.floor(math.log10(value)) + 1)
    tick_places = min(MAX_PLACES - step_places, max(0, 4 - math.floor(math.log10(price))))
    rules = SymbolRules(
        symbol=symbol,
        base=base,
        quote=quote,
        price_step=Decimal(1).scaleb(-tick_places),
        quantity_step=Decimal(1).scaleb(-step_places),
        market_max_quantity=Decimal(round(1_500_000 / value)),
        min_notional=_round_notional(5 / QUOTE_VALUES_USDT[quote]),
    )
    return Listing(rules, price, rng.uniform(0.2, 1.5), rng.uniform(0.00006, 0.00015))


def _round_notional(value: float) -> Decimal:
    """To one significant digit, as exchanges do."""
    return Decimal(f"{value:.0e}").quantize(Decimal("1.00000000"))
