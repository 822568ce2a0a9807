"""`python -m sandbox` as a process."""

import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket

from sandbox.__main__ import main
from tests.servers import HANG_S, Sandbox, eventually

pytestmark = pytest.mark.processes

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]


def run(*options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sandbox", *options]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def refused(*options: str) -> str:
    """Error output of a start that is refused."""
    process = run(*options)
    out, err = process.communicate(timeout=HANG_S)
    assert (process.returncode, out) == (2, "")
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_listens_and_stops_when_asked(by: signal.Signals) -> None:
    process = run("--port", "0", "--symbols", "DOGEUSDT", "--seed", "9")
    assert process.stdout
    line = process.stdout.readline()
    assert line.startswith("sandbox: http://127.0.0.1:")
    assert "random market, seed 9" in line
    assert "DOGEUSDT" in line
    url = line.split()[1].rstrip(",")
    assert requests.get(f"{url}/api/v3/ping", timeout=HANG_S).json() == {}
    process.send_signal(by)
    assert process.communicate(timeout=HANG_S) == ("", "")
    assert process.returncode == 0


def test_a_storm_and_a_lifetime_can_be_had_from_the_start(tmp_path: Path) -> None:
    options = ("--storm", "7", "--storm-every", "0.05", "--storm-faults", "duplicate,hole_ids")
    sandbox = Sandbox(tmp_path, *options, "--lifetime", "1.5")
    assert eventually(lambda: len(faults(sandbox)["injected"]) > 5)
    assert faults(sandbox)["storm"]["faults"] == ["duplicate", "hole_ids"]
    socket = websocket.create_connection(f"{sandbox.stream_url}/ws", timeout=HANG_S)
    assert socket.recv_data(control_frame=True)[0] == websocket.ABNF.OPCODE_CLOSE
    assert len(sandbox.calm()) > 5
    assert ", storm 7, " in sandbox.text()
    sandbox.stop()


def faults(sandbox: Sandbox) -> Any:
    return requests.get(f"{sandbox.rest_url}/sandbox/faults", timeout=HANG_S).json()


def test_a_taken_port_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        received = refused("--port", str(port))
    assert received == f"sandbox: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_a_bad_replay_file_is_one_clear_line(tmp_path: Path) -> None:
    bad = tmp_path / "BTCUSDT-1.csv"
    bad.write_text("1,2,3,4,x,True,True\n")
    assert refused("--replay", str(bad)) == f"sandbox: {bad}:1: 'x' is not a whole number\n"
    gone = tmp_path / "ETHUSDT-1.csv"
    assert refused("--replay", str(gone)).count("\n") == 1


def test_a_symbol_without_a_known_quote_asset_is_one_clear_line() -> None:
    received = refused("--symbols", "BTCXYZ")
    assert received.startswith("sandbox: argument --symbols: 'BTCXYZ' ends in no known quote asset")
    assert "use one of USDT, " in received
    assert received.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [
        ["--fee", "2"],
        ["--fee-asset", "GOLD"],
        ["--speed", "0"],
        ["--speed", "2"],
        ["--port", "x"],
        ["--symbols", "XYZ"],
        ["--lifetime", "0"],
        ["--storm", "x"],
        ["--storm-every", "2"],
        ["--storm-every", "0.001", "--storm", "1"],
        ["--storm-faults", "sulk", "--storm", "1"],
    ],
)
def test_a_bad_option_is_refused(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["sandbox", *options])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert options[0] in capsys.readouterr().err
