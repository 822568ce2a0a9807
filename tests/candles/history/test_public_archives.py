"""Archives fetched from a server of the same layout, over real sockets."""

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from candles.history.public_archives import BadPeriod, periods
from candles.management.commands import loadcandles
from candles.models import Candle, Verdict
from foundation.backoff import Backoff
from foundation.times import to_ms
from market import downloads
from market.downloads import DownloadFailed, FileServer
from market.models import Symbol
from tests.candles.history.archive_server import ArchiveServer, kline, zipped

pytestmark = pytest.mark.django_db

TODAY = date(2026, 2, 4)
JANUARY = "BTCUSDT-1m-2026-01.zip"


@pytest.fixture
def archive_server(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ArchiveServer]:
    server = ArchiveServer()
    settings.BINANCE_ARCHIVES_URL = server.url
    settings.BINANCE_REST_URL = "http://127.0.0.1:9"
    settings.VAR_DIR = tmp_path
    now_ms = to_ms(datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=UTC))
    monkeypatch.setattr(loadcandles, "now_ms", lambda: now_ms)
    monkeypatch.setattr(downloads, "BACKOFF", Backoff(0.001, 0.001))
    yield server
    server.stop()


def january(*minutes: int) -> bytes:
    # What doesn't pack well is long enough to be cut.
    rows = [kline(n).replace("150.1,", f"150.{n * 7919 % 1009},") for n in minutes or range(500)]
    return zipped(JANUARY, *rows)


def load(*words: str, **options: Any) -> str:
    out = StringIO()
    call_command("loadcandles", *words, stdout=out, stderr=out, **options)
    return out.getvalue()


def refusal_of(*words: str, returncode: int = 1, **options: Any) -> str:
    """What the command prints where it fails."""
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command("loadcandles", *words, stdout=out, stderr=out, **options)
    assert error.value.returncode == returncode
    return f"{out.getvalue()}{error.value}"


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "archives").iterdir())


def test_a_month_is_fetched_verified_kept_and_loaded(
    archive_server: ArchiveServer, tmp_path: Path
) -> None:
    archive_server.publish(JANUARY, january())
    printed = load("btcusdt", "2026-01")
    assert "BTCUSDT 1m, 2026-01-02 12:00:00 to 2026-01-02 20:19:00" in printed
    assert Candle.objects.filter(verdict=Verdict.EXACT).count() == 500
    assert kept(tmp_path) == [JANUARY, f"{JANUARY}.CHECKSUM"]


def test_what_is_there_and_verified_is_not_fetched_again_and_what_was_changed_is(
    archive_server: ArchiveServer, tmp_path: Path
) -> None:
    archive_server.publish(JANUARY, january())
    load("BTCUSDT", "2026-01")
    load("BTCUSDT", "2026-01")
    assert len(archive_server.asked) == 2
    (tmp_path / "archives" / JANUARY).write_bytes(b"damaged on the disk")
    load("BTCUSDT", "2026-01")
    assert archive_server.fetched() == [JANUARY] * 2


def test_a_file_that_was_put_there_by_hand_is_verified_alone(
    archive_server: ArchiveServer, tmp_path: Path
) -> None:
    archive_server.publish(JANUARY, january())
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / JANUARY).write_bytes(january())
    load("BTCUSDT", "2026-01")
    assert archive_server.fetched() == []


def test_a_year_is_its_months_and_the_running_one_its_days(archive_server: ArchiveServer) -> None:
    archive_server.publish(JANUARY, january(0))
    for day in (1, 2, 3):
        name = f"BTCUSDT-1m-2026-02-0{day}.zip"
        archive_server.publish(name, zipped(name, kline(1440 * (29 + day))))
    load("BTCUSDT", "2026", "2026-02", "2026-02-02")
    assert Candle.objects.count() == 4
    assert sorted(archive_server.fetched()) == [
        "BTCUSDT-1m-2026-01.zip", "BTCUSDT-1m-2026-02-01.zip", "BTCUSDT-1m-2026-02-02.zip",
        "BTCUSDT-1m-2026-02-03.zip",
    ]  # fmt: skip


def test_a_month_whose_file_is_not_there_yet_comes_by_its_days(
    archive_server: ArchiveServer,
) -> None:
    for day in range(3, 32):  # traded since the third
        name = f"BTCUSDT-1m-2026-01-{day:02}.zip"
        archive_server.publish(name, zipped(name, kline(1440 * (day - 2))))
    printed = refusal_of("BTCUSDT", "2026-01")
    assert "has no BTCUSDT-1m-2026-01-01.zip, BTCUSDT-1m-2026-01-02.zip (yet)" in printed
    assert "2 of 31 files" in printed
    assert Candle.objects.count() == 29


