"""`manage.py createtoken`: an API token, shown once."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from accounts.services import create_token


class Command(BaseCommand):
    help = "Make an API token of a user and print it. It is shown this once; the admin revokes it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="whose permissions it has, as admin")
        parser.add_argument("--name", default="", help="what it is for")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"]).first()
        if user is None or not user.is_active:
            raise CommandError(f"{options['user']!r} is no active user; /admin/ lists them")
        if len(options["name"]) > 60:
            raise CommandError("--name: use at most 60 characters")
        self.stdout.write(create_token(user, options["name"]))
        self.stderr.write("Send it as header `Authorization: Token …`; it is not shown again.")
