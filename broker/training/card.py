"""The model card: one JSON with everything measured, and a page to read made from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from broker.science.classifier.model import MAX_DAYS, MIN_POINTS, Calibration, declared_model
from broker.training.curves import N_FOLDS, LabelledCurves
from broker.training.fit import PARAMETERS, ROUNDS, Fitted
from broker.training.results import SCORE_CUT, Result, show_share
from broker.training.training_set import TrainingSet

Card = dict[str, Any]

_DATA = {
    "ztf": {
        "SN Ia and core collapse": "ZTF Bright Transient Survey (Fremling et al. 2020, Perley et "
        "al. 2020): spectroscopic types; difference light curves of the public alert stream as "
        "the ANTARES broker kept them, detections alone",
        "other": "superluminous supernovae, tidal disruptions and novae of BTS; periodic stars "
        "with ALeRCE labels, cut into 30-day windows; recorded ZTF packets with a stellar PS1 "
        "match (distpsnr1 < 1″, sgscore1 > 0.76) or a SIMBAD type that is no supernova or galaxy, "
        "each also cut at earlier epochs; a synthetic night of a seed of its own without its "
        "supernovae",
        "ages": "every BTS object enters cut at random epochs, with the 30 days of history that a "
        "packet carries and with all its past, and 5, 10, 15, 20, 30 and 50 days after its first "
        "detection; every cut again with a random part of its detections, as under a sparser "
        "cadence",
        "weights": "all cuts of an object together weigh 1 for SN Ia and 1.5 for the other "
        "classes; packets of the real sky three times, synthetic ones 0.3 times as much",
    },
    "elasticc": {
        "SN Ia and SN II": "the ELAsTiCC simulation of LSST (2022 stream) as the Fink broker kept "
        "it, one transfer of one night with both classes; truth of the simulation",
        "ages": "every alert as it came, every object cut at random epochs, and each of these "
        "again with a random part of its detections",
        "weights": "all cuts of an object together weigh 1",
    },
}
_LIMITS = {
    "ztf": [
        "Magnitude-limited: BTS objects peak brighter than about 19 mag and were bright enough "
        "for a spectrum. Fainter, farther or redder supernovae are outside what was learnt.",
        "g and r alone; i-band detections are ignored.",
        "Detections alone: neither upper limits nor forced photometry are used, nor host or "
        "redshift.",
        "`other` is a collection, not a population: its share in the mix is arbitrary, and kinds "
        "that are not listed may get any score. Active nuclei, cataclysmic variables and most "
        "variable stars in it are synthetic.",
        "Superluminous supernovae, tidal disruptions and novae are few and mostly called "
        "supernovae.",
        "The model knows no catalogue: of the alerts on a PS1 star that are real and have enough "
        "detections some get a score ≥ 0.5 (see above), so filters cut on the catalogue as well.",
        "The sign of the periodic stars' differences is not in their data; all count as positive.",
    ],
    "elasticc": [
        "Two classes: whatever an alert is, the probabilities of SN Ia and SN II add up to 1. "
        "Nothing in the data taught another class; Ib, Ic, variables and active nuclei get "
        "some score, which means nothing.",
        "Simulated light curves of one night of one season: the cadence, depth and class mix of "
        "that simulation.",
        "Positive detections alone: neither forced photometry nor host nor redshift.",
    ],
}


def write_card(
    data: TrainingSet,
    fitted: Fitted,
    calibration: Calibration,
    results: list[Result],
    learning_curve: list[dict[str, Any]],
    cross_checks: list[Result],
) -> Card:
    """Everything there is to say about a model, as plain numbers and words."""
    survey = data.survey
    return {
        "model": declared_model(survey).model,
        "survey": survey,
        "classes": list(declared_model(survey).classes),
        "bands": list(declared_model(survey).bands),
        "data": {
            "sets": _DATA[survey],
            "objects": _count_objects(data.curves),
            "light_curves": dict(sorted(Counter(data.curves.source.tolist()).items())),
        },
        "split": f"{N_FOLDS} folds by object (a hash of its name); nothing later than a light "
        "curve's last point is in it; calibrated on folds that the trees were not fitted on, "
        "measured with a calibration fitted on the other folds",
        "mix": _mix(data),
        "abstains": f"fewer than {MIN_POINTS} positive detections in "
        f"{', '.join(declared_model(survey).bands)}, or positive detections over more than "
        f"{MAX_DAYS:g} d; in the stream also known solar-system objects, what real_bogus finds not "
        "real, and long-lived sources (n_detections and age)",
        "trees": {**PARAMETERS, "rounds": ROUNDS[survey]},
        "calibration": {
            "slope": calibration.slope.tolist(),
            "offset": calibration.offset.tolist(),
        },
        "results": results,
        "cross_checks": cross_checks,
        "learning_curve": learning_curve,
        "importances": rank_importances(fitted),
        "limits": _LIMITS[survey],
        "features": [feature._asdict() for feature in fitted.extractor.features],
    }


def rank_importances(fitted: Fitted) -> list[dict[str, Any]]:
    """Features by their share of the trees' gain."""
    gain = fitted.trees.feature_importance("gain")
    share = gain / gain.sum()
    names = [feature.name for feature in fitted.extractor.features]
    return [{"name": names[k], "gain": float(share[k])} for k in np.argsort(-share, kind="stable")]


def _count_objects(curves: LabelledCurves) -> dict[str, int]:
    pairs = set(zip(curves.source.tolist(), curves.object_id.tolist(), strict=True))
    return dict(sorted(Counter(source for source, _ in pairs).items()))


