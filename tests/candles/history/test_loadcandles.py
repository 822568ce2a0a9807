import gzip
import zipfile
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings
from redis import Redis

from candles.history.archives import Archive, BadArchive, BadArchiveRow
from candles.history.loading import MAX_SHOWN, LoadReport, load_archive
from candles.models import Candle, Verdict
from foundation.times import to_ms, to_time
from market.models import Symbol
from market.services import UNLISTED
from tests.builders import NOON_MS, candle, symbol
from tests.candles.klines import minute_ms
from tests.servers import Sandbox

pytestmark = pytest.mark.django_db

# What the recordings' README says of each window: missing minutes, off the boundary, and, where
# it says so, without volume.
EDGES = {
    "2017-08-17_2017-08-31": (0, 0, {"BTCUSDT": 6_974, "ETHUSDT": 5_806}),
    "2017-12-03_2017-12-19": (76, 20_401, {}),
    "2018-02-07_2018-02-11": (2_058, 1_201, {}),
    "2021-08-12_2021-08-14": (270, 0, {}),
    "2023-03-23_2023-03-25": (80, 0, {"BTCUSDT": 72, "ETHUSDT": 72}),
}


@pytest.fixture(autouse=True)
def offline(settings: Settings) -> None:
    settings.BINANCE_REST_URL = "http://127.0.0.1:9"


def six(minute: int, volume: str = "1.5") -> str:
    return f"{minute_ms(minute)},100.00,101,99.5,100.10,{volume}"


def twelve(minute: int, factor: int = 1) -> str:
    open_ms = minute_ms(minute)
    first = six(minute).replace(str(open_ms), str(open_ms * factor))
    return f"{first},{(open_ms + 59_999) * factor},150.1,7,0.5,50.05,0"


def of_five_minutes(minute: int) -> str:
    return twelve(minute).replace(str(minute_ms(minute) + 59_999), str(minute_ms(minute + 5) - 1))


def file(folder: Path, *lines: str, name: str = "BTCUSDT-1m-2026-01.csv") -> Path:
    path, text = folder / name, "".join(f"{line}\n" for line in lines)
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name.replace(".zip", ".csv"), text)
    else:
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def load(path: Path, now_ms: int = NOON_MS + 10**9) -> LoadReport:
    archive = Archive(path)
    of = Symbol.objects.filter(name=archive.symbol).first() or symbol(archive.symbol)
    return load_archive(archive, of, now_ms, lambda: None)


def command(*paths: Path) -> str:
    out = StringIO()
    call_command("loadcandles", *map(str, paths), stdout=out, stderr=out)
    return out.getvalue()


@pytest.mark.parametrize("window", EDGES)
@pytest.mark.parametrize("name", ["BTCUSDT", "ETHUSDT"])
def test_recorded_irregularities_are_loaded_as_they_are_and_counted(
    more_recorded: Path, name: str, window: str
) -> None:
    path = more_recorded / "klines" / "edge" / f"{name}-1m-{window}.csv.gz"
    report = load(path)
    missing, off_boundary, without_volume = EDGES[window]
    assert (report.missing, report.off_boundary) == (missing, off_boundary)
    assert report.without_volume == without_volume.get(name, report.without_volume)
    assert (report.unreadable, report.duplicates, report.out_of_order) == (0, 0, 0)
    assert report.new == report.rows == Candle.objects.count()
    off = [time for time in Candle.objects.values_list("open_time", flat=True) if time.second]
    assert len(off) == off_boundary


@pytest.mark.parametrize("name", ["BTCUSDT-1m-a.csv", "BTCUSDT-1m-a.csv.gz", "BTCUSDT-1m-a.zip"])
def test_the_exchanges_archive_gives_exact_candles_with_or_without_a_header(
    tmp_path: Path, name: str
) -> None:
    header = "open_time,open,high,low,close,volume,close_time,quote_volume,count,a,b,ignore"
    report = load(file(tmp_path, header, twelve(0), twelve(1), name=name))
    assert (report.rows, report.new, report.unreadable) == (2, 2, 0)
    row = Candle.objects.earliest("open_time")
    assert (row.verdict, to_ms(row.open_time)) == (Verdict.EXACT, NOON_MS)
    numbers = (row.high, row.volume, row.quote_volume, row.trades, row.taker_quote_volume)
    assert [str(number) for number in numbers] == ["101", "1.5", "150.1", "7", "50.05"]


