"""One alert's way through all modules, as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from broker.science.engine.inputs import Input
from broker.science.engine.module import Module
from broker.science.engine.registry import OFF
from broker.science.engine.science_pass import LIGHTCURVE, Computed, SciencePass
from broker.science.lightcurves.build import LightCurves
from broker.surveys.arrow_columns import follow
from broker.surveys.photometry import BANDS, KINDS

_MANY = 4
# Julian dates need more digits than single-precision measurements have.
_TIME_LIKE = 1e4


def explain_alert(science: SciencePass, raw: pa.Table) -> Iterator[str]:
    """Lines that tell what every module read, decided and gave.

    Parameters
    ----------
    science
        The survey's modules.
    raw
        One row of the raw table.
    """
    packet = {path: _column(raw, path) for path in science.paths}
    science.load()
    computed = science.compute(packet, 1)
    yield from _head(raw, computed.columns)
    yield ""
    yield from _light_curve(computed.curves)
    for module in science.modules:
        yield ""
        yield from _module(science, module, computed)
    for module in science.off:
        yield ""
        yield f"{module.name}: {OFF}"


def _column(raw: pa.Table, path: str) -> pa.Array:
    top, *steps = path.split(".")
    return follow(raw[top].combine_chunks(), steps)


def _head(raw: pa.Table, columns: dict[str, pa.Array]) -> Iterator[str]:
    yield f"alert {raw['alert_id'][0]} of {raw['object_id'][0]}, night {raw['night'][0]}"
    names = ("mjd", "mjd_tai_mid", "gal_lat_deg", "ecl_lat_deg", "n_detections", "age_days")
    for name in (*names, "last_limit", "colour"):
        yield f"  {name:14} {_value(columns[name][0].as_py())}"


def _light_curve(curves: LightCurves) -> Iterator[str]:
    counts = np.bincount(curves.kind, minlength=len(KINDS))
    kinds = ", ".join(f"{n} {kind}" for kind, n in zip(KINDS, counts, strict=True))
    yield f"light curve: {kinds} (> this alert)"
    yield f"    {'days':>9} {'mjd':>13} band {'kind':11} {'mag':>18} {'flux/nJy':>22}  limit"
    for k in range(len(curves.mjd)):
        yield _point(curves, k)


def _point(curves: LightCurves, k: int) -> str:
    mark = ">" if curves.is_this[k] else " "
    band = BANDS[curves.band[k]] if curves.band[k] >= 0 else "?"
    mag = _with_error(curves.mag[k], curves.mag_err[k], ".3f")
    flux = _with_error(curves.flux_njy[k], curves.flux_err_njy[k], ".1f")
    limit = "" if np.isnan(curves.mag_limit[k]) else f"{curves.mag_limit[k]:.2f}"
    when = f"{curves.days_before[k]:9.3f} {curves.mjd[k]:13.5f}"
    return f"  {mark} {when} {band:4} {KINDS[curves.kind[k]]:11} {mag:>18} {flux:>22}  {limit}"


def _with_error(value: float, error: float, form: str) -> str:
    return "–" if np.isnan(value) else f"{value:{form}} ± {error:{form}}"


def _module(science: SciencePass, module: Module, computed: Computed) -> Iterator[str]:
    found = science.inputs[module.name]
    arrays = [computed.batch.array(wanted) for wanted in found]
    yield f"{module.name} {module.version}: {module.declaration.meaning}"
    yield "  reads"
    yield from (f"    {line}" for line in _inputs(found, arrays, computed))
    errors = [
        e["error"] for e in computed.columns["errors"][0].as_py() if e["module"] == module.name
    ]
    if errors:
        yield f"  failed: {errors[0]}"
        return
    rules = module.explain(arrays)
    if rules:
        yield "  decides"
        width = max(len(rule.text) for rule in rules)
        yield from (f"    {rule.text:{width}}  {rule.outcome}" for rule in rules)
    yield "  gives"
    for name in module.declaration.columns:
        yield from _result(name, computed.columns[name][0].as_py(), "    ")


def _inputs(
    found: Sequence[Input], arrays: Sequence[pa.Array], computed: Computed
) -> Iterator[str]:
    """One line per input; those of the light curve, which is above, share one."""
    if any(wanted.column.startswith(f"{LIGHTCURVE}.") for wanted in found):
        yield f"{LIGHTCURVE}: {len(computed.curves.mjd)} points, above"
    for wanted, array in zip(found, arrays, strict=True):
        if wanted.column.startswith(f"{LIGHTCURVE}."):
            continue
        if wanted.absent:
            yield f"{wanted.name}: this survey has none"
        else:
            path = " ".join(wanted.paths)
            source = f" ({path})" if len(wanted.paths) == 1 and path != wanted.name else ""
            yield f"{wanted.name}{source} = {_value(array[0].as_py())}"


def _result(name: str, value: Any, indent: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{indent}{name} = {_value(value)}"
    elif any(isinstance(inner, dict) for inner in value.values()):
        yield f"{indent}{name}"
        for inner_name, inner in value.items():
            yield from _result(inner_name, inner, f"{indent}  ")
    else:
        yield f"{indent}{name}: {_value(value)}"


def _value(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, float):
        return f"{value:.7g}" if abs(value) < _TIME_LIKE else f"{value:.13g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value(inner)}" for name, inner in value.items())
    if isinstance(value, list) and len(value) > _MANY:
        return f"{len(value)} values, {_value(value[0])} … {_value(value[-1])}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(inner) for inner in value) + "]"
    return str(value)
