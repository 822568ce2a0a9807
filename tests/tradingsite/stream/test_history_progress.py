import sys
from io import StringIO

from structlog.testing import capture_logs

from candles.history.backfill import CatchUpProgress
from tradingsite.stream.history_progress import HistoryProgress


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def caught_up() -> None:
    shown = HistoryProgress("BTCUSDT")
    for interval, interval_ms in (("1s", 1_000), ("1m", 60_000)):
        for done in (1_000, 2_000):
            shown.show(CatchUpProgress(interval, 0, done * interval_ms, 2_000 * interval_ms))
    shown.close()


def test_on_a_terminal_each_series_has_its_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    caught_up()
    assert "BTCUSDT 1s: " in terminal.getvalue()
    assert "BTCUSDT 1m: " in terminal.getvalue()


def test_without_one_a_line_says_what_is_loaded():
    with capture_logs() as lines:
        caught_up()
    assert [(line["event"], line["interval"], line["until"]) for line in lines] == [
        ("history.loaded", "1s", "1970-01-01T00:33:20+00:00"),
        ("history.loaded", "1m", "1970-01-02T09:20:00+00:00"),
    ]