def test_microseconds_are_times_too(tmp_path: Path) -> None:
    load(file(tmp_path, twelve(0, factor=1000), twelve(1)))
    times = Candle.objects.order_by("open_time").values_list("open_time", flat=True)
    assert list(times) == [to_time(minute_ms(0)), to_time(minute_ms(1))]


def test_what_six_columns_lack_stays_unknown_and_unverified(tmp_path: Path) -> None:
    load(file(tmp_path, six(0)))
    row = Candle.objects.get()
    assert (row.verdict, row.quote_volume, row.trades) == (Verdict.UNVERIFIED, None, None)
    assert (row.revision, row.differed) == (1, {})


def test_loading_twice_changes_nothing_and_what_stands_stays(tmp_path: Path) -> None:
    candle(symbol(), "7", verdict=Verdict.REPAIRED).save()
    path = file(tmp_path, six(0), six(1), twelve(2))
    assert (load(path).new, load(path).new) == (2, 0)
    before = list(Candle.objects.values())
    report = load(path)
    assert (report.stored, report.stored_otherwise) == (2, 1)
    assert list(Candle.objects.values()) == before


def test_rows_that_are_odd_are_told_and_the_rest_is_loaded(tmp_path: Path) -> None:
    lines = [six(0), "", six(1, "x"), six(2)[:-4], "1,2", f"{minute_ms(3)},1,9,2,3,1",
             "1767355200,1,1,1,1,1", six(5), six(4, "0"), six(5), six(9), six(99)]  # fmt: skip
    report = load(file(tmp_path, *lines), now_ms=minute_ms(60))
    assert (report.rows, report.new, report.unreadable) == (11, 4, 6)
    assert report.bad_rows == [
        BadArchiveRow(3, "volume is 'x'"),
        BadArchiveRow(4, "5 columns instead of 6 or 12"),
        BadArchiveRow(5, "2 columns instead of 6 or 12"),
        BadArchiveRow(6, "prices 1, 9, 2, 3 are not all between low and high"),
        BadArchiveRow(7, "open time 1767355200 is neither milliseconds nor microseconds"),
        BadArchiveRow(12, "not closed before 2026-01-02 13:40:00"),
    ]
    assert (report.duplicates, report.out_of_order, report.without_volume) == (1, 1, 1)
    assert (report.missing, report.gaps) == (6, 2)


@pytest.mark.parametrize(
    "value", ["NaN", "-1", "1e3", "1_0", "٣", " 1", "", "1" * 16, f"1.{'0' * 13}"]
)
def test_a_number_is_digits_and_a_point(tmp_path: Path, value: str) -> None:
    assert load(file(tmp_path, six(0, value))).bad_rows == [
        BadArchiveRow(1, f"volume is {value!r}")
    ]


def test_trades_are_as_many_as_we_can_keep_and_a_price_is_above_zero(tmp_path: Path) -> None:
    many = twelve(0).replace(",7,", f",{2**63},")
    assert many != twelve(0)
    report = load(file(tmp_path, many, f"{minute_ms(1)},0,1,0,1,1", twelve(2)))
    assert report.bad_rows == [
        BadArchiveRow(1, f"trades is '{2**63}'"),
        BadArchiveRow(2, "low is 0, which is no price"),
    ]
    assert report.new == 1


def test_a_line_without_an_end_is_not_read_to_it(tmp_path: Path) -> None:
    assert "line 2 has no end" in refusal_of(file(tmp_path, six(0), "1" * 100_000_000))


def test_of_many_bad_rows_the_first_are_told(tmp_path: Path) -> None:
    report = load(file(tmp_path, *["nonsense"] * 50))
    assert (report.unreadable, len(report.bad_rows)) == (50, MAX_SHOWN)
    assert "and 30 more" in refusal_of(tmp_path / "BTCUSDT-1m-2026-01.csv")


