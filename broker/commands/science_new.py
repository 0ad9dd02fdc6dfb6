"""``nightjar science new``: a module of your own to start from, with a test that passes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from broker.errors import UsageError
from broker.settings import Settings

_TOML = """\
# Switched on by being in this folder; bin/nightjar science check {path} tries it.
function = "{name}:{name}"
version = "0.1"
# Its arguments, in order: a column of the science table (lightcurve.mag is a list per alert), a
# field of the packet (candidate.magpsf), history+candidate.magpsf, or a constant ("=10").
inputs = ["lightcurve.mag"]
# Spark's DDL; struct<a: double, b: int> gives several fields.
returns = "double"
unit = "mag"
meaning = "from the brightest to the faintest magnitude of the light curve"
"""
_PYTHON = '''\
"""{name}: how far an alert's light curve reaches, in magnitudes."""

import numpy as np
import pandas as pd
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import DoubleType


@pandas_udf(DoubleType())
def {name}(mags: pd.Series) -> pd.Series:
    """From the brightest to the faintest magnitude; null without any.

    `mags` holds one NumPy array per alert, NaN where a point has no magnitude.
    """
    return mags.map(_range).astype(float)


def _range(mags: np.ndarray) -> float:
    known = mags[~np.isnan(mags)]
    return float(np.ptp(known)) if len(known) else np.nan
'''
_TEST = '''\
"""Test of {name}: run it with python -m pytest {path}."""

from pathlib import Path

import numpy as np
import pandas as pd

from broker.science.engine.own import read_module


def test_the_range_is_that_of_the_known_magnitudes():
    module = read_module(Path(__file__).with_name("{name}.toml")).build()
    mags = pd.Series([np.array([18.0, np.nan, 17.5]), np.array([np.nan]), np.array([])])
    assert module.function(mags).fillna(-1.0).tolist() == [0.5, -1.0, -1.0]
'''


def write_module(name: str, folder: Path | None, settings: Settings) -> Iterator[str]:
    """Write ``NAME.toml``, ``NAME.py`` and ``test_NAME.py``; yield lines that say what to do next.

    Raises
    ------
    UsageError
        The name cannot be used, or a file of it is there already.
    """
    if folder is None:
        raise UsageError("no folder for modules of your own; give --folder, or set science.folder")
    _check_name(name, settings)
    texts = {f"{name}.toml": _TOML, f"{name}.py": _PYTHON, f"test_{name}.py": _TEST}
    for file in texts:
        if (folder / file).exists():
            raise UsageError(f"{folder / file} is there already; choose another name")
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        (folder / file).write_text(text.format(name=name, path=folder / file))
        yield f"written: {folder / file}"
    yield f"test it: .venv/bin/python -m pytest {folder / f'test_{name}.py'}"
    yield f"try it:  bin/nightjar science check {folder / f'{name}.toml'}"


def _check_name(name: str, settings: Settings) -> None:
    from broker.science.engine.science_pass import SciencePass
    from broker.surveys import get_survey
    from broker.tables.science_schema import science_schema

    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UsageError(f"{name!r}: a column is named after the module: use a-z, 0-9 and _")
    science = SciencePass(settings.survey, settings.science)
    if name in science_schema(get_survey(settings.survey), science.fields).names:
        raise UsageError(f"{name!r} is a column of the science table; choose another name")
