"""The site that joins the apps; imported first by every process of ours.

structlog imports what it finds installed, Twisted and rich, and none of our processes but web
needs either: together they would be a third of beat's memory.
"""

import sys
from typing import Any, cast

_modules = cast(dict[str, Any], sys.modules)
_not_needed = {"rich", "structlog.twisted"} - _modules.keys()
_modules.update(dict.fromkeys(_not_needed))  # None: importing it raises ImportError
import structlog  # noqa: E402, F401

for _name in _not_needed:
    del _modules[_name]  # whoever else needs it gets it
