"""Tables of a document hold what was measured, and the words around them stay."""

from benchmarks.markdown import filled

READ = {"benchmark": "reads", "data_set": "shop", "unit": "ms", "name": ""}
FIGURES = [
    READ | {"query": "total", "way": "raw SQL text", "value": 6.154},
    READ | {"query": "total", "way": "sidemantic", "value": 1234.5, "ratio": 1.0456, "reached": False},
    READ | {"query": "by day", "way": "sidemantic", "value": None},
    {"benchmark": "scale", "name": "1,000 metrics", "value": 2.5, "unit": "s"},
]  # fmt: skip
DOCUMENT = """Before.

<!-- figures of reads -->
old
<!-- end -->

Between.

<!-- figures of scale -->
<!-- end -->

After.
"""


def test_tables_are_written_between_their_markers() -> None:
    assert filled(DOCUMENT, FIGURES) == (
        "Before.\n\n<!-- figures of reads -->\n\n"
        "| shop, ms | SQL text | sidemantic |\n| --- | ---: | ---: |\n"
        "| total | 6.15 | **1,234, x1.05** |\n| by day |  | cannot |\n\n<!-- end -->\n\n"
        "Between.\n\n<!-- figures of scale -->\n\n"
        "| figure |  |  |\n| --- | ---: | --- |\n| 1,000 metrics | 2.5 | s |\n\n<!-- end -->\n\nAfter.\n"
    )


def test_tables_that_are_written_again_are_the_same() -> None:
    once = filled(DOCUMENT, FIGURES)
    assert filled(once, FIGURES) == once