def test_other_intervals_have_files_of_their_own(archive_server: ArchiveServer) -> None:
    row = kline(0).replace(
        str(kline(0).split(",")[6]), str(int(kline(0).split(",")[0]) + 3_599_999)
    )
    archive_server.publish("BTCUSDT-1h-2026-01.zip", zipped("BTCUSDT-1h-2026-01.zip", row))
    load("BTCUSDT", "2026-01", interval="1h")
    assert Candle.objects.get().interval == "1h"


def test_microseconds_are_times_too(archive_server: ArchiveServer) -> None:
    cells = kline(0).split(",")
    cells[0], cells[6] = f"{cells[0]}000", f"{cells[6]}999"
    archive_server.publish(JANUARY, zipped(JANUARY, ",".join(cells)))
    load("BTCUSDT", "2026-01")
    assert f"{Candle.objects.get().open_time}" == "2026-01-02 12:00:00+00:00"


def test_a_missing_month_is_named_in_one_line_and_the_rest_is_loaded(
    archive_server: ArchiveServer,
) -> None:
    archive_server.publish(JANUARY, january(0))
    printed = refusal_of("BTCUSDT", "2025-11", "2025-12", "2026-01")
    assert (
        f"{archive_server.url} has no BTCUSDT-1m-2025-11.zip, BTCUSDT-1m-2025-12.zip (yet): check"
        " the symbol and when it was traded\n2 of 3 files"
    ) in printed
    assert Candle.objects.count() == 1


def test_an_unknown_symbol_is_told_once_and_not_made_up(archive_server: ArchiveServer) -> None:
    printed = refusal_of("NOPEUSDT", "2024")
    assert printed.count("\n") == 1
    assert "has no NOPEUSDT-1m-2024-01.zip, NOPEUSDT-1m-2024-02.zip" in printed
    assert not Symbol.objects.exists()
    assert archive_server.fetched() == []
    assert len(archive_server.asked) == 3 * 12


@pytest.mark.parametrize("cuts", [[1000], [7, 1, 3000]])
def test_a_cut_download_goes_on_where_it_was_cut(
    archive_server: ArchiveServer, cuts: list[int]
) -> None:
    path = archive_server.publish(JANUARY, january())
    archive_server.cuts[path] = list(cuts)
    load("BTCUSDT", "2026-01")
    starts = [start for asked, start in archive_server.asked if asked == path]
    assert starts == [sum(cuts[:n]) for n in range(len(cuts) + 1)]
    assert Candle.objects.count() == 500


def test_the_next_command_goes_on_where_the_last_one_gave_up(
    archive_server: ArchiveServer, tmp_path: Path
) -> None:
    path = archive_server.publish(JANUARY, january())
    archive_server.cuts[path] = [1000, 0, 0, 0]
    printed = refusal_of("BTCUSDT", "2026-01")
    assert f"{path}: the connection was cut" in printed
    assert "the same command goes on from there" in printed
    assert (tmp_path / "archives" / f"{JANUARY}.part").stat().st_size == 1000
    load("BTCUSDT", "2026-01")
    assert archive_server.asked[-1] == (path, 1000)
    assert Candle.objects.count() == 500


def test_a_server_that_knows_no_ranges_is_asked_for_the_whole(
    archive_server: ArchiveServer,
) -> None:
    path = archive_server.publish(JANUARY, january())
    archive_server.cuts[path], archive_server.ranges = [1000], False
    load("BTCUSDT", "2026-01")
    assert Candle.objects.count() == 500


@pytest.mark.parametrize("left", [b"x" * 50, b"x" * 1_000_000, january()])
def test_what_was_left_of_another_file_is_no_part_of_this_one(
    archive_server: ArchiveServer, tmp_path: Path, left: bytes
) -> None:
    archive_server.publish(JANUARY, january())
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / f"{JANUARY}.part").write_bytes(left)
    load("BTCUSDT", "2026-01")
    assert Candle.objects.count() == 500


def test_a_wrong_checksum_is_told_and_nothing_of_it_is_loaded_or_kept(
    archive_server: ArchiveServer, tmp_path: Path
) -> None:
    path = archive_server.publish(JANUARY, january(), checksum="0" * 64)
    printed = refusal_of("BTCUSDT", "2026-01")
    assert f"{path}: its SHA-256 is " in printed
    assert "not 0000" in printed
    assert "the same command fetches it again" in printed
    assert not Candle.objects.exists()
    assert kept(tmp_path) == [f"{JANUARY}.CHECKSUM"]
    archive_server.publish(JANUARY, january())
    load("BTCUSDT", "2026-01")
    assert Candle.objects.count() == 500


@pytest.mark.parametrize("text", [b"", b"nonsense", b"%s  OTHER.zip\n" % (b"0" * 64), b"\xff" * 99])
def test_a_checksum_that_is_none_is_told(archive_server: ArchiveServer, text: bytes) -> None:
    path = archive_server.publish(JANUARY, january())
    archive_server.files[f"{path}.CHECKSUM"] = text
    assert f".CHECKSUM: holds no SHA-256 of {JANUARY}" in refusal_of("BTCUSDT", "2026-01")
    assert archive_server.fetched() == []


