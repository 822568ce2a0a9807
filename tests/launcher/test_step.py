import subprocess
import sys

from tests.servers import ROOT


def step(*command: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(ROOT / "launcher" / "step.py"), "Packages", *command]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_a_step_says_what_it_does_and_how_long_it_took():
    done = step("sh", "-c", "echo noise")
    assert done.returncode == 0
    assert done.stdout == "[set-up] Packages …\n[set-up] Packages: done after 0 s\n"


def test_a_failed_step_shows_what_was_printed():
    failed = step("sh", "-c", "echo because; exit 3")
    assert failed.returncode == 3
    assert "because" in failed.stderr
    assert "failed (code 3)" in failed.stdout


def test_a_missing_program_is_one_line():
    assert step("no-such-program").stderr == "no-such-program is not installed\n"
