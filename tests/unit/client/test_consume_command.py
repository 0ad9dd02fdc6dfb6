"""``nightjar consume`` and ``nightjar schema`` over files."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from broker.client import Alert
from broker.client.table import AlertTable
from broker.commands.app import main


def test_files_are_counted_first_and_the_last_line_says_how_many(
    night: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["consume", "--from", str(night), "--brief"]) == 1
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith("object")
    assert len(lines) == 4
    said = err.splitlines()
    assert said[0] == f"4 alerts in {night}"
    assert "broken.avro" in said[1]
    assert said[2].startswith("Consumed 3 alerts in 0.")
    assert said[2].endswith(" seconds")
    assert "1 could not be read" in said[3]


def test_the_exit_code_is_0_when_everything_was_read(
    night: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (night / "broken.avro").unlink()
    words = ["consume", "--from", str(night), "--where", "candidate.drb > 0.2", "--brief"]
    assert main(words) == 0
    assert "1 of 3 alerts chosen\nConsumed 1 alert in" in capsys.readouterr().err


def test_standard_output_is_json_and_nothing_else(
    night: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["consume", "--from", str(night), "--max-alerts", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["objectId"] == "ZTF23aaa"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_reading_and_keeps_what_was_read(
    number: signal.Signals,
    night: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    add = AlertTable.add

    def add_and_signal(table: AlertTable, alert: Alert) -> None:
        signal.raise_signal(number)
        add(table, alert)

    monkeypatch.setattr(AlertTable, "add", add_and_signal)
    before = signal.signal(number, lambda *_: pytest.fail("nobody listens to the signal"))
    try:
        path = tmp_path / "kept.parquet"
        assert main(["consume", "--from", str(night), "--save", str(path)]) == 0
    finally:
        signal.signal(number, before)
    assert pq.read_table(path)["candid"].to_pylist() == [1]
    assert "Consumed 1 alert in" in capsys.readouterr().err


def test_saving_prints_the_files(
    night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["consume", "--from", str(night), "--save", str(tmp_path / "kept"), "--name-by", "object"])
    kept = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert kept == ["ZTF23aaa.avro", "ZTF23aaa_2.avro", "ZTF23aaa_3.avro"]
    assert str(tmp_path / "kept" / "ZTF23aaa_3.avro") in capsys.readouterr().out


def test_all_alerts_go_into_one_parquet_file(night: Path, tmp_path: Path) -> None:
    path = tmp_path / "kept" / "night.parquet"
    assert main(["consume", "--from", str(night), "--save", str(path)]) == 1
    saved = pq.read_table(path)
    assert saved["candid"].to_pylist() == [1, 2, 3]
    assert [row["drb"] for row in saved["candidate"].to_pylist()] == [0.125, 0.5, None]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give either a topic or --from"),
        (["topic", "--from", "."], "give either a topic or --from"),
        (["--from", ".", "--servers", "localhost:1"], "--servers goes with a topic"),
        (["--from", ".", "--group", "me"], "--group and --since go with a topic"),
        (["topic", "--since", "yesterday"], "expected a time such as 2024-07-07T03:00"),
        (["topic", "--lag"], "--lag goes with a topic and a --group"),
        (["--from", "/nowhere"], "no file or folder /nowhere"),
        (["--from", "{night}", "--where", "candidate.drb >"], "cannot read the expression"),
        (["--from", "{night}", "--where", "candidate.dbr > 1"], "did you mean candidate.drb?"),
        (["--from", "{night}", "--schema", "/nowhere.avsc"], "there is no schema at /nowhere.avsc"),
        (["--from", "{night}", "--save", "/dev/null/x"], "cannot save in /dev/null/x"),
        (["--from", "{night}", "--plot", "/dev/null"], "cannot draw in /dev/null: "),
    ],
)
def test_wrong_words_are_exit_code_2_with_one_line(
    night: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["consume", *(word.format(night=night) for word in words)]) == 2
    *counts, last = capsys.readouterr().err.splitlines()
    assert message in last
    assert all(line.startswith(("4 alerts in", "0 of 1 ", "Consumed ")) for line in counts)


def test_a_file_that_cannot_be_written_is_named(
    night: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["consume", "--from", str(night), "--save", "/proc/x.parquet"]) == 2
    assert "cannot save /proc/x.parquet: " in capsys.readouterr().err.splitlines()[-1]


def test_schema_shows_a_packet_or_a_schema_file(
    night: Path, project_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schema", str(night / "1.avro")]) == 0
    out = capsys.readouterr().out
    assert "version      9.1" in out
    assert "cutoutTemplate  record cutout or null, as above" in out
    assert main(["schema", str(project_root / "schemas/elasticc/0.9")]) == 0
    assert "prvDiaSources             array of diaSource or null" in capsys.readouterr().out


def test_schema_of_a_broken_packet_says_why(
    night: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schema", str(night / "broken.avro")]) == 2
    assert "ends within its container header" in capsys.readouterr().err
