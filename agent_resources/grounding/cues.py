"""Words of a text that say what a number is to the cells: a change, an average, a share, a count."""


def _of(words: str) -> frozenset[str]:
    return frozenset(words.split())


ROSE = _of(
    "rose rise risen increase grew growth gain higher more up above surge jump climb exceed extra additional ahead"
)
FELL = _of(
    "fell fall fallen drop decline decrease lower less fewer down below reduction reduced shrank slower behind loss lost short"
)
CHANGED = _of(
    "change differ difference gap compared versus against than from margin by apart swing clear lead"
)
AVERAGE = _of("average mean typical usual median normal daily")
AVERAGED = _of("averaged average mean daily")
MEANS = _of("average mean median rate")
SHARE = _of("share of accounted account percent made portion proportion out every")
TOTAL = _of("total together combined overall altogether sum all")
COUNTED = _of("day days week weeks month months hour hours quarter quarters year years time times")
MEASURES = {
    **{
        name: name
        for name in _of(
            "minute minutes hour hours second seconds mile miles inch inches km kilometre kilometres kilometer kilometers "
            "mm knots dollar dollars euro euros usd eur seat seats celsius fahrenheit"
        )
    },
    "mph": "miles per hour",
    "min": "minutes",
    "mins": "minutes",
    "hrs": "hours",
}
"""By word the unit of measure that it says."""
