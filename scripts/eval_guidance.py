"""Does `compare` decide as it says it does? Simulations where the truth is known.

    python scripts/eval_guidance.py

Scores of parent and candidate are drawn with an effect of every seed, every document and their meeting, on documents of
one size or of very different ones. Printed: how often the 95 % interval holds the true difference, how often useless
candidates are accepted (at one look, at 20 looks at the same rows, on one of many slices), and how often a gain of the
size that the planner names is. Beside each, what goes wrong with the usual shortcuts. Every number is a share of
`--repetitions` fresh data sets and has a standard error of at most half a point at 2,000 (95 % and 5 %).

`--resamples` is smaller than the default of `compare` to save time; the last table shows on a sample that both agree.
About 10 minutes on one core; `--repetitions 200` for a first look.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from hf_mbdc.guidance.compare import Comparison, compare
from hf_mbdc.guidance.looks import budget
from hf_mbdc.guidance.planner import plan
from hf_mbdc.guidance.renewal import renewal
from hf_mbdc.guidance.uncertainty import student_quantile, uncertainty_of
from hf_mbdc.records import Evidence

SEED_SPREADS = {"none": 0.0, "small": 0.1, "large": 0.5}  # in standard deviations of a document's effect

EARLIER = Evidence("score", "test", 0, 0, (), 0.0, 0.0, 0.0, (0.0, 0.0), 0.95, 1.0, "inconclusive")


@dataclass(frozen=True)
class Design:
    """How evaluation data come about; `effect` is the true difference."""

    kind: str = "continuous"  # or skewed: few documents gain much; binary; or sparse: binary, and few documents differ
    seeds: int = 3
    documents: int = 40
    sizes: str = "equal"  # four rows a document; or unequal: 1 to 60, log-normal
    seed_spread: str = "small"
    effect: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.kind:<10} {self.seeds} seeds {self.documents:>3} {self.sizes:<7} seeds' effect {self.seed_spread}"
        )


@dataclass(frozen=True)
class Data:
    parent: np.ndarray  # (seeds, rows)
    candidate: np.ndarray
    documents: np.ndarray  # (rows,)


def draw(design: Design, rng: np.random.Generator) -> Data:
    """One data set."""
    if design.sizes == "equal":
        sizes = np.full(design.documents, 4)
    else:
        sizes = np.clip(np.round(np.exp(rng.normal(1, 1.1, design.documents))), 1, 60).astype(int)
    documents = np.repeat(np.arange(design.documents), sizes)
    makers = {"binary": _draw_binary, "sparse": _draw_sparse}
    return makers.get(design.kind, _draw_continuous)(design, documents, rng)


def _draw_continuous(design: Design, documents: np.ndarray, rng: np.random.Generator) -> Data:
    shape, count = (design.seeds, len(documents)), design.documents
    parent = rng.normal(0, 1, count)[documents] + rng.normal(0, 1, len(documents)) + rng.normal(0, 0.5, shape)
    by_seed = rng.normal(0, 0.5 * SEED_SPREADS[design.seed_spread], (design.seeds, 1))
    effects = rng.normal(size=count) if design.kind == "continuous" else rng.exponential(size=count) - 1
    by_document = 0.5 * effects[documents] + rng.normal(0, 0.2, (design.seeds, count))[:, documents]
    return Data(parent, parent + design.effect + by_seed + by_document + rng.normal(0, 0.6, shape), documents)


def _draw_binary(design: Design, documents: np.ndarray, rng: np.random.Generator) -> Data:
    """Right or wrong: a row is gained or lost with a chance that its document and its seed have; half is luck."""
    shape, count = (design.seeds, len(documents)), design.documents
    gained, lost = (2 * rng.beta(2, 2, count)[documents] for _ in range(2))  # of mean 1, one to a document
    by_seed = np.clip(rng.normal(0, 0.06 * SEED_SPREADS[design.seed_spread], (design.seeds, 1)), -0.12, 0.12)
    luck = np.where(rng.random(shape) < 0.5, rng.random(len(documents)), rng.random(shape))
    up = luck < (0.12 + design.effect / 2 + by_seed / 2) * gained
    down = luck > 1 - (0.12 - design.effect / 2 - by_seed / 2) * lost
    right = np.where(rng.random(shape) < 0.5, rng.random(len(documents)), rng.random(shape)) < 0.7
    return Data(np.where(up, 0.0, down | right), np.where(down, 0.0, up | right).astype(float), documents)


def _draw_sparse(design: Design, documents: np.ndarray, rng: np.random.Generator) -> Data:
    """Right or wrong, and one document in twelve differs: there each row with a chance of .6, all of them one way."""
    shape, count = (design.seeds, len(documents)), design.documents
    differs = (rng.random(count) < 1 / 12)[documents] & (rng.random(shape) < 0.6)
    up = (rng.random(count) < 0.5 + 10 * design.effect)[documents]
    right = np.tile(rng.random(len(documents)) < 0.7, (design.seeds, 1))
    return Data(np.where(differs, ~up, right).astype(float), np.where(differs, up, right).astype(float), documents)


def shortcuts(data: Data, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    """95 % intervals that forget something."""
    change = data.candidate - data.parent
    seeds, rows = change.shape
    sums = np.stack([np.bincount(data.documents, weights=one) for one in change])
    sizes = np.bincount(data.documents).astype(float)
    means, z = change.mean(axis=0), 1.96
    apart = np.sqrt((data.parent.mean(axis=0).var() + data.candidate.mean(axis=0).var()) / rows)
    widths = {
        "all scores independent": z * change.std() / np.sqrt(seeds * rows),
        "rows independent": z * means.std() / np.sqrt(rows),
        "unpaired rows": z * apart,
        "seeds ignored": uncertainty_of(sums.mean(axis=0, keepdims=True), sizes).half_width(0.05),
    }
    bounds = {name: (float(change.mean() - width), float(change.mean() + width)) for name, width in widths.items()}
    return bounds | {"plain bootstrap of both": _plain_bootstrap(sums, sizes, rng)}


def _plain_bootstrap(sums: np.ndarray, sizes: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Percentiles of means over seeds and documents that are both drawn with replacement."""
    draws, (seeds, documents) = np.arange(300)[:, None], sums.shape
    by_seed, by_document = (
        np.bincount((rng.integers(n, size=(300, n)) + n * draws).ravel(), minlength=300 * n).reshape(300, n)
        for n in (seeds, documents)
    )
    means = ((by_seed @ sums) * by_document).sum(axis=1) / (by_document @ sizes) / seeds
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def run(data: Data, resamples: int, rng: np.random.Generator, **options: Any) -> Comparison:
    seed = int(rng.integers(2**31))  # else the draws of all data sets would be the same
    return compare(data.parent, data.candidate, data.documents.tolist(), resamples=resamples, seed=seed, **options)


