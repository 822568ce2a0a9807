"""`.env` as editors of all kinds leave it."""

import codecs
import os

import pytest

from tradingsite.startup.env import BadSetting, env_symbols
from tradingsite.startup.env_file import BadEnvFile, load_env_file

TEXT = "SOME_PORT=9\nSOME_SYMBOLS=BTCUSDT\n"


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    for name in ("SOME_PORT", "SOME_SYMBOLS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        TEXT.encode("utf-16"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.strip().encode(),
    ],
)
def test_it_is_read_whatever_wrote_it(tmp_path, data):
    (tmp_path / ".env").write_bytes(data)
    load_env_file(tmp_path / ".env")
    assert (os.environ["SOME_PORT"], os.environ["SOME_SYMBOLS"]) == ("9", "BTCUSDT")


def test_the_environment_stands_above_it(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_PORT", "10")
    (tmp_path / ".env").write_text(TEXT)
    load_env_file(tmp_path / ".env")
    assert os.environ["SOME_PORT"] == "10"


@pytest.mark.parametrize(
    ("data", "where"),
    [(b"A=1\nB=\0\n", "line 2: holds a NUL"), (b"A=1\nB=\xff\xc3\n", "line 2: no text in UTF-8")],
)
def test_what_is_no_text_stops_the_start_with_one_line(tmp_path, data, where):
    (tmp_path / ".env").write_bytes(data)
    with pytest.raises(BadEnvFile) as refusal:
        load_env_file(tmp_path / ".env")
    assert f".env, {where}" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_folder_of_that_name_stops_it_too(tmp_path):
    (tmp_path / ".env").mkdir()
    with pytest.raises(BadEnvFile, match="cannot be read"):
        load_env_file(tmp_path / ".env")


def test_symbols_are_taken_once_each_and_in_upper_case(monkeypatch):
    monkeypatch.setenv("SOME_SYMBOLS", "BTCUSDT, btcusdt,,ethusdt ,")
    assert env_symbols("SOME_SYMBOLS", "") == ["BTCUSDT", "ETHUSDT"]


@pytest.mark.parametrize("text", ["BTC USDT", "BTC/USDT", ",", "BTCUSDT;ETHUSDT", "B" * 40])
def test_what_can_be_no_symbol_is_refused(monkeypatch, text):
    monkeypatch.setenv("SOME_SYMBOLS", text)
    with pytest.raises(BadSetting, match="as BTCUSDT,ETHUSDT"):
        env_symbols("SOME_SYMBOLS", "")
