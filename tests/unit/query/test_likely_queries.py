"""The queries that people type first, on tables like the demo's: an upgrade of DuckDB answers them.

DuckDB 2.0.0 died of several with INTERNAL errors; 2.0.1 answers all of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from broker.query import Archive
from tests.builders import NIGHT, put_archive, put_online
from tests.science_rows import POINT, plain_rows

N = 300
BIG = 2_800_000_000_000_000_000
CLASSES = ("sn_ia", "core_collapse", None)
PROBABILITIES = pa.struct([("sn_ia", pa.float64()), ("other", pa.float64())])
CLASSIFIER = pa.struct(
    [
        ("score", pa.float64()),
        ("label", pa.string()),
        ("probabilities", PROBABILITIES),
        ("reason", pa.string()),
    ]
)
REAL_BOGUS = pa.struct([("score", pa.float64()), ("is_real", pa.bool_())])
SOLAR_SYSTEM = pa.struct([("code", pa.int32()), ("name", pa.string())])
OLD_CANDIDATE = pa.struct([("magpsf", pa.float32()), ("drb", pa.float32())])
NEW_CANDIDATE = pa.struct([*OLD_CANDIDATE, ("newfield", pa.float32())])


def alert(k: int) -> dict[str, Any]:
    """Values of the k-th alert; each object has three."""
    label = CLASSES[k % 3]
    score = None if label is None else (k * 37 % N) / N
    points = [
        {"mjd": 60_000.0 + k + d, "band": "gr"[d % 2], "mag": 20.0 - d, "kind": "detection"}
        for d in range(k % 4)
    ]
    return {
        "object_id": f"ZTF24{k // 3:04}",
        "mag": 15 + 5 * (k * 61 % N) / N,
        "band": "gr"[k % 2],
        "classifier": {
            "score": score,
            "label": label,
            "probabilities": None if score is None else {"sn_ia": score, "other": 1 - score},
            "reason": "too few points" if label is None else None,
        },
        "real_bogus": {"score": k / N, "is_real": k % 5 != 0},
        "solar_system": {"code": k % 4, "name": "Ceres" if k % 4 == 3 else None},
        "candidate": {"magpsf": 15.0 + k % 7, "drb": (k % 8) / 8, "newfield": 0.5},
        "lightcurve": [{**point, "alert_id": BIG + k} for point in points],
    }


ALERTS = [alert(k) for k in range(N)]


def science(numbers: range, candidate: pa.StructType) -> pa.Table:
    alerts = [ALERTS[k] for k in numbers]
    types = {
        **{"object_id": pa.string(), "mag": pa.float64(), "band": pa.string()},
        **{"classifier": CLASSIFIER, "real_bogus": REAL_BOGUS, "solar_system": SOLAR_SYSTEM},
        **{"candidate": candidate, "lightcurve": pa.list_(POINT)},
    }
    columns = {name: pa.array([a[name] for a in alerts], kind) for name, kind in types.items()}
    places = {
        "ra_deg": np.linspace(0, 359, len(alerts)),
        "dec_deg": np.linspace(-80, 80, len(alerts)),
    }
    return plain_rows([BIG + k for k in numbers], **columns, **places)


def put_raw(root: Path, batch: str, table: pa.Table) -> None:
    folder = root / f"online/raw/night={NIGHT + 1}/batch={batch}"
    folder.mkdir(parents=True)
    raw = table.select(["alert_id", "object_id", "healpix29", "candidate", "ingest"])
    images = pa.array([b"image" * 10] * len(raw))
    pq.write_table(raw.append_column("cutoutScience", images), folder / "part-0.parquet")


@pytest.fixture(scope="module", params=["closed", "online"])
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night without ``candidate.newfield``, closed or not, and batches of the next with it."""
    root: Path = tmp_path_factory.mktemp("data") / "ztf"
    first = science(range(100), OLD_CANDIDATE)
    if request.param == "closed":
        put_archive(root, {"a": first})
    else:
        put_online(root, "a", first)
    for key, numbers in {"b": range(100, 170), "c": range(170, 180), "d": range(180, N)}.items():
        table = science(numbers, NEW_CANDIDATE)
        put_online(root, key, {NIGHT + 1: table})
        put_raw(root, key, table)
    return root


def the(*path: str) -> list[Any]:
    """One value of each alert, such as ``the("classifier", "score")``."""
    values: list[Any] = list(ALERTS)
    for name in path:
        values = [None if value is None else value[name] for value in values]
    return values


SN_IA = [k for k in range(N) if k % 3 == 0]
BEST_SN_IA = sorted(SN_IA, key=lambda k: -ALERTS[k]["classifier"]["score"])
REAL = [k for k in range(N) if k % 5 != 0]
POINTS = [point for points in the("lightcurve") for point in points]

