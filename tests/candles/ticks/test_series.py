"""Hour files of ticks: whatever is cut off, damaged or doubled, each id stands once, in order."""

import gzip
import hashlib
import os
import zipfile
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from candles.live.lease import Fenced
from candles.ticks import hour_file, series
from candles.ticks.hour_file import FileLost, HourFile
from candles.ticks.hours import HOUR_MS, Hour, TickFolder, checksum_path
from candles.ticks.rows import encode_rows
from sandbox.data.recordings import read_recordings
from tests.builders import NOON_MS, tick
from tests.candles.ticks.files import BTC, begun, text_of, trades, written
from tests.laws import examples

OPEN = "BTCUSDT-aggTrades-2026-01-02-12.csv.gz"
SEALED = "BTCUSDT-aggTrades-2026-01-02-12.zip"


def test_a_row_has_the_columns_of_binances_archives() -> None:
    amount = Decimal("0.00000050")
    row = tick(
        "0.00000100",
        quantity=amount,
        tick_id=7,
        first_trade_id=11,
        last_trade_id=13,
        buyer_is_maker=True,
    )
    assert encode_rows([row]) == b"7,0.00000100,0.00000050,11,13,1767355200000000,True,True\n"


def test_an_hour_is_sealed_with_its_checksum_once_a_later_tick_is_written(tmp_path: Path) -> None:
    all_ticks = trades(0, 9, every_ms=HOUR_MS // 5)
    written(tmp_path, all_ticks[:3], all_ticks[3:7], all_ticks[7:])
    folder = tmp_path / BTC
    names = sorted(path.name for path in folder.iterdir())
    assert names == [SEALED, f"{SEALED}.CHECKSUM", OPEN.replace("-12.", "-13.")]
    said = (folder / f"{SEALED}.CHECKSUM").read_text()
    assert said == f"{hashlib.sha256((folder / SEALED).read_bytes()).hexdigest()}  {SEALED}\n"
    assert text_of(tmp_path) == encode_rows(all_ticks)
    with zipfile.ZipFile(folder / SEALED) as archive:
        assert archive.testzip() is None
        assert archive.read(archive.namelist()[0]) == encode_rows(all_ticks[:5])


def test_the_sandbox_replays_hour_files_in_sequence(tmp_path: Path) -> None:
    all_ticks = trades(0, 9, every_ms=HOUR_MS // 5)
    written(tmp_path, all_ticks[:3], all_ticks[3:7], all_ticks[7:])
    folder = tmp_path / BTC
    (recording,) = read_recordings([*folder.glob("*.gz"), *folder.glob("*.zip")])
    assert recording.symbol == BTC
    played = [(one.agg.agg_id, one.agg.time_ms, one.agg.price) for one in recording.groups]
    assert played == [(one.tick_id, one.time_ms, one.price) for one in all_ticks]


@given(st.data())
@settings(max_examples=examples(200))
def test_a_file_that_is_cut_at_any_byte_goes_on_with_each_id_once(data: st.DataObject) -> None:
    all_ticks = trades(0, 59, every_ms=data.draw(st.sampled_from([10, HOUR_MS // 25])))
    ends = sorted(data.draw(st.sets(st.integers(1, 59), max_size=6)))
    runs = [all_ticks[a:b] for a, b in zip([0, *ends], [*ends, 60], strict=True)]
    with TemporaryDirectory() as name:
        root = Path(name)
        written(root, *runs).release()
        (path,) = (root / BTC).glob("*.csv.gz")
        cut = path.read_bytes()[: data.draw(st.integers(0, path.stat().st_size))]
        path.write_bytes(cut + bytes(data.draw(st.sampled_from([0, 0, 100]))))
        again = begun(root)
        # The successor's offset lies anywhere: it folds some again, or finds that some are missing.
        first = data.draw(st.integers(0, 59))
        again.add(all_ticks[first:])
        again.write()
        if (missing := again.missing_from) is not None:
            assert missing < first
            again.add_fetched(all_ticks[missing:first])
            again.write()
        if text_of(root) != encode_rows(all_ticks):
            # Nothing was left to go on from: the files begin where the successor does.
            assert text_of(root) == encode_rows(all_ticks[first:])
        again.release()


def test_doubles_are_skipped_and_ticks_beyond_a_gap_wait_for_it(tmp_path: Path) -> None:
    all_ticks = trades(1, 9)
    one = written(tmp_path, all_ticks[:4], all_ticks[2:4], all_ticks[6:])
    assert one.missing_from == 5
    assert text_of(tmp_path) == encode_rows(all_ticks[:4])
    one.add_fetched(all_ticks[4:8])
    one.write()
    assert one.missing_from is None
    assert text_of(tmp_path) == encode_rows(all_ticks)


def test_only_what_the_exchange_does_not_have_is_left_out(tmp_path: Path) -> None:
    all_ticks = trades(1, 9)
    one = written(tmp_path, all_ticks[:2], all_ticks[7:])
    one.add_fetched([all_ticks[3], all_ticks[5]])  # it has neither 3 nor 5
    one.write()
    assert one.missing_from == 7
    one.add_fetched([])
    one.write()
    there = [all_ticks[place] for place in (0, 1, 3, 5, 7, 8)]
    assert text_of(tmp_path) == encode_rows(there)


def test_a_late_tick_stands_where_its_id_stands(tmp_path: Path) -> None:
    ticks = trades(0, 6, every_ms=HOUR_MS // 4)
    late = [*ticks[:5], tick(tick_id=5, time_ms=NOON_MS), *trades(6, 6, HOUR_MS // 4)]
    written(tmp_path, late)
    assert text_of(tmp_path) == encode_rows(late)


def test_a_former_leader_writes_where_nobody_looks(tmp_path: Path) -> None:
    all_ticks = trades(1, 9)
    former = written(tmp_path, all_ticks[:3])
    successor = written(tmp_path, all_ticks[3:6])
    former.add(all_ticks[3:])
    with pytest.raises(FileLost):
        former.write()
    assert text_of(tmp_path) == encode_rows(all_ticks[:6])
    former.leads = lambda: False
    former.release()
    with pytest.raises(Fenced):
        former.write()
    successor.add(all_ticks[5:])
    successor.write()
    assert text_of(tmp_path) == encode_rows(all_ticks)


def test_a_former_leader_that_went_on_to_the_next_hour_is_overtaken(tmp_path: Path) -> None:
    all_ticks = trades(0, 9, every_ms=HOUR_MS // 5)
    former = written(tmp_path, all_ticks[:7])
    HourFile.create(TickFolder(tmp_path, BTC), Hour(NOON_MS + 2 * HOUR_MS))
    former.add(all_ticks[7:])
    former.write()
    further = trades(10, 11, every_ms=HOUR_MS // 5)
    former.add(further)
    with pytest.raises(FileLost):  # somebody has begun that hour
        former.write()
    former.release()
    former.write()
    assert text_of(tmp_path) == encode_rows([*all_ticks, *further])


def test_ids_that_begin_anew_begin_a_file_of_their_own(tmp_path: Path) -> None:
    before, after = trades(100, 104), trades(1, 3, start_ms=NOON_MS + 200_000)
    one = written(tmp_path, before, [*trades(103, 105), *after])
    assert one.missing_from is None
    assert text_of(tmp_path) == encode_rows([*trades(100, 105), *after])
    assert (tmp_path / BTC / OPEN.replace("-12.", "-12-2.")).exists()
    one.release()
    written(tmp_path, trades(2, 5, start_ms=NOON_MS + 200_000))
    assert text_of(tmp_path) == encode_rows(
        [*trades(100, 105), *trades(1, 5, start_ms=NOON_MS + 200_000)]
    )


def test_a_seal_that_was_interrupted_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_ticks = trades(0, 9, every_ms=HOUR_MS // 5)
    one = written(tmp_path, all_ticks[:5])

    def killed(*_: object) -> None:
        raise OSError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(hour_file, "finish_seal", killed)
        one.add(all_ticks[5:])
        with pytest.raises(OSError, match="killed"):
            one.write()
    (tmp_path / BTC / f".{SEALED}.0.tmp").write_bytes(b"half of it")
    written(tmp_path, all_ticks)
    names = {path.name for path in (tmp_path / BTC).iterdir()}
    assert names == {SEALED, f"{SEALED}.CHECKSUM", OPEN.replace("-12.", "-13.")}
    assert text_of(tmp_path) == encode_rows(all_ticks)


def test_a_full_disk_leaves_the_file_whole_and_the_ticks_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_ticks = trades(1, 9)
    one = written(tmp_path, all_ticks[:3])

    def full(descriptor: int, data: bytes) -> None:
        os.write(descriptor, data[:10])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(hour_file, "_write_all", full)
        patched.setattr(series, "MAX_WAITING", 2)
        for ticks in (all_ticks[3:8], all_ticks[8:]):
            one.add(ticks)
            with pytest.raises(OSError, match="No space"):
                one.write()
    assert text_of(tmp_path) == encode_rows(all_ticks[:3])
    one.add(all_ticks[8:])
    one.write()
    assert one.missing_from == 6  # more than may wait were dropped
    one.add_fetched(all_ticks[5:8])
    one.write()
    assert text_of(tmp_path) == encode_rows(all_ticks)


def test_half_a_write_that_cannot_be_taken_back_is_cut_off_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_ticks = trades(1, 9)
    one = written(tmp_path, all_ticks[:3])

    def broken(descriptor: int, data: bytes | int) -> None:
        if isinstance(data, bytes):
            os.write(descriptor, data[:10])
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(hour_file, "_write_all", broken)
        patched.setattr(os, "ftruncate", broken)
        one.add(all_ticks[3:])
        with pytest.raises(OSError, match="Input/output"):
            one.write()
    with pytest.raises(FileLost):
        one.write()
    one.release()
    one.write()
    assert text_of(tmp_path) == encode_rows(all_ticks)


@pytest.mark.parametrize("damage", ["flipped", "nonsense"])
def test_a_damaged_open_file_is_set_aside_and_its_rest_fetched(tmp_path: Path, damage: str) -> None:
    all_ticks = trades(1, 9)
    written(tmp_path, all_ticks[:3], all_ticks[3:6]).release()
    path = tmp_path / BTC / OPEN
    whole = path.read_bytes()
    bad = bytearray(whole) if damage == "flipped" else whole + gzip.compress(b"1,2,3\n")
    if isinstance(bad, bytearray):
        bad[-6] ^= 255  # of the second member's checksum
    path.write_bytes(bad)
    one = written(tmp_path, all_ticks[6:])
    assert path.with_name(f"{OPEN}.damaged").read_bytes() == bad
    if damage == "flipped":
        assert one.missing_from == 4
        one.add_fetched(all_ticks[3:6])
        one.write()
    assert text_of(tmp_path) == encode_rows(all_ticks)


def test_a_damaged_sealed_hour_at_the_end_is_set_aside_and_fetched(tmp_path: Path) -> None:
    all_ticks = trades(0, 14, every_ms=HOUR_MS // 5)
    written(tmp_path, all_ticks[:12]).release()
    folder = TickFolder(tmp_path, BTC)
    folder.open_path(Hour(NOON_MS + 2 * HOUR_MS)).unlink()
    sealed = folder.sealed_path(Hour(NOON_MS + HOUR_MS))
    sealed.write_bytes(sealed.read_bytes()[:-20])
    one = written(tmp_path, all_ticks[12:])
    assert sealed.with_name(f"{sealed.name}.damaged").exists()
    assert not checksum_path(sealed).exists()
    assert one.missing_from == 5
    one.add_fetched(all_ticks[5:12])
    one.write()
    assert text_of(tmp_path) == encode_rows(all_ticks)
    assert checksum_path(sealed).exists()
