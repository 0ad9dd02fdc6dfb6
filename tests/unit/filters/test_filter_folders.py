"""Filters are read from folders, flat or with a sub-folder per survey, each name once."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.errors import InputError
from broker.filters.definition import read_filter
from broker.filters.folders import FilterFolders
from broker.settings import PROJECT_ROOT, load_settings

SHIPPED = FilterFolders((PROJECT_ROOT / "conf" / "filters",))


def write(folder: Path, name: str, survey: str = "ztf", file: str | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{file or name}.toml"
    path.write_text(
        f'name = "{name}"\ndescription = "A test."\nsource = "a test"\nsurvey = "{survey}"\n'
        'where = "mag < 18"\n'
    )
    return path


def names(folders: FilterFolders, survey: str | None = None) -> list[tuple[str, str]]:
    files, problems = folders.load(survey)
    assert problems == []
    return [(file.filter.survey, file.filter.name) for file in files]


def test_a_flat_folder_holds_filters_of_any_survey(tmp_path: Path) -> None:
    write(tmp_path, "a")
    write(tmp_path, "b", survey="elasticc")
    folders = FilterFolders((tmp_path,))
    assert names(folders) == [("ztf", "a"), ("elasticc", "b")]
    assert names(folders, "elasticc") == [("elasticc", "b")]


def test_sub_folders_named_like_a_survey_are_read_and_no_others(tmp_path: Path) -> None:
    write(tmp_path, "a")
    write(tmp_path / "ztf", "b")
    write(tmp_path / "elasticc", "c", survey="elasticc")
    write(tmp_path / "drafts", "d")
    folders = FilterFolders((tmp_path,))
    assert names(folders) == [("ztf", "a"), ("ztf", "b"), ("elasticc", "c")]
    assert names(folders, "ztf") == [("ztf", "a"), ("ztf", "b")]


def test_a_broken_file_of_another_survey_stops_nobody_else(tmp_path: Path) -> None:
    write(tmp_path / "ztf", "a")
    write(tmp_path / "elasticc", "b", survey="elasticc").write_text("name =")
    assert names(FilterFolders((tmp_path,)), "ztf") == [("ztf", "a")]


def test_a_survey_that_contradicts_the_folder_is_an_error_that_names_both(tmp_path: Path) -> None:
    path = write(tmp_path / "elasticc", "a")
    files, (problem,) = FilterFolders((tmp_path,)).load()
    assert files == []
    assert f"{path}:4: survey = 'ztf'" in str(problem)
    assert f"{tmp_path}/elasticc is for filters of elasticc" in str(problem)


def test_a_flat_folder_may_be_named_like_a_survey(tmp_path: Path) -> None:
    write(tmp_path / "elasticc", "a")
    assert names(FilterFolders((tmp_path / "elasticc",))) == [("ztf", "a")]


def test_the_own_folder_is_read_after_the_shipped_one(tmp_path: Path) -> None:
    write(tmp_path / "shipped" / "ztf", "b")
    write(tmp_path / "own", "a")
    words = [f"filters.folder={tmp_path}/shipped", f"filters.own_folder={tmp_path}/own"]
    folders = FilterFolders.of(load_settings("ztf", overrides=words).filters)
    assert names(folders) == [("ztf", "b"), ("ztf", "a")]


@pytest.mark.parametrize("words", [(), ("filters.own_folder=",)])
def test_without_an_own_folder_only_the_shipped_filters_are_read(words: tuple[str, ...]) -> None:
    folders = FilterFolders.of(load_settings("ztf", overrides=words, environ={}).filters)
    assert folders == SHIPPED


def test_an_own_folder_in_a_settings_file_starts_at_that_file(tmp_path: Path) -> None:
    conf = tmp_path / "site.toml"
    conf.write_text('[filters]\nown_folder = "mine"\n')
    settings = load_settings("ztf", conf, environ={}).filters
    assert FilterFolders.of(settings).folders == (*SHIPPED.folders, tmp_path / "mine")


def test_a_name_in_both_folders_is_an_error_that_names_both_files(tmp_path: Path) -> None:
    shipped, own = write(tmp_path / "shipped", "a"), write(tmp_path / "own", "a", file="mine")
    write(tmp_path / "own", "b")
    files, problems = FilterFolders((tmp_path / "shipped", tmp_path / "own")).load()
    assert [file.filter.name for file in files] == ["b"]
    assert len(problems) == 2
    for problem in problems:
        assert str(shipped) in str(problem)
        assert str(own) in str(problem)


def test_two_filters_of_one_name_are_both_errors_and_the_others_stay(tmp_path: Path) -> None:
    write(tmp_path, "bright", file="a")
    write(tmp_path, "bright", file="b")
    write(tmp_path, "other")
    files, problems = FilterFolders((tmp_path,)).load()
    assert [file.filter.name for file in files] == ["other"]
    assert "a.toml:1: " in str(problems[0])
    assert "b.toml has the name 'bright' too" in str(problems[0])
    assert "b.toml:1: " in str(problems[1])


def test_filters_of_two_surveys_may_share_a_name(tmp_path: Path) -> None:
    write(tmp_path, "bright", file="a")
    write(tmp_path, "bright", survey="elasticc", file="b")
    assert len(names(FilterFolders((tmp_path,)))) == 2


@pytest.mark.parametrize("missing", [0, 1])
def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path, missing: int) -> None:
    folders = [tmp_path, tmp_path]
    folders[missing] = tmp_path / "none"
    with pytest.raises(InputError, match=r"none is not a folder: filters\.folder and filters\.own"):
        FilterFolders(tuple(folders)).load()


def test_editors_hidden_files_are_no_filters(tmp_path: Path) -> None:
    write(tmp_path, "a", file=".a")
    write(tmp_path / "ztf", "b", file=".#b")
    assert FilterFolders((tmp_path,)).files() == []


@pytest.mark.parametrize(
    "path", SHIPPED.files(), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_a_shipped_filter_has_the_names_of_its_file_and_folder_and_says_its_source(
    path: Path,
) -> None:
    one = read_filter(path).filter
    assert (one.survey, one.name) == (path.parent.name, path.stem)
    assert not one.name.startswith(one.survey)
    assert one.description.endswith(".")
    assert one.source


def test_all_shipped_filters_are_usable() -> None:
    assert len(names(SHIPPED)) == len(SHIPPED.files()) > 0
