"""Numbers as words."""

_UNITS = ["two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = [
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]

CARDINALS: dict[str, float] = {
    **{name: float(number) for number, name in enumerate(_UNITS, start=2)},
    **{name: float(number) for number, name in enumerate(_TEENS, start=10)},
    **{name: 10.0 * number for number, name in enumerate(_TENS, start=2)},
    **{
        f"{ten}-{unit}": 10.0 * number + one
        for number, ten in enumerate(_TENS, start=2)
        for one, unit in enumerate(["one", *_UNITS], start=1)
    },
    "zero": 0.0,
    "dozen": 12.0,
}
"""By word what it counts. `one` is left out: it is rarely a figure."""

ORDINALS: dict[str, int] = {
    name: number
    for number, names in enumerate(
        (
            ("first", "1st"),
            ("second", "2nd"),
            ("third", "3rd"),
            ("fourth", "4th"),
            ("fifth", "5th"),
            ("sixth", "6th"),
            ("seventh", "7th"),
        ),
        start=1,
    )
    for name in names
}
"""By word or digits the place that it is."""

PARTS: dict[str, float] = {
    "half": 50.0,
    "a third": 100 / 3,
    "one third": 100 / 3,
    "two thirds": 200 / 3,
    "a quarter": 25.0,
    "one quarter": 25.0,
    "three quarters": 75.0,
    "a fifth": 20.0,
    "a tenth": 10.0,
    "an eighth": 12.5,
}
"""By words the share that it is, in percent."""

MULTIPLES: dict[str, float] = {
    "twice": 2.0,
    "double": 2.0,
    "doubled": 2.0,
    "triple": 3.0,
    "tripled": 3.0,
}
"""By word how many times."""
