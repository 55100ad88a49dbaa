"""What was traced, as a page that a person can click through: one file, without a server and without any address."""

import json
from importlib import resources

from orchestration_assets.lineage_views.lineage_json import traced_to_json
from semantic.lineage.trace import Traced

_PLACE = "__TRACED__"


def traced_to_page(traced: Traced) -> str:
    """The whole HTML file. What was traced stands in it as data, and is shown as text only."""
    template = resources.files("orchestration_assets.lineage_views").joinpath("page.html")
    # A text that has the end of a script in it does not end this one.
    written = json.dumps(traced_to_json(traced), ensure_ascii=True, default=str)
    safe = written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return template.read_text().replace(_PLACE, safe)
