"""Mixing: rows in a ratio, the search on surfaces that are known, and what a recipe records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.guidance.mixing import MixOptions, choose_ratio, mix, search_ratio
from hf_mbdc.guidance.simplex import allocate, fill, lattice
from hf_mbdc.guidance.surface import fit_surface


def rows(prefix: str, count: int) -> Dataset:
    return Dataset.from_dict({"id": [f"{prefix}{number}" for number in range(count)], "text": ["x"] * count})


class Peak:
    """Scores with their top at some ratio, and a noise of each seed and of each training."""

    def __init__(self, top: Sequence[float], noise: float = 0.0, common: float = 0.0, seeds: int = 3) -> None:
        self.top, self.noise = np.array(top), noise
        self.rng = np.random.default_rng(0)
        self.common = common * self.rng.normal(size=seeds)
        self.asked: list[list[dict[str, float]]] = []

    def __call__(self, ratios: Sequence[dict[str, float]]) -> list[np.ndarray]:
        self.asked.append(list(ratios))
        table = np.array([list(ratio.values()) for ratio in ratios])
        scores = 1 - ((table - self.top) ** 2).sum(axis=1)[:, None] + self.common
        return list((scores + self.noise * self.rng.normal(size=scores.shape))[:, :, None])


def test_rows_in_a_ratio() -> None:
    mixture = mix({"real": rows("r", 9), "made": rows("m", 9)}, {"made": 1, "real": 3}, 8)
    assert mixture["mbdc_source"][:] == ["real"] * 6 + ["made"] * 2
    assert len(set(mixture["id"][:])) == 8


def test_a_source_that_is_too_small_gives_every_row_before_one_comes_again() -> None:
    mixture = mix({"real": rows("r", 3), "made": rows("m", 9)}, {"real": 0.5, "made": 0.5}, 14)
    real = [row for row in mixture if row["mbdc_source"] == "real"]
    assert sorted(row["id"] for row in real[:3]) == ["r0", "r1", "r2"]
    assert sorted(row["id"] for row in real[3:6]) == ["r0~2", "r1~2", "r2~2"]
    assert real[6]["id"].endswith("~3")
    assert [row["mbdc_parent_id"] for row in real[3:6]] == [row["id"].removesuffix("~2") for row in real[3:6]]


def test_a_larger_share_holds_what_the_smaller_one_held_whatever_the_order_of_the_rows() -> None:
    real, made = rows("r", 50), rows("m", 50)
    small = mix({"real": real, "made": made}, {"real": 0.8, "made": 0.2}, 40, seed=3)
    large = mix({"real": real.select(range(50)[::-1]), "made": made}, {"real": 0.5, "made": 0.5}, 40, seed=3)
    of_small = {row["id"] for row in small if row["mbdc_source"] == "made"}
    assert of_small < {row["id"] for row in large if row["mbdc_source"] == "made"}
    assert of_small != {row["id"] for row in mix({"made": made}, {"made": 1}, 8, seed=4)}


def test_sources_that_are_not_named_give_nothing() -> None:
    other = Dataset.from_dict({"id": ["o"], "image": [1]})
    assert set(mix({"real": rows("r", 2), "other": other}, {"real": 1}, 5)["mbdc_source"][:]) == {"real"}


@pytest.mark.parametrize(
    ("ratio", "size", "error", "message"),
    [
        ({"reel": 1}, 4, RecipeError, "names no source"),
        ({"real": -1, "made": 2}, 4, RecipeError, "The ratio is"),
        ({"real": 0}, 4, RecipeError, "The ratio is"),
        ({"real": float("nan")}, 4, RecipeError, "The ratio is"),
        ({"real": 1}, 0, RecipeError, "size is 0"),
        ({"real": 1, "empty": 1}, 4, DataError, "no rows"),
        ({"real": 1, "other": 1}, 4, DataError, "other columns"),
        ({"real": 1, "same": 1}, 4, DataError, "same id"),
    ],
)
def test_mixtures_that_are_refused(ratio: Any, size: int, error: type[Exception], message: str) -> None:
    sources = {
        "real": rows("r", 3),
        "made": rows("m", 3),
        "empty": rows("e", 1).select([]),
        "same": rows("r", 3),
        "other": Dataset.from_dict({"id": ["o"], "image": [1]}),
    }
    with pytest.raises(error, match=message):
        mix(sources, ratio, size)


def test_the_search_begins_with_equal_shares_and_each_source_alone_and_never_asks_twice() -> None:
    score = Peak([0.2, 0.5, 0.3], noise=0.05)
    found = search_ratio(["a", "b", "c"], score, points=9, batch=2)
    assert score.asked[0] == [
        {"a": 0.333333, "b": 0.333333, "c": 0.333333},
        {"a": 0.0, "b": 0.0, "c": 1.0},
        {"a": 0.0, "b": 1.0, "c": 0.0},
        {"a": 1.0, "b": 0.0, "c": 0.0},
    ]
    assert [len(asked) for asked in score.asked] == [4, 2, 2, 1]
    everything = [tuple(ratio.values()) for asked in score.asked for ratio in asked]
    assert len(set(everything)) == len(everything) == len(found.points) == 9


def test_the_search_finds_a_top_that_no_start_has_and_says_how_high_it_is() -> None:
    found = search_ratio(["a", "b", "c"], Peak([0.2, 0.5, 0.3]), points=14)
    assert np.abs(np.array(list(found.ratio.values())) - [0.2, 0.5, 0.3]).max() <= 0.1
    assert found.interval[0] <= 1 <= found.interval[1]
    assert found.interval[1] - found.interval[0] < 0.1


def test_the_known_ratios_come_first() -> None:
    score = Peak([0.4, 0.6])
    search_ratio(["a", "b"], score, points=4, known=[{"a": 3, "b": 1}, {"b": 1}])
    assert score.asked[0][:2] == [{"a": 0.75, "b": 0.25}, {"a": 0.0, "b": 1.0}]


def test_the_search_ends_where_a_training_is_expected_to_gain_too_little() -> None:
    score = Peak([0.4, 0.6])
    found = search_ratio(["a", "b"], score, points=30, tolerance=0.01)
    assert len(found.points) < 15
    assert found.improvement <= 0.01


def test_what_seeds_do_to_all_ratios_alike_does_not_mislead_the_search_but_widens_the_interval() -> None:
    plain = search_ratio(["a", "b"], Peak([0.35, 0.65], common=0.0), points=8)
    moved = search_ratio(["a", "b"], Peak([0.35, 0.65], common=5.0), points=8)
    assert moved.ratio == plain.ratio == {"a": 0.35, "b": 0.65}
    assert moved.interval[1] - moved.interval[0] > 5 > plain.interval[1] - plain.interval[0]
    width = [found.curves[0].high - found.curves[0].low for found in (plain, moved)]
    assert width[1] == pytest.approx(width[0], rel=0.01, abs=1e-4)


def test_noise_widens_the_interval_and_the_luckiest_training_is_not_believed() -> None:
    # The truth is level: the best of many trainings is luck.
    rng = np.random.default_rng(1)

    def level(ratios: Sequence[dict[str, float]]) -> list[np.ndarray]:
        return list(0.5 + 0.1 * rng.normal(size=(len(ratios), 3, 1)))

    found = search_ratio(["a", "b"], level, points=10)
    luckiest = max(point.score for point in found.points)
    assert found.interval[0] < 0.5 < found.interval[1]
    assert found.score < luckiest


def test_the_curve_of_a_source_goes_through_the_chosen_ratio() -> None:
    found = search_ratio(["a", "b", "c"], Peak([0.2, 0.5, 0.3], noise=0.01), points=10)
    for curve in found.curves:
        place = int(np.argmin(np.abs(curve.shares - found.ratio[curve.source])))
        assert curve.score[place] == pytest.approx(found.score, abs=0.01)
        assert (curve.low <= curve.score).all()
        assert (curve.score <= curve.high).all()
    assert [curve.source for curve in found.curves] == ["a", "b", "c"]


def test_a_table_and_plain_data() -> None:
    found = search_ratio(["real", "made"], Peak([0.7, 0.3]), points=5)
    assert str(found).startswith("real 70%, made 30%: score 1.0")
    assert len(str(found).splitlines()) == 2 + 5
    told = found.to_dict()
    assert told["ratio"] == {"real": 0.7, "made": 0.3}
    assert told["points"][0] == {"ratio": {"real": 0.5, "made": 0.5}, "score": pytest.approx(0.92)}


def test_a_recipe_with_a_ratio_is_not_searched_and_one_without_gets_it() -> None:
    score = Peak([0.7, 0.3])
    options, found = choose_ratio(MixOptions(points=6), ["real", "made"], score)
    assert options == MixOptions({"real": 0.7, "made": 0.3}, points=6)
    assert found is not None
    again, nothing = choose_ratio(options, ["real", "made"], score)
    assert (again, nothing) == (options, None)
    assert sum(map(len, score.asked)) == 6
    with pytest.raises(RecipeError, match="names no source"):
        choose_ratio(MixOptions({"reel": 1.0}), ["real", "made"], score)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sources": ["a"]}, "1 sources"),
        ({"sources": ["a", "a"]}, "2 sources"),
        ({"points": 1}, "points is 1"),
        ({"start": 1}, "start 1"),
        ({"batch": 0}, "batch 0"),
        ({"confidence": 1.0}, "confidence is 1"),
        ({"known": [{"a": -1}]}, "The ratio is"),
    ],
)
def test_searches_that_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        search_ratio(**{"sources": ["a", "b"], "score": Peak([0.5, 0.5]), **changed})


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (lambda ratios: [[[np.nan]] for _ in ratios], "not a finite number"),
        (lambda ratios: [[[0.5]] for _ in ratios][1:], "ratios have scores"),
        (lambda ratios: [[[0.5]] * (1 + number) for number, _ in enumerate(ratios)], "ratios have scores"),
    ],
)
def test_scores_that_are_refused(scores: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        search_ratio(["a", "b"], scores, points=4)


def test_a_surface_without_noise_goes_through_its_points_and_knows_less_between_them() -> None:
    ratios = lattice(2, 4)
    scores = np.array([0.0, 0.4, 0.5, 0.3, 0.1])
    surface = fit_surface(ratios, scores, (1e-9, 20))
    mean, deviation = surface.predict(ratios)
    assert mean == pytest.approx(scores, abs=0.01)
    between = surface.predict(np.array([[0.125, 0.875]]))[1][0]
    assert between > 2 * deviation.max()


def test_a_surface_with_much_measured_noise_is_nearly_level() -> None:
    ratios = lattice(2, 8)
    scores = np.array([0.0, 1.0] * 4 + [0.0])
    mean, _ = fit_surface(ratios, scores, (0.25, 20)).predict(ratios)
    assert np.ptp(mean) < 0.3


def test_expected_improvement_is_that_of_the_normal_distribution() -> None:
    surface = fit_surface(lattice(2, 4), np.array([0.0, 0.4, 0.5, 0.3, 0.1]), (0.01, 4))
    place = np.array([[0.6, 0.4]])
    draws = np.random.default_rng(0).normal(size=(20_000, 1))
    means, variances = surface._each(place)
    sampled = np.maximum(surface.shift + surface.scale * (means.T + np.sqrt(variances.T) * draws) - 0.45, 0)
    expected = float(sampled.mean(axis=0) @ surface.weights)
    assert surface.expected_improvement(place, 0.45)[0] == pytest.approx(expected, rel=0.05)


def test_scores_that_are_all_equal_make_a_level_surface() -> None:
    mean, _ = fit_surface(lattice(3, 2), np.full(6, 0.7)).predict(lattice(3, 5))
    assert mean == pytest.approx(np.full(21, 0.7))


def test_a_lattice_has_every_ratio_once_and_stays_small() -> None:
    assert len(lattice(3, 20)) == 231
    assert len(lattice(6, 20)) <= 3000
    assert len(np.unique(lattice(4, 6), axis=0)) == len(lattice(4, 6)) == 84


@given(st.integers(2, 5), st.integers(1, 6))
def test_a_lattice_lies_on_the_simplex(sources: int, steps: int) -> None:
    found = lattice(sources, steps)
    assert (found >= 0).all()
    assert found.sum(axis=1) == pytest.approx(np.ones(len(found)))
    assert (found * steps).round(9) == pytest.approx(np.round(found * steps))


def test_points_fill_the_simplex_from_what_is_there() -> None:
    grid = lattice(3, 4)
    chosen = grid[fill(grid, 3, np.full((1, 3), 1 / 3))]
    assert sorted(chosen.tolist()) == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6).filter(lambda shares: sum(shares) > 0.01), st.integers(1, 999))
def test_whole_rows_add_up_and_are_near_the_ratio(shares: list[float], size: int) -> None:
    ratio = np.array(shares) / sum(shares)
    counts = allocate(ratio, size)
    assert counts.sum() == size
    assert (np.abs(counts - ratio * size) < 1 + 1e-6).all()
    assert (counts[ratio == 0] == 0).all()


@given(st.integers(0, 1000), st.integers(2, 4), st.integers(2, 9), st.integers(1, 3), st.integers(1, 4))
@settings(deadline=None, max_examples=8)
def test_any_search_gives_a_ratio_and_spends_no_more_than_its_points(
    seed: int, sources: int, points: int, seeds: int, batch: int
) -> None:
    rng = np.random.default_rng(seed)
    names = [f"s{number}" for number in range(sources)]
    found = search_ratio(
        names, lambda ratios: list(rng.normal(size=(len(ratios), seeds, 2))), points=points, batch=batch
    )
    assert len(found.points) <= points
    assert sum(found.ratio.values()) == pytest.approx(1, abs=1e-5)
    assert min(found.ratio.values()) >= 0
    assert found.interval[0] <= found.score <= found.interval[1]
    assert found.improvement >= 0
