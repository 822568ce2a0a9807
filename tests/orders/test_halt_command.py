"""The halt set from a shell: it governs, is kept, and says what it does."""

import pytest
from django.core.management import CommandError, call_command

from orders.models import Halt
from tests import rows
from tests.builders import opened, symbol

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_reactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orders.events.halt_changed.reactions", [])


def halted(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    call_command("halt", *words)
    return capsys.readouterr().out.splitlines()


def test_a_halt_from_the_shell_governs_and_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert halted(capsys, "no_entries", "--reason", "lunch") == [
        "The halt is no_entries now, it was off.",
        "Nothing more is bought; exits go on.",
    ]
    assert opened(symbol()).reason.startswith("halted: ")
    assert halted(capsys, "off")[0] == "The halt is off now, it was no_entries."
    assert [(halt.level, halt.reason, halt.by) for halt in Halt.objects.all()] == [
        ("off", "", None),
        ("no_entries", "lunch", None),
    ]


def test_a_flatten_says_what_will_be_sold(capsys: pytest.CaptureFixture[str]) -> None:
    assert halted(capsys, "flatten")[1] == "Nothing more is bought, and no position is open."
    rows.position(symbol(), "B")
    assert "The workers sell BTCUSDT of B, and try again" in halted(capsys, "flatten")[1]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["sometimes"],
            "argument level: 'sometimes' cannot be used: use one of off, no_entries, flatten",
        ),
        (["off", "--reason", "x" * 201], "argument --reason: has 201 characters: use 200 at most"),
    ],
)
def test_what_cannot_be_set_is_one_line(words: list[str], line: str) -> None:
    with pytest.raises(CommandError) as refusal:
        call_command("halt", *words)
    assert str(refusal.value) == f"Error: {line}"
    assert not Halt.objects.exists()
