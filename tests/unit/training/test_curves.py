"""Light curves for training: split by object, cut so that nothing of the future is in them."""

from __future__ import annotations

import numpy as np

from broker.science.classifier.features.detections import Detections
from broker.training.curves import (
    LabelledCurves,
    Strings,
    concatenate,
    equal_weights,
    folds,
    random_epochs,
    thin,
)
from broker.training.ztf import PACKET_DAYS, _cuts


def light_curves(n_curves: int, seed: int = 1) -> LabelledCurves:
    """Curves of 1 to 39 detections over up to 200 days."""
    random = np.random.default_rng(seed)
    counts = random.integers(1, 40, n_curves)
    mjd = np.concatenate([np.sort(59000 + random.uniform(0, 200, n)) for n in counts])
    points = Detections(
        mjd,
        random.integers(0, 2, len(mjd)),
        random.uniform(1e3, 1e5, len(mjd)),
        np.full(len(mjd), 500.0),
        np.concatenate([[0], np.cumsum(counts)]),
        2,
    )
    names = np.array([f"ZTF{seed}{k:04d}" for k in range(n_curves)])
    return LabelledCurves(points, names, np.arange(n_curves) % 3, np.full(n_curves, "made"))


def times(curves: LabelledCurves, k: int) -> list[float]:
    return curves.points.span(k, k + 1).mjd.tolist()


def by_name(curves: LabelledCurves) -> dict[str, list[float]]:
    return {str(name): times(curves, k) for k, name in enumerate(curves.object_id)}


def test_a_cut_is_all_of_a_window_that_ends_with_its_last_detection() -> None:
    whole = light_curves(60)
    every = by_name(whole)
    cuts = _cuts(whole)
    assert len(cuts) > 5 * len(whole)
    for k, name in enumerate(cuts.object_id):
        mine = times(cuts, k)
        past = [t for t in every[name] if t <= mine[-1]]
        from_packet = [t for t in past if t >= mine[-1] - PACKET_DAYS]
        assert mine in (past, from_packet)
        assert len(mine) >= 3


def test_what_comes_later_changes_no_earlier_cut() -> None:
    whole = light_curves(40)
    first = whole.first_mjd()
    everyone = np.arange(len(whole))
    early = whole.cut(everyone, first, first + 20)
    again = early.cut(everyone, first, first + 20)
    np.testing.assert_array_equal(early.points.mjd, again.points.mjd)
    np.testing.assert_array_equal(early.points.offsets, again.points.offsets)
    assert (early.last_mjd() <= first + 20).all()


def test_epochs_of_an_object_do_not_depend_on_the_others() -> None:
    some, others = light_curves(10, seed=1), light_curves(10, seed=2)
    alone, stop = random_epochs(some.points, some.object_id, 4)
    both = concatenate([others, some])
    together, stop_together = random_epochs(both.points, both.object_id, 4)
    mine = together >= len(others)
    np.testing.assert_array_equal(together[mine] - len(others), alone)
    np.testing.assert_array_equal(stop_together[mine], stop)


def test_a_thinned_curve_has_a_part_of_its_own_detections() -> None:
    whole = light_curves(200)
    every = by_name(whole)
    thinned = thin(whole)
    kept = by_name(thinned)
    assert all(set(mine) <= set(every[name]) and len(mine) >= 3 for name, mine in kept.items())
    assert 0.5 < len(thinned.points.mjd) / len(whole.points.mjd) < 0.8
    assert by_name(thin(whole)) == kept


def test_all_curves_of_an_object_share_a_fold_and_one_objects_weight() -> None:
    names: Strings = np.array(["a", "b", "a", "c", "a"])
    fold = folds(names)
    assert fold[0] == fold[2] == fold[4]
    np.testing.assert_allclose(equal_weights(names), [1 / 3, 1, 1 / 3, 1, 1 / 3])
    many = folds(np.array([f"ZTF{k}" for k in range(5000)]))
    assert np.bincount(many, minlength=5).min() > 900
