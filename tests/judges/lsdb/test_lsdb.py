"""A HATS export as lsdb, from PyPI and in an environment of its own, sees it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from astropy.coordinates import SkyCoord

from broker.commands.app import main
from broker.query import Archive
from tests.builders import fill
from tests.judges.environment import judge_python, run_judge

# Written for lsdb's own Python; prints what the test compares.
SCRIPT = """
import json, sys
import lsdb
from hats.io.validation import is_valid_catalog

alerts, objects = sys.argv[1:3]
ra, dec = map(float, sys.argv[3:5])
opened = lsdb.open_catalog(alerts)
rows = opened.compute()
every = lsdb.open_catalog(alerts, columns="all")
print(json.dumps({
    "valid": [is_valid_catalog(folder, strict=True) for folder in (alerts, objects)],
    "default": list(opened.columns),
    "ids": [int(alert_id) for alert_id in rows["alert_id"]],
    "points": len(rows["lightcurve.mag"]),
    "cone": sorted(int(i) for i in opened.cone_search(ra, dec, 3600 * 30).compute()["alert_id"]),
    "drb": len(every.query("candidate_drb > 0.5").compute()),
    "matched": len(
        lsdb.open_catalog(objects).crossmatch(opened, n_neighbors=9, radius_arcsec=1).compute()
    ),
}))
"""


@pytest.fixture(scope="session")
def lsdb_python() -> Path:
    return judge_python(Path(__file__).parent / "requirements.txt")


def test_lsdb_opens_an_export_and_finds_the_rows_of_the_archive(
    lsdb_python: Path, tmp_path: Path
) -> None:
    fill(tmp_path, range(200), 2)
    archive = Archive(tmp_path / "ztf", "arrow")
    rows = archive.sql("SELECT * FROM science ORDER BY alert_id").to_pylist()  # type: ignore[union-attr]
    folders = [tmp_path / "alerts", tmp_path / "objects"]
    for folder, words in zip(folders, ([], ["--objects"]), strict=True):
        place = ["--set", f"storage.root={tmp_path}"]
        assert main(["export", "hats", str(folder), *words, *place]) == 0
    place = [rows[0]["ra_deg"], rows[0]["dec_deg"]]
    printed = run_judge(lsdb_python, ["-c", SCRIPT, *folders, *map(str, place)])
    found = json.loads(printed.splitlines()[-1])
    assert found["valid"] == [True, True]
    assert {"alert_id", "mag", "classifier_score", "lightcurve"} <= set(found["default"])
    assert sorted(found["ids"]) == [row["alert_id"] for row in rows]
    assert found["points"] == sum(len(row["lightcurve"] or ()) for row in rows)
    assert found["cone"] == [row["alert_id"] for row in rows if separation_deg(*place, row) <= 30]
    drb = [(row["candidate"] or {}).get("drb") for row in rows]
    assert found["drb"] == sum(value is not None and value > 0.5 for value in drb)
    assert found["matched"] >= len({row["object_id"] for row in rows})


def test_the_guides_block_for_lsdb_runs(
    lsdb_python: Path, project_root: Path, tmp_path: Path
) -> None:
    text = (project_root / "docs/data-scientists.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python lsdb\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    fill(tmp_path, range(100), 1)
    place = ["--set", f"storage.root={tmp_path}"]
    assert main(["export", "hats", str(tmp_path / "ztf_alerts"), *place]) == 0
    assert main(["export", "hats", str(tmp_path / "ztf_objects"), "--objects", *place]) == 0
    block += "\nassert len(pairs) == len(objects)\nassert (bright['mag'] < 19).all()\n"
    run_judge(lsdb_python, ["-c", block], cwd=tmp_path)


def separation_deg(ra_deg: float, dec_deg: float, row: dict[str, Any]) -> float:
    here = SkyCoord(ra_deg, dec_deg, unit="deg")
    return float(here.separation(SkyCoord(row["ra_deg"], row["dec_deg"], unit="deg")).deg)
