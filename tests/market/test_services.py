import pytest

from market.failures import ExchangeUnreachable
from market.models import Symbol
from market.rest import MarketRest
from market.services import UnknownSymbol, load_symbols, refresh, symbol_of_records
from market.wire.rest import SymbolInfo
from tests.builders import symbol

pytestmark = pytest.mark.django_db


class Says(MarketRest):
    """Answers about symbols as it is told to."""

    def __init__(self, *infos: SymbolInfo) -> None:
        super().__init__("http://127.0.0.1:9")
        self.infos = list(infos)

    def exchange_info(self, symbols: object) -> list[SymbolInfo]:
        return self.infos


def test_a_name_is_split_by_the_quote_assets_that_the_exchange_has_told_of() -> None:
    with pytest.raises(UnknownSymbol):
        symbol_of_records("SOLMOON", Says())
    known = symbol("BTCUSDT")
    Symbol.objects.create(name="BTCMOON", base_asset="BTC", quote_asset="MOON")
    split = symbol_of_records("SOLMOON", Says())
    assert (split.base_asset, split.quote_asset, split.status) == ("SOL", "MOON", "UNLISTED")
    assert known.quote_asset == "USDT"


def test_a_symbol_of_which_nothing_usable_is_said_is_not_followed() -> None:
    with pytest.raises(ExchangeUnreachable, match="nothing usable of BTCUSDT"):
        refresh("BTCUSDT", Says())
    half = Says(SymbolInfo("BTCUSDT", "TRADING", "BTC", "USDT", []))
    with pytest.raises(ExchangeUnreachable, match="nothing usable of ETHUSDT"):
        load_symbols(half)
    assert not Symbol.objects.exists()
