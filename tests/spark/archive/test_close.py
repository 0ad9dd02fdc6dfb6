"""Closing a night: the same rows in fewer files, sorted, found quickly; late batches; refusals."""

from __future__ import annotations

import dataclasses
import datetime as dt
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

import broker.archive.compact_ledger as compacting
from broker.archive.tidy import remove_old_versions, remove_taken_batches
from broker.audit.equations import audit
from broker.errors import CheckFailed, LedgerError
from broker.sinks import night_version
from broker.tables.closed_nights import ClosedNights, to_table
from broker.tables.science_ids import ScienceIds
from tests.builders import commit_alerts
from tests.science_rows import NIGHTS, on_the_sky, science_rows
from tests.spark.archive.conftest import NOW, Site
from tests.stored_rows import archived_rows, archived_rows_by_pyarrow, online_rows
from tests.unit.sinks.mortal import Killed

NIGHT = NIGHTS[0]
POINTS = (
    *("before_stage", "after_stage", "after_seal", "after_exchange", "mid_publish"),
    *("before_commit", "after_commit"),
)


@pytest.fixture(scope="module")
def closed(make_site: Callable[[], Site]) -> Site:
    """A night of four batches, closed."""
    site = make_site()
    site.fill(range(160), 4)
    assert site.close() is not None
    return site


def files(site: Site, table: str) -> list[Path]:
    return sorted((site.root / f"ztf/archive/{table}/night={NIGHT}").iterdir())


@pytest.mark.parametrize("table", ["raw", "science"])
def test_every_reader_finds_the_batches_rows_in_the_archive(closed: Site, table: str) -> None:
    online = online_rows(closed.root, table)
    assert archived_rows(closed.root, table) == online
    assert archived_rows_by_pyarrow(closed.root, table) == online
    rows = closed.spark.read.parquet(f"{closed.root}/ztf/archive/{table}")
    columns = rows.select("alert_id", "object_id", "batch", "night").collect()
    assert sorted(tuple(row) for row in columns) == online


def test_every_value_is_what_it_was(closed: Site) -> None:
    for table in ("raw", "science"):
        area = f"{closed.root}/ztf/{{}}/{table}/night={NIGHT}"
        online, archived = (pq.read_table(area.format(name)) for name in ("online", "archive"))
        names = [name for name in online.column_names if name not in ("batch", "night")]
        assert sorted(map(repr, archived.select(names).to_pylist())) == sorted(
            map(repr, online.select(names).to_pylist())
        )


def test_a_closed_night_is_sorted_by_sky_in_few_files(closed: Site) -> None:
    for table in ("raw", "science"):
        (file,) = files(closed, table)
        cells = pq.read_table(file, partitioning=None)["healpix29"].to_pylist()
        assert cells == sorted(cells)


def test_a_row_group_tells_which_ids_it_does_not_have(closed: Site) -> None:
    for table in ("raw", "science"):
        (file,) = files(closed, table)
        for name, stranger in (("alert_id", "17"), ("object_id", "'nobody'")):
            probe = f"parquet_bloom_probe('{file}', '{name}', {stranger})"
            with duckdb.connect() as connection:
                query = f"SELECT bool_and(bloom_filter_excludes) FROM {probe}"
                assert connection.sql(query).fetchall() == [(True,)]


def test_images_lie_behind_the_columns_that_people_scan(closed: Site) -> None:
    names = pq.read_schema(files(closed, "raw")[0]).names
    cutouts = [name for name in names if name.startswith("cutout")]
    assert len(cutouts) == 3
    assert names[-3:] == cutouts


def test_the_audit_agrees_before_and_after_batches_have_left(closed: Site) -> None:
    assert closed.differences() == []


def test_nothing_is_left_to_do_for_a_night_that_is_closed(closed: Site) -> None:
    before = files(closed, "science")
    assert closed.close() is None
    assert files(closed, "science") == before


def test_few_late_batches_become_files_and_many_are_sorted_in(site: Site) -> None:
    site.fill(range(160), 2)
    site.close()
    site.fill(range(160, 164), 1, first=2)
    state = site.close()
    assert state is not None
    assert (state.kind, state.late_rows) == ("late", 3)
    assert len(files(site, "raw")) == len(files(site, "science")) == 2
    assert archived_rows(site.root) == online_rows(site.root)
    site.fill(range(164, 176), 1, first=3)
    state = site.close()
    assert state is not None
    assert (state.kind, state.late_rows) == ("merged", 0)
    assert len(files(site, "raw")) == len(files(site, "science")) == 1
    for table in ("raw", "science"):
        assert archived_rows(site.root, table) == online_rows(site.root, table)
    assert site.differences() == []


def test_batches_leave_when_their_time_is_over_and_others_stay(site: Site) -> None:
    keys = site.fill(range(40), 2)
    site.close()
    late = site.fill(range(40, 60), 1, first=2)
    week = dt.timedelta(days=7)
    assert remove_taken_batches(site.storage, 7, NOW + week - dt.timedelta(seconds=1)) == 0
    assert remove_taken_batches(site.storage, 7, NOW + week) == 2 * len(keys)
    assert {row[2] for row in online_rows(site.root)} == set(late)
    assert len(site.storage.names(f"online/science/night={NIGHTS[1]}")) == 3
    assert site.differences() == []
    assert site.close() is not None
    ids = ScienceIds(site.storage).of(NIGHT).tolist()
    assert ids == sorted(row[0] for row in archived_rows(site.root))
    assert len(ids) == 30


