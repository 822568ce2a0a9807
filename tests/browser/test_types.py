"""The types that the page's code is checked with, held against what the API really sends."""

import re
from typing import Any

import pytest
from redis import Redis

from candles.models import Verdict
from orders.core.status import OrderStatus
from orders.models import HaltLevel
from tests.clients import schema
from tests.servers import ROOT
from tradingsite.live.snapshot import snapshot_json

MESSAGES = (ROOT / "static" / "js" / "messages.js").read_text()
OBJECT = re.compile(r"@typedef \{object\} (\w+)\n((?: \* @property .*\n)+)")
PROPERTY = re.compile(r"@property \{(.+)\} (\w+)")
OBJECTS = {
    name: {field: kind for kind, field in PROPERTY.findall(properties)}
    for name, properties in OBJECT.findall(MESSAGES)
}
SENT_ONLY_BY_SOCKET = {"Status", "Snapshot"}


def literals(name: str) -> set[str]:
    """The texts that a type of literals allows."""
    (union,) = re.findall(rf"@typedef \{{([^{{}}]+)\}} {name}\b", MESSAGES)
    return set(re.findall(r'"(\w+)"', union))


def may_be_null(field: dict[str, Any]) -> bool:
    kinds = [field, *field.get("oneOf", [])]
    return any("null" in kind.get("type", ()) or "NullEnum" in str(kind) for kind in kinds)


@pytest.mark.parametrize("name", sorted(OBJECTS.keys() - SENT_ONLY_BY_SOCKET))
def test_every_field_is_in_the_schema_and_null_where_it_may_be(name: str) -> None:
    fields = schema()["components"]["schemas"][name]["properties"]
    nullable = {field for field in OBJECTS[name] if may_be_null(fields[field])}
    assert {field for field, kind in OBJECTS[name].items() if "null" in kind} == nullable


@pytest.mark.django_db
def test_snapshot_and_status_have_the_fields_that_the_page_reads(redis: Redis) -> None:
    snapshot = snapshot_json()
    assert OBJECTS["Snapshot"].keys() <= snapshot.keys()
    assert OBJECTS["Status"].keys() <= snapshot["status"].keys()


def test_what_comes_in_a_few_words_comes_in_these() -> None:
    assert literals("OrderStatus") == set(OrderStatus)
    assert literals("HaltLevel") == set(HaltLevel)
    assert literals("Verdict") == set(Verdict)
