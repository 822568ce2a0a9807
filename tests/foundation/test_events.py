"""What becomes of a fact whose reaction fails."""

import sqlite3

import pytest
from django.db import OperationalError
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import ResponseError
from structlog.testing import capture_logs

from foundation.events import Event

pytestmark = pytest.mark.django_db(transaction=True)


def unable() -> OperationalError:
    """What Django makes of a statement that SQLite can't carry out."""
    cause = sqlite3.OperationalError("no such table: gone")
    cause.sqlite_errorcode = sqlite3.SQLITE_ERROR
    error = OperationalError("no such table: gone")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (RedisAway("gone"), "reaction.lost"),
        (OperationalError("the connection is closed"), "reaction.lost"),
        (unable(), "reaction.failed"),
        (ResponseError("WRONGTYPE"), "reaction.failed"),
        (ValueError("wrong"), "reaction.failed"),
    ],
)
def test_the_others_are_told_all_the_same(
    failed_reactions: list[str], trouble: Exception, told: str
) -> None:
    heard: list[int] = []

    def stumble(_: object) -> None:
        raise trouble

    event: Event[int] = Event("something_happened")
    event.reactions = [stumble, heard.extend]
    with capture_logs() as lines:
        event.announce([1, 2])
    failed_reactions.clear()
    assert heard == [1, 2]
    assert [line["event"] for line in lines] == [told]