def test_a_folded_ledger_still_proves_each_batch_and_takes_late_ones(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compacting, "_AT_LEAST", 1)
    site.fill(range(40), 2)
    site.close()
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(hours=25)
    assert compacting.compact_ledger(site.storage, tomorrow) == 2
    assert not list(site.root.glob("ztf/ledger/stage=*/*.parquet"))
    assert site.close() is None
    assert site.differences() == []
    site.fill(range(40, 60), 1, first=2)
    assert site.close() is not None
    assert site.differences() == []
    assert archived_rows(site.root) == online_rows(site.root)


def test_a_row_that_the_archive_loses_is_named(site: Site) -> None:
    (key,) = site.fill(range(20), 1)
    site.close()
    (file,) = files(site, "science")
    rows = pq.read_table(file, partitioning=None)
    pq.write_table(rows.slice(1), file)
    lost = (
        f"archive/science, night {NIGHT}, batch {key}: 9 rows in files, 10 in the ledger",
        f"night {NIGHT}: 1 alerts are in raw, but not in science: {rows['alert_id'][0]} (batch",
    )
    found = site.differences()
    assert len(found) == len(lost)
    assert all(text.startswith(start) for text, start in zip(found, lost, strict=True))
    path = site.root / f"ztf/ledger/closed/night={NIGHT}/000001.parquet"
    state = ClosedNights(site.storage).current(NIGHT)
    assert state is not None
    doubled = dataclasses.replace(state.batches[0], raw=state.raw + state.raw)
    pq.write_table(to_table(dataclasses.replace(state, batches=(doubled,))), path)
    text = f"night {NIGHT}, batch {key}: 24 raw rows were archived, 12 are in the ledger"
    assert text in [text for finding in audit(site.storage) for text in finding.differences]


def test_replaced_versions_stay_an_hour(site: Site) -> None:
    site.fill(range(20), 1)
    site.close()
    site.fill(range(20, 40), 1, first=1)
    site.close()
    hour = dt.timedelta(hours=1)
    assert remove_old_versions(site.storage, ["raw"], NOW + hour - dt.timedelta(seconds=1)) == 0
    assert remove_old_versions(site.storage, ["raw"], NOW + hour) == 1
    assert site.storage.names(f"versions/raw/night={NIGHT}") == []
    assert site.storage.names(f"versions/science/night={NIGHT}") == ["state=000001"]


def test_batches_that_a_stage_has_not_finished_stay_online(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    (done,) = site.fill(range(20), 1)
    for number, stages in enumerate((["raw"], ["raw", "science"]), start=1):
        rows = on_the_sky(science_rows("ztf", range(number * 20, number * 20 + 20)))
        commit_alerts(site.storage, f"abcdef01-{number:06d}", rows, stages)
    state = site.close()
    assert state is not None
    assert state.keys == {done}
    waiting = [record.getMessage() for record in caplog.records if "waits" in record.getMessage()]
    assert waiting == [
        f"batch abcdef01-000001 of night {NIGHT} stays online: it waits for science",
        f"batch abcdef01-000002 of night {NIGHT} stays online: it waits for distribute",
    ]


def test_a_key_that_looks_like_a_number_stays_as_it_is(make_site: Callable[[], Site]) -> None:
    site = make_site()
    key = "1234567e-000003"
    commit_alerts(site.storage, key, on_the_sky(science_rows("ztf", list(range(20)))))
    assert site.close() is not None
    assert {row[2] for row in archived_rows(site.root)} == {key}


def test_a_night_that_does_not_add_up_is_refused_and_the_batch_named(site: Site) -> None:
    keys = site.fill(range(40), 2)
    shutil.rmtree(site.root / f"ztf/online/science/night={NIGHT}/batch={keys[1]}")
    expected = f"science, night {NIGHT}, batch {keys[1]}: 0 rows in files, 10 in the ledger"
    with pytest.raises(CheckFailed, match=expected):
        site.close()
    assert not (site.root / "ztf/archive").exists()


def test_rows_that_were_changed_on_the_way_are_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.fill(range(20), 1)
    write = night_version.NightVersion.stage
    monkeypatch.setattr(
        night_version.NightVersion,
        "stage",
        lambda self, rows, table: write(self, rows.limit(3), table),
    )
    with pytest.raises(LedgerError, match="nothing was changed"):
        site.close()
    assert not (site.root / "ztf/archive").exists()


def test_an_archive_that_the_ledger_does_not_know_is_refused(site: Site) -> None:
    site.fill(range(20), 1)
    site.close()
    shutil.rmtree(site.root / "ztf/ledger/closed")
    with pytest.raises(LedgerError, match="knows no closed night"):
        site.close()


def test_killed_at_any_point_the_next_run_leaves_the_night_whole(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: int) -> None:
        raise Killed

    monkeypatch.setattr("broker.sinks.faults.os.kill", die)
    for number, point in enumerate(POINTS):
        site.fill(range(20 * number, 20 * number + 20), 1, first=number)
        # At its second passing, so that one table is done and the other is not.
        again = ":2" if point in ("after_exchange", "mid_publish") else ""
        monkeypatch.setattr("broker.sinks.faults._passed", Counter())
        monkeypatch.setenv("NIGHTJAR_FAULT", f"archive:{point}{again}")
        with pytest.raises(Killed):
            site.close()
        monkeypatch.delenv("NIGHTJAR_FAULT")
        site.close()
        for table in ("raw", "science"):
            assert archived_rows(site.root, table) == online_rows(site.root, table), point
        assert site.storage.names("staging/archive") == []
    assert site.differences() == []
    assert len(ClosedNights(site.storage).keys(NIGHT)) == len(POINTS)