def _mix(data: TrainingSet) -> dict[str, float]:
    """Share of each class in the mix that the probabilities are for."""
    curves, weight = data.calibration
    sums = np.bincount(curves.label, weights=weight)
    return {
        name: float(share)
        for name, share in zip(declared_model(data.survey).classes, sums / sums.sum(), strict=True)
    }


def page(card: Card) -> str:
    """The card as Markdown."""
    return "\n".join(
        [
            f"# {card['model']}: {' / '.join(card['classes'])} from the light curve alone",
            "",
            "Made by `jobs/train_classifier.py`; all numbers are also in `card.json`.",
            "",
            "## Data",
            "",
            *(f"- **{name}**: {text}." for name, text in card["data"]["sets"].items()),
            "",
            "| source | objects | light curves (cuts of them) |",
            "|---|---|---|",
            *(
                f"| {name} | {count} | {card['data']['light_curves'][name]} |"
                for name, count in card["data"]["objects"].items()
            ),
            "",
            f"Split: {card['split']}.",
            "",
            f"No score: {card['abstains']}.",
            "",
            *_results(card),
            *_pictures(),
            *_reweigh(card),
            "## Limits",
            "",
            *(f"- {limit}" for limit in card["limits"]),
            "",
            *_features(card),
        ]
    )


def _results(card: Card) -> list[str]:
    contests = [r for r in card["results"] if "auc" in r]
    alone = [r for r in card["results"] if "auc" not in r]
    first, second = card["classes"][:2]
    lines = [
        f"## {first} against {second}",
        "",
        "AUC of the score: mean ± spread of the folds, and the 95 % interval over objects of the "
        "pooled value. Calibration error: ten bins of equal count, one light curve per object; "
        "by chance: what perfect probabilities would show, mean (95 %).",
        "",
        "| light curves | AUC | 95 % | scored | n | calibration error | by chance |",
        "|---|---|---|---|---|---|---|",
        *(_contest_row(r) for r in contests),
        "",
    ]
    if alone:
        lines += [
            "## Each other kind apart",
            "",
            f"Light curves with a score ≥ {SCORE_CUT}, by the model of the fold that never saw "
            "their object: as a share of all, those without a score counted as below, and of the "
            "scored alone. Packets get a score here exactly when the stream gives them one (real, "
            "no solar-system match, enough positive detections). After each share: its 95 % "
            "interval over objects.",
            "",
            f"| kind | objects: all, scored, any ≥ {SCORE_CUT} | light curves: all, scored, "
            f"≥ {SCORE_CUT} | of all | of the scored | labels of the scored |",
            "|---|---|---|---|---|---|",
            *(_alone_row(r) for r in alone),
            "",
        ]
    if card["cross_checks"]:
        lines += [
            "## Objects that nothing was learnt from",
            "",
            "| set | AUC | 95 % over objects | scored light curves, objects |",
            "|---|---|---|---|",
            *(
                f"| {r['trial']} | {r['auc']['mean']:.3f} | {r['auc']['low']:.3f}–"
                f"{r['auc']['high']:.3f} | {r['auc']['n_curves']}, {r['auc']['n_objects']} |"
                for r in card["cross_checks"]
            ),
            "",
        ]
    return lines


def _contest_row(result: Result) -> str:
    auc, error = result["auc"], result["calibration"]
    return (
        f"| {result['trial']} | {auc['mean']:.4f} ± {auc['spread']:.4f} | {auc['low']:.4f}–"
        f"{auc['high']:.4f} | {auc['share']:.1%} | {auc['n_curves']} | {error['value']:.4f} | "
        f"{error['by_chance']:.4f} ({error['by_chance_95']:.4f}) |"
    )


def _alone_row(result: Result) -> str:
    labels = ", ".join(f"{name} {count}" for name, count in result["labels"].items())
    objects = (result[f"n_objects{part}"] for part in ("", "_scored", "_above"))
    curves = (result[f"n_{part}"] for part in ("curves", "scored", "above"))
    shares = [show_share(result[name]) for name in ("above_of_all", "above_of_scored")]
    cells = [result["trial"], _listed(objects), _listed(curves), *shares, labels]
    return f"| {' | '.join(cells)} |"


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in numbers)


def _pictures() -> list[str]:
    shown = {
        "calibration": "Calibration",
        "roc": "ROC",
        "learning_curve": "Learning curve",
        "importances": "Importances",
        "templates": "Templates learnt from the training set",
    }
    return [f"![{title}]({name}.png)\n" for name, title in shown.items()]


def _reweigh(card: Card) -> list[str]:
    mix = ", ".join(f"{name} {share:.3f}" for name, share in card["mix"].items())
    return [
        "## Another mix of classes",
        "",
        f"Probabilities hold for the mix {mix}. For another mix with shares q, multiply each "
        "probability by q / (share above) and divide by the sum:",
        "",
        "    p'_k = p_k · q_k / m_k  /  Σ_j p_j · q_j / m_j",
        "",
    ]


def _features(card: Card) -> list[str]:
    numbers = ", ".join(f"{k} is {name}" for k, name in enumerate(card["classes"]))
    return [
        "## Features",
        "",
        f"Class {numbers}; templates are numbered class after class.",
        "",
        "| name | unit | meaning | source |",
        "|---|---|---|---|",
        *(
            f"| {f['name']} | {f['unit']} | {f['meaning']} | {f['source']} |"
            for f in card["features"]
        ),
        "",
    ]
