"""``nightjar science explain`` on recorded packets as raw Parquet."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from typer.testing import CliRunner, Result

from broker.commands.science import app
from broker.errors import InputError, UsageError
from tests.recorded_packets import Computed, raw_table
from tests.unit.science.plug_ins import switch_on

NIGHT = pa.schema([("night", pa.int32()), ("batch", pa.string())])


@pytest.fixture(scope="module")
def root(ztf: Computed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Storage root with two raw batches of a few packets."""
    folder = tmp_path_factory.mktemp("data")
    for key, packets in (("k-0", ztf.packets[:40]), ("k-1", ztf.packets[40:60])):
        ds.write_dataset(
            raw_table(packets, "ztf").append_column("batch", pa.array([key] * len(packets))),
            folder / "ztf/online/raw",
            format="parquet",
            partitioning=ds.partitioning(NIGHT, flavor="hive"),
            existing_data_behavior="overwrite_or_ignore",
        )
    return folder


def explain(root: Path, *words: object) -> Result:
    arguments = ["explain", *map(str, words), "--set", f"storage.root={root}"]
    return CliRunner().invoke(app, arguments)


def test_inputs_rules_and_outputs_of_every_module_are_shown(root: Path, ztf: Computed) -> None:
    for packet, row in zip(ztf.packets[:60:7], ztf.rows[:60:7], strict=True):
        result = explain(root, packet["candid"])
        assert result.exit_code == 0, result.output
        text = result.stdout
        assert f"alert {packet['candid']} of {packet['objectId']}" in text
        assert f"ndethist (candidate.ndethist) = {packet['candidate']['ndethist']}" in text
        assert f"solar_system: code {row['solar_system']['code']}," in text
        assert f"is_real {row['real_bogus']['is_real']}" in text
        assert text.count("  6. 0 ≤ ssdistnr < 5″") == 1
        detections = sum(point["kind"] == "detection" for point in row["lightcurve"])
        assert f"light curve: {detections} detection, " in text


def test_the_last_rule_that_applies_is_the_code(root: Path, ztf: Computed) -> None:
    for packet, row in zip(ztf.packets[:40:5], ztf.rows[:40:5], strict=True):
        lines = explain(root, packet["candid"]).stdout.splitlines()
        codes = [line.rpartition(" ")[2] for line in lines if "yes → code" in line]
        assert int(codes[-1] if codes else 0) == row["solar_system"]["code"]


def test_a_night_narrows_the_search(root: Path, ztf: Computed) -> None:
    packet = ztf.packets[0]
    result = explain(root, packet["candid"], "--night", "19990101")
    assert isinstance(result.exception, InputError)
    assert "night 19990101" in str(result.exception)


def test_an_unknown_alert_is_named(root: Path) -> None:
    result = explain(root, 12)
    assert isinstance(result.exception, InputError)
    assert "there is no alert 12 in the raw tables" in str(result.exception)


def test_what_is_no_number_is_refused(root: Path) -> None:
    assert isinstance(explain(root, "ZTF18abc").exception, UsageError)


def test_a_module_of_one_s_own_is_tried_on_the_raw_table(root: Path, tmp_path: Path) -> None:
    file = switch_on(tmp_path, "detections", inputs=["history+candidate.magpsf"], returns="int")
    words = ["check", str(file), "--raw", "--set", f"storage.root={root}"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("detections: ")
    assert "failures: 0" in result.stdout