def refusal_of(*paths: Path) -> str:
    """What the command prints where it fails."""
    out = StringIO()
    with pytest.raises(CommandError) as error:
        call_command("loadcandles", *map(str, paths), stdout=out, stderr=out)
    return f"{out.getvalue()}{error.value}"


def test_a_damaged_file_keeps_what_lay_before_the_damage(tmp_path: Path) -> None:
    whole = file(
        tmp_path, *(six(n, f"{n * 37 % 101}.{n}") for n in range(2000)), name="BTCUSDT-1m-a.csv.gz"
    )
    whole.write_bytes(whole.read_bytes()[:-2000])
    printed = refusal_of(whole)
    assert "damaged after line" in printed
    assert "1 of 1 files could not be read" in printed
    assert 0 < Candle.objects.count() < 2000


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("BTCUSDT.csv", "give it a name like BTCUSDT-1m-2024-01.zip"),
        ("BTCUSDT-1w-2024.csv", "no candles of 1w are kept, only of 1s, 1m"),
        ("NOQUOTE-1m-2024.csv", "nor does its name end in a known quote asset"),
        ("BTCUSDT-1m-2024.zip", "File is not a zip file"),
    ],
)
def test_a_file_that_cannot_be_loaded_says_why_and_the_others_are(
    tmp_path: Path, name: str, told: str
) -> None:
    bad = tmp_path / name
    bad.write_text(six(0))
    printed = refusal_of(bad, tmp_path / "gone", file(tmp_path, six(0), name="ETHUSDT-1m-a.csv"))
    assert told in printed
    assert "gone: there is no such file" in printed
    assert "2 of 3 files" in printed
    assert Candle.objects.count() == 1


def test_a_zip_with_several_files_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-1m-a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a.csv", "b.csv"):
            archive.writestr(name, six(0))
    with pytest.raises(BadArchive, match="2 CSV files in it"):
        list(Archive(path).rows())


def test_a_symbol_is_learned_from_the_exchange_or_from_its_name(
    tmp_path: Path, settings: Settings, sandbox: Sandbox, redis: Redis
) -> None:
    printed = command(file(tmp_path, six(0), name="PEPEFDUSD-1m-a.csv"))
    made = Symbol.objects.get(name="PEPEFDUSD")
    assert (made.base_asset, made.quote_asset) == ("PEPE", "FDUSD")
    assert (made.followed, made.status) == (False, UNLISTED)
    assert "PEPEFDUSD 1m, 2026-01-02 12:00:00 to 2026-01-02 12:00:00" in printed
    settings.BINANCE_REST_URL = sandbox.rest_url
    command(file(tmp_path, six(0), name="ETHUSDT-1m-a.csv"))
    assert Symbol.objects.get(name="ETHUSDT").status == "TRADING"


def test_the_table_shows_what_was_counted(tmp_path: Path) -> None:
    printed = command(file(tmp_path, six(0), six(1), six(4)))
    lines: dict[str, Any] = dict(line.strip().rsplit("  ", 1) for line in printed.splitlines()[1:])
    counts = {name.strip(): number.strip() for name, number in lines.items()}
    assert (counts["rows"], counts["new"], counts["missing"], counts["gaps"]) == (
        "3",
        "3",
        "2",
        "1",
    )


@pytest.mark.parametrize("name", ["BTCUSDT-1m-2026-01.csv", "BTCUSDT-1h-2026-01.csv"])
def test_a_file_of_another_interval_than_named_is_refused_by_its_close_times(
    tmp_path: Path, name: str
) -> None:
    path = file(tmp_path, *(of_five_minutes(minute) for minute in (0, 5, 10)), name=name)
    named = name.split("-")[1]
    report = load(path)
    assert report.damage == (
        f"{path}: named {named}, but its close times are of 5m; name it for what it holds"
    )
    assert not Candle.objects.exists()


def test_a_kline_that_lasts_longer_than_named_is_told_and_left_out(tmp_path: Path) -> None:
    report = load(file(tmp_path, *map(twelve, range(4)), of_five_minutes(4)))
    assert (report.new, report.unreadable) == (4, 1)
    assert report.bad_rows == [BadArchiveRow(5, "lasts 300000 ms, longer than 1m")]