def test_a_damaged_zip_is_told_and_what_lay_before_the_damage_is_loaded(
    archive_server: ArchiveServer,
) -> None:
    whole = january()
    at = len(whole) // 2
    archive_server.publish(JANUARY, whole[:at] + b"damage" + whole[at + 6 :])
    archive_server.publish("BTCUSDT-1m-2025-12.zip", b"no zip at all")
    printed = refusal_of("BTCUSDT", "2026-01", "2025-12")
    assert f"archives/{JANUARY}: damaged after line" in printed
    assert "BTCUSDT-1m-2025-12.zip: damaged after line 0: File is not a zip file" in printed
    assert "remove it and fetch it again, or let backfill ask for those candles" in printed


@pytest.mark.parametrize(
    ("status", "told"), [(302, "a redirect, which is not followed"), (403, "refused")]
)
def test_a_redirect_or_a_refusal_is_told_at_once(
    archive_server: ArchiveServer, status: int, told: str
) -> None:
    path = archive_server.publish(JANUARY, january())
    archive_server.statuses[path] = status
    archive_server.files["/elsewhere"] = january()
    printed = refusal_of("BTCUSDT", "2026-01")
    assert f"{archive_server.url}{path}: {told} ({status}); check BINANCE_ARCHIVES_URL" in printed
    assert archive_server.fetched() == [JANUARY]


def test_a_server_in_trouble_is_asked_again_a_few_times(archive_server: ArchiveServer) -> None:
    path = archive_server.publish(JANUARY, january())
    archive_server.statuses[path] = 503
    assert f"{path}: answered with 503" in refusal_of("BTCUSDT", "2026-01")
    assert archive_server.fetched() == [JANUARY] * downloads.MAX_FUTILE


def test_where_nobody_answers_it_ends_at_once(
    archive_server: ArchiveServer, settings: Settings
) -> None:
    settings.BINANCE_ARCHIVES_URL = "http://127.0.0.1:9"
    printed = refusal_of("BTCUSDT", "2024")
    assert printed.startswith("http://127.0.0.1:9: no connection (")
    assert "\n" not in printed


def test_a_file_is_no_longer_than_it_may_be(archive_server: ArchiveServer, tmp_path: Path) -> None:
    path = archive_server.publish(JANUARY, january())
    files = FileServer(archive_server.url, threading.Event())
    with pytest.raises(DownloadFailed, match="bytes, over 1,000"):
        files.download(path, tmp_path / "part", lambda *_: None, max_bytes=1_000)
    assert not (tmp_path / "part").exists()


def test_a_folder_that_cannot_be_written_to_is_told(
    archive_server: ArchiveServer, tmp_path: Path
) -> None:
    (tmp_path / "archives").write_text("a file")
    assert "archives can't be written to: File exists" in refusal_of("BTCUSDT", "2026-01")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        *((text, "give a year, month or day like 2024, 2024-05, 2024-05-17") for text in (
            "24", "2024-13", "2024-5", "2024-02-30", "2024-05-17-01", "last year", "", "٢٠٢٤",
            "0000",
        )),
        ("1999", "begin in 2017"),
        ("2027", "no day of it is over yet"),
        ("2026-03", "no day of it is over yet"),
        ("2026-02-04", "no day of it is over yet"),
        ("9999-12-31", "no day of it is over yet"),
    ],
)  # fmt: skip
def test_periods_of_nonsense_or_the_future_are_refused_before_anything_is_fetched(
    archive_server: ArchiveServer, text: str, told: str
) -> None:
    with pytest.raises(BadPeriod, match=told):
        periods(text, TODAY)
    printed = refusal_of("BTCUSDT", "2026-01", text, returncode=2)
    assert printed.startswith(f"{text}: ")
    assert archive_server.asked == []


@pytest.mark.parametrize("words", [["BTCUSDT"], ["BTC-USDT", "2024"], ["B", "2024"], ["2024"]])
def test_words_that_are_neither_files_nor_a_symbol_with_periods_are_refused(
    archive_server: ArchiveServer, words: list[str]
) -> None:
    assert "like loadcandles BTCUSDT 2024" in refusal_of(*words, returncode=2)
    assert "--interval goes with a symbol" in refusal_of("a.zip", returncode=2, interval="1m")
    assert archive_server.asked == []


def test_on_the_first_of_january_the_year_has_no_day_yet() -> None:
    with pytest.raises(BadPeriod):
        periods("2026", date(2026, 1, 1))
    assert periods("2026", date(2026, 1, 2)) == ["2026-01"]
    assert periods("2026", date(2026, 2, 1)) == ["2026-01"]
    assert len(periods("2025", TODAY)) == 12
