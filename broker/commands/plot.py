"""``nightjar plot``: an object, a night or a packet as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from broker.commands.options import ConfOption, NightsOption, OutOption, SetOption, SurveyOption
from broker.errors import InputError, UsageError
from broker.nights import parse_nights
from broker.plural import counted
from broker.settings import Settings, load_settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from broker.query import Archive
    from broker.surveys import Survey

_DPI = 120


def main(
    target: Annotated[
        str | None, typer.Argument(metavar="OBJECT_ID|FILE", help="An object, or a packet's file.")
    ] = None,
    nights: NightsOption = None,
    out: OutOption = None,
    survey: SurveyOption = None,
    conf: ConfOption = None,
    words: SetOption = None,
) -> None:
    """Draw an object's light curve and images, one packet's, or whole nights.

    --out is a .png, .pdf or .svg; by default it is NAME.png in the current folder.
    """
    settings = load_settings(survey, conf, words)
    figure, name = _figure(settings, target, nights)
    path = out or Path(f"{name}.png")
    save_figure(figure, path)
    typer.echo(f"written to {path}")


def _figure(settings: Settings, target: str | None, nights: str | None) -> tuple[Figure, str]:
    """Picture of what was asked for, and its name."""
    if target is None:
        if nights is None:
            raise UsageError("give an object, a packet's file, or --nights")
        parse_nights(nights)
        return _night(settings, nights), f"night_{nights}"
    path = Path(target)
    if path.is_file():
        if nights is not None:
            raise UsageError(f"{target} is one packet; give --nights without it")
        return _packet(settings, path), path.stem
    return _object(settings, target, nights), target


def save_figure(figure: Figure, path: Path) -> None:
    """Write a picture, in the form that the file's name ends in.

    Raises
    ------
    UsageError
        It cannot be written, or not in that form.
    """
    try:
        figure.savefig(path, dpi=_DPI)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot write {path}: {error}") from None


def record_page(record: Mapping[str, Any], settings: Settings) -> Figure:
    """Page of one packet: the survey's, with what the science modules make of it, or one of ours.

    One of ours says itself of which survey it is.

    Raises
    ------
    InputError
        The record is none of this survey.
    """
    from broker.client.identity import paths_of
    from broker.packets.fields import value_at
    from broker.plots import object_page
    from broker.query.decode_cutouts import cutout_name, decode_cutout
    from broker.surveys import get_survey

    is_ours = record.get("alert_id") is not None
    survey = get_survey((is_ours and record.get("survey")) or settings.survey)
    paths = paths_of(record) if is_ours else survey.packet
    if paths is None or value_at(record, paths.alert_id) is None:
        raise InputError(
            f"the packet has no {survey.packet.alert_id}, so it is none of {survey.name}; "
            "give --survey"
        )
    row = record if is_ours else _computed(record, settings, survey)
    names = (value_at(record, path) for path in paths.object_id)
    object_id = next((str(name) for name in names if name is not None), "")
    images = {cutout_name(name): decode_cutout(record.get(name)) for name in survey.cutouts}
    facts = [
        f"alert {value_at(record, paths.alert_id)}",
        _place(*(value_at(record, path) for path in paths.position)),
        *_scores(row),
        *_link(survey, object_id),
    ]
    # Light packets come without their light curve.
    points = row.get("lightcurve") or [{**row, "kind": "detection", "mag_limit": None}]
    return object_page(object_id, _curve(points), images, facts, **_axes(survey))


def _computed(record: Mapping[str, Any], settings: Settings, survey: Survey) -> dict[str, Any]:
    """Science columns of a survey's packet; without Spark, the modules' are left out."""
    from broker.science.engine.packet_arrays import packet_arrays
    from broker.science.lightcurves.columns import columns_of_packets
    from broker.surveys.arrow_columns import ArrowColumns

    if find_spec("pyspark") is None:
        paths = survey.science.photometry_paths
        packet = ArrowColumns(packet_arrays([record], paths, survey), 1)
        zero_point = settings.science.flux_zero_point
        columns, _ = columns_of_packets(survey.science, packet, zero_point)
        return {name: values[0].as_py() for name, values in columns.items()}
    from broker.science.engine.science_pass import SciencePass

    science = SciencePass(survey.name, settings.science)
    science.load()
    computed = science.compute(packet_arrays([record], science.paths, survey), 1)
    return {name: values[0].as_py() for name, values in computed.columns.items()}


def _object(settings: Settings, object_id: str, nights: str | None) -> Figure:
    from broker.plots import object_page
    from broker.query.decode_cutouts import cutout_name
    from broker.surveys import get_survey

    archive = _archive(settings)
    survey = get_survey(settings.survey)
    found: Any = archive.object(object_id, nights)
    if not found.num_rows:
        raise UsageError(
            f"no alert of {object_id} is in {settings.survey_root}, and no file has that name"
        )
    latest = found.slice(found.num_rows - 1).to_pylist()[0]
    points: Any = archive.light_curve(object_id, nights)
    facts = [
        _place(latest["ra_deg"], latest["dec_deg"]),
        _count(found.num_rows, sorted(set(found["night"].to_pylist()))),
        *_scores(latest),
        *_link(survey, object_id),
    ]
    images = archive.cutouts(latest["alert_id"])
    facts.append(f"images of alert {latest['alert_id']}")
    ordered = {cutout_name(name): None for name in survey.cutouts} | images
    return object_page(object_id, _curve(points.to_pylist()), ordered, facts, **_axes(survey))


def _night(settings: Settings, nights: str) -> Figure:
    import numpy as np

    from broker.plots import NightArrays, night_page
    from broker.query.summary import ScienceSummary
    from broker.surveys import get_survey

    scores = ["real_bogus.score AS real_bogus", "classifier.score AS classifier"]
    columns = ["mjd", "ra_deg", "dec_deg", "mag", "coalesce(band, '') AS band", *scores]
    found: Any = _archive(settings).nights(nights, columns)

    def floats(name: str) -> Any:
        return found[name].cast("float64").fill_null(np.nan).to_numpy()

    arrays = NightArrays(
        **{name: floats(name) for name in (*columns[:4], "real_bogus", "classifier")},
        band=np.array(found["band"].to_pylist(), dtype=np.str_),
        by_filter=ScienceSummary(Path(settings.survey_root), nights).by_filter(),
    )
    label = get_survey(settings.survey).time_axis
    return night_page(f"{settings.survey}, night {nights}", arrays, label)


def _packet(settings: Settings, path: Path) -> Figure:
    from broker.client import iterate

    for alert in iterate(path, schema=settings.ingest.schema_path, settings=settings):
        return record_page(alert, settings)
    raise InputError(f"{path} holds no packet")


def _curve(points: Sequence[Mapping[str, Any]]) -> Any:
    from broker.plots import LightCurve

    return LightCurve.from_points(points)


def _axes(survey: Survey) -> dict[str, Any]:
    return {"quantity": survey.light_curve_in, "time_label": survey.time_axis}


def _place(ra_deg: float, dec_deg: float) -> str:
    return f"RA {ra_deg:.6f}°, Dec {dec_deg:+.6f}° (ICRS)"


def _count(n_alerts: int, nights: Sequence[int]) -> str:
    alerts = counted(n_alerts, "alert")
    if len(nights) == 1:
        return f"{alerts}, night {nights[0]}"
    return f"{alerts} in {len(nights)} nights, {nights[0]} to {nights[-1]}"


def _scores(row: Mapping[str, Any]) -> list[str]:
    """Scores with the names of the models that they come from."""
    real, classified = row.get("real_bogus") or {}, row.get("classifier") or {}
    lines = []
    if real.get("score") is not None:
        lines.append(f"real or bogus: {real['score']:.3f} ({real['source']})")
    if classified.get("label") is not None:
        lines.append(
            f"classifier: {classified['label']}, P(SN Ia) = {classified['score']:.3f} "
            f"({classified['model']}, {classified['n_points']} points)"
        )
    elif classified.get("reason") is not None:
        lines.append(f"classifier: no class, {classified['reason']}")
    return lines


def _link(survey: Survey, object_id: str) -> list[str]:
    return [survey.object_page.format(object_id=object_id)] if survey.object_page else []


def _archive(settings: Settings) -> Archive:
    from broker.query import Archive

    return Archive(settings.survey_root, "arrow")
