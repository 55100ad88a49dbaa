"""Texts that are found by the words that they share with a question, without a model and without an index outside this process."""

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from typing import Generic, Protocol, TypeVar

_WORD = re.compile(r"[^\W_]{2,}")
# Of so many items, a word that more than this share of them have tells them not apart.
_MANY, _TELLING_SHARE = 100, 0.5


class HasText(Protocol):
    """Something with a text."""

    @property
    def text(self) -> str: ...


TextT = TypeVar("TextT", bound=HasText)


class Searched(Generic[TextT]):
    """Some items, the newest first, with their words."""

    def __init__(self, items: Sequence[TextT] = ()) -> None:
        self.items = tuple(items)

    def best(self, about: str) -> Sequence[TextT]:
        """Those that share words with what is asked about, the rarest words counting most and the newer ones first; all where nothing is asked. Of many items,
        words that most of them have are looked at only where there are no others.
        """
        wanted = set(_WORD.findall(about.casefold()))
        if not wanted:
            return self.items
        places = [self._places[word] for word in wanted if word in self._places]
        most = max(_MANY, _TELLING_SHARE * len(self.items))
        telling = [those for those in places if len(those) <= most]
        scores: dict[int, float] = defaultdict(float)
        for those in telling or places:
            for place in those:
                scores[place] += 1 / len(those)
        return [self.items[it] for it in sorted(scores, key=lambda place: (-scores[place], place))]

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        """Where each word stands, in order."""
        found: dict[str, list[int]] = defaultdict(list)
        for place, item in enumerate(self.items):
            for word in set(_WORD.findall(item.text.casefold())):
                found[word].append(place)
        return dict(found)
