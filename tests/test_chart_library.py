"""The committed chart library: unchanged, and of the version that types and licence belong to."""

import hashlib
import json

from tests.servers import ROOT

VENDORED = ROOT / "static" / "vendor" / "lightweight-charts"


def test_the_committed_file_has_the_recorded_hash():
    recorded, name = (VENDORED / "SHA256SUMS").read_text().split()
    assert hashlib.sha256((VENDORED / name).read_bytes()).hexdigest() == recorded


def test_its_version_is_the_one_that_is_recorded_and_pinned():
    _, name = (VENDORED / "SHA256SUMS").read_text().split()
    package = json.loads((ROOT / "package.json").read_text())
    version = package["devDependencies"]["lightweight-charts"]
    assert f"Lightweight Charts™ v{version}\n" in (VENDORED / name).read_text()[:200]
    assert (VENDORED / "README.md").read_text().startswith(f"# Lightweight Charts {version}\n")