def print_coverage(designs: list[Design], repetitions: int, resamples: int) -> None:
    """How often the interval holds the truth, in percent, ours with its misses below and above."""
    print("\n1. Coverage of the nominal 95 % interval, %")
    for number, design in enumerate(designs):
        rng, held = np.random.default_rng([1, number]), []
        for _ in range(repetitions):
            data = draw(design, rng)
            bounds = {"compare": run(data, resamples, rng).interval, **shortcuts(data, rng)}
            held.append([(low > design.effect, high < design.effect) for low, high in bounds.values()])
        missed = 100 * np.mean(held, axis=0)  # (methods, 2)
        if number == 0:
            print(f"{'':<46} compare (too high, too low)  {'  '.join(list(bounds)[1:])}")
        others = "  ".join(f"{100 - m.sum():>{len(name)}.1f}" for name, m in zip(bounds, missed, strict=True))
        below, above = missed[0]
        print(
            f"{design!s:<46} {100 - below - above:7.1f} ({below:.1f}, {above:.1f}){others[len('compare') :]:>12}",
            flush=True,
        )


def print_false_accepts(designs: list[Design], repetitions: int, resamples: int) -> None:
    """How often a candidate that is as good as its parent is accepted, or decided on at all."""
    print("\n2. A/A: useless candidates, % accepted, and % decided upon either way (nominal 2.5 and 5)")
    for number, design in enumerate(designs):
        rng, accepted = np.random.default_rng([2, number]), []
        for _ in range(repetitions):
            data = draw(design, rng)
            verdict = run(data, resamples, rng).verdict
            others = shortcuts(data, rng)
            pairs = [(verdict == "accept", verdict != "inconclusive")]
            accepted.append(pairs + [(low > 0, low > 0 or high < 0) for low, high in others.values()])
        shares = 100 * np.mean(accepted, axis=0)
        told = "   ".join(
            f"{name} {up:.1f}/{any_:.1f}" for name, (up, any_) in zip(["compare", *others], shares, strict=True)
        )
        print(f"{design}: {told}", flush=True)


