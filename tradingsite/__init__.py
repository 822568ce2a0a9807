"""The site that joins the apps; imported first by every process of ours.

structlog imports Twisted and rich where they are installed, and none of our processes but web
needs either: together they would be a third of beat's memory. It has no switch for that. A None in
sys.modules is Python's own way to have an import fail as if nothing were installed ("The module
cache" in the language reference), and it stands there for this one import alone.
"""

import sys
from typing import Any, cast

_modules = cast(dict[str, Any], sys.modules)
_not_needed = {"rich", "structlog.twisted"} - _modules.keys()
_modules.update(dict.fromkeys(_not_needed))
import structlog  # noqa: E402, F401  # here and now, without those two

for _name in _not_needed:
    del _modules[_name]  # whoever else needs it gets it
