"""Lineage as a page and as a flowchart: names are text, whatever they hold."""

import json
import re

import pytest

from orchestration_assets.lineage_views.mermaid import traced_to_mermaid
from orchestration_assets.lineage_views.page import traced_to_page
from semantic.lineage.graph import Edge, How, Kind, LineageGraph, Node, Place
from semantic.lineage.trace import Traced

HOSTILE = ["</script><script>alert(1)</script>", '"]; click n0 "x"', "a\nb\u2028c", "<!--", "`&#<>"]


def of(name: str) -> Traced:
    start, end = Place(Kind.METRIC, name), Place(Kind.AGENT, f"reader of {name}")
    return Traced(
        start=start,
        graph=LineageGraph(
            [Node(place=start, label=name, facts={"owner": name}), Node(place=end, label=name)],
            [Edge(start=start, end=end, how=How.REFUSED)],
        ),
        notices=(name,),
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_does_not_end_the_script_that_it_stands_in(name: str) -> None:
    page = traced_to_page(of(name))
    assert page.count("<script") == traced_to_page(of("orders")).count("<script") == 2
    [written] = re.findall(r'id="traced">(.*)</script>\n<script>', page)
    assert json.loads(written)["start"]["name"] == name


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_does_not_end_the_label_that_it_stands_in(name: str) -> None:
    lines = traced_to_mermaid(of(name)).splitlines()
    assert len(lines) == len(traced_to_mermaid(of("orders")).splitlines())
    for line in lines[1:3]:
        [label] = re.findall(r'^  n\d\["(.*)"\]:::\w+$', line)
        assert not set(label) & set('"<>`')
