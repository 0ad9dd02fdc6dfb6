"""Every column that there is has a line, with its unit and meaning."""

from __future__ import annotations

import pytest

from broker.commands.app import main
from tests.science_rows import schema_of


@pytest.mark.parametrize("survey", ["ztf", "elasticc"])
def test_every_column_of_science_is_described(
    survey: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["describe", "--survey", survey]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines]
    assert set(schema_of(survey).names) <= set(names)
    assert all(len(line.split()) > 2 for line in lines)
    assert any("lightcurve[].mag_limit" in line and "mag (AB)" in line for line in lines)


def test_a_column_of_raw_is_described_with_its_unit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "candidate.magpsf", "--table", "raw"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.split()[:3] == ["candidate.magpsf", "float", "mag"]


@pytest.mark.parametrize("table", ["raw", "quarantine", "ledger"])
def test_every_column_of_the_other_tables_has_a_meaning(
    table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["describe", "--table", table]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line.split()) > 2 for line in lines)
    names = {line.split()[0] for line in lines}
    assert names & {"ingest.topic", "topic", "offsets[].topic"}


def test_an_unknown_column_is_a_usage_error() -> None:
    assert main(["describe", "magnitude"]) == 2
