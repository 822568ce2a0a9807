"""`python launcher/step.py TITLE COMMAND…`: one step of the set-up, with the time it takes.

What the command prints is shown where it fails. Needs nothing but Python, for it runs before
anything is installed.
"""

import subprocess
import sys
import tempfile
import time

TELL_EVERY = 5.0  # seconds


def main(title: str, command: list[str]) -> int:
    begun = tell_at = time.monotonic()
    tell(f"{title} …")
    with tempfile.TemporaryFile() as output, subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
    ) as process:  # fmt: skip
        while process.poll() is None:
            time.sleep(0.1)
            if time.monotonic() > tell_at + TELL_EVERY:
                tell_at = time.monotonic()
                tell(f"  … {tell_at - begun:.0f} s")
        if process.returncode:
            output.seek(0)
            sys.stderr.write(output.read().decode(errors="replace"))
    outcome = f"failed (code {process.returncode})" if process.returncode else "done"
    tell(f"{title}: {outcome} after {time.monotonic() - begun:.0f} s")
    return process.returncode


def tell(text: str) -> None:
    sys.stdout.write(f"[set-up] {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1], sys.argv[2:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except FileNotFoundError as missing:
        sys.exit(f"{missing.filename} is not installed")
