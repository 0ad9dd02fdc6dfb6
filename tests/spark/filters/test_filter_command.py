"""``nightjar filter``: what it prints and how it exits, on recorded alerts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from broker.commands.app import main
from broker.settings import PROJECT_ROOT
from tests.spark.filters.conftest import Tables, write_filter

Run = Callable[..., tuple[int, str, str]]
ALL = "20170101..20301231"


@pytest.fixture
def run(ztf: Tables, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command on the recorded alerts; gives exit code, output and errors."""

    def call(*words: str) -> tuple[int, str, str]:
        root = ("--set", f"storage.root={ztf.root}", "--set", f"filters.folder={tmp_path}")
        code = main(["filter", *words, *(root if words[0] != "list" else root[2:])])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_list_shows_each_filter_and_names_the_bad_ones(run: Run, tmp_path: Path) -> None:
    write_filter(tmp_path, "a", "mag < 18", more="max_share = 0.3")
    write_filter(tmp_path, "b", "diaSource.snr > 5", survey="elasticc")
    (tmp_path / "c.toml").write_text("name =")
    code, out, err = run("list")
    assert code == 2
    assert [line.split()[:3] for line in out.splitlines()[1:]] == [
        ["elasticc", "b", "5%"],
        ["ztf", "a", "30%"],
    ]
    assert "c.toml is not valid TOML" in err


def test_list_of_a_survey_leaves_out_the_others(run: Run, tmp_path: Path) -> None:
    write_filter(tmp_path, "a", "mag < 18")
    write_filter(tmp_path, "b", "diaSource.snr > 5", survey="elasticc")
    code, out, _ = run("list", "--survey", "elasticc")
    assert (code, len(out.splitlines())) == (0, 2)


def test_check_of_a_good_filter_says_so_with_its_warnings(run: Run, tmp_path: Path) -> None:
    path = write_filter(tmp_path, "a", "mag < 18 AND sqrt(mag) > 4")
    code, out, _ = run("check", str(path))
    assert code == 0
    assert "a.toml:7:14: sqrt(mag) is outside the SQL" in out
    assert "can be used: 2 clauses" in out


def test_check_of_a_bad_filter_exits_2_with_place_and_nearest_column(
    run: Run, tmp_path: Path
) -> None:
    path = write_filter(tmp_path, "a", "candidate.dbr > 0.5")
    code, _, err = run("check", str(path))
    assert code == 2
    assert "a.toml:7:1: ztf has no column candidate.dbr; did you mean candidate.drb?" in err


def test_check_tries_the_examples(run: Run, ztf: Tables, tmp_path: Path) -> None:
    good, bad = (min(ztf.selected_by_duckdb(w)) for w in ("mag < 18", "mag > 18"))
    write_filter(tmp_path, "a", "mag < 18", more=f"examples = [{good}, 5]")
    code, out, _ = run("check", "a")
    assert code == 0
    assert "examples that pass: 1 of 2; not in the tables: 1" in out
    write_filter(tmp_path, "a", "mag < 18", more=f"examples = [{good}, {bad}]")
    code, _, err = run("check", "a")
    assert code == 1
    assert f"alert {bad} fails mag < 18" in err


def test_a_name_that_is_no_filter_is_a_usage_error_with_the_known_ones(
    run: Run, tmp_path: Path
) -> None:
    write_filter(tmp_path, "a", "mag < 18")
    code, _, err = run("check", "b")
    assert code == 2
    assert "b is neither a file nor one of the filters ztf/a" in err


def test_a_name_that_two_surveys_share_needs_the_survey(run: Run, tmp_path: Path) -> None:
    write_filter(tmp_path, "a", "mag < 18")
    (tmp_path / "elasticc").mkdir()
    write_filter(tmp_path / "elasticc", "a", "mag < 18", survey="elasticc")
    code, _, err = run("check", "a")
    assert code == 2
    assert "a is the name of 2 filters: say ztf/a or elasticc/a" in err
    code, out, _ = run("check", "ztf/a")
    assert code == 0, out
    assert "a (" in out


def test_check_refuses_a_file_in_use_in_another_surveys_folder(run: Run, tmp_path: Path) -> None:
    (tmp_path / "elasticc").mkdir()
    path = write_filter(tmp_path / "elasticc", "a", "mag < 18")
    code, _, err = run("check", str(path))
    assert code == 2
    assert "is for filters of elasticc" in err


def test_test_prints_nights_clauses_and_public_pages(run: Run) -> None:
    path = PROJECT_ROOT / "conf" / "filters" / "ztf" / "real_not_solar_system.toml"
    code, out, _ = run("test", str(path), "--nights", ALL)
    assert code == 0
    assert "NOT solar_system.is_known" in out
    assert out.count("https://alerce.online/object/ZTF") == 5


def test_test_refuses_a_filter_that_passes_too_much_unless_forced(run: Run, tmp_path: Path) -> None:
    write_filter(tmp_path, "a", "mag < 30")
    code, out, err = run("test", "a", "--nights", ALL)
    assert code == 1
    assert "a passes 100.00% of the stream, and its max_share is 5.00%" in err
    assert "mag < 30" in out
    code, _, _ = run("test", "a", "--nights", ALL, "--force")
    assert code == 0


def test_test_as_json_counts_the_alerts_of_duckdb(run: Run, ztf: Tables, tmp_path: Path) -> None:
    write_filter(tmp_path, "a", "mag < 17")
    _, out, _ = run("test", "a", "--nights", ALL, "--json", "--force")
    assert json.loads(out)["passed"] == len(ztf.selected_by_duckdb("mag < 17"))


def test_diff_lists_gained_and_lost_objects_under_their_clause(run: Run, tmp_path: Path) -> None:
    write_filter(tmp_path, "a", "mag < 17 AND is_positive")
    write_filter(tmp_path, "b", "mag < 17 AND n_detections > 5")
    code, out, _ = run("diff", "a", "b", "--nights", ALL)
    assert code == 0
    assert "gained; a refuses them for is_positive" in out
    assert "lost; b refuses them for n_detections > 5" in out


def test_diff_of_two_surveys_is_a_usage_error(run: Run, tmp_path: Path) -> None:
    write_filter(tmp_path, "a", "mag < 17")
    write_filter(tmp_path, "b", "mag < 17", survey="elasticc")
    code, _, err = run("diff", "a", "b", "--nights", ALL)
    assert code == 2
    assert "compare filters of one survey" in err


def test_why_tells_each_clause_and_the_verdict(run: Run, ztf: Tables, tmp_path: Path) -> None:
    write_filter(tmp_path, "a", "mag < 18 AND candidate.classtar < 2")
    alert = min(ztf.selected_by_duckdb("mag > 18"))
    code, out, _ = run("why", str(alert), "a")
    assert code == 0
    assert "candidate.classtar = " in out
    assert f"alert {alert} does not pass a: 1 clause fails" in out
    alert = min(ztf.selected_by_duckdb("mag < 18"))
    _, out, _ = run("why", str(alert), "a")
    assert f"alert {alert} passes a" in out


def test_why_of_an_alert_that_is_not_there_is_a_usage_error(run: Run, tmp_path: Path) -> None:
    write_filter(tmp_path, "a", "mag < 18")
    code, _, err = run("why", "17", "a", "--nights", ALL)
    assert code == 2
    assert "no science row has alert_id 17" in err