LIKELY: dict[str, Any] = {
    # The first that the demo suggests.
    "select alert_id, object_id, mag from science where classifier.label = 'sn_ia' "
    "order by classifier.score desc limit 5": [
        (BIG + k, ALERTS[k]["object_id"], ALERTS[k]["mag"]) for k in BEST_SN_IA[:5]
    ],
    "select object_id, classifier.score from science where classifier.label = 'sn_ia' "
    "order by classifier.score desc limit 5": [
        (ALERTS[k]["object_id"], ALERTS[k]["classifier"]["score"]) for k in BEST_SN_IA[:5]
    ],
    "select * from science where classifier.label = 'sn_ia' "
    "order by classifier.score desc limit 5": 5,
    "select * from science limit 10": 10,
    "select * from raw order by candidate.magpsf limit 3": 3,
    "select count(*) from science": [(N,)],
    "select count(distinct object_id) from science": [(N // 3,)],
    "select classifier.label, count(*) from science group by all order by 2 desc, 1": [
        ("core_collapse", 100),
        ("sn_ia", 100),
        (None, 100),
    ],
    "select night, count(*) from science group by night order by night": [
        (NIGHT, 100),
        (NIGHT + 1, 200),
    ],
    f"select count(*) from science where night between {NIGHT} and {NIGHT}": [(100,)],
    f"select count(*) from science where night = {NIGHT + 1} and real_bogus.is_real": [
        (len([k for k in REAL if k >= 100]),)
    ],
    "select avg(candidate.drb), max(mag) from science": [
        (np.mean(the("candidate", "drb")), max(the("mag")))
    ],
    "select avg(candidate.newfield), count(candidate.newfield) from science": [(0.5, 200)],
    "select object_id, count(*) as n, min(mag) from science group by all "
    "order by n desc, 1 limit 5": [
        (f"ZTF24{k:04}", 3, min(the("mag")[3 * k : 3 * k + 3])) for k in range(5)
    ],
    "select alert_id from science where mag < 16 and not coalesce(solar_system.code = 3, false) "
    "order by mag": [
        (BIG + k,)
        for k in sorted(range(N), key=the("mag").__getitem__)
        if ALERTS[k]["mag"] < 16 and k % 4 != 3
    ],
    "select s.alert_id, r.candidate.magpsf, s.mag from science s join raw r using (alert_id) "
    "order by s.mag limit 4": [
        (BIG + k, ALERTS[k]["candidate"]["magpsf"], ALERTS[k]["mag"])
        for k in sorted(range(100, N), key=the("mag").__getitem__)[:4]
    ],
    "select count(*), min(p.mag) from (select unnest(lightcurve) as p from science)": [
        (len(POINTS), min(point["mag"] for point in POINTS))
    ],
    "select p.band, count(*) from science, unnest(lightcurve) as t(p) group by all order by 1": [
        (band, sum(point["band"] == band for point in POINTS)) for band in "gr"
    ],
    "select sum(len(list_filter(lightcurve, lambda p: p.band = 'g'))) from science": [
        (sum(point["band"] == "g" for point in POINTS),)
    ],
    "select object_id, list_max(list_transform(lightcurve, lambda p: p.mjd)) as last from science "
    "where len(lightcurve) = 3 order by last desc limit 2": [
        (ALERTS[k]["object_id"], 60_002.0 + k) for k in (299, 295)
    ],
    "select object_id, n_alerts, first_night from objects order by object_id limit 2": [
        ("ZTF240000", 3, NIGHT),
        ("ZTF240001", 3, NIGHT),
    ],
    "select classifier.probabilities.sn_ia from science "
    "where classifier.probabilities.sn_ia > 0.99 order by 1 desc": [
        (score,) for score in sorted(filter(None, the("classifier", "score")))[::-1] if score > 0.99
    ],
    "select round(mag) as m, count(*) from science group by m having count(*) > 1000": [],
    "select object_id from science where object_id like 'ZTF2400%' group by 1 order by 1 limit 1": [
        ("ZTF240000",)
    ],
    "select band, quantile_cont(mag, 0.5), stddev(mag) from science group by band order by band": [
        (band, np.median(the("mag")[b::2]), np.std(the("mag")[b::2], ddof=1))
        for b, band in enumerate("gr")
    ],
    "select object_id, mag, row_number() over (partition by object_id order by mag) as brightness "
    "from science qualify brightness = 1 order by object_id limit 3": [
        (f"ZTF24{k:04}", min(the("mag")[3 * k : 3 * k + 3]), 1) for k in range(3)
    ],
    "with bright as (select * from science where mag < 17) select count(*) from bright "
    "where ra_deg between 100 and 200": 1,
    "describe science": "column_name",
}


@pytest.mark.parametrize("query", LIKELY)
def test_a_likely_query_is_answered(root: Path, query: str) -> None:
    answer: Any = Archive(root, "arrow").sql(query)
    expected = LIKELY[query]
    if isinstance(expected, int):
        assert answer.num_rows == expected
    elif isinstance(expected, str):
        assert expected in answer.column_names
    else:
        found = [tuple(row.values()) for row in answer.to_pylist()]
        assert found == [pytest.approx(row) for row in expected]
