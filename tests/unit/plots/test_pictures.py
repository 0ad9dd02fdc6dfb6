"""What pictures show, asked of matplotlib's own objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.image as mpl_image
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from broker.commands.app import main
from broker.commands.plot import record_page
from broker.plots import LightCurve, NightArrays, draw_light_curve, night_page, object_page
from broker.settings import load_settings
from broker.simulator.synthetic import write_night
from tests.science_rows import science_rows

NAN = float("nan")


def curve() -> LightCurve:
    """Two bands: detections, one of them negative, a limit, a forced point, one without band."""
    points: list[dict[str, Any]] = [
        point(1.0, "g", "detection", mag=18.0, flux=100.0),
        point(2.0, "g", "detection", mag=17.0, flux=-250.0, is_positive=False),
        point(3.0, "r", "upper_limit", mag_limit=20.5, flux_err=4.0),
        point(4.0, "r", "forced", mag=19.0, flux=40.0),
        point(5.0, None, "detection", mag=None, flux=None),
    ]
    return LightCurve.from_points(points)


def point(mjd: float, band: str | None, kind: str, **values: Any) -> dict[str, Any]:
    return {
        "mjd": mjd,
        "band": band,
        "kind": kind,
        "mag": values.get("mag"),
        "mag_err": 0.1,
        "mag_limit": values.get("mag_limit"),
        "flux_njy": values.get("flux"),
        "flux_err_njy": values.get("flux_err", 1.0),
        "is_positive": values.get("is_positive", True),
    }


def axes_of(quantity: Any) -> Axes:
    axes = Figure().subplots()
    draw_light_curve(axes, curve(), quantity, "MJD (UTC, start of exposure)")
    return axes


def labels(axes: Axes) -> set[str]:
    legend = axes.get_legend()
    assert legend is not None
    return {text.get_text() for text in legend.get_texts()}


def test_bright_is_up_and_axes_say_what_they_are() -> None:
    axes = axes_of("mag")
    low, high = axes.get_ylim()
    assert low > high
    assert axes.get_ylabel() == "magnitude of the difference (AB)"
    assert axes.get_xlabel() == "MJD (UTC, start of exposure)"


def test_flux_grows_upwards_from_a_line_of_zero() -> None:
    axes = axes_of("flux")
    low, high = axes.get_ylim()
    assert low < 0 < high
    assert axes.get_ylabel() == "flux of the difference (nJy)"


def test_each_kind_of_point_is_told_apart() -> None:
    assert labels(axes_of("mag")) == {
        "g",
        "g, fainter than the reference",
        "r, 5σ upper limit",
        "r, forced photometry",
    }


def test_limits_are_where_they_belong() -> None:
    heights = {
        quantity: [
            np.asarray(points.get_offsets())[0, 1]
            for points in axes_of(quantity).collections
            if len(np.asarray(points.get_offsets())) == 1
        ]
        for quantity in ("mag", "flux")
    }
    assert 20.5 in heights["mag"]
    assert 20.0 in heights["flux"]  # five times the error


def test_an_empty_light_curve_and_a_missing_image_are_drawn(tmp_path: Path) -> None:
    images = {"Science": np.zeros((63, 63), np.float32), "Template": None}
    nan = np.full((63, 63), np.nan, np.float32)
    page = object_page("nobody", LightCurve.from_points([]), images | {"Difference": nan})
    page.savefig(tmp_path / "page.png")


def test_a_night_without_scores_or_filters_is_drawn(tmp_path: Path) -> None:
    nothing = np.array([NAN, NAN])
    for n in (0, 2):
        arrays = NightArrays(*[nothing[:n]] * 4, np.array(["", "g"])[:n], *[nothing[:n]] * 2)
        night_page("a night", arrays).savefig(tmp_path / "night.png")
    filled = NightArrays(
        *(np.array([60000.1, 60000.2]), np.array([0.0, 359.0]), np.array([-90.0, 10.0])),
        *(np.array([18.0, 19.0]), np.array(["g", "r"]), np.array([0.1, 0.9]), nothing),
        by_filter=[("fast", 3), ("slow", 0), ("odd", -1)],
    )
    page = night_page("a night", filled)
    page.savefig(tmp_path / "night.png")
    names = [text.get_text() for axes in page.axes for text in axes.get_yticklabels()]
    assert {"fast", "slow"} <= set(names)
    assert "odd" not in names


def test_a_packets_file_becomes_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_night(2, 1, tmp_path / "night")
    monkeypatch.chdir(tmp_path)
    packet = sorted((tmp_path / "night").glob("*.avro"))[0]
    assert main(["plot", str(packet)]) == 0
    picture = mpl_image.imread(tmp_path / f"{packet.stem}.png")
    assert picture.shape[:2] == (900, 1320)
    assert picture[..., :3].std() > 0.05
    assert main(["consume", "--from", str(tmp_path / "night"), "--plot", "pictures"]) == 0
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 2


@pytest.mark.parametrize("payload", ["full", "lite"])
def test_a_packet_of_ours_is_drawn_with_what_it_says(payload: str) -> None:
    (row,) = science_rows("ztf", [7]).to_pylist()
    points = [point(60_000.0 + k, "g", "detection", mag=18.0, flux=9.0) for k in range(3)]
    row |= {"mjd": 60_002.0, "band": "r", "mag": 17.0, "lightcurve": points}
    row |= {"ra_deg": 12.5, "dec_deg": -3.25}
    row["classifier"] = {"label": "sn_ia", "score": 0.75, "model": "ztf_1", "n_points": 3}
    if payload == "lite":
        del row["lightcurve"]
    page = record_page(row, load_settings("ztf", environ={}))
    texts = [text.get_text() for text in page.findobj(Text)]
    (facts,) = [text for text in texts if "alert " in text]
    assert f"alert {row['alert_id']}\nRA 12.500000°, Dec -3.250000° (ICRS)\n" in facts
    assert "classifier: sn_ia, P(SN Ia) = 0.750 (ztf_1, 3 points)" in facts
    assert labels(page.subfigs[0].axes[0]) == ({"g"} if payload == "full" else {"r"})


def test_a_packet_of_ours_says_itself_of_which_survey_it_is() -> None:
    (row,) = science_rows("elasticc", [7]).to_pylist()
    row |= {"ra_deg": 12.5, "dec_deg": -3.25, "lightcurve": [point(60_000.0, "g", "detection")]}
    page = record_page(row, load_settings("ztf", environ={}))
    assert page.subfigs[0].axes[0].get_xlabel() == "MJD (TAI, midpoint)"


def test_what_cannot_be_drawn_is_a_usage_error(tmp_path: Path) -> None:
    write_night(1, 1, tmp_path / "night")
    packet = str(next((tmp_path / "night").glob("*.avro")))
    assert main(["plot"]) == 2
    assert main(["plot", packet, "--night", "20240707"]) == 2
    assert main(["plot", packet, "--out", str(tmp_path / "page.docx")]) == 2
    assert main(["plot", packet, "--survey", "elasticc"]) == 2
    (tmp_path / "ztf").mkdir()
    assert main(["plot", "ZTF1", "--set", f"storage.root={tmp_path}"]) == 2
