"""What the science table holds, counted."""

from __future__ import annotations

from pathlib import Path

import duckdb

Counts = list[tuple[str, int]]

_SOLAR_SYSTEM = {
    0: "0, none of these",
    1: "1, first time seen",
    2: "2, candidate",
    3: "3, known object",
}


class ScienceSummary:
    """Counts over one survey's online science table.

    Parameters
    ----------
    survey_root
        The survey's folder.
    """

    def __init__(self, survey_root: Path) -> None:
        files = f"{survey_root}/online/science/night=*/batch=*/*.parquet"
        self._connection = duckdb.connect()
        self._connection.execute(
            "create view science as select * from "
            f"read_parquet('{files}', hive_partitioning = true, union_by_name = true)"
        )

    def by_class(self) -> Counts:
        """Alerts by the classifier's label, or by its reason where it has none."""
        return self._count("coalesce(classifier.label, 'no class: ' || classifier.reason, 'off')")

    def by_solar_system_code(self) -> Counts:
        """Alerts by solar-system code."""
        counts = self._count("coalesce(solar_system.code::varchar, 'unknown')")
        return [
            (_SOLAR_SYSTEM[int(code)] if code.isdigit() else code, n) for code, n in sorted(counts)
        ]

    def by_reality(self) -> Counts:
        """Alerts by real-bogus verdict."""
        return self._count(
            "case when real_bogus.is_real then 'real' "
            "when real_bogus.is_real is null then 'unknown' else 'bogus' end"
        )

    def _count(self, expression: str) -> Counts:
        rows = self._connection.execute(
            f"select {expression} as name, count(*) from science group by all order by 2 desc, 1"
        ).fetchall()
        return [(str(name), int(count)) for name, count in rows]