def print_looks(designs: list[Design], repetitions: int, resamples: int, looks: int = 20) -> None:
    """How often a loop accepts any of 20 useless candidates that are all scored on the same rows."""
    print(f"\n3. {looks} useless candidates on one evaluation set, % of runs that accept any (nominal at most 5)")
    for number, design in enumerate(designs):
        rng = np.random.default_rng([3, number])
        any_accepted = np.zeros(3)
        for _ in range(repetitions):
            made: list[Evidence] = []
            accepted = []
            for data in _candidates(design, rng, looks):
                one = run(data, resamples, rng, alpha=budget(made, decisions=looks).next)
                made.append(dataclasses.replace(EARLIER, verdict=one.verdict, alpha=one.alpha))
                usual = one.interval[0] > 0 and one.p_value <= 0.05
                accepted.append((one.verdict == "accept", usual, shortcuts(data, rng)["rows independent"][0] > 0))
            any_accepted += np.any(accepted, axis=0)
        names = ("with the budget", "no correction", "nor documents")
        told = (f"{name} {100 * n / repetitions:.1f}" for name, n in zip(names, any_accepted, strict=True))
        print(f"{design}: {'   '.join(told)}", flush=True)


def _candidates(design: Design, rng: np.random.Generator, looks: int) -> Iterator[Data]:
    """Candidates of one parent on the same rows: what they share makes their verdicts depend on each other."""
    first = draw(design, rng)
    for _ in range(looks):
        other = draw(design, rng)
        yield Data(first.parent, first.parent + other.candidate - other.parent, first.documents)


def print_rules(repetitions: int, looks: int = 20) -> None:
    """Which share of true gains 20 decisions find, by how the budget is shared out; 3 in 10 candidates are true."""
    rng, number = np.random.default_rng(9), np.arange(1, looks + 1)
    log = np.log(np.arange(1, 10**6))
    lord = np.maximum(log, log[1]) / np.exp(log + log**0.5)
    shares = {
        "equal": np.full(looks, 1 / looks),
        "6/π²·1/k²": 6 / np.pi**2 / number**2,
        "LORD's": lord[:looks] / lord.sum(),
    }
    print(
        f"\n4. True gains found in {looks} decisions (in the first 5), and runs with a false one, %, by rule of sharing"
    )
    for alone in (0.8, 0.95, 0.99):
        gain = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(alone)
        true = rng.random((repetitions, looks)) < 0.3
        z = gain * true + (rng.normal(size=(repetitions, 1)) + rng.normal(size=true.shape)) / 2**0.5  # same rows
        told = []
        for name, share in shares.items():
            accepted, given_back = np.zeros_like(true), np.zeros(repetitions)
            for look in range(looks):
                level = 0.05 * share[look] + given_back
                accepted[:, look] = z[:, look] > student_quantile(level, 1e6)
                given_back = np.where(accepted[:, look], level, 0.0)
            found = [100 * accepted[:, :n][true[:, :n]].mean() for n in (looks, 5)]
            told.append(f"{name} {found[0]:.0f} ({found[1]:.0f}), {100 * (accepted & ~true).any(axis=1).mean():.1f}")
        print(f"gains that one look finds in {alone:.0%}: {'   '.join(told)}")


def print_slices(repetitions: int, resamples: int, slices: int = 20) -> None:
    """How often a slice is named as lost by a candidate that loses nowhere."""
    design, rng, named = Design(documents=200), np.random.default_rng(4), {"corrected": 0, "not corrected": 0}
    for _ in range(repetitions):
        data = draw(design, rng)
        found = run(data, resamples, rng, slices=data.documents % slices)
        named["corrected"] += bool(found.hidden_losses)
        named["not corrected"] += any(part.interval[1] < 0 for part in found.slices)
    told = "   ".join(f"{name} {100 * count / repetitions:.1f}" for name, count in named.items())
    print(f"\n5. {slices} slices without any loss, % of comparisons that name one (nominal 2.5)\n{design}: {told}")


