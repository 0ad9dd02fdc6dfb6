"""Names that the survey gives to objects, images and stamps."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from broker.simulator.synthetic.conditions import JD_OF_NIGHT_ZERO
from broker.simulator.synthetic.draws import Draws, Floats

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_NAMES_PER_YEAR = 26**6
_NAMES_PER_NIGHT = 2**20
_SCRAMBLE = 93_190_217  # odd and no multiple of 13, so multiplication permutes the names
# Designations of the Minor Planet Center leave out I, and Z for the half-month.
_HALF_MONTHS = "ABCDEFGHJKLMNOPQRSTUVWXY"
_ORDER = "ABCDEFGHJKLMNOPQRSTUVWXYZ"
_FIRST_DAY = dt.date(2017, 1, 1)


def object_name(number: int, seed: int, night: int, first_jd: float) -> str:
    """``ZTF``, the year of the first detection, ``a`` and six letters.

    ``number`` is below 2²⁰ and differs between a night's objects; nights that lie close and small
    seeds share no names.
    """
    block = (17 * seed + night) % (_NAMES_PER_YEAR // _NAMES_PER_NIGHT)
    left = (block * _NAMES_PER_NIGHT + number) * _SCRAMBLE % _NAMES_PER_YEAR
    letters = ""
    for _ in range(6):
        left, digit = divmod(left, 26)
        letters = _LETTERS[digit] + letters
    return f"ZTF{_date(int(first_jd - JD_OF_NIGHT_ZERO)).year % 100:02d}a{letters}"


@lru_cache(maxsize=4096)
def _date(night: int) -> dt.date:
    return _FIRST_DAY + dt.timedelta(days=night)


@lru_cache(maxsize=4096)
def _date_text(night: int) -> str:
    return _date(night).strftime("%Y%m%d")


def night_number(night: int) -> int:
    """Days since 2017-01-01 of a night written YYYYMMDD."""
    date = dt.date(night // 10_000, night // 100 % 100, night % 100)
    return (date - _FIRST_DAY).days


def archived(names: list[str]) -> list[str]:
    """Difference images as histories name them: packed, in the archive's tree of nights."""
    return [f"/ztf/archive/sci/{name[4:8]}/{name[8:12]}/{name[12:18]}/{name}.fz" for name in names]


def difference_image_names(columns: Mapping[str, Any]) -> list[str]:
    """Files of difference images (``pdiffimfilename``), from the columns of their detections."""
    fraction = columns["pid"] // 10_000 % 100_000
    return [
        f"ztf_{_date_text(night)}{part:05d}0_{field:06d}_z{' gr'[fid]}"
        f"_c{rcid // 4 + 1:02d}_o_q{rcid % 4 + 1}_scimrefdiffimg.fits"
        for night, part, field, fid, rcid in zip(
            *(x.tolist() for x in (columns["nid"], fraction, columns["field"])),
            columns["fid"].tolist(),
            columns["rcid"].tolist(),
            strict=True,
        )
    ]


def stamp_names(candid: int, pid: int, positive: bool) -> tuple[str, str, str]:
    """File names of the science, template and difference stamp."""
    target = f"candid{candid}_pid{pid}_targ"
    subtraction = "scimref" if positive else "refmsci"
    return (
        f"{target}_sci.fits.gz",
        f"candid{candid}_ref.fits.gz",
        f"{target}_{subtraction}.fits.gz",
    )


def asteroid_names(draws: Draws, visual_mag: Floats) -> list[str]:
    """Numbers for most asteroids, the brighter the lower, and designations for the rest."""
    brightness = np.clip((visual_mag - 12.0) / 9.0, 0.05, 1.0)
    numbers = (10.0 + 6e5 * brightness**4 * draws.uniform("asteroid_number")).astype(np.int64)
    years = 1995 + (29 * draws.uniform("asteroid_year")).astype(np.int64)
    letters = (24 * 25 * draws.uniform("asteroid_letters")).astype(np.int64)
    cycles = (300 * draws.uniform("asteroid_cycle")).astype(np.int64)
    unnumbered = draws.uniform("asteroid_numbered") < 0.06
    return [
        f"{year}{_HALF_MONTHS[letter // 25]}{_ORDER[letter % 25]}{cycle}"
        if provisional
        else f"{number}"
        for number, year, letter, cycle, provisional in zip(
            numbers.tolist(),
            years.tolist(),
            letters.tolist(),
            cycles.tolist(),
            unnumbered,
            strict=True,
        )
    ]
