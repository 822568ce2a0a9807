"""`make chart`: copies the chart library out of `node_modules` into `static/vendor`.

Takes the browser's one file and the licence, and records version and SHA-256 beside them. Where a
SHA-256 is given, a file with another one is not copied.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "node_modules" / "lightweight-charts"
VENDORED = ROOT / "static" / "vendor" / "lightweight-charts"
FILE = "lightweight-charts.standalone.production.mjs"
README = """\
# Lightweight Charts {version}

TradingView's chart library for the browser, unchanged: `LICENSE` and
`{file}`
of the npm package `lightweight-charts` {version}. Apache License 2.0, which asks for the
attribution in the page's footer; the file contains `fancy-canvas` (MIT) by the same authors.

The page loads the file as it is: no build, and nothing is fetched at set-up. `SHA256SUMS` holds its
hash (`sha256sum --check SHA256SUMS`). `make chart` writes this folder:

    make chart                        # again, from the pinned version
    make chart CHART_VERSION={version}    # another version; CHART_SHA256=… refuses any other file
"""


def vendor(expected: str | None) -> None:
    """Raises SystemExit where the package's file hasn't the `expected` SHA-256."""
    content = (PACKAGE / "dist" / FILE).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if expected not in (None, digest):
        sys.exit(f"{FILE} has SHA-256 {digest}, not {expected}: not copied")
    version = json.loads((PACKAGE / "package.json").read_text())["version"]
    (VENDORED / FILE).write_bytes(content)
    (VENDORED / "LICENSE").write_bytes((PACKAGE / "LICENSE").read_bytes())
    (VENDORED / "SHA256SUMS").write_text(f"{digest}  {FILE}\n")
    (VENDORED / "README.md").write_text(README.format(version=version, file=FILE))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sha256", help="refuse a file with another hash")
    vendor(parser.parse_args().sha256)