def print_power(designs: list[Design], repetitions: int, resamples: int) -> None:
    """How often a gain is accepted that the planner, after a pilot of the same size, says is accepted in 80 %."""
    print("\n6. Power at the gain that the planner names after a pilot, % (nominal 80 or more); that of unpaired rows")
    for number, design in enumerate(designs):
        rng = np.random.default_rng([5, number])
        gains, accepted = [], []
        for _ in range(repetitions):
            gains.append(plan(run(draw(design, rng), 100, rng).uncertainty, 0.0).detectable)
            data = draw(dataclasses.replace(design, effect=gains[-1]), rng)
            accepted.append(
                (run(data, resamples, rng).verdict == "accept", shortcuts(data, rng)["unpaired rows"][0] > 0)
            )
        ours, unpaired = 100 * np.mean(accepted, axis=0)
        print(f"{design}: {ours:.1f}   unpaired {unpaired:.1f}   (median gain {np.median(gains):.3f})", flush=True)


def print_renewal(repetitions: int) -> None:
    """Coverage of the difference of the same model on two test splits."""
    rng, held = np.random.default_rng(6), 0
    for _ in range(repetitions):
        old, new = draw(Design(documents=79), rng), draw(Design(documents=40, sizes="unequal"), rng)
        low, high = renewal(old.candidate, new.candidate - 0.2, old.documents.tolist(), new.documents.tolist()).interval
        held += low <= -0.2 <= high
    print(f"\n7. Renewal of a test split, coverage of the drop's 95 % interval: {100 * held / repetitions:.1f}")


def print_resamples(resamples: int, sample: int = 200) -> None:
    """Whether the smaller number of resamples gives what the default gives."""
    rng, same, moved = np.random.default_rng(7), 0, []
    for _ in range(sample):
        data = draw(Design(effect=0.15, sizes="unequal"), rng)
        few, many = run(data, resamples, rng), compare(data.parent, data.candidate, data.documents.tolist())
        same += few.verdict == many.verdict
        moved += list(np.subtract(few.interval, many.interval) / np.ptp(many.interval))
    print(
        f"\n8. {resamples} resamples in place of the default 10,000: {same} of {sample} verdicts are the same, bounds "
        f"differ by {100 * float(np.std(moved)):.1f} % of the width"
    )


def print_time() -> None:
    rng, rows = np.random.default_rng(8), 10_000
    parent = rng.normal(size=(3, rows))
    for documents in (2_500, rows):
        start = time.perf_counter()
        compare(parent, parent + rng.normal(0.1, 1, (3, rows)), (np.arange(rows) % documents).tolist())
        print(
            f"9. 3 seeds × {rows} rows of {documents} documents, 10,000 resamples: {time.perf_counter() - start:.2f} s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=2000, help="data sets for each number")
    parser.add_argument(
        "--resamples", type=int, default=500, help="bootstrap draws and flips, but for table 3: 4 times"
    )
    arguments = parser.parse_args()
    repetitions, resamples, start = arguments.repetitions, arguments.resamples, time.perf_counter()

    levels = itertools.product(("continuous", "binary"), (3, 5), (40, 200), ("equal", "unequal"), ("small", "large"))
    # Half of the combinations, chosen so that any two levels meet equally often.
    grid = [Design(*one) for one in levels if (one[2] == 40) == ((one[3] == "equal") == (one[4] == "small"))]
    edges = [Design(seeds=2, seed_spread=spread) for spread in ("small", "large")]
    edges += [Design("skewed", sizes=sizes) for sizes in ("equal", "unequal")]
    designs = [dataclasses.replace(one, effect=0.05) for one in grid + edges]
    designs += [Design("sparse", documents=documents, effect=0.02) for documents in (40, 79, 400)]
    print_coverage(designs, repetitions, resamples)
    useless = [Design(kind, seeds, 79, "unequal") for kind in ("continuous", "binary") for seeds in (2, 3, 5)]
    useless += [Design(seed_spread="large")]
    print_false_accepts(useless, repetitions, resamples)
    print_looks([Design()], repetitions, 4 * resamples)
    print_rules(10 * repetitions)
    print_slices(repetitions, resamples)
    gaining = [Design(documents=79), Design(seeds=5, seed_spread="large"), Design("binary", 5, 200)]
    print_power([*gaining, Design(documents=200, seed_spread="none")], repetitions, resamples)
    print_renewal(repetitions)
    print_resamples(resamples)
    print_time()
    print(f"\n{repetitions} repetitions, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
