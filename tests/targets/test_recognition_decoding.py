"""Greedy reading and prefix beam search, beside what was computed by hand and by going through all paths."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.errors import TrainingError
from hf_mbdc.targets.recognition.decoding import CONTEXT, read_greedily, read_with_beams

Probabilities = dict[tuple[int, ...], float]


def columns(*probabilities: list[float]) -> np.ndarray:
    """One row: the blank first, then the characters 0, 1, …"""
    return np.log(np.array([probabilities]))


def texts(found: list[np.ndarray]) -> list[list[int]]:
    return [text.tolist() for text in found]


def of_all_paths(log_probabilities: np.ndarray) -> Probabilities:
    """The probability of every text that (columns, outputs) can give."""
    length, outputs = log_probabilities.shape
    found: Probabilities = {}
    for path in itertools.product(range(outputs), repeat=length):
        text = tuple(output - 1 for output, _ in itertools.groupby(path) if output)
        probability = float(np.exp(sum(log_probabilities[place, output] for place, output in enumerate(path))))
        found[text] = found.get(text, 0.0) + probability
    return found


def test_greedily_repetitions_are_one_unless_a_blank_is_between() -> None:
    outputs = np.array([[1, 1, 0, 1, 2, 2, 0], [0, 0, 0, 0, 0, 0, 0], [3, 3, 3, 3, 3, 3, 3]])
    found = read_greedily(np.log(np.eye(4)[outputs] + 1e-9), np.array([7, 7, 7]))
    assert texts(found) == [[0, 0, 1], [], [2]]


def test_greedily_what_is_right_of_an_image_is_not_read() -> None:
    outputs = np.array([[1, 2, 3], [1, 2, 3]])
    assert texts(read_greedily(np.log(np.eye(4)[outputs] + 1e-9), np.array([3, 1]))) == [[0, 1, 2], [0]]


def test_a_beam_adds_up_the_ways_to_write_a_text() -> None:
    """The best path is two blanks (.16), but "0" can be written in three ways: .1225 + 2 · .14 = .4025."""
    log_probabilities = columns([0.4, 0.35, 0.25], [0.4, 0.35, 0.25])
    assert of_all_paths(log_probabilities[0])[(0,)] == pytest.approx(0.4025)
    assert texts(read_greedily(log_probabilities, np.array([2]))) == [[]]
    assert texts(read_with_beams(log_probabilities, np.array([2]), 3)) == [[0]]


def test_a_character_twice_needs_a_blank_between() -> None:
    """ "00" is .9 · .9 · .9; without a blank the same columns are one "0"."""
    log_probabilities = columns([0.1, 0.9], [0.9, 0.1], [0.1, 0.9])
    assert texts(read_with_beams(log_probabilities, np.array([3]), 4)) == [[0, 0]]
    assert texts(read_with_beams(columns([0.1, 0.9], [0.1, 0.9]), np.array([2]), 4)) == [[0]]


def test_a_narrow_beam_forgets_what_would_have_been_best() -> None:
    """After the first column only "1" (.6) is kept, so "0 1" (.4 · .9 …) is never found."""
    log_probabilities = columns([0.02, 0.45, 0.53], [0.02, 0.96, 0.02])
    assert of_all_paths(log_probabilities[0])[(0,)] < of_all_paths(log_probabilities[0])[(1, 0)]
    assert texts(read_with_beams(log_probabilities, np.array([2]), 1)) == [[1, 0]]


@given(
    rows=st.integers(1, 3),
    length=st.integers(1, 5),
    outputs=st.integers(2, 4),
    seed=st.integers(0, 10_000),
    sharpness=st.sampled_from([0.3, 1.0, 5.0]),
)
def test_a_wide_beam_finds_the_best_of_all_texts(
    rows: int, length: int, outputs: int, seed: int, sharpness: float
) -> None:
    draw = np.random.default_rng(seed)
    log_probabilities = np.log(draw.dirichlet(np.full(outputs, sharpness), size=(rows, length)) + 1e-12)
    sizes = draw.integers(1, length + 1, rows)
    found = read_with_beams(log_probabilities, sizes, 300)
    for row, text in enumerate(texts(found)):
        every = of_all_paths(log_probabilities[row, : sizes[row]])
        assert every[tuple(text)] == pytest.approx(max(every.values()), rel=1e-9)


@given(length=st.integers(1, 4), seed=st.integers(0, 10_000), weight=st.sampled_from([0.3, 1.0, 2.0]))
def test_with_a_language_model_too(length: int, seed: int, weight: float) -> None:
    draw = np.random.default_rng(seed)
    log_probabilities = np.log(draw.dirichlet(np.ones(4), size=(1, length)))
    following = np.log(draw.dirichlet(np.ones(4), size=4))  # by the two before, which count alike; −1 is the last

    def language(before: np.ndarray, after: np.ndarray) -> np.ndarray:
        assert before.shape == (len(after), CONTEXT)
        return following[before.sum(1) % 4, after]

    def told(text: tuple[int, ...]) -> float:
        behind = (-1, -1, *text)
        steps = zip(behind, behind[1:], (*text, -1), strict=False)
        return float(sum(following[(one + two) % 4, after] for one, two, after in steps))

    every = {text: np.log(p) + weight * told(text) for text, p in of_all_paths(log_probabilities[0]).items()}
    [found] = read_with_beams(log_probabilities, np.array([length]), 300, language=language, language_weight=weight)
    assert every[tuple(found.tolist())] == pytest.approx(max(every.values()))


@given(seed=st.integers(0, 1000), width=st.integers(1, 6))
def test_rows_do_not_matter_to_each_other(seed: int, width: int) -> None:
    draw = np.random.default_rng(seed)
    log_probabilities = np.log(draw.dirichlet(np.ones(5), size=(4, 6)))
    sizes = draw.integers(1, 7, 4)
    together = texts(read_with_beams(log_probabilities, sizes, width))
    alone = [
        texts(read_with_beams(log_probabilities[row : row + 1], sizes[row : row + 1], width))[0] for row in range(4)
    ]
    assert together == alone


@pytest.mark.parametrize(("width", "outputs", "sharpness"), [(1, 9, 3.0), (2, 9, 3.0), (3, 41, 0.2)])
def test_few_outputs_are_looked_at_of_many_and_nothing_is_lost(width: int, outputs: int, sharpness: float) -> None:
    """With 40 characters and a width of 3, only the 7 best of each column may follow."""
    draw = np.random.default_rng(0)
    log_probabilities = np.log(draw.dirichlet(np.full(outputs, sharpness), size=(60, 8)) + 1e-12)
    found = texts(read_with_beams(log_probabilities, np.full(60, 8), width))
    assert found == [_slow_search(row, width) for row in log_probabilities]


def _slow_search(log_probabilities: np.ndarray, width: int) -> list[int]:
    """The textbook's prefix beam search, with dictionaries and all characters."""
    beams = {(): (0.0, -np.inf)}
    for column in log_probabilities:
        grown: dict[tuple[int, ...], list[float]] = {}
        for text, (blank, character) in beams.items():
            total = np.logaddexp(blank, character)
            here = grown.setdefault(text, [-np.inf, -np.inf])
            here[0] = np.logaddexp(here[0], total + column[0])
            if text:
                here[1] = np.logaddexp(here[1], character + column[text[-1] + 1])
            for number, value in enumerate(column[1:]):
                longer = grown.setdefault((*text, number), [-np.inf, -np.inf])
                longer[1] = np.logaddexp(longer[1], value + (blank if text and number == text[-1] else total))
        best = sorted(grown, key=lambda text: -np.logaddexp(*grown[text]))[:width]
        beams = {text: (grown[text][0], grown[text][1]) for text in best}
    return list(max(beams, key=lambda text: np.logaddexp(*beams[text])))


def test_no_rows_and_no_width() -> None:
    assert read_with_beams(np.zeros((0, 3, 4)), np.zeros(0, int), 4) == []
    with pytest.raises(TrainingError, match=r"The beam is 0 wide. It must be at least 1."):
        read_with_beams(np.zeros((1, 3, 4)), np.array([3]), 0)
