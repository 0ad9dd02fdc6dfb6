"""Every block of the guide for data scientists runs, in order, and says what it claims."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from astropy.table import Table

from broker.commands.app import main
from tests.spark.archive.conftest import ALERTS, Site

_BLOCK = re.compile(r"^```(python|bash)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(project_root: Path) -> list[tuple[str, str]]:
    text = (project_root / "docs/data-scientists.md").read_text(encoding="utf-8")
    return _BLOCK.findall(text)


@pytest.fixture(scope="module")
def guide(
    streamed: Site, project_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """The names that the guide's Python blocks have made, after all blocks have run."""
    root = tmp_path_factory.mktemp("guide")
    shutil.copytree(streamed.root / "ztf", root / "data/ztf")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("NIGHTJAR__STORAGE__ROOT", str(root / "data"))
        names: dict[str, Any] = {}
        for language, text in blocks(project_root):
            # Spark's JVM does not follow this process to another folder.
            run_block(language, text.replace('parquet("data/', f'parquet("{root}/data/'), names)
        yield names | {"root": root}


def run_block(language: str, text: str, names: dict[str, Any]) -> None:
    if language == "python":
        exec(compile(text, f"guide: {text[:40]}", "exec"), names)
        return
    for line in text.splitlines():
        program, *words = shlex.split(line)
        assert program == "bin/nightjar"
        assert main(words) == 0, line


def test_all_readers_count_the_same(guide: dict[str, Any]) -> None:
    counts = [guide[f"by_{reader}"] for reader in ("archive", "duckdb", "pandas", "spark")]
    assert counts == [ALERTS] * 4


def test_the_cut_that_looks_right_is_not(guide: dict[str, Any]) -> None:
    assert 0 < len(guide["right"]) == len(guide["asteroids"])
    assert len(guide["wrong"]) < len(guide["right"]) / 2
    assert len(guide["without_them"]) + len(guide["asteroids"]) == ALERTS


def test_slopes_by_hand_agree_with_ours(guide: dict[str, Any]) -> None:
    ours = [row.slope and row.slope["mag_per_day"] for row in guide["curves"].itertuples()]
    pairs = list(zip(guide["mine"], ours, strict=True))
    assert all((mine is None) == (our is None) for mine, our in pairs)
    found = [pair for pair in pairs if pair[0] is not None]
    assert len(found) > 10
    assert [mine for mine, _ in found] == pytest.approx([our for _, our in found], rel=1e-6)


def test_every_tool_finds_the_same_supernovae(guide: dict[str, Any]) -> None:
    found = set(guide["found_by_duckdb"]["alert_id"])
    assert {row.alert_id for row in guide["found_by_spark"].collect()} == found
    assert set(guide["found_by_pandas"]["alert_id"]) == found
    assert set(guide["candidates"]["alert_id"]) <= found


def test_what_the_guide_finds_is_there(guide: dict[str, Any]) -> None:
    assert len(guide["real"]) > 30
    assert set(guide["candidates"]["object_id"]) <= set(guide["archive"].latest()["object_id"])
    assert guide["neighbours"]["separation_arcsec"].iloc[0] < 1e-3
    assert set(guide["images"]) == {"Science", "Template", "Difference"}
    assert guide["address"].endswith(guide["name"])
    assert len(pd.read_csv(guide["root"] / "bright.csv", dtype={"alert_id": str})) > 0
    assert len(Table.read(guide["root"] / "objects.vot")) > 0
    for catalogue in ("ztf_alerts", "ztf_objects"):
        assert (guide["root"] / catalogue / "hats.properties").is_file()
    for picture in ("night.png", "object.png"):
        assert (guide["root"] / picture).stat().st_size > 10_000
