"""Injecting, listing and clearing faults over HTTP."""

import pytest
import requests

from sandbox.faults.registry import FAULTS
from tests.sandbox.venue import Venue
from tests.servers import HANG_S, ROOT


def test_faults_can_be_listed_and_cleared(venue: Venue) -> None:
    venue.inject_fault("skip_ids", symbol="NEXOUSDT", count=900)
    venue.inject_fault("reject")
    waiting = venue.get("/sandbox/faults")
    assert 800 < waiting["skip_ids"]["NEXOUSDT"] <= 900  # it trades meanwhile
    assert [fault["fault"] for fault in waiting["orders"]] == ["reject"]
    requests.delete(f"{venue.url}/sandbox/faults", timeout=HANG_S)
    assert venue.get("/sandbox/faults")["orders"] == []


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[]",
        '{"fault":"sulk"}',
        '{"fault":"stall"}',
        '{"fault":"stall","seconds":0}',
        '{"fault":"reject","cod":1}',
        '{"fault":"skip_ids","symbol":"NOPEUSDT"}',
        '{"fault":"double_final","interval":"7m"}',
        '{"fault":"slow_rest","seconds":1,"ms":1,"paths":["/health"]}',
    ],
)
def test_an_unknown_fault_or_parameter_is_refused_in_one_line(venue: Venue, body: str) -> None:
    answer = requests.post(f"{venue.url}/sandbox/faults", data=body, timeout=HANG_S)
    assert answer.status_code == 400
    assert answer.json()["error"] == "bad_fault"
    assert "\n" not in answer.json()["detail"]


def test_every_fault_stands_in_the_documentation() -> None:
    received = (ROOT / "docs" / "sandbox-faults.md").read_text()
    for name, kind in FAULTS.items():
        (row,) = [line for line in received.splitlines() if line.startswith(f"| `{name}` |")]
        assert all(f"`{field}`" in row for field in kind.__struct_fields__)
