"""Prerequisites of stream, worker and web, made by `manage.py prepare` and told where missing.

Each process that needs it says so once, rarely again, and goes on by itself as soon as it is there.
"""

import threading
from pathlib import Path

import structlog
from django.apps import apps
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder

from foundation.outages import DATABASE_OUTAGES, RETRY_S, is_damage
from tradingsite.startup.database_file import damage_text
from tradingsite.startup.env import env_str
from tradingsite.startup.var_dir import KEY_FILE, read_secret_key

logger = structlog.get_logger(__name__)


def missing_tables() -> str | None:
    """A few words where the database lacks migrations. Raises DatabaseError.

    Known by the names of their files: to load them all would cost time and memory in every process.
    """
    file_name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite" and not Path(file_name).exists():
        return f"there is no database {file_name}"  # which asking for its tables would make
    known = {
        (app.label, file.stem)
        for app in apps.get_app_configs()
        for file in Path(app.path, "migrations").glob("[0-9]*.py")
    }
    count = len(known - MigrationRecorder(connection).applied_migrations().keys())
    if not count:
        return None
    return "the database has no tables yet" if count == len(known) else "the database is too old"


def missing_key() -> str | None:
    """A few words where there is no secret key; where there is one now, it is used from now on."""
    key = env_str("SECRET_KEY") or read_secret_key(settings.VAR_DIR)
    if not key:
        return f"there is no secret key that can be read in {settings.VAR_DIR / KEY_FILE}"
    settings.SECRET_KEY = key
    return None


def await_tables(stopping: threading.Event) -> None:
    """Wait until the database is prepared, or `stopping`.

    A damaged database ends the process with one line.
    """
    while not stopping.is_set():
        try:
            if (missing := missing_tables()) is None:
                return
            logger.warning("database.not_prepared", missing=missing)
        except DATABASE_OUTAGES as error:
            logger.warning("database.unreachable", error=str(error).strip())
        except DatabaseError as error:
            if connection.vendor != "sqlite":
                raise
            raise SystemExit(damage_line(error)) from None
        stopping.wait(RETRY_S)


def damage_line(error: BaseException) -> str:
    """One line that names the file in which SQLite has found damage, and what helps."""
    return damage_text(Path(connection.settings_dict["NAME"]), str(error))


def missing_for_web() -> str | None:
    """The reason why no page can be served; None too where the database cannot be asked, for
    then pages say so themselves.
    """
    try:
        return missing_key() or missing_tables()
    except OSError as error:
        return f"{error.filename} cannot be read ({error.strerror})"
    except DatabaseError as error:
        if is_damage(error):
            logger.error("database.damaged", error=damage_line(error))
        else:
            logger.warning("database.unreachable", error=str(error).strip())
        return None
    finally:
        connection.close()
