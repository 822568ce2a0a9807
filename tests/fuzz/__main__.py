"""Run the fuzzer: `python -m tests.fuzz TARGET --seconds N --seed S`; `all` shares the time."""

import argparse
import hashlib
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from random import Random

import structlog

from tests.fuzz import requests
from tests.fuzz.mutation import mutated
from tests.fuzz.targets import TARGETS, Target

CORPUS = Path(__file__).resolve().parents[1] / "data" / "corpus"
REQUESTS = "requests"  # needs a database and Redis
MAX_INPUT_S = 2.0
MAX_GROWTH_KB = 256 * 1024


def kept(name: str) -> list[bytes]:
    """The corpus of a target: what once broke the law."""
    return [file.read_bytes() for file in sorted((CORPUS / name).glob("*"))]


def inputs(name: str, target: Target, random: Random) -> Iterator[bytes]:
    """Seeds and corpus as they are, then mutations of them without end."""
    known = [*target.seeds, *kept(name)]
    yield from known
    while True:
        yield mutated(random.choice(known), known, random)


def broken(target: Target, data: bytes) -> str | None:
    """The way in which an input breaks the law; None where it doesn't."""
    before_kb, started_s = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    try:
        target.check(data)
    except Exception as error:  # whatever the decoder lets through
        return f"{type(error).__name__}: {str(error)[:200]}"
    if (took_s := time.process_time() - started_s) > MAX_INPUT_S:
        return f"it took {took_s:.1f} s"
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    return f"it took {grown_kb // 1024} MB" if grown_kb > MAX_GROWTH_KB else None


def run(name: str, target: Target, seconds: float, seed: int) -> int:
    """Try inputs for so long; return the number of those that break the law, once a kind."""
    found, tried = dict[str, bytes](), 0
    until_s = time.monotonic() + seconds
    for tried, data in enumerate(inputs(name, target, Random(seed)), 1):  # noqa: B007
        if (why := broken(target, data)) is not None and why not in found:
            found[why] = data
            file = CORPUS / name / hashlib.sha256(data).hexdigest()[:12]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            print(f"{name}: {why}: kept as {file}")
        if time.monotonic() > until_s:
            break
    print(f"{name}: {tried} inputs, {len(found)} kinds of failure, seed {seed}")
    return len(found)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=[*TARGETS, REQUESTS, "all"])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    names = [*TARGETS, REQUESTS] if given.target == "all" else [given.target]
    seconds, failures = given.seconds / len(names), 0
    for name in names:
        with requests.prepared() if name == REQUESTS else nullcontext(TARGETS[name]) as target:
            failures += run(name, target, seconds, given.seed)
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
