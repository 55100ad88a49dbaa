"""The figures of ways that took turns: each beside its peer, round by round."""

from benchmarks.answered import Answered
from benchmarks.timing import Times

ANSWERED = Answered(
    benchmark="read",
    data_set="shop",
    question="total",
    times={
        "sql": Times(taken=(10.0, 20.0, 10.0, 20.0, 10.0, 20.0)),
        "door": Times(taken=(11.0, 22.0, 11.0, 22.0, 11.0, 22.0)),
    },
)


def test_a_way_is_compared_round_by_round():
    found = ANSWERED.figure("door", peer="sql", at_most=1.0).plain()
    assert found["name"] == "shop, total: door"
    assert found["ratio"] == 1.1
    assert found["target"] == "<= 1.00"
    assert found["reached"] is False
    assert found["ratio_interval_95"] == [1.1, 1.1]
    assert ANSWERED.figure("door", peer="sql", at_most=1.1).reached is True
    assert ANSWERED.figure("door", peer="sql", above=1.0).reached is True


def test_what_others_are_compared_with_has_no_ratio():
    found = ANSWERED.figure("sql").plain()
    assert found["value"] == 15.0
    assert not {"peer", "ratio", "target", "reached"} & set(found)


def test_a_way_after_the_others_is_compared_by_medians():
    found = ANSWERED.after("mf", Times(taken=(300.0, 330.0, 360.0)), peer="door", at_least=200)
    assert found.ratio == 20.0
    assert found.reached is False
    assert found.details["quartiles"] == [300.0, 360.0]


def test_a_way_that_cannot_answer_says_why():
    found = ANSWERED.cannot("boring", peer="door", reason="no conversions").plain()
    assert found["value"] is None
    assert found["cannot"] == "no conversions"
