"""A generalised dimension as one that the semantic manifest declares, so that groups which share a coarser value are one group.

The dimension itself stays as it is: what a metric's own filters say of it means what it did.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from semantic.generalisation import Band, FirstCharacters


@dataclass(frozen=True, kw_only=True)
class GeneralisedElement:
    """A dimension of a semantic model, and how it is generalised."""

    model: str
    name: str
    mask: FirstCharacters | Band

    @property
    def suffix(self) -> str:
        """What its name has after that of the dimension. No dimension of a project ends so by chance."""
        return f"_ga{hashlib.sha256(repr(self).encode()).hexdigest()[:12]}"


def with_elements(semantic_manifest: str, elements: Iterable[GeneralisedElement]) -> str:
    """The semantic manifest with a dimension more for each of these."""
    manifest = json.loads(semantic_manifest)
    models = {model["name"]: model["dimensions"] for model in manifest["semantic_models"]}
    for element in elements:
        dimensions: list[dict[str, Any]] = models[element.model]
        [own] = [item for item in dimensions if item["name"] == element.name]
        dimensions.append(
            {
                **own,
                "name": f"{element.name}{element.suffix}",
                "expr": element.mask.expression(own.get("expr") or element.name),
            }
        )
    return json.dumps(manifest)
