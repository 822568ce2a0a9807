from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from market.models import Symbol
from tests.tradingsite.web import Web


@pytest.fixture
def symbols(transactional_db: None) -> list[Symbol]:
    """Two followed symbols."""
    return [
        Symbol.objects.create(
            name=f"{base}USDT", base_asset=base, quote_asset="USDT", followed=True
        )
        for base in ("BTC", "ETH")
    ]


@pytest.fixture
def web(symbols: list[Symbol], redis: Redis, tmp_path: Path) -> Iterator[Web]:
    server = Web(tmp_path)
    yield server
    server.stop()
