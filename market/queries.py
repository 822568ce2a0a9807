"""Queries of symbols between a closing candle and its order (`foundation.sql`)."""

import json
from collections.abc import Collection
from decimal import Decimal
from typing import Any

from django.db import connection

from foundation.sql import fetch, placeholders
from market.models import Symbol

FOLLOWED = "SELECT id FROM market_symbol WHERE followed AND id IN ({ids})"
FIELDS = (  # in the model's order, as `from_db` wants them
    "id", "name", "base_asset", "quote_asset", "status", "filters", "followed", "order_quantity",
)  # fmt: skip
SYMBOLS = f"SELECT {', '.join(FIELDS)} FROM market_symbol WHERE id IN ({{ids}})"  # noqa: S608


def followed(symbol_ids: Collection[int]) -> set[int]:
    """Those of the symbols that are followed."""
    return {pk for (pk,) in fetch(FOLLOWED.format(ids=placeholders(len(symbol_ids))), *symbol_ids)}


def read_symbols(symbol_ids: Collection[int]) -> dict[int, Symbol]:
    """Symbols with their trading rules, by id."""
    rows = fetch(SYMBOLS.format(ids=placeholders(len(symbol_ids))), *symbol_ids)
    return {row[0]: _symbol(*row) for row in rows}


def _symbol(*row: Any) -> Symbol:
    *values, filters, is_followed, quantity = row
    exact = None if quantity is None else Decimal(quantity)
    values += [json.loads(filters), is_followed, exact]
    return Symbol.from_db(connection.alias, FIELDS, values)
