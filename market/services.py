"""Services for symbols: read them from the exchange, follow them or not."""

from collections.abc import Iterable, Sequence

import structlog
from django.conf import settings
from django.db import transaction

from market.failures import ExchangeUnreachable, Refused
from market.models import GONE, Symbol
from market.rest import MarketRest, market_rest
from market.wire.bounds import BadFrame
from market.wire.rest import SymbolInfo

__all__ = [
    "UnknownSymbol",
    "follow",
    "get_or_fetch_symbol",
    "load_symbols",
    "refresh_symbols",
    "symbol_of_records",
    "unfollow",
]

UNKNOWN_SYMBOL_CODES = {-1121, -1100}
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
    """Store what the exchange says of a symbol now.

    Raises UnknownSymbol, or ExchangeUnreachable where it can't be asked.
    """
    (symbol,) = _store(_fetch([name], rest))
    return symbol


def get_or_fetch_symbol(name: str, rest: MarketRest) -> Symbol:
    """The symbol of that name, as it is stored or, for the first time, as the exchange has it.

    Raises UnknownSymbol, or ExchangeUnreachable where it can't be asked.
    """
    return Symbol.objects.filter(name=name).first() or refresh(name, rest)


def symbol_of_records(name: str, rest: MarketRest) -> Symbol:
    """The symbol of recorded data, which may be of another exchange than the one we ask.

    Where this one doesn't know it or doesn't answer, its name tells base and quote asset. Raises
    UnknownSymbol where it doesn't.
    """
    try:
        return get_or_fetch_symbol(name, rest)
    except (UnknownSymbol, ExchangeUnreachable):
        quote = next((one for one in _quotes() if name.endswith(one) and name != one), None)
        if quote is None:
            raise UnknownSymbol(name) from None
    symbol, _ = Symbol.objects.get_or_create(
        name=name,
        defaults={
            "base_asset": name.removesuffix(quote), "quote_asset": quote, "status": UNLISTED,
        },
    )  # fmt: skip
    return symbol


def _quotes() -> list[str]:
    """Quote assets, longest first: those that the exchange has told us of, and Binance's."""
    listed = Symbol.objects.exclude(status=UNLISTED).values_list("quote_asset", flat=True)
    return sorted({*listed.order_by().distinct(), *QUOTES}, key=lambda one: (-len(one), one))


def follow(name: str, rest: MarketRest | None = None) -> Symbol:
    """Follow a symbol from now on; the stream takes it up within two seconds."""
    symbol = refresh(name, rest or market_rest())
    symbol.followed = True
    symbol.save(update_fields=["followed", "updated_at"])
    return symbol


def _fetch(names: Sequence[str], rest: MarketRest) -> list[SymbolInfo]:
    """Ask the exchange about symbols. Raises UnknownSymbol for one that it doesn't know.

    Raises ExchangeUnreachable where it says nothing usable of the only one, or of any.
    """
    try:
        if infos := rest.exchange_info(names):
            return infos
        raise ExchangeUnreachable(f"the exchange says nothing usable of {', '.join(names)}")
    except BadFrame as error:
        raise ExchangeUnreachable(str(error)) from error
    except Refused as error:
        if error.code not in UNKNOWN_SYMBOL_CODES:
            raise ExchangeUnreachable(str(error)) from error
        if len(names) == 1:
            raise UnknownSymbol(names[0]) from error
    # It doesn't say which of them.
    return [info for name in names for info in _fetch([name], rest)]


def _store(infos: Iterable[SymbolInfo]) -> list[Symbol]:
    return [_store_one(info) for info in infos]


def _store_one(info: SymbolInfo) -> Symbol:
    """Keep what the exchange says of a symbol; most of the time it is nothing new."""
    said = {
        "base_asset": info.base_asset,
        "quote_asset": info.quote_asset,
        "status": info.status,
        "filters": info.filters,
    }
    symbol = Symbol.objects.filter(name=info.symbol).first()
    if symbol is None or any(getattr(symbol, name) != value for name, value in said.items()):
        symbol, _ = Symbol.objects.update_or_create(name=info.symbol, defaults=said)
        logger.info("symbol.changed", symbol=symbol.name, status=symbol.status)
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
        infos = _fetch(settings.SYMBOLS, rest)
        if missing := set(settings.SYMBOLS) - {info.symbol for info in infos}:
            raise ExchangeUnreachable(f"the exchange says nothing usable of {min(missing)}")
        with transaction.atomic():  # all of them or none: half of them would count as a choice
            keys = [symbol.pk for symbol in _store(infos)]
            Symbol.objects.filter(pk__in=keys).update(followed=True)
        return
    refresh_symbols(Symbol.objects.followed().values_list("name", flat=True), rest)


def refresh_symbols(names: Iterable[str], rest: MarketRest) -> None:
    """Store what the exchange says of these symbols now; one that it no longer lists is GONE."""
    wanted = list(names)
    if not wanted:
        return
    try:
        _store(_fetch(wanted, rest))
    except UnknownSymbol:  # delisted: the others go on
        for name in wanted:
            _refresh_or_mark_gone(name, rest)


def _refresh_or_mark_gone(name: str, rest: MarketRest) -> None:
    try:
        refresh(name, rest)
    except UnknownSymbol:
        if Symbol.objects.filter(name=name).exclude(status=GONE).update(status=GONE):
            logger.error("symbol.gone", symbol=name)
