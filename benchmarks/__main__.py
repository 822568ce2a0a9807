"""All benchmarks, one after the other: `make bench`."""

import subprocess
import sys

COMMANDS = (
    ["benchmarks.stream_throughput"],
    ["benchmarks.stream_throughput", "--symbols", "500"],
    ["benchmarks.take_over"],
    ["benchmarks.memory"],
    ["benchmarks.latency", "order"],
    ["benchmarks.latency", "crowd"],
    ["benchmarks.latency", "stop"],
    ["benchmarks.latency", "page"],
    ["benchmarks.idle"],
)

if __name__ == "__main__":
    for module, *words in COMMANDS:
        print(f"== python -m {' '.join([module, *words])}", flush=True)
        subprocess.run([sys.executable, "-m", module, *words], check=True)
