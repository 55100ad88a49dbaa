"""The catalogue as a model is given it: all that its reader may use, nothing else, and every set of dimensions once."""

from semantic.catalog_text import catalog_text, shown
from semantic.policy import Reader
from tests.conftest import OpenDoor

POLICY = """
rules:
  - {permit: p, readers: [ana, refresh], metrics: [orders, return_rate, customers], dimensions: [order__status, customer__region]}
"""


def test_a_text_holds_what_the_reader_may_use_and_each_set_of_dimensions_once(
    open_door: OpenDoor,
) -> None:
    door = open_door(policy=POLICY)
    lines = catalog_text(door.describe_all(Reader(name="ana"))).splitlines()
    times = "metric_time (day, week, month, quarter, year)"
    assert lines[1:4] == [
        "customers [1]: Customers",
        "orders [2], orders: Orders placed.",
        "return_rate [2]: Return rate",
    ]
    assert lines[5:] == [
        f"[1] customer__region, {times}",
        f"[2] customer__region, {times}, order__status",
    ]
    assert catalog_text(door.describe_all(Reader(name="nobody"))).count("\n") == 1


def test_what_cannot_be_seen_does_not_reach_a_model() -> None:
    hidden = "".join(map(chr, (0x202E, 0x200B, 0xE0041, 0x07, 0xFEFF)))
    assert shown(f"Orders\n\n placed{hidden}.\tAll", 100) == "Orders placed. All"
    assert shown("x" * 200, 10) == "xxxxxxx..."
