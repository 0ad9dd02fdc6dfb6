"""Reprocessing: the same science gives the same rows, other science what differs and no more."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from broker.archive.diff import NightDiff, diff_with_last_version
from broker.archive.tidy import remove_old_versions
from broker.commands.app import main
from broker.errors import SettingsError, UsageError
from broker.nights import NightRange
from broker.science.modules import slope
from broker.tables.closed_nights import ClosedNights
from tests.spark.archive.conftest import ALERTS, LATER, SYNTHETIC_NIGHTS, Site
from tests.stored_rows import archived_rows
from tests.unit.sinks.mortal import Killed


@pytest.fixture
def site(streamed: Site, tmp_path: Path) -> Site:
    """A copy of its own."""
    shutil.copytree(streamed.root / "ztf", tmp_path / "ztf")
    return Site(streamed.spark, tmp_path)


def science(site: Site, night: int = SYNTHETIC_NIGHTS[0]) -> list[dict[str, Any]]:
    """Science rows of a night by alert."""
    folder = site.root / f"ztf/archive/science/night={night}"
    return pq.read_table(folder, partitioning=None).sort_by("alert_id").to_pylist()


def diff(site: Site, night: int = SYNTHETIC_NIGHTS[0]) -> NightDiff:
    return diff_with_last_version(site.storage, night)


def test_unchanged_modules_give_an_empty_diff(site: Site) -> None:
    before = {night: archived_rows(site.root, night=night) for night in SYNTHETIC_NIGHTS}
    done = site.reprocess()
    assert [(row.night, row.kind, row.key) for row in done] == [
        (night, "reprocessed", "000002") for night in SYNTHETIC_NIGHTS
    ]
    for night in SYNTHETIC_NIGHTS:
        found = diff(site, night)
        assert found.is_empty, found
        assert found.rows_old == found.rows_new == len(before[night]) == ALERTS
        assert archived_rows(site.root, night=night) == before[night]
    assert site.differences() == []
    assert (
        site.storage.names("staging/archive") == site.storage.names("checkpoints/reprocess") == []
    )


def test_a_changed_number_changes_its_column_and_no_other(site: Site) -> None:
    old = {row["alert_id"]: row["real_bogus"] for row in science(site)}
    site.reprocess(NightRange(SYNTHETIC_NIGHTS[0], SYNTHETIC_NIGHTS[0]), drb_threshold=0.9)
    new = {row["alert_id"]: row["real_bogus"] for row in science(site)}
    found = {column.column: column for column in diff(site).columns}
    assert {"real_bogus.threshold", "real_bogus.is_real"} <= set(found)
    for name in ("threshold", "is_real"):
        changed = {id_ for id_ in old if old[id_][name] != new[id_][name]}
        column = found[f"real_bogus.{name}"]
        assert column.changed == len(changed)
        assert {change.alert_id for change in column.changes} <= changed
    largest = max(abs(new[i]["threshold"] - old[i]["threshold"]) for i in old)
    assert found["real_bogus.threshold"].largest == pytest.approx(largest)
    assert diff(site).gained == diff(site).lost == 0


def test_a_trial_run_tells_the_same_and_changes_nothing(site: Site) -> None:
    before = science(site)
    span = NightRange(SYNTHETIC_NIGHTS[0], SYNTHETIC_NIGHTS[0])
    (tried,) = site.reprocessor(drb_threshold=0.9).try_out(span, LATER)
    assert science(site) == before
    assert site.storage.names("staging/archive") == []
    site.reprocess(span, drb_threshold=0.9)
    assert diff(site) == tried


def test_one_module_again_from_science_rows_alone(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = site.reprocessor().try_out(NightRange(SYNTHETIC_NIGHTS[0], SYNTHETIC_NIGHTS[0]), LATER)
    assert next(full).is_empty
    shutil.rmtree(site.root / "ztf/archive/raw")  # which proves that nobody reads it
    site.reprocess(modules=["slope"])
    assert all(diff(site, night).is_empty for night in SYNTHETIC_NIGHTS)
    monkeypatch.setattr(slope, "declaration", replace(slope.declaration, version="99.0"))
    site.reprocess(modules=["slope"])
    assert [column.column for column in diff(site).columns] == ["provenance.modules"]
    modules = {m["name"]: m["version"] for m in science(site)[0]["provenance"]["modules"]}
    assert modules["slope"] == "99.0"
    assert modules["real_bogus"] != "99.0"


def test_modules_that_read_another_follow_it(site: Site) -> None:
    known = {row["alert_id"]: row["classifier"]["reason"] for row in science(site)}
    span = NightRange(SYNTHETIC_NIGHTS[0], SYNTHETIC_NIGHTS[0])
    site.reprocess(span, ["real_bogus"], drb_threshold=0.99, rb_threshold=0.99)
    names = {column.column.split(".")[0] for column in diff(site).columns}
    assert names <= {"real_bogus", "classifier"}
    new = science(site)
    assert any(known[r["alert_id"]] != r["classifier"]["reason"] for r in new)
    assert all(r["classifier"]["score"] is None for r in new if not r["real_bogus"]["is_real"])


def test_a_module_that_reads_packets_needs_the_raw_table(site: Site) -> None:
    with pytest.raises(SettingsError, match=r"solar_system reads prv_candidates\.jd of the packet"):
        site.reprocessor(["solar_system"])
    with pytest.raises(SettingsError, match="'nope' is not switched on"):
        site.reprocessor(["nope"])


def test_a_night_that_is_not_closed_is_refused(site: Site) -> None:
    with pytest.raises(UsageError, match="no night 20240101"):
        site.reprocess(NightRange(20240101, 20240102))


def test_a_killed_run_goes_on_where_it_stopped(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: int) -> None:
        raise Killed

    monkeypatch.setattr("broker.sinks.faults.os.kill", die)
    monkeypatch.setattr("broker.sinks.faults._passed", Counter())
    monkeypatch.setenv("NIGHTJAR_FAULT", "archive:after_seal:2")
    one_by_one = site.reprocessor()
    one_by_one.settings = one_by_one.settings.model_copy(
        update={"archive": one_by_one.settings.archive.model_copy(update={"nights_at_once": 1})}
    )
    with pytest.raises(Killed):
        one_by_one.run(NightRange(), LATER)
    monkeypatch.delenv("NIGHTJAR_FAULT")
    again = one_by_one.run(NightRange(), LATER + dt.timedelta(hours=1))
    assert again == []  # one night was done, the other sealed
    closed = ClosedNights(site.storage)
    assert [closed.keys(night) for night in SYNTHETIC_NIGHTS] == [["000001", "000002"]] * 2
    assert all(diff(site, night).is_empty for night in SYNTHETIC_NIGHTS)
    assert site.differences() == []
    assert site.storage.names("staging/archive") == []


def test_old_versions_stay_until_they_are_removed(site: Site) -> None:
    site.reprocess()
    later = LATER + dt.timedelta(hours=2)
    only = NightRange(SYNTHETIC_NIGHTS[0], SYNTHETIC_NIGHTS[0])
    assert remove_old_versions(site.storage, ["science"], LATER, only) == 0
    assert remove_old_versions(site.storage, ["science"], later, only) == 1
    with pytest.raises(UsageError, match="no earlier version"):
        diff(site)
    assert diff(site, SYNTHETIC_NIGHTS[1]).is_empty


def test_the_command_tells_differences_and_exits_1(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--night", str(SYNTHETIC_NIGHTS[0]), "--set", f"storage.root={site.root}"]
    assert main(["diff", *words]) == 2
    site.reprocess()
    capsys.readouterr()
    assert main(["diff", *words]) == 0
    assert "no difference" in capsys.readouterr().out
    site.reprocess(drb_threshold=0.9)
    assert main(["diff", *words]) == 1
    assert "real_bogus.threshold: " in capsys.readouterr().out
    assert main(["diff", "--json", *words]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["is_empty"] is False
    assert isinstance(found["columns"][0]["changes"][0]["alert_id"], str)
