"""The command line, on the demonstration's record."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from agent_resources.models import resolve_model
from orchestration_assets.definitions import DBT_PROJECT
from tests.story.conftest import Said, Told

Command = Callable[..., Said]
FLIGHTS = DBT_PROJECT / "data" / "flights.parquet"


def test_reads_prints_one_object_per_read_and_metric(command: Command) -> None:
    rows = command("reads", "--json").rows
    assert len(rows) > 50
    wanted = {"read_id", "at", "agent", "run_id", "metric", "data_version", "outcome", "reason"}
    assert all(wanted <= row.keys() for row in rows)
    assert {row["outcome"] for row in rows} == {"allowed", "refused"}
    assert len({(row["read_id"], row["metric"]) for row in rows}) == len(rows)
    assert [row["at"] for row in rows] == sorted((row["at"] for row in rows), reverse=True)


def test_reads_can_be_narrowed(command: Command) -> None:
    everything = command("reads", "--json").rows
    for option, value, keep in (
        ("--metric", "cancellation_rate", lambda row: row["metric"] == "cancellation_rate"),
        ("--agent", "analyst_dl", lambda row: row["agent"] == "analyst_dl"),
        ("--run", everything[0]["run_id"], lambda row: row["run_id"] == everything[0]["run_id"]),
        (
            "--covering",
            "2013-02-09",
            lambda row: (row["covers_from"] or "9") <= "2013-02-09" <= (row["covers_to"] or "0"),
        ),
    ):
        expected = [row for row in everything if keep(row)]
        assert expected
        assert len(expected) < len(everything)
        assert command("reads", option, value, "--json").rows == expected
    refused = command("reads", "--refused", "--json").rows
    assert {row["metric"] for row in refused} == {"seats_flown"}
    assert {row["reason"] for row in refused} == {"not_available"}


def test_a_run_can_be_named_by_the_beginning_that_the_table_shows(command: Command) -> None:
    [read] = command("reads", "--agent", "network_planner", "--limit", "1", "--json").rows
    short = command("reads", "--run", read["run_id"][:8], "--json").rows
    assert short == command("reads", "--run", read["run_id"], "--json").rows != []


def test_reads_by_when_they_were(command: Command) -> None:
    everything = command("reads", "--json").rows
    newest = everything[0]["at"]
    assert command("reads", "--since", newest, "--json").rows[0]["at"] == newest
    older = command("reads", "--until", newest, "--json").rows
    assert older
    assert all(row["at"] < newest for row in older)
    assert command("reads", "--on", newest[:10], "--json").rows
    assert command("reads", "--on", "2013-02-09", "--json").rows == []


def test_the_refresh_is_a_recorded_reader(command: Command) -> None:
    rows = command("reads", "--agent", "refresh", "--json").rows
    assert {row["purpose"] for row in rows} == {"measure"}
    assert "analyst_dl" in {row["acting_for"] for row in rows}
    whole = command("reads", "--all", "--json").rows
    assert {row["agent"] for row in whole} > {"refresh", "operations_watch"}


def test_ask_is_a_governed_read(command: Command) -> None:
    said = command(
        "ask", "flights", "cancelled_flights", "--as", "analyst_dl", "--json",
        "--from", "2013-02-08", "--to", "2013-02-09", "--by", "metric_time__day",
    )  # fmt: skip
    expected = duckdb.sql(
        f"select cast(make_date(year, month, day) as varchar), count(*), "
        f"count(*) filter (where dep_time is null) from '{FLIGHTS}' "
        f"where carrier = 'DL' and month = 2 and day in (8, 9) group by all order by all"
    ).fetchall()
    assert [tuple(row.values()) for row in said.rows] == expected
    assert "filtered: only rows whose carrier is DL" in said.err
    newest = command("reads", "--agent", "analyst_dl", "--limit", "2", "--json").rows
    assert {row["metric"] for row in newest} == {"flights", "cancelled_flights"}
    assert {row["purpose"] for row in newest} == {"command line"}


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("carrier = UA", "carrier = 'UA'"),
        ("carrier in UA, DL", "carrier in ('UA', 'DL')"),
        ("carrier!=UA", "carrier != 'UA'"),
        ("destination starts_with B", "dest like 'B%'"),
        ("flight__is_cancelled = true", "dep_time is null"),
        ("metric_time__day between 2013-02-01, 2013-02-03", "month = 2 and day between 1 and 3"),
        ('carrier = "9E"', "carrier = '9E'"),
        ("carrier in 'UA,X', DL", "carrier in ('UA,X', 'DL')"),
        ("destination in (BOS, ATL)", "dest in ('BOS', 'ATL')"),
        ("destination not_in \"BOS\", 'ATL, GA',ORD", "dest not in ('BOS', 'ATL, GA', 'ORD')"),
    ],
)
def test_ask_understands_filters(command: Command, text: str, condition: str) -> None:
    said = command("ask", "flights", "--as", "platform", "--filter", text, "--json")
    expected = duckdb.sql(
        f"select count(*) from '{FLIGHTS}' where {condition} and make_date(year, month, day) <= '2013-02-09'"
    ).fetchall()
    assert said.rows == [{"flights": expected[0][0]}], said.err


def test_catalog_shows_what_a_reader_can_see(command: Command) -> None:
    rows = command("catalog", "--as", "network_planner", "--json").rows
    assert [row["metric"] for row in rows] == ["distance_flown_miles", "flights"]
    [metric] = command("catalog", "flights", "--as", "analyst_dl", "--json").rows
    assert "plane" in {item["name"] for item in metric["dimensions"]}
    [metric] = command("catalog", "flights", "--as", "network_planner", "--json").rows
    assert {"plane", "flight__tail_number"}.isdisjoint(
        item["name"] for item in metric["dimensions"]
    )


def test_catalog_is_printed_as_models_are_given_it(command: Command) -> None:
    text = command("catalog", "--as", "network_planner", "--text").out
    assert text.splitlines()[1].startswith("distance_flown_miles [1], miles: ")
    assert "tail_number" not in text
    assert "punctuality_by_carrier" in command("catalog", "--as", "operations_watch").out
    assert "punctuality_by_carrier" not in command("catalog", "--as", "network_planner").out


def test_ask_takes_all_that_a_query_can_hold(command: Command) -> None:
    said = command("ask", "flights", "--as", "platform", "--last", "2 days", "--compare", "--json")
    days = "select count(*) from '{}' where make_date(year, month, day) between '{}' and '{}'"
    now, before = (
        duckdb.sql(days.format(FLIGHTS, first, last)).fetchall()[0][0]
        for first, last in (("2013-02-08", "2013-02-09"), ("2013-02-06", "2013-02-07"))
    )
    assert said.rows == [{"flights": now, "flights__previous": before}], said.err
    by_carrier = ("ask", "flights", "--as", "platform", "--by", "carrier", "--json")
    assert command(*by_carrier, "--offset", "2").rows == command(*by_carrier).rows[2:]
    saved = command("ask", "--saved", "punctuality_by_carrier", "--as", "platform", "--json").rows
    assert {"carrier__airline_name", "metric_time__month", "on_time_rate"} <= saved[0].keys()
    reads = len(command("reads", "--json").rows)
    [explained] = command("ask", "flights", "--as", "platform", "--explain", "--json").rows
    assert explained["sql"].startswith("SELECT")
    assert len(command("reads", "--json").rows) == reads


def test_agents_is_the_registry(command: Command) -> None:
    rows = {row["agent"]: row for row in command("agents", "--json").rows}
    assert set(rows) == {
        "analyst_b6",
        "analyst_dl",
        "analyst_ua",
        "network_planner",
        "operations_watch",
    }
    planner = rows["network_planner"]
    assert planner["asks_for"] == ["distance_flown_miles", "flights", "seats_flown"]
    assert planner["is_given"] == ["distance_flown_miles", "flights"]
    assert planner["not_given"] == ["seats_flown"]
    assert {row["state"] for row in rows.values()} == {"success"}


def test_a_grant_is_unused_that_no_read_was_released_under(command: Command) -> None:
    agents = command("agents", "--json").rows
    allowed = command("reads", "--outcome", "allowed", "--json").rows
    used = {(row["agent"], row["metric"]) for row in allowed}
    expected = {(row["agent"], metric) for row in agents for metric in row["is_given"]} - used
    rows = command("unused", "--json").rows
    first = command("unused", "--json", "--limit", "1", "--sort", "-metric")
    assert first.rows[0]["metric"] == max(row["metric"] for row in rows)
    assert len(rows) == 1 or "There are more: --after" in first.err
    names = {row["agent"] for row in agents}
    assert {(row["reader"], row["metric"]) for row in rows if row["reader"] in names} == expected
    assert ("operations_watch", "average_departure_delay") in expected
    assert all(row["is_never_read"] for row in rows)
    assert "did you mean 'operations_watch'" in command("unused", "--agent", "operation_watch").err


def test_reads_are_found_by_what_they_scan(command: Command) -> None:
    rows = command("reads", "--dbt-model", "fct_flights", "--dimension", "carrier", "--json").rows
    assert "flights" in {row["metric"] for row in rows}
    assert command("reads", "--table", "main.fct_flights", "--limit", "1", "--json").rows
    counts = command("reads", "--by", "dbt_model", "--json").rows
    assert "model.nyc_flights.fct_flights" in {row["dbt_model"] for row in counts}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["reads", "--table", "fct_fligts"], "did you mean 'fct_flights'"),
        (["reads", "--metric", "cancelation_rate"], "did you mean 'cancellation_rate'"),
        (["reads", "--agent", "analyst_d1"], "did you mean 'analyst_dl'"),
        (["reads", "--on", "someday"], "is not a day"),
        (["reads", "--covering", "2013-02-30"], "is not a day"),
        (
            ["ask", "seats_flown", "--as", "network_planner"],
            "is not available to 'network_planner'",
        ),
        (["ask", "flihts", "--as", "network_planner"], "did you mean 'flights'"),
        (
            ["ask", "flights", "--as", "operations_watch", "--by", "plane"],
            "'plane' is not available",
        ),
        (["ask", "flights", "--as", "operations_watch", "--filter", "carrier ~ U"], "Operators"),
        (["ask", "flights", "--as", "platform", "--filter", "destination !== BOS"], "Operators"),
        (["ask", "flights", "--as", "platform", "--filter", "destination <> BOS"], "Operators"),
        (["ask", "flights", "--as", "platform", "--filter", "destination == BOS"], "Operators"),
        (
            ["ask", "flights", "--as", "platform", "--filter", "destination = BOS, ATL"],
            "write `in`",
        ),
        (["ask", "flights", "--as", "operations_watch", "--limit", "0"], "limit"),
        (["ask", "flights", "--as", "platform", "--from", "2013-02-09"], "go together"),
        (["reads", "--refused", "--agent", "nobody"], "There is no reader"),
        (["reads", "--run", "no-such-run"], "No read of a run 'no-such-run' is on record"),
        (["ask", "flights", "--as", "refresh"], "nobody else reads as it"),
        (["ask", "flights", "--as", "platform", "--from", "soon", "--to", "later"], "is not a day"),
        (["catalog", "flihts", "--as", "platform"], "did you mean 'flights'"),
        (["policy", "publish", "no/policy.yaml"], "Cannot read"),
        (["ask", "flights", "--as", "platform", "--last", ""], "is not a time range"),
        (["policy", "diff", "no/policy.yaml", "--days", "99999999"], "36500"),
        (["policy", "check", "no/policy.yaml"], "Cannot read"),
        (["policy", "why", "--as", "platform"], "Missing argument"),
    ],
)
def test_what_is_wrong_is_said_shortly_and_exits_non_zero(
    command: Command, arguments: list[str], says: str
) -> None:
    said = command(*arguments)
    assert said.code != 0
    assert says in " ".join(said.err.split())
    assert "Traceback" not in said.err
    assert said.out == ""


def test_why_a_read_was_refused_is_said_to_whoever_asks_the_record(command: Command) -> None:
    [read] = command("reads", "--refused", "--metric", "seats_flown", "--limit", "1", "--json").rows
    assert "is not available to 'network_planner'" in read["why"]
    assert "a rule forbids it" in read["why"] or "no rule permits it" in read["why"]
    shown = command("reads", "--refused", "--metric", "seats_flown").out
    assert "why" in shown.splitlines()[0]
    assert "is not available to" in " ".join(shown.split())


def test_a_policy_is_checked_explained_and_compared_before_it_is_published(
    command: Command, tmp_path: Path
) -> None:
    own = DBT_PROJECT.parent / "orchestration_assets" / "defs" / "policy.yaml"
    assert "it is the published one" in command("policy", "check", str(own)).err
    changed = tmp_path / "policy.yaml"
    changed.write_text(
        own.read_text().replace(
            "rules:",
            'rules:\n  - {forbid: no delays, readers: ["analyst_*"], metrics: [average_arrival_delay]}\n'
            "  - {permit: seats, readers: [network_planner], metrics: [seats_flown]}",
            1,
        )
        + "\nbudgets: [{budget: a day, readers: ['analyst_*'], within: 1d, queries: 500}]\n"
    )
    [why] = command("policy", "why", "seats_flown", "--as", "network_planner", "--json").rows
    assert why["outcome"] == "refused"
    assert "no rule permits it" in why["why"]
    then = ("--policy", str(changed), "--json")
    [why] = command("policy", "why", "seats_flown", "--as", "network_planner", *then).rows
    assert (why["outcome"], why["rules"]) == ("allowed", ["seats"])
    limit, *rows = command("policy", "diff", str(changed), "--json").rows
    then_limit = "500 queries within 1d per reader, readers analyst_*"
    assert limit == {"limit": "budget 'a day'", "now": None, "then": then_limit}
    assert then_limit in " ".join(command("policy", "diff", str(changed)).out.split())
    turned = {(row["reader"], row["now"]["outcome"], row["then"]["outcome"]) for row in rows}
    assert ("network_planner", "refused", "allowed") in turned
    assert ("analyst_dl", "allowed", "refused") in turned
    assert {row["reader"] for row in rows} <= {
        "network_planner",
        "analyst_b6",
        "analyst_dl",
        "analyst_ua",
    }


def test_a_record_in_another_folder_is_found_where_it_is_named(
    command: Command, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOVERNED_AGENTS_STATE", str(told.home / "governed_agents"))
    assert command("reads", "--limit", "1", "--json", home=tmp_path).rows


def test_a_home_without_a_record_is_said(command: Command, tmp_path: Path) -> None:
    said = command("reads", home=tmp_path)
    assert said.code == 1
    assert "There is no record" in said.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name",
    [
        "catalog",
        "ask",
        "reads",
        "unused",
        "agents",
        "agents versions",
        "agents diff",
        "replay",
        "recording",
        "decisions",
        "run",
        "approvals",
        "approve",
        "reject",
        "outcome",
        "outcomes",
        "policy publish",
        "policy check",
        "policy why",
        "policy diff",
    ],
)
def test_every_command_has_an_example(command: Command, name: str) -> None:
    said = command(*name.split(), "--help")
    assert said.code == 0
    assert f"Example: governed-agents {name}" in said.out


def test_decisions_are_listed_and_told_by_the_beginning_of_their_id(command: Command) -> None:
    rows = command("decisions", "--json").rows
    assert [row["at"] for row in rows] == sorted((row["at"] for row in rows), reverse=True)
    assert {"operations_watch", "analyst_dl", "network_planner"} <= {row["agent"] for row in rows}
    assert all(row["answer"] and row["run_id"] and row["turned_out"] is None for row in rows)
    [one, *_] = command("decisions", "--agent", "analyst_dl", "--limit", "1", "--json").rows
    assert one["agent"] == "analyst_dl"
    shown = command("decisions", "--agent", "analyst_dl", "--limit", "1")
    assert one["decision_id"][:8] in shown.out
    assert command("reads", "--decision", one["decision_id"][:13], "--json").rows != []
    nobody = command("decisions", "--agent", "analyst_dI")
    assert nobody.code == 1
    assert "did you mean 'analyst_dl'" in nobody.err


def test_outcomes_of_an_agent_nobody_knows_are_refused(command: Command) -> None:
    assert "all" not in command("outcomes").out.splitlines()[0].split()
    nobody = command("outcomes", "--agent", "nobody_at_all")
    assert nobody.code == 1
    unknown = command("outcome", "ffffffff", "right")
    assert unknown.code == 1
    assert "governed-agents decisions" in unknown.err


def test_a_run_is_recorded_for_tests(command: Command, tmp_path: Path) -> None:
    [one, *_] = command("decisions", "--agent", "analyst_dl", "--limit", "1", "--json").rows
    to = tmp_path / "analyst.json"
    said = command("recording", one["run_id"][:8], "--to", str(to))
    assert said.code == 0
    assert "responses of scripted:" in said.err
    assert resolve_model(f"recorded:{to}").model_name.startswith("recorded:scripted:")
    nowhere = command("recording", one["run_id"][:8], "--to", str(tmp_path / "no" / "it.json"))
    assert nowhere.code == 1
    assert "There is no folder" in nowhere.err
    for run in ("", "nobody"):
        refused = command("recording", run, "--to", str(to))
        assert refused.code == 1
        assert "hint: " in refused.err


def test_a_replay_says_what_it_cannot_do(command: Command, tmp_path: Path) -> None:
    [one, *_] = command("decisions", "--agent", "analyst_dl", "--limit", "1", "--json").rows
    prompt = tmp_path / "other.md"
    prompt.write_text("Say less.")
    said = command("replay", one["run_id"][:8], "--prompt", str(prompt))
    assert "reads no prompt" in said.err
    unset = command("replay", one["run_id"][:8], "--api-key-env", "KEY_OF_NOBODY")
    assert unset.code == 2
    assert "KEY_OF_NOBODY is not set" in unset.err


def test_a_token_is_printed_once_and_listed_without_itself(command: Command) -> None:
    made = command("tokens", "mint", "ana@example.com", "--days", "3", "--by", "ops")
    assert made.code == 0, made.err
    secret = made.out.strip()
    assert secret.startswith("gat_")
    assert secret not in made.err
    [token] = [it for it in command("tokens", "list", "--json").rows if it["by"] == "ops"]
    assert (token["holder"], token["state"]) == ("ana@example.com", "stands")
    assert secret not in command("tokens", "list").out
    gone = command("tokens", "revoke", token["token_id"], "--reason", "tried", "--by", "ops")
    assert gone.code == 0, gone.err
    assert "revoked by ops" in command("tokens", "list").out
    wrong = command("tokens", "revoke", "nope", "--reason", "tried")
    assert (wrong.code, "No tokens begin with 'nope'" in wrong.err) == (1, True)
    assert command("tokens", "mint", "ana", "--days", "0").code == 1
