"""Label errors: is the ranking at least as good as cleanlab's?

1. Simulated noise: classes with normal features, a linear model fitted to the noisy labels out of fold, made too sure
   or not sure enough, and six ways in which labels go wrong. The constants of the method were chosen on such data.
2. Labels that people checked (Northcutt, Athalye & Mueller 2021, `label-errors`): five workers said for each row
   whether the given label fits. Only rows that confident learning suspected were ever checked, so all figures are about
   the order among these, and an error that nobody suspected is not counted. A label is wrong where fewer than three
   workers chose it (as that paper has it), and, told beside, where three or more chose the guessed label instead of it.

Intervals are 95 % percentile bootstrap over the checked rows, paired for differences. Needs cleanlab: pip install -e
".[bench]".

    python scripts/eval_label_errors.py --data-dir ../shared/data/label-errors
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

KINDS = ("uniform", "to one other", "some classes", "boundary", "no class", "two classes")
RATES = (0.01, 0.03, 0.1, 0.2)
CLASSES = (2, 5, 20)
SHARPNESS = (0.5, 2.0)  # of the model's probabilities: the power that they are raised to
METHODS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
OURS = "hf_mbdc"
RESAMPLES = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=Path("../shared/data/label-errors"))
    parser.add_argument("--repetitions", type=int, default=5, help="of each simulation (default: 5; 0: none)")
    flags = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning, module="cleanlab")

    # 1. Simulated noise
    if flags.repetitions:
        print_simulated(flags.repetitions)

    # 2. Checked labels
    for name in ("20news", "imdb"):
        print_checked(name, flags.data_dir / name)


def suspicion(given: np.ndarray, probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """(rows,) of every method: higher is more suspect."""
    from cleanlab.rank import get_label_quality_scores

    from hf_mbdc.guidance.label_errors import find_label_errors

    exact = probabilities / probabilities.sum(axis=1, keepdims=True)  # cleanlab refuses a sum of 1.00001
    found = {OURS: -find_label_errors(given, probabilities).quality}
    for method in METHODS:
        found[method] = -get_label_quality_scores(given, exact, method=method)
        if method != "confidence_weighted_entropy":  # which cleanlab does not adjust
            adjusted = get_label_quality_scores(given, exact, method=method, adjust_pred_probs=True)
            found[f"{method}, adjusted"] = -adjusted
    return found


# --- 1. simulated noise ---


def simulate(
    rng: np.random.Generator, classes: int, kind: str, sharpness: float, rate: float
) -> tuple[np.ndarray, ...]:
    """Given labels, out-of-fold probabilities, and which labels are wrong."""
    rows, width = 3000, 15
    means = rng.normal(size=(classes, width)) * rng.uniform(0.5, 0.9)
    true = rng.choice(classes, rows, p=rng.dirichlet(np.full(classes, 5.0)))
    true[: classes * 20] = np.tile(np.arange(classes), 20)  # every class has rows
    features = means[true] + rng.normal(size=(rows, width)) * np.exp(0.2 * rng.normal(size=(rows, 1)))
    picked = rng.random(rows) < rate
    other = (true + rng.integers(1, classes, rows)) % classes
    given, wrong = np.where(picked, other, true), picked.copy()
    if kind == "to one other":
        given = np.where(picked, (true + 1) % classes, true)
    elif kind == "some classes":
        rates = np.minimum(rng.dirichlet(np.full(classes, 0.5)) * classes * rate, 0.4)
        confused = rng.dirichlet(np.full(classes, 0.5), classes)
        given = np.where(rng.random(rows) < rates[true], draw(rng, confused[true]), true)
        wrong = given != true
    elif kind == "boundary":
        near = np.exp(-((features[:, None] - means) ** 2).sum(axis=2) / 4)
        near /= near.sum(axis=1, keepdims=True)
        near[np.arange(rows), true] = 0
        doubt = near.sum(axis=1)
        wrong = rng.random(rows) < np.minimum(doubt * rate / doubt.mean(), 0.9)
        given = np.where(wrong, draw(rng, near), true)
    elif kind == "no class":
        features[picked] = rng.normal(size=width) * 0.7 + rng.normal(size=(picked.sum(), width))
        given = np.where(picked, rng.integers(0, classes, rows), true)
    elif kind == "two classes":
        between = (means[true] + means[other]) / 2 + rng.normal(size=(rows, width))
        features[picked] = between[picked]
        given = np.where(picked & (rng.random(rows) < 0.5), other, true)
    return given, predict(rng, features, given, classes, sharpness), wrong


def draw(rng: np.random.Generator, weights: np.ndarray) -> np.ndarray:
    """One class a row, as the row's weights have it."""
    ends = np.cumsum(weights, axis=1)
    return np.minimum((ends < rng.random((len(weights), 1)) * ends[:, -1:]).sum(axis=1), weights.shape[1] - 1)


