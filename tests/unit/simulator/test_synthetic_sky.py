"""The synthetic survey's sky, clock, weather and random numbers."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import BarycentricMeanEcliptic, EarthLocation, SkyCoord, get_sun
from astropy.time import Time
from astropy.utils import iers

from broker.simulator.synthetic import almanac, sky
from broker.simulator.synthetic.cadence import plan_cadence
from broker.simulator.synthetic.conditions import (
    SURVEY_STREAM,
    exposures_of,
    is_open,
    limiting_magnitude,
)
from broker.simulator.synthetic.draws import Draws, keys_of, stream_key
from broker.simulator.synthetic.naming import night_number, object_name

NIGHT = night_number(20240910)


@pytest.fixture(autouse=True)
def _offline() -> None:
    iers.conf.auto_download = False


def draws(count: int) -> Draws:
    return Draws(keys_of(stream_key(1, 2), np.arange(count)))


def test_a_number_depends_on_its_object_and_name_only() -> None:
    everything = draws(1000)
    some = np.array([3, 999, 17])
    exposures = np.arange(6).reshape(1, 6) + np.zeros((1000, 1), dtype=np.int64)
    alone = draws(1000)[some]
    assert np.array_equal(everything.uniform("mag")[some], alone.uniform("mag"))
    assert np.array_equal(
        everything.normal("noise", exposures)[some][:, 4],
        alone.normal("noise", exposures[some][:, 4:5])[:, 0],
    )
    assert not np.array_equal(everything.uniform("mag"), everything.uniform("colour"))


def test_numbers_have_the_distributions_that_their_names_say() -> None:
    many = draws(200_000)
    assert many.uniform("u").mean() == pytest.approx(0.5, abs=0.003)
    assert many.uniform("u").std() == pytest.approx(12**-0.5, abs=0.002)
    assert many.normal("n").mean() == pytest.approx(0.0, abs=0.01)
    assert many.normal("n").std() == pytest.approx(1.0, abs=0.01)
    assert many.exponential("e", 3.0).mean() == pytest.approx(3.0, rel=0.02)
    assert np.bincount(many.choice("c", (1.0, 3.0)))[1] == pytest.approx(150_000, rel=0.01)
    assert abs(np.corrcoef(many.uniform("a"), many.uniform("b"))[0, 1]) < 0.01
    assert abs(np.corrcoef(many.uniform("a")[1:], many.uniform("a")[:-1])[0, 1]) < 0.01


def test_galactic_and_ecliptic_latitudes_are_astropys() -> None:
    ra, dec = np.array([0.0, 83.6, 266.4, 200.0, 310.0]), np.array([0.0, 22.0, -29.0, 60.0, -20.0])
    coordinates = SkyCoord(ra, dec, unit="deg")
    lon, lat = sky.galactic(ra, dec)
    assert lon == pytest.approx(coordinates.galactic.l.deg, abs=1e-3)
    assert lat == pytest.approx(coordinates.galactic.b.deg, abs=1e-3)
    ecliptic = coordinates.transform_to(BarycentricMeanEcliptic())
    assert sky.ecliptic_latitude(ra, dec) == pytest.approx(ecliptic.lat.deg, abs=1e-2)


def test_sun_and_sidereal_time_are_astropys_to_a_few_arcminutes() -> None:
    times = Time([2458500.3, 2460563.8, 2461000.9], format="jd", scale="utc")
    place = EarthLocation.from_geodetic(almanac.LONGITUDE_DEG * u.deg, almanac.LATITUDE_DEG * u.deg)
    solar = get_sun(times)
    ra, dec = almanac.sun(times.jd)
    # Of date against the catalogue's equinox: precession since 2000 is a third of a degree.
    assert ra == pytest.approx(solar.ra.deg, abs=0.5)
    assert dec == pytest.approx(solar.dec.deg, abs=0.2)
    sidereal = times.sidereal_time("mean", longitude=place.lon).deg
    assert almanac.sidereal_time(times.jd) == pytest.approx(sidereal, abs=0.05)


def test_pixels_a_quadrant_apart_lie_a_quadrant_apart_on_the_sky() -> None:
    rcid, middle = np.arange(64), np.full(64, 1536.0)
    east, north = sky.quadrant_offset(rcid, middle, middle)
    ra, dec = sky.deproject(np.full(64, 150.0), np.full(64, 40.0), east, north)
    places = SkyCoord(ra, dec, unit="deg")
    nearest = [np.sort(place.separation(places).deg)[1] for place in places]
    assert np.allclose(nearest, 0.862, atol=0.008)
    assert places.separation(SkyCoord(150, 40, unit="deg")).deg.max() < 5.2


def test_the_night_is_dark_and_each_field_is_seen_in_both_bands() -> None:
    cadence = plan_cadence(NIGHT, 1)
    assert 120 < len(cadence.fields.number) < 260
    assert almanac.is_dark(cadence.tonight.jd).all()
    assert (np.sort(cadence.tonight.fid, axis=1) == [1, 2]).all()
    gap_minutes = np.diff(cadence.tonight.jd, axis=1) * 1440
    assert ((gap_minutes > 20) & (gap_minutes < 60)).all()
    altitude = almanac.sin_altitude(
        cadence.tonight.jd, cadence.fields.ra[:, None], cadence.fields.dec[:, None]
    )
    assert (altitude > np.sin(np.radians(25))).all()


def test_past_visits_are_every_two_or_three_days_with_gaps_of_weather() -> None:
    cadence = plan_cadence(NIGHT, 1)
    recent = cadence.recent
    off_plane = np.abs(sky.galactic(cadence.fields.ra, cadence.fields.dec)[1]) > 10
    in_season = cadence.recent.valid.sum(axis=1) > 6
    gaps = []
    for row in np.flatnonzero(off_plane & in_season):
        nights = np.unique(recent.night[row][recent.valid[row]])
        gaps.extend(np.diff(nights))
    assert np.median(gaps) in (2, 3)
    assert min(gaps) == 2
    assert max(gaps) > 4
    assert not np.isin(recent.night[recent.valid], [NIGHT]).any()
    assert is_open(np.unique(recent.night[recent.valid])).all()


def test_no_exposure_is_shared_by_two_fields() -> None:
    recent = plan_cadence(NIGHT, 1).recent
    instants = (recent.night * 100_000 + recent.fraction)[recent.valid]
    assert len(np.unique(instants)) == len(instants)


def test_moonlight_costs_most_in_g() -> None:
    nights = np.arange(2000, 2600)
    exposures = exposures_of(SURVEY_STREAM, nights, nights * 0 + 20_000, nights * 0)
    jd = nights + 2457754.5
    lit = almanac.moon_illumination(jd)
    loss = {}
    for fid in (1, 2):
        limit = limiting_magnitude(exposures, nights, nights * 0 + fid, jd)
        loss[fid] = np.median(limit[lit < 0.1]) - np.median(limit[lit > 0.9])
        assert 20.2 < np.median(limit[lit < 0.1]) < 20.9
    assert loss[1] > loss[2] > 0.2


def test_object_names_have_the_surveys_form_and_differ() -> None:
    names = [object_name(number, 1, NIGHT, 2458700.5) for number in range(5000)]
    assert len(set(names)) == 5000
    assert all(name.startswith("ZTF19a") and len(name) == 12 for name in names)
    assert not set(names) & {object_name(n, 1, NIGHT + 1, 2458700.5) for n in range(5000)}
