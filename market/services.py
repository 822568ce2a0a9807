"""Symbols: learned from the exchange, followed or not."""

import structlog
from django.conf import settings

from market.models import Symbol
from market.rest import ExchangeRefused, ExchangeUnreachable, MarketRest, market_rest

__all__ = [
    "ExchangeUnreachable",
    "UnknownSymbol",
    "follow",
    "known",
    "load_symbols",
    "recorded",
    "unfollow",
]

BAD_SYMBOL_CODES = {-1121, -1100}
GONE = "GONE"  # our word for a symbol that the exchange no longer lists
UNLISTED = "UNLISTED"  # our word for one that the exchange has never told us of
# Binance's quote assets; a longer one stands before what it ends in.
QUOTES = (
    "FDUSD", "USDT", "USDC", "TUSD", "BUSD", "USDP", "USD1", "BIDR", "BVND", "IDRT", "DOGE", "PAX",
    "DAI", "BTC", "ETH", "BNB", "XRP", "TRX", "DOT", "EUR", "GBP", "TRY", "BRL", "AUD", "RUB",
    "UAH", "NGN", "ZAR", "PLN", "RON", "ARS", "JPY", "MXN", "CZK", "COP", "VAI", "USD",
)  # fmt: skip
logger = structlog.get_logger(__name__)


class UnknownSymbol(Exception):
    """The exchange doesn't trade it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the exchange knows no symbol {name!r}")
        self.name = name


def refresh(name: str, rest: MarketRest) -> Symbol:
    """Write down what the exchange says of a symbol now.

    Raises UnknownSymbol, or ExchangeUnreachable where it can't be asked.
    """
    try:
        info = rest.exchange_info(name)
    except ExchangeRefused as error:
        if error.code in BAD_SYMBOL_CODES:
            raise UnknownSymbol(name) from error
        raise ExchangeUnreachable(str(error)) from error
    symbol, _ = Symbol.objects.update_or_create(
        name=info.symbol,
        defaults={
            "base_asset": info.base_asset,
            "quote_asset": info.quote_asset,
            "status": info.status,
            "filters": info.filters,
        },
    )
    return symbol


def known(name: str, rest: MarketRest) -> Symbol:
    """The symbol of that name, as it is stored or, for the first time, as the exchange tells it.

    Raises UnknownSymbol, or ExchangeUnreachable where it can't be asked.
    """
    return Symbol.objects.filter(name=name).first() or refresh(name, rest)


def recorded(name: str, rest: MarketRest) -> Symbol:
    """The symbol of recorded data, which may be of another exchange than the one we ask.

    Where this one doesn't know it or doesn't answer, its name tells base and quote asset. Raises
    UnknownSymbol where it doesn't.
    """
    try:
        return known(name, rest)
    except (UnknownSymbol, ExchangeUnreachable):
        quote = next((one for one in QUOTES if name.endswith(one) and name != one), None)
        if quote is None:
            raise UnknownSymbol(name) from None
    symbol, _ = Symbol.objects.get_or_create(
        name=name,
        defaults={
            "base_asset": name.removesuffix(quote), "quote_asset": quote, "status": UNLISTED,
        },
    )  # fmt: skip
    return symbol


def follow(name: str, rest: MarketRest | None = None) -> Symbol:
    """Follow a symbol from now on; the stream takes it up within two seconds."""
    symbol = refresh(name, rest or market_rest())
    symbol.followed = True
    symbol.save(update_fields=["followed", "updated_at"])
    return symbol


def unfollow(name: str) -> Symbol:
    """Stop following a symbol; what was recorded stays. Raises UnknownSymbol."""
    symbol = Symbol.objects.filter(name=name).first()
    if symbol is None:
        raise UnknownSymbol(name)
    symbol.followed = False
    symbol.save(update_fields=["followed", "updated_at"])
    return symbol


def load_symbols(rest: MarketRest) -> None:
    """Follow the setting SYMBOLS on the very first start; later refresh what is followed.

    From then on the table of symbols governs, not the setting.
    """
    if not Symbol.objects.exists():
        for name in settings.SYMBOLS:
            follow(name, rest)
        return
    for symbol in Symbol.objects.followed():
        try:
            refresh(symbol.name, rest)
        except UnknownSymbol:  # delisted: the others go on
            Symbol.objects.filter(pk=symbol.pk).update(status=GONE)
            logger.error("symbol.gone", symbol=symbol.name)