def predict(
    rng: np.random.Generator, features: np.ndarray, given: np.ndarray, classes: int, sharpness: float
) -> np.ndarray:
    """Probabilities of a linear discriminant of five folds."""
    fold = rng.integers(0, 5, len(given))
    logits = np.empty((len(given), classes))
    for number in range(5):
        x, y = features[fold != number], given[fold != number]
        means = np.array([x[y == name].mean(axis=0) for name in range(classes)])
        apart = x - means[y]
        inverse = np.linalg.inv(apart.T @ apart / len(x) + 1e-3 * np.eye(x.shape[1]))
        prior = np.log(np.bincount(y, minlength=classes) / len(y))
        constant = prior - ((means @ inverse) * means).sum(axis=1) / 2
        logits[fold == number] = features[fold == number] @ inverse @ means.T + constant
    scaled = np.exp(sharpness * (logits - logits.max(axis=1, keepdims=True)))
    return scaled / scaled.sum(axis=1, keepdims=True)


def print_simulated(repetitions: int) -> None:
    from cleanlab.filter import find_label_issues

    from hf_mbdc.guidance.label_errors import find_label_errors

    scores: dict[str, dict[tuple[str, float], list[tuple[float, ...]]]] = {}
    chosen: dict[str, dict[float, list[float]]] = {}
    for settings in np.ndindex(repetitions, len(CLASSES), len(KINDS), len(SHARPNESS), len(RATES)):
        classes, kind = CLASSES[settings[1]], KINDS[settings[2]]
        sharp, rate = SHARPNESS[settings[3]], RATES[settings[4]]
        given, probabilities, wrong = simulate(np.random.default_rng([*settings, 7]), classes, kind, sharp, rate)
        asked = probabilities.argmax(axis=1) != given
        if wrong[asked].sum() < 3 or asked.sum() == wrong[asked].sum():
            continue
        for name, suspect in suspicion(given, probabilities).items():
            values = (*order_scores(suspect, wrong), *order_scores(suspect[asked], wrong[asked]))
            scores.setdefault(name, {}).setdefault((kind, rate), []).append(values)
        sets = {
            OURS: find_label_errors(given, probabilities).suspected,
            "find_label_issues": find_label_issues(given, probabilities, n_jobs=1),
        }
        for name, found in sets.items():
            f1 = 2 * (found & wrong).sum() / (found.sum() + wrong.sum())
            chosen.setdefault(name, {}).setdefault(rate, []).append(float(f1))
    print_order(scores)
    print("\nF1 of the suspected rows, by error rate")
    for name, by_rate in chosen.items():
        print(f"  {name:<30}" + "".join(f"{np.mean(by_rate[rate]):>9.3f}" for rate in RATES))


def print_order(scores: Mapping[str, Mapping[tuple[str, float], Sequence[tuple[float, ...]]]]) -> None:
    measures = (
        "average precision",
        "ROC area",
        "average precision where the model differs",
        "ROC area there",
    )
    for place, measure in enumerate(measures):
        print(f"\nSimulated noise: {measure}; mean of kinds and rates, by kind, by error rate")
        print(" " * 32 + "".join(f"{str(name)[:12]:>13}" for name in ("mean", *KINDS, *RATES)))
        for name, found in scores.items():
            cells = {key: float(np.mean([value[place] for value in values])) for key, values in found.items()}
            means = [np.mean(list(cells.values()))]
            means += [np.mean([value for (kind, _), value in cells.items() if kind == wanted]) for wanted in KINDS]
            means += [np.mean([value for (_, rate), value in cells.items() if rate == wanted]) for wanted in RATES]
            print(f"  {name:<30}" + "".join(f"{value:>13.4f}" for value in means))


