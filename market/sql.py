"""Statements written out, for the way from a closing candle to its order.

The ORM builds a query anew for every call, and code that has not run for a while runs several
times as slow: a query costs it a millisecond, of which the database takes a tenth. So on that
way, and nowhere else, statements are written once; they are the same on SQLite and PostgreSQL.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db import connection, models

M = TypeVar("M", bound=models.Model)
Row = tuple[Any, ...]
ROWS_A_STATEMENT = 500


def fetch(sql: str, *parameters: Any) -> list[Row]:
    """The rows of one query. Times go in through `time_value`."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[Row] = cursor.fetchall()
        return rows


def marks(count: int) -> str:
    """As many placeholders: `IN ({marks(2)})` is `IN (%s, %s)`; with none, nothing is in it."""
    return ", ".join(["%s"] * count) or "NULL"


def time_value(time: datetime) -> Any:
    """An aware time as the database keeps it."""
    return connection.ops.adapt_datetimefield_value(time)


def for_update() -> str:
    """Locks the rows of a SELECT; SQLite needs none, for its transactions come one by one."""
    return " FOR UPDATE" if connection.features.has_select_for_update else ""


class Insert(Generic[M]):
    """Writes rows of a model, 500 a statement.

    `tail` follows the values: ON CONFLICT, RETURNING.
    """

    def __init__(self, model: type[M], tail: str = "") -> None:
        self._fields = [f for f in model._meta.concrete_fields if not f.primary_key]
        columns = ", ".join(f'"{field.column}"' for field in self._fields)
        self._head = f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES '  # noqa: S608
        self._row = f"({marks(len(self._fields))})"
        self._tail = f" {tail}"

    def run(self, rows: Sequence[M], *parameters: Any) -> list[Row]:
        """Write `rows`; `parameters` are those of the tail, whose answer comes back."""
        answer: list[Row] = []
        with connection.cursor() as cursor:
            for start in range(0, len(rows), ROWS_A_STATEMENT):
                batch = rows[start : start + ROWS_A_STATEMENT]
                values = [
                    field.get_db_prep_save(getattr(row, field.attname), connection)
                    for row in batch
                    for field in self._fields
                ]
                sql = self._head + ", ".join([self._row] * len(batch)) + self._tail
                cursor.execute(sql, [*values, *parameters])
                if cursor.description:
                    answer += cursor.fetchall()
        return answer
