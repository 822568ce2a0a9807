import sys
from io import StringIO

import pytest
from django.core.management.base import OutputWrapper

from candles.history import progress as progress_module
from candles.history.progress import Progress
from candles.management.output import table


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def progress(out: StringIO) -> None:
    shown = Progress(OutputWrapper(out).write, "BTCUSDT 1m", 2_000, "candles")
    for done in (500, 1_000, 2_000):
        shown.show(done, "2026-01-02")
    shown.close()


def test_without_a_terminal_a_line_comes_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    out = StringIO()
    progress(out)
    assert out.getvalue() == ""
    monkeypatch.setattr(progress_module, "LINE_EVERY_S", 0)
    progress(out)
    lines = out.getvalue().splitlines()
    assert lines[1] == "BTCUSDT 1m: 1,000 of 2,000 candles (50%) 2026-01-02"


def test_on_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    out, terminal = StringIO(), Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    progress(out)
    assert out.getvalue() == ""
    assert "BTCUSDT 1m: " in terminal.getvalue()


def test_a_table_aligns_text_to_the_left_and_numbers_to_the_right() -> None:
    assert table([["symbol", "rows"], ["BTC", 12_345], ["ETHUSDT", 1]]).splitlines() == [
        "symbol     rows",
        "BTC      12,345",
        "ETHUSDT       1",
    ]
