"""Databases of earlier versions, taken over by `manage.py prepare`.

The dumps in tests/data were made by the version that their names tell, after trading against the
sandbox: candles with a revision, orders, trades, positions, a halt, an alarm.
"""

import gzip
import json
import os
import re
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import postgres
from tests.environment import ON_POSTGRES
from tests.servers import PYTHON, ROOT

pytestmark = pytest.mark.processes
DUMPS = ROOT / "tests" / "data"
DUMPED = sorted(DUMPS.glob(f"database-*.{'postgresql' if ON_POSTGRES else 'sqlite'}.sql.gz"))
# What the database has of each model, its columns and constraints, as Django sees it.
DESCRIBE = """
import json
from django.apps import apps
from django.db import connection

shape, rows = {}, {}
with connection.cursor() as cursor:
    for table in sorted(connection.introspection.table_names(cursor)):
        columns = connection.introspection.get_table_description(cursor, table)
        kinds = connection.introspection.get_constraints(cursor, table).values()
        shape[table] = [
            sorted([c.name, str(c.type_code), c.null_ok, str(c.display_size)] for c in columns),
            sorted(
                json.dumps([k["columns"], k["primary_key"], k["unique"], k["index"], k["check"]])
                for k in kinds
            ),
        ]
for model in apps.get_models(include_auto_created=True):
    rows[model._meta.db_table] = model.objects.count()
from orders.models import Position
realised = [str(position.realised) for position in Position.objects.all()]
print(json.dumps({"shape": shape, "rows": rows, "realised": realised}))
"""


MONEY_TABLES = (
    "candles_candle", "candles_candlerevision", "strategies_signal", "orders_order",
    "orders_trade", "orders_position", "orders_alarm", "orders_dayresult",
)  # fmt: skip
INSERTED = re.compile(r'^INSERT INTO (?:public\.)?"?(\w+)', re.MULTILINE)


def manage(database: dict[str, str], *words: str) -> str:
    finished = subprocess.run(
        [PYTHON, "manage.py", *words], cwd=ROOT, env=os.environ | database,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def described(database: dict[str, str]) -> dict[str, Any]:
    printed = manage(database, "shell", "--no-imports", "-c", DESCRIBE)
    description: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return description


@contextmanager
def new_database(folder: Path) -> Iterator[dict[str, str]]:
    """The settings of an empty database."""
    folder.mkdir()
    if not ON_POSTGRES:
        yield {"VAR_DIR": str(folder), "DATABASE_URL": ""}
        return
    with postgres.new_database(os.environ["DATABASE_URL"]) as url:
        yield {"VAR_DIR": str(folder), "DATABASE_URL": url}


def restore(sql: str, database: dict[str, str]) -> None:
    if ON_POSTGRES:
        with psycopg.connect(database["DATABASE_URL"], autocommit=True) as connection:
            connection.execute(sql.encode())
        return
    with closing(sqlite3.connect(Path(database["VAR_DIR"]) / "db.sqlite3")) as file:
        file.executescript(sql)


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("dump", DUMPED, ids=lambda dump: dump.name)
def test_a_database_of_an_earlier_version_becomes_one_of_today(dump: Path, tmp_path: Path) -> None:
    sql = gzip.decompress(dump.read_bytes()).decode()
    with new_database(tmp_path / "old") as database:
        restore(sql, database)
        manage(database, "prepare")
        ours = described(database)
    with new_database(tmp_path / "new") as database:
        manage(database, "prepare")
        assert ours["shape"] == described(database)["shape"]
    inserted = Counter(INSERTED.findall(sql))
    for table in MONEY_TABLES:
        assert ours["rows"][table] == inserted[table] > 0
    assert any(Decimal(realised) for realised in ours["realised"])


def test_models_and_migrations_agree() -> None:
    manage({}, "makemigrations", "--check", "--dry-run")
