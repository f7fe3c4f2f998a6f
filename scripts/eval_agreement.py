"""Agreement of annotators on KLUE: equal to the reference packages, with intervals, and how long a million units take.

    python scripts/eval_agreement.py --data-dir ../shared/data/klue

1. KLUE-NLI (five labels a pair) and KLUE-STS (five to seven scores of 0 to 5, by named annotators): each coefficient
   beside the package `krippendorff`, `statsmodels` (Fleiss) and `scikit-learn` (Cohen), and their difference; Cohen's
   for the first two labels (NLI), and for each two annotators of STS who share 30 pairs or more (the largest
   difference is told).
2. Disagreement of rows and reliability of annotators, the columns that a data set can carry.
3. 1,000,000 units × 20 annotators with five values, a tenth of the ratings missing: processor time and the peak of
   resident memory above what the ratings themselves take, each call in a process of its own; medians of rounds, with
   numpy's own count of the values beside them.

Needs the peers: pip install -e ".[bench]".
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

UNITS, ANNOTATORS, VALUES = 1_000_000, 20, 5
CALLS = (
    "count values (numpy)",
    "alpha nominal",
    "alpha ordinal",
    "alpha interval",
    "fleiss",
    "cohen",
    "rows",
    "annotators",
)
NLI = ("entailment", "neutral", "contradiction")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=Path("../shared/data/klue"))
    parser.add_argument("--rounds", type=int, default=3, help="of the timings (default: 3; 0: none)")
    parser.add_argument("--call", choices=CALLS, help=argparse.SUPPRESS)  # one timing, in this process
    flags = parser.parse_args()
    if flags.call:
        print(json.dumps(time_call(flags.call)))
        return

    # 1. and 2. Real annotations
    print_nli(flags.data_dir / "klue-nli-v1.1_dev.json")
    print_sts(flags.data_dir / "klue-sts-v1.1_dev.json")

    # 3. A million units
    if flags.rounds:
        print_timings(flags.rounds)


def print_nli(path: Path) -> None:
    from sklearn.metrics import cohen_kappa_score
    from statsmodels.stats.inter_rater import aggregate_raters
    from statsmodels.stats.inter_rater import fleiss_kappa as reference

    from hf_mbdc.guidance.agreement import krippendorff_alpha, row_disagreement
    from hf_mbdc.guidance.kappa import cohen_kappa, fleiss_kappa

    rows = json.loads(path.read_text(encoding="utf-8"))
    labels = [[row[name] for name in ("author", "label2", "label3", "label4", "label5")] for row in rows]
    codes = np.array([[NLI.index(label) for label in row] for row in labels])
    print(f"KLUE-NLI: {len(labels):,} pairs, 5 labels each")
    print_beside(krippendorff_alpha(labels), reference_alpha(codes, "nominal"))
    print_beside(krippendorff_alpha(codes, "ordinal"), reference_alpha(codes, "ordinal"))
    print_beside(fleiss_kappa(labels), float(reference(aggregate_raters(codes)[0])))
    first, second = codes[:, 0], codes[:, 1]
    for weights, name in (("none", None), ("linear", "linear"), ("quadratic", "quadratic")):
        peer = float(cohen_kappa_score(first, second, weights=name))
        print_beside(cohen_kappa(first, second, weights), peer)  # type: ignore[arg-type]
    print_rows(row_disagreement(labels))


def print_sts(path: Path) -> None:
    from sklearn.metrics import cohen_kappa_score
    from statsmodels.stats.inter_rater import aggregate_raters
    from statsmodels.stats.inter_rater import fleiss_kappa as reference

    from hf_mbdc.guidance.agreement import krippendorff_alpha, row_disagreement
    from hf_mbdc.guidance.annotators import annotator_agreement
    from hf_mbdc.guidance.kappa import cohen_kappa, fleiss_kappa

    rows = json.loads(path.read_text(encoding="utf-8"))
    scores = [row["annotations"]["annotations"] for row in rows]
    who = [row["annotations"]["annotators"] for row in rows]
    table = by_annotator(scores, who)
    most = max(map(len, scores))
    print(
        f"\nKLUE-STS: {len(scores):,} pairs, {min(map(len, scores))} to {most} scores each, {table.shape[1]} annotators"
    )
    for level in ("nominal", "ordinal", "interval", "ratio"):
        print_beside(krippendorff_alpha(scores, level), reference_alpha(table, level))
    alike = [row for row in scores if len(row) == most]  # Fleiss' wants as many scores for each pair
    print_beside(fleiss_kappa(alike), float(reference(aggregate_raters(np.array(alike))[0])))
    worst, pairs = 0.0, 0
    for one, two in itertools.combinations(range(table.shape[1]), 2):
        both = ~np.isnan(table[:, [one, two]]).any(axis=1)
        if both.sum() < 30:
            continue
        peer = cohen_kappa_score(table[both, one], table[both, two])
        worst, pairs = max(worst, abs(cohen_kappa(table[:, one], table[:, two]).value - peer)), pairs + 1
    print(f"  Cohen's kappa of {pairs} pairs of annotators: largest difference from the package {worst:.1e}")
    print_rows(row_disagreement(scores, "interval"))
    found = annotator_agreement(scores, "interval", annotators=who)
    print("  annotators by agreement with the others (α of their ratings, 95 % interval):")
    for place in np.argsort(found.alpha):
        interval = f"[{found.low[place]:.3f}, {found.high[place]:.3f}]"
        print(f"    {found.names[place]:>4} {found.ratings[place]:>5} ratings {found.alpha[place]:>7.3f} {interval}")


def by_annotator(ratings: list[list[int]], who: list[list[str]]) -> np.ndarray:
    """(units, annotators) with NaN for no rating."""
    names = sorted({name for row in who for name in row})
    table = np.full((len(ratings), len(names)), math.nan)
    for unit, (given, row) in enumerate(zip(ratings, who, strict=True)):
        table[unit, [names.index(name) for name in row]] = given
    return table


def reference_alpha(table: np.ndarray, level: str) -> float:
    import krippendorff

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(krippendorff.alpha(reliability_data=table.T.astype(float), level_of_measurement=level))


def print_beside(found: Any, reference: float) -> None:
    print(f"  {found}\n    package {reference:.12f}, difference {abs(found.value - reference):.1e}")


def print_rows(disagreement: np.ndarray) -> None:
    shares = np.quantile(disagreement, [0.5, 0.9, 1.0])
    print(
        f"  disagreement of rows: mean {disagreement.mean():.3f}, median and 90 % and most {shares.round(3).tolist()}"
    )


def print_timings(rounds: int) -> None:
    print(f"\n{UNITS:,} units × {ANNOTATORS} annotators, {VALUES} values, a tenth missing; medians of {rounds} rounds")
    print(f"  {'':<24}{'CPU s':>8}{'extra MB':>10}")
    runs: dict[str, list[dict[str, float]]] = {call: [] for call in CALLS}
    for _ in range(rounds):
        for call in CALLS:
            done = subprocess.run(
                [sys.executable, __file__, "--call", call], check=True, capture_output=True, text=True
            )
            runs[call].append(json.loads(done.stdout))
    for call, found in runs.items():
        seconds, extra = (statistics.median(run[name] for run in found) for name in ("seconds", "extra"))
        print(f"  {call:<24}{seconds:>8.3f}{extra:>10.1f}")


def time_call(call: str) -> dict[str, float]:
    from hf_mbdc.guidance.agreement import krippendorff_alpha, row_disagreement
    from hf_mbdc.guidance.annotators import annotator_agreement
    from hf_mbdc.guidance.kappa import cohen_kappa, fleiss_kappa
    from hf_mbdc.guidance.ratings import read_ratings

    rng = np.random.default_rng(0)
    true = rng.integers(0, VALUES, UNITS, dtype=np.int8)
    ratings = np.repeat(true[:, None], ANNOTATORS, axis=1)
    for column in range(ANNOTATORS):
        other = rng.random(UNITS, dtype=np.float32) < 0.2
        ratings[other, column] = rng.integers(0, VALUES, int(other.sum()), dtype=np.int8)
    given = ratings.astype(np.float32)
    if call not in ("fleiss", "cohen"):  # which Fleiss' does not allow, and Cohen's would leave out
        for column in range(ANNOTATORS):
            given[rng.random(UNITS, dtype=np.float32) < 0.1, column] = math.nan
    del ratings
    calls = {
        "count values (numpy)": lambda: [np.unique(block) for block in np.array_split(given, 20)],
        "alpha nominal": lambda: krippendorff_alpha(given),
        "alpha ordinal": lambda: krippendorff_alpha(given, "ordinal"),
        "alpha interval": lambda: krippendorff_alpha(given, "interval"),
        "fleiss": lambda: fleiss_kappa(given),
        "cohen": lambda: cohen_kappa(given[:, 0], given[:, 1]),
        "rows": lambda: row_disagreement(given, "interval"),
        "annotators": lambda: annotator_agreement(read_ratings(given)),
    }
    krippendorff_alpha(given[:2000])  # what is imported or set up once
    reset_peak()
    before = resident("VmRSS")
    began = time.process_time()
    calls[call]()
    return {"seconds": time.process_time() - began, "extra": resident("VmHWM") - before}


def reset_peak() -> None:
    """Peak resident memory counts from here on, where the kernel can do that (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


def resident(name: str) -> float:
    """VmRSS or VmHWM in MB."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith(name)).split()[1]) / 1000


if __name__ == "__main__":
    main()
