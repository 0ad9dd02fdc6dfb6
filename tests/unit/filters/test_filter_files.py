"""Filter files are read strictly: every mistake is named with its file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker.errors import InputError
from broker.filters.definition import read_filter

GOOD = '''name = "bright"
description = "Bright alerts."
source = "a test"
survey = "ztf"
where = """
mag < 18
  AND is_positive
"""
'''


def write(folder: Path, text: str, name: str = "bright.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def error_of(folder: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        read_filter(write(folder, text))
    return str(caught.value).replace(f"{folder}/", "")


def test_a_filter_file_is_read_with_its_defaults(tmp_path: Path) -> None:
    one = read_filter(write(tmp_path, GOOD)).filter
    assert (one.name, one.survey, one.where) == ("bright", "ztf", "mag < 18\n  AND is_positive\n")
    assert (one.max_share, one.payload, one.owner, one.version) == (0.05, "full", "", "")
    assert one.examples == ()


def test_ids_of_examples_stay_exact_beyond_two_to_the_53(tmp_path: Path) -> None:
    text = GOOD + "examples = [3367537290415015013]\n"
    assert read_filter(write(tmp_path, text)).filter.examples == (3367537290415015013,)


def test_invalid_toml_is_an_error_with_file_and_line(tmp_path: Path) -> None:
    message = error_of(tmp_path, GOOD.replace('survey = "ztf"', "survey = ztf"))
    assert message.startswith("bright.toml is not valid TOML")
    assert "line 4" in message


def test_a_file_that_is_not_utf8_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(InputError, match="is not UTF-8"):
        read_filter(tmp_path / "a.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("source =", "sorce =", "bright.toml:3: unknown key sorce; did you mean source?"),
        ("source =", "where2 =", "bright.toml:3: unknown key where2; did you mean where?"),
        ('name = "bright"\n', "", "bright.toml: name is required"),
        ('"bright"', '"Bright-SN"', "bright.toml:1: name = 'Bright-SN': a topic is named after it"),
        ('"bright"', '""', "bright.toml:1: name = '': a topic is named after it"),
        ('"bright"', f'"{"a" * 151}"', "at most 150"),
        ('"ztf"', '"ztff"', "bright.toml:4: survey = 'ztff': no such survey; known: ztf, elasticc"),
        ('"ztf"', '"ztf"\nmax_share = 1.5', "bright.toml:5: max_share = 1.5"),
        ('"ztf"', '"ztf"\nmax_share = 0', "bright.toml:5: max_share = 0"),
        ('"ztf"', '"ztf"\npayload = "all"', "bright.toml:5: payload = 'all'"),
        ('"ztf"', '"ztf"\nexamples = ["x"]', "bright.toml:5: examples = 'x'"),
        ('"Bright alerts."', '""', "bright.toml:2: description = '': it is empty"),
        ('"Bright alerts."', '" "', "bright.toml:2: description = ' ': it is empty"),
    ],
)
def test_a_mistake_is_named_with_file_line_key_and_value(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert message in error_of(tmp_path, GOOD.replace(old, new))


def test_a_place_is_in_the_where_though_the_description_says_the_same(tmp_path: Path) -> None:
    text = GOOD.replace("Bright alerts.", "mag, where = nothing").replace(
        '"""\nmag < 18\n  AND is_positive\n"""', '"mag"'
    )
    file = read_filter(write(tmp_path, text))
    assert file.location(0) == f"{tmp_path}/bright.toml:5:10"


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    assert read_filter(write(tmp_path, f"\ufeff{GOOD}")).filter.name == "bright"


def test_all_mistakes_of_a_file_are_named_at_once(tmp_path: Path) -> None:
    message = error_of(tmp_path, GOOD.replace("source =", "sorce =").replace('"ztf"', '"x"'))
    assert "sorce" in message
    assert "source is required" in message
    assert "no such survey" in message


def test_the_digest_changes_with_what_decides_and_with_nothing_else(tmp_path: Path) -> None:
    def digest(old: str, new: str) -> str:
        return read_filter(write(tmp_path, GOOD.replace(old, new))).filter.digest

    same = digest("", "")
    assert len(same) == 16
    assert digest("Bright alerts.", "Luminous alerts.") == same
    assert digest('"bright"', '"brighter"') == same
    assert digest('"ztf"', '"ztf"\nmax_share = 0.1') == same
    assert digest("mag < 18", "mag < 17") != same
    assert digest('"ztf"', '"elasticc"') != same
    assert digest('"ztf"', '"ztf"\npayload = "lite"') != same


def test_a_place_in_the_where_is_a_line_and_column_of_the_file(tmp_path: Path) -> None:
    file = read_filter(write(tmp_path, GOOD))
    start = file.filter.where.index("is_positive")
    assert file.location(start) == f"{tmp_path}/bright.toml:7:7"


def test_a_where_with_escapes_is_placed_within_itself(tmp_path: Path) -> None:
    text = GOOD.replace('"""\nmag < 18\n  AND is_positive\n"""', '"mag < 18\\nAND x"')
    file = read_filter(write(tmp_path, text))
    assert file.location(13) == f"{tmp_path}/bright.toml: where, line 2, column 5"
