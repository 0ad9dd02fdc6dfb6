"""The set follows its folder: at a batch boundary, and a mistake leaves the old filter in place."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from broker.errors import InputError
from broker.filters import FilterFolders, FilterSet
from broker.tables.filter_texts import FilterTexts
from broker.tables.storage import Storage
from tests.spark.filters.conftest import declared, write_filter

Load = Callable[..., FilterSet]


@pytest.fixture
def load(spark: SparkSession, tmp_path: Path) -> Load:
    folders = FilterFolders((tmp_path,))
    return lambda **options: FilterSet(spark, folders, "ztf", declared("ztf"), **options)


def wheres(filters: FilterSet) -> dict[str, str]:
    return {one.name: one.where.strip() for one in filters.filters}


def test_filters_come_by_name_and_other_surveys_ones_are_passed_over(
    load: Load, tmp_path: Path
) -> None:
    write_filter(tmp_path, "b", "mag < 18")
    write_filter(tmp_path, "a", "mag < 17")
    write_filter(tmp_path, "c", "diaSource.snr > 5", survey="elasticc")
    assert list(wheres(load())) == ["a", "b"]


def test_a_bad_file_stops_the_start_and_every_bad_one_is_named(load: Load, tmp_path: Path) -> None:
    write_filter(tmp_path, "a", "mgg < 18")
    write_filter(tmp_path, "b", "mag < 18")
    write_filter(tmp_path, "c", "rand() > 0.5")
    (tmp_path / "d.toml").write_text("name =")
    with pytest.raises(InputError) as caught:
        load()
    for word in ("a.toml:7:1", "did you mean mag?", "c.toml:7:1", "d.toml is not valid TOML"):
        assert word in str(caught.value)


def test_bad_files_are_left_out_and_logged_where_that_is_asked_for(
    load: Load, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_filter(tmp_path, "a", "mgg < 18")
    write_filter(tmp_path, "b", "mag < 18")
    write_filter(tmp_path, "c", "date_format(science_at, 'zzzzzz') = 'a'")
    assert list(wheres(load(skip_bad=True))) == ["b"]
    errors = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert len(errors) == 2
    assert "a.toml:7:1: ztf has no column mgg" in errors[0]
    assert "c.toml:7:1: c cannot be evaluated" in errors[1]


def test_two_filters_of_one_name_are_both_left_out(load: Load, tmp_path: Path) -> None:
    write_filter(tmp_path, "a", "mag < 18")
    (tmp_path / "b.toml").write_text((tmp_path / "a.toml").read_text())
    write_filter(tmp_path, "c", "mag < 18")
    with pytest.raises(InputError, match="has the name 'a' too"):
        load()
    assert list(wheres(load(skip_bad=True))) == ["c"]


def test_an_unchanged_folder_is_no_reload(load: Load, tmp_path: Path) -> None:
    write_filter(tmp_path, "a", "mag < 18")
    filters = load()
    assert not filters.reload()


def test_added_changed_and_removed_files_are_taken_in(load: Load, tmp_path: Path) -> None:
    write_filter(tmp_path, "a", "mag < 18")
    write_filter(tmp_path, "b", "mag < 18")
    filters = load()
    write_filter(tmp_path, "a", "mag < 17")
    (tmp_path / "b.toml").unlink()
    write_filter(tmp_path, "c", "mag < 16")
    assert filters.reload()
    assert wheres(filters) == {"a": "mag < 17", "c": "mag < 16"}
    assert not filters.reload()


@pytest.mark.parametrize(
    "where", ["mgg < 18", "rand() > 1", "mag <", "date_format(science_at, 'zzzzzz') = 'a'"]
)
def test_a_change_that_cannot_be_used_keeps_the_old_filter_and_is_logged_once(
    load: Load, tmp_path: Path, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    write_filter(tmp_path, "a", "mag < 18")
    filters = load()
    write_filter(tmp_path, "a", where)
    assert not filters.reload()
    assert not filters.reload()
    assert wheres(filters) == {"a": "mag < 18"}
    errors = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "the old one stays" in errors[0]
    assert "a.toml:" in errors[0]


def test_a_file_that_takes_another_ones_name_is_not_taken(load: Load, tmp_path: Path) -> None:
    write_filter(tmp_path, "a", "mag < 18")
    filters = load()
    (tmp_path / "b.toml").write_text((tmp_path / "a.toml").read_text().replace("18", "17"))
    assert not filters.reload()
    assert wheres(filters) == {"a": "mag < 18"}


def test_a_repaired_file_is_taken_in(load: Load, tmp_path: Path) -> None:
    write_filter(tmp_path, "a", "mgg < 18")
    filters = load(skip_bad=True)
    write_filter(tmp_path, "a", "mag < 18")
    assert filters.reload()
    assert wheres(filters) == {"a": "mag < 18"}


def test_a_filter_that_moves_to_another_survey_goes(load: Load, tmp_path: Path) -> None:
    write_filter(tmp_path, "a", "mag < 18")
    filters = load()
    write_filter(tmp_path, "a", "mag < 18", survey="elasticc")
    assert filters.reload()
    assert filters.filters == ()


def test_a_touched_file_is_no_other_set(load: Load, tmp_path: Path) -> None:
    path = write_filter(tmp_path, "a", "mag < 18")
    filters = load()
    os.utime(path, (1, 1))
    assert not filters.reload()


def test_a_folder_that_goes_away_leaves_the_set_and_is_logged_once(
    load: Load, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_filter(tmp_path, "a", "mag < 18")
    filters = load()
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    assert not filters.reload()
    assert not filters.reload()
    assert wheres(filters) == {"a": "mag < 18"}
    assert len([r for r in caplog.records if r.levelno == logging.ERROR]) == 1
    moved.rename(tmp_path)
    assert not filters.reload()


def test_editors_hidden_files_are_no_filters(load: Load, tmp_path: Path) -> None:
    write_filter(tmp_path, "a", "mag < 18")
    (tmp_path / ".#b.toml").symlink_to("nowhere")
    (tmp_path / ".c.toml").write_text("name =")
    assert list(wheres(load())) == ["a"]


def test_a_dangling_link_is_no_filter(load: Load, tmp_path: Path) -> None:
    write_filter(tmp_path, "a", "mag < 18")
    filters = load()
    (tmp_path / "b.toml").symlink_to("nowhere")
    assert not filters.reload()


def test_the_text_of_each_filter_is_kept_once_under_its_digest(load: Load, tmp_path: Path) -> None:
    path = write_filter(tmp_path, "a", "mag < 18")
    filters, storage = load(), Storage(str(tmp_path / "root"))
    filters.keep(FilterTexts(storage))
    first = filters.filters[0].digest
    assert storage.read_text(f"ledger/filters/{first}.toml") == path.read_text()
    write_filter(tmp_path, "a", "mag < 17")
    filters.reload()
    filters.keep(FilterTexts(storage))
    second = filters.filters[0].digest
    assert storage.names("ledger/filters") == sorted([f"{first}.toml", f"{second}.toml"])