# --- 2. checked labels ---


def print_checked(name: str, folder: Path) -> None:
    given, probabilities, row, votes = load_checked(folder)
    print(f"\n{name}: {len(given):,} labels, {len(row):,} of them checked")
    found = {method: suspect[row] for method, suspect in suspicion(given, probabilities).items()}
    definitions = {
        "fewer than 3 of 5 chose the given label": votes[:, 0] < 3,
        "3 or more of 5 chose the guessed label": votes[:, 1] >= 3,
    }
    weights = np.random.default_rng(0).multinomial(len(row), np.full(len(row), 1 / len(row)), size=RESAMPLES)
    for definition, wrong in definitions.items():
        print(f"  wrong: {definition} ({wrong.sum():,} of {len(wrong):,})")
        print(f"    {'':<30}{'average precision':>26}{'ours minus it':>26}{'ROC area':>26}{'ours minus it':>26}")
        drawn = {method: resampled_scores(suspect, wrong, weights) for method, suspect in found.items()}
        for method, suspect in found.items():
            cells = []
            for place in range(2):
                value = order_scores(suspect, wrong)[place]
                ours = order_scores(found[OURS], wrong)[place]
                cells.append(with_interval(value, drawn[method][place], ""))
                apart = with_interval(ours - value, drawn[OURS][place] - drawn[method][place], "+")
                cells.append("" if method == OURS else apart)
            print(f"    {method:<30}" + "".join(f"{cell:>26}" for cell in cells))


def load_checked(folder: Path) -> tuple[np.ndarray, ...]:
    """Given labels, probabilities, positions of the checked rows, (checked, 2) votes for given and guessed label."""
    given = np.load(folder / "original_labels.npy", allow_pickle=False).astype(np.int64)
    probabilities = np.load(folder / "pred_probs.npy", allow_pickle=False)
    checked = json.loads((folder / "mturk.json").read_text(encoding="utf-8"))
    names = folder / "index_to_filename.json"
    if names.exists():
        place = {name: number for number, name in enumerate(json.loads(names.read_text(encoding="utf-8")))}
        row = np.array([place[item["id"].removeprefix("test/") + ".txt"] for item in checked])
    else:
        row = np.array([item["id"] for item in checked])
    votes = np.array([[item["mturk"]["given"], item["mturk"]["guessed"]] for item in checked])
    return given, probabilities, row, votes


def order_scores(suspect: np.ndarray, wrong: np.ndarray) -> tuple[float, float]:
    """Average precision and ROC area of a ranking; equal numbers share one place."""
    precision, area = resampled_scores(suspect, wrong, np.ones((1, len(wrong)), np.int64))
    return float(precision[0]), float(area[0])


def resampled_scores(suspect: np.ndarray, wrong: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same (resamples,) for rows that count as often as the (resamples, rows) weights say."""
    order = np.argsort(-suspect, kind="stable")
    ends = np.flatnonzero(np.r_[np.diff(suspect[order]) != 0, True])
    hits = np.cumsum(weights[:, order] * wrong[order], axis=1)[:, ends].astype(float)
    misses = np.cumsum(weights[:, order] * ~wrong[order], axis=1)[:, ends].astype(float)
    new_hits, new_misses = np.diff(hits, axis=1, prepend=0), np.diff(misses, axis=1, prepend=0)
    with np.errstate(invalid="ignore"):  # 0/0: no row drawn yet, or none of a kind
        precision = np.nansum(new_hits * hits / (hits + misses), axis=1) / hits[:, -1]
        area = (new_misses * (hits - new_hits / 2)).sum(axis=1) / hits[:, -1] / misses[:, -1]
    return precision, area


def with_interval(value: float, drawn: np.ndarray, sign: str) -> str:
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return f"{value:{sign}.4f} [{low:{sign}.3f}, {high:{sign}.3f}]"


if __name__ == "__main__":
    main()
