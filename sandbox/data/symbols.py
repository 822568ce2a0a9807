"""Which symbols there are, by which rules they trade, and how lively."""

import math
import random
from dataclasses import dataclass
from decimal import Decimal

MAX_QUANTITY_STEPS = 900_000_000
EXACT_PLACES = 8  # of tick and step together, so that price times quantity prints exactly
QUOTES_USDT = {
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
    tick: Decimal
    step: Decimal
    market_max_quantity: Decimal
    min_notional: Decimal = Decimal(5)
    max_notional: Decimal = Decimal(9_000_000)

    @property
    def max_price(self) -> Decimal:
        return self.tick * 100_000_000

    @property
    def max_quantity(self) -> Decimal:
        return self.step * MAX_QUANTITY_STEPS


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


def _known(
    base: str,
    price: float,
    *,
    grid: tuple[str, str],
    market_max: str,
    pace: float,
    volatility: float,
) -> Listing:
    """A symbol against USDT; `grid` is its tick and its step."""
    rules = SymbolRules(
        symbol=f"{base}USDT",
        base=base,
        quote="USDT",
        tick=Decimal(grid[0]),
        step=Decimal(grid[1]),
        market_max_quantity=Decimal(market_max),
    )
    return Listing(rules, price, pace, volatility)


_TABLE = (
    _known("BTC", 60_000, grid=("0.01", "0.00001"), market_max="95.5", pace=3, volatility=6e-5),
    _known("ETH", 2_700, grid=("0.01", "0.0001"), market_max="1800.5", pace=2.5, volatility=8e-5),
    _known("BNB", 550, grid=("0.01", "0.001"), market_max="5400.25", pace=1.5, volatility=6e-5),
    _known("SOL", 150, grid=("0.01", "0.001"), market_max="21000.5", pace=2, volatility=1e-4),
    _known("XRP", 0.58, grid=("0.0001", "0.1"), market_max="4000000", pace=1.5, volatility=1e-4),
    _known("NEXO", 1.2, grid=("0.001", "0.01"), market_max="40000", pace=0.4, volatility=1.2e-4),
)
KNOWN = {known.rules.symbol: known for known in _TABLE}


def listings(wanted: list[str], seed: int) -> list[Listing]:
    """The known symbols first, then what else was wanted, invented where unknown."""
    names = dict.fromkeys([*KNOWN, *wanted])
    return [KNOWN.get(name) or invented(name, seed) for name in names]


def listing(name: str, seed: int) -> Listing:
    return KNOWN.get(name) or invented(name, seed)


def split(symbol: str) -> tuple[str, str]:
    """Base and quote asset of a symbol; raises ValueError where no quote asset fits."""
    for quote in sorted(QUOTES_USDT, key=len, reverse=True):
        if symbol.endswith(quote) and len(symbol) > len(quote):
            return symbol[: -len(quote)], quote
    raise ValueError(f"{symbol!r} ends in no known quote asset ({', '.join(QUOTES_USDT)})")


def invented(symbol: str, seed: int) -> Listing:
    """Plausible rules and price for a symbol of no table; the same for the same seed."""
    base, quote = split(symbol)
    draw = random.Random(f"{seed}:listing:{symbol}")
    worth = math.exp(draw.uniform(math.log(0.02), math.log(400)))
    price = worth / QUOTES_USDT[quote]
    step_places = max(0, math.floor(math.log10(worth)) + 1)
    tick_places = min(EXACT_PLACES - step_places, max(0, 4 - math.floor(math.log10(price))))
    rules = SymbolRules(
        symbol=symbol,
        base=base,
        quote=quote,
        tick=Decimal(1).scaleb(-tick_places),
        step=Decimal(1).scaleb(-step_places),
        market_max_quantity=Decimal(round(1_500_000 / worth)),
        min_notional=_notional(5 / QUOTES_USDT[quote]),
    )
    return Listing(rules, price, draw.uniform(0.2, 1.5), draw.uniform(0.00006, 0.00015))


def _notional(value: float) -> Decimal:
    """Rounded to one significant digit, as exchanges do."""
    return Decimal(f"{value:.0e}").quantize(Decimal("1.00000000"))
