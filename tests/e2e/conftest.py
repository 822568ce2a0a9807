"""Whole systems for tests that watch one from outside."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.servers import Sandbox, Site

Built = tuple[Sandbox, Site]


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Callable[..., Built]]:
    """Builds a sandbox with the given options and a site with the given settings on it."""
    with ExitStack() as stack:

        def build(*options: str, **settings: str) -> Built:
            sandbox = Sandbox(tmp_path, *options)
            stack.callback(sandbox.stop)
            site = Site(tmp_path / "site", sandbox.environment | settings)
            stack.callback(site.stop)
            return sandbox, site

        yield build
