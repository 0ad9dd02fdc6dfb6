"""A cone finds what astropy finds: at RA 0, at the poles, at cell edges, at any size."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from broker.errors import UsageError
from broker.query import Archive
from broker.query.cone import cell_ranges
from tests.builders import put_archive, put_online
from tests.science_rows import plain_rows

# Where coordinates or cells have their seams: RA 0, poles, corners of base cells, and elsewhere.
PLACES = [
    *[(0.0, 0.0), (359.99999, 10.0), (0.00001, -35.0), (180.0, 0.0)],
    *[(0.0, 90.0), (123.0, -90.0), (45.0, 89.9999), (271.0, -89.9995)],
    *[(45.0, 41.8103149), (0.0, 41.8103149), (90.0, 0.0), (225.0, -41.8103149)],
    *[(196.55, 35.72), (13.37, -61.2)],
]
RADII = [1.0, 60.0, 3600.0]


@pytest.fixture(scope="module")
def sky(tmp_path_factory: pytest.TempPathFactory) -> tuple[Archive, SkyCoord]:
    """Points around every place at all distances, half of them in the archive; and all over."""
    rng = np.random.default_rng(1)
    around = []
    for place in PLACES:
        centre = SkyCoord(*place, unit="deg")
        for radius in RADII:
            distances = rng.uniform(0, 2 * radius, 40) * u.arcsec
            around.append(centre.directional_offset_by(rng.uniform(0, 360, 40) * u.deg, distances))
    ra = np.concatenate([points.ra.deg for points in around] + [rng.uniform(0, 360, 5000)])
    dec = np.concatenate(
        [points.dec.deg for points in around] + [np.degrees(np.arcsin(rng.uniform(-1, 1, 5000)))]
    )
    ids = np.arange(len(ra))
    root = tmp_path_factory.mktemp("sky")
    some = {"a": ids[::2], "b": ids[1::2]}
    tables = {
        key: plain_rows(part, ra_deg=ra[part], dec_deg=dec[part]) for key, part in some.items()
    }
    put_archive(root, {"a": tables["a"]})
    put_online(root, "b", tables["b"])
    return Archive(root), SkyCoord(ra, dec, unit="deg")


@pytest.mark.parametrize("place", PLACES)
def test_a_cone_finds_what_astropy_finds(
    sky: tuple[Archive, SkyCoord], place: tuple[float, float]
) -> None:
    archive, points = sky
    for radius in (*RADII, 50_000.0):
        found = archive.cone(*place, radius)
        separations = points.separation(SkyCoord(*place, unit="deg")).arcsec
        inside = np.flatnonzero(separations <= radius)
        assert set(found["alert_id"].to_list()) == set(inside.tolist()), radius
        assert found["separation_arcsec"].is_monotonic_increasing
        np.testing.assert_allclose(
            found["separation_arcsec"], np.sort(separations[inside]), rtol=1e-9, atol=1e-8
        )


def test_the_whole_sky_is_a_cone_too(sky: tuple[Archive, SkyCoord]) -> None:
    archive, points = sky
    assert len(archive.cone(10, 20, 180 * 3600)) == len(points)
    inside = points.separation(SkyCoord(10, 20, unit="deg")).deg <= 150
    assert len(archive.cone(10, 20, 150 * 3600)) == inside.sum()


def test_a_small_cone_is_a_few_ranges_of_cells() -> None:
    for place in PLACES:
        for radius in (0.001, 1.0, 60.0, 3600.0, 100_000.0):
            ranges = cell_ranges(*place, radius)
            assert 1 <= len(ranges) <= 40, (place, radius)
            assert all(first <= last for first, last in ranges)
            assert all(one[1] < two[0] for one, two in pairwise(ranges))


@pytest.mark.parametrize("number", [np.float32, np.float64, np.int64])
def test_numbers_of_numpy_are_numbers(sky: tuple[Archive, SkyCoord], number: type) -> None:
    plain = sky[0].cone(10, -20, 36_000)
    assert len(sky[0].cone(number(10), number(-20), number(36_000))) == len(plain) > 0


@pytest.mark.parametrize(("given", "meant"), [(-0.001, 359.999), (360.0001, 0.0001), (-350, 10)])
def test_right_ascension_is_taken_modulo_360(tmp_path: Path, given: float, meant: float) -> None:
    put_online(tmp_path, "a", plain_rows([1], ra_deg=np.array([meant]), dec_deg=np.array([-35.72])))
    found = Archive(tmp_path).cone(given, -35.72, 1)
    assert found["alert_id"].to_list() == [1]
    assert found["separation_arcsec"][0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "cone",
    [
        *[(np.nan, 0, 1), (np.inf, 0, 1), (10, 90.0001, 1), (10, -91, 1), (10, np.nan, 1)],
        *[(10, 10, 0), (10, 10, -5), (10, 10, 10**6), (1, 2, np.nan)],
    ],
)
def test_what_is_no_circle_on_the_sky_is_refused(
    sky: tuple[Archive, SkyCoord], cone: tuple[float, float, float]
) -> None:
    with pytest.raises(UsageError):
        sky[0].cone(*cone)
