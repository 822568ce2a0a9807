"""Symbols: learned from the exchange, followed or not."""

import structlog
from django.conf import settings

from market.models import Symbol
from market.rest import ExchangeRefused, ExchangeUnreachable, MarketRest, market_rest

__all__ = ["ExchangeUnreachable", "UnknownSymbol", "follow", "load_symbols", "unfollow"]

BAD_SYMBOL_CODES = {-1121, -1100}
GONE = "GONE"  # our word for a symbol that the exchange no longer lists
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
