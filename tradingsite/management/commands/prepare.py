"""`manage.py prepare`: everything the processes find in place when they start."""

import os
import secrets
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, transaction
from django.db.migrations.exceptions import MigrationSchemaMissing

from strategies.services import ensure_variants
from tradingsite.startup.database_file import damage
from tradingsite.startup.var_dir import make_private, make_secret_key


class Command(BaseCommand):
    help = "Make VAR_DIR, the secret key, the tables, the first admin and strategies A and B."

    def handle(self, *args: object, **options: object) -> None:
        try:
            self._prepare()
        except OSError as error:
            raise CommandError(f"VAR_DIR={settings.VAR_DIR} cannot be used: {error}") from error
        except (OperationalError, MigrationSchemaMissing) as error:
            reason = str(error).strip().splitlines()[0]
            raise CommandError(f"DATABASE_URL: the database cannot be used: {reason}") from error

    def _prepare(self) -> None:
        make_private(settings.VAR_DIR)
        make_secret_key(settings.VAR_DIR)
        refuse_damaged_database()
        call_command("migrate", verbosity=0, interactive=False)
        if make_first_admin(settings.ADMIN_PASSWORD_FILE):
            self.stdout.write(f"Made the admin user; password in {settings.ADMIN_PASSWORD_FILE}")
        ensure_variants()


def refuse_damaged_database() -> None:
    """Raises CommandError where the database is a file that is damaged."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        in_use = settings.ADMIN_PASSWORD_FILE.exists()
        if wrong := damage(Path(database["NAME"]), in_use=in_use):
            raise CommandError(wrong)


@transaction.atomic
def make_first_admin(password_file: Path) -> bool:
    """Make the user `admin` where there is no superuser yet; its password is kept in the file.

    True where it was made. The file is readable by its owner alone.
    """
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return False
    password = secrets.token_urlsafe(12)
    password_file.unlink(missing_ok=True)  # of a database that is gone
    descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{password}\n")
    users.create_superuser("admin", "", password)
    return True
