"""`manage.py halt`: the trading halt, set from a shell."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.utils import timezone

from orders.models import Halt, HaltLevel, Position
from orders.services import current_halt, set_halt

MAX_REASON_LENGTH = 200
MEANINGS = {
    HaltLevel.OFF: "Strategies enter again.",
    HaltLevel.NO_ENTRIES: "Nothing more is bought; exits go on.",
}


class Command(BaseCommand):
    help = "Halts trading, or lets it go on. It holds for every process from now on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "level",
            type=halt_level,
            help="off: go on; no_entries: buy nothing more; flatten: sell everything as well",
        )
        parser.add_argument(
            "--reason",
            type=short_text,
            default="",
            help=f"kept with it, {MAX_REASON_LENGTH} characters at most",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            before = current_halt()
            halt = set_halt(options["level"], None, options["reason"], timezone.now())
            self.stdout.write(f"The halt is {halt.level} now, it was {_level(before)}.")
            self.stdout.write(_what_follows(halt))
        except OperationalError as error:
            text = str(error).strip().splitlines()[0]
            raise CommandError(f"DATABASE_URL: the database does not answer: {text}") from error


def halt_level(text: str) -> str:
    """A level of the halt, as an argument of a command."""
    if text not in HaltLevel:
        known = ", ".join(HaltLevel.values)
        raise ArgumentTypeError(f"{text!r} cannot be used: use one of {known}")
    return text


def short_text(text: str) -> str:
    """A reason that can be stored with the halt."""
    if len(text) > MAX_REASON_LENGTH:
        raise ArgumentTypeError(f"has {len(text)} characters: use {MAX_REASON_LENGTH} at most")
    return text


def _level(halt: Halt | None) -> str:
    return halt.level if halt else HaltLevel.OFF.value


def _what_follows(halt: Halt) -> str:
    level = HaltLevel(halt.level)
    if level in MEANINGS:
        return MEANINGS[level]
    held = Position.objects.open().select_related("symbol")
    held = held.order_by("strategy", "symbol__name")
    names = ", ".join(f"{one.symbol} of {one.strategy}" for one in held)
    if not names:
        return "Nothing more is bought, and no position is open."
    return f"Nothing more is bought. The workers sell {names}, and try again until it is sold."
