"""SQL statements written out, for the way from a closing candle to its order.

The ORM builds a query anew for every call, and code that has not run for a while runs several
times as slow: a query costs it a millisecond, of which the database takes a tenth. So on that
way, and nowhere else, statements are written once; they are the same on SQLite and PostgreSQL.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache, partial
from operator import attrgetter
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

Row = tuple[Any, ...]
MAX_ROWS_PER_STATEMENT = 500
# Fields whose values every database takes as they are; those of others are asked.
STORED_AS_GIVEN = {
    models.CharField, models.ForeignKey, models.OneToOneField, models.BigIntegerField,
    models.PositiveIntegerField,
}  # fmt: skip


def fetch(sql: str, *parameters: Any) -> list[Row]:
    """Rows of one query. Times go in through `time_value`."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[Row] = cursor.fetchall()
        return rows


def execute(sql: str, *parameters: Any) -> None:
    """Carry out one statement that answers nothing. Times go in through `time_value`."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def placeholders(count: int) -> str:
    """So many placeholders of parameters: 2 are `%s, %s`; in none of them, nothing is."""
    return ", ".join(["%s"] * count) or "NULL"


def time_value(time: datetime) -> Any:
    """An aware time as the database keeps it."""
    return connection.ops.adapt_datetimefield_value(time)


def for_update() -> str:
    """Locks the rows of a SELECT; SQLite needs none, for its transactions come one by one."""
    return " FOR UPDATE" if connection.features.has_select_for_update else ""


class Insert:
    """INSERT of rows of a model, 500 a statement; `tail` follows the values.

    A row is anything with the model's attributes, an instance or a lighter thing.
    """

    def __init__(self, model: type[models.Model], tail: str = "") -> None:
        fields = [f for f in model._meta.concrete_fields if not f.primary_key]
        columns = ", ".join(f'"{field.column}"' for field in fields)
        # The names are a model's own.
        self._head = f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES '  # noqa: S608
        self._row = f"({placeholders(len(fields))})"
        self._tail = f" {tail}"
        self._values_of = attrgetter(*(field.attname for field in fields))
        self._fields = fields

    def run(self, rows: Sequence[Any], *parameters: Any) -> list[Row]:
        """Write `rows`; `parameters` are those of the tail, whose answer comes back."""
        # Not the proxy, which looks for its thread's connection at every step of every value.
        database = connections[DEFAULT_DB_ALIAS]
        adapters = [_adapter(field, database) for field in self._fields]
        answer: list[Row] = []
        with database.cursor() as cursor:
            for start in range(0, len(rows), MAX_ROWS_PER_STATEMENT):
                batch = rows[start : start + MAX_ROWS_PER_STATEMENT]
                values = [
                    adapt(value) if adapt else value
                    for row in batch
                    for adapt, value in zip(adapters, self._values_of(row), strict=True)
                ]
                sql = self._head + ", ".join([self._row] * len(batch)) + self._tail
                cursor.execute(sql, [*values, *parameters])
                if cursor.description:
                    answer += cursor.fetchall()
        return answer


def _adapter(
    field: models.Field[Any, Any], database: BaseDatabaseWrapper
) -> Callable[[Any], Any] | None:
    """Conversion of a field's value into what the database keeps; None where that is the same."""
    if type(field) in STORED_AS_GIVEN:
        return None
    adapt = partial(field.get_db_prep_save, connection=database)
    # Rows that are written together mostly bear the same time.
    return cache(adapt) if isinstance(field, models.DateTimeField) else adapt
