"""Does a small language model get better by data that it makes itself, and does the gate know when it does not?

    python scripts/eval_self_improve.py

The recipe `self-improve`: a model is trained on some problems with answers (M0), answers prompts that nobody has
answered, and the next model (M1) is trained for as many steps on as many completions a step, from the same first
weights. One row of the table for each way to choose what is learned; all may draw as many answers:

    more of the same     no new data: M0 itself, at the same budget
    unverified           one answer a prompt, whatever it is: a control (fewer answers are drawn)
    verifier             a right answer of 8
    verifier, twice      the same, and then M1 answers as many more prompts: M2
    verifier, refined    a wrong draft is shown to the model, which answers again, up to 8 drafts
    verifier, pairs      a right answer, and a wrong one as `rejected`: the last steps are DPO with an NLL term
    majority             what most of its own 8 answers say
    likelihood           the answer of 8 that it finds likeliest
    longest              the longest of 8: a judge with a flaw, planted to see whether the gate rejects it
    given                the true answers to the same prompts: what is to be had at most

Scored on test problems that no judge has seen, paired over problems and seeds (`hf_mbdc.compare`). Trainings and
answers are kept in --work-dir: a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from hf_mbdc.measurement import Measurement
    from hf_mbdc.records import Evidence
    from hf_mbdc.workbench import Workbench

WAYS: dict[str, dict[str, Any]] = {
    "unverified": {"judge": "length", "candidates": 1},
    "verifier": {"judge": "verifier"},
    "verifier, twice": {"judge": "verifier"},
    "verifier, refined": {"judge": "verifier", "method": "refine"},
    "verifier, pairs": {"judge": "verifier", "learn": "pairs"},
    "majority": {"judge": "majority"},
    "likelihood": {"judge": "likelihood"},
    "longest": {"judge": "length"},
}
GIVEN = "given"


def main() -> None:
    flags = parse_flags()
    from hf_mbdc.workbench import prepare

    # 1. Data, approach and settings are the recipe's
    bench = prepare("self-improve", work_dir=flags.work_dir, max_parallel=flags.max_parallel, progress=False)
    bench, dataset = load(bench, flags.seeds)

    # 2. M0
    m0 = measured(bench, dataset, dataset["train"])
    print(head(dataset), line("more of the same", m0, None, dataset), sep="\n", flush=True)

    # 3. What M0 of the first seed makes, M1 of that, and what the gate says
    told = {}
    for way in flags.ways:
        train, told[way] = propose(bench, dataset["train"], m0, way, flags.prompts)
        found = measured(bench, dataset, train)
        if way.endswith("twice"):
            train, told[way] = propose(bench, train, found, way, flags.prompts, seed=2)
            found = measured(bench, dataset, train)
        print(line(way, found, weighed(bench, dataset, m0, found), dataset), flush=True)
    print("", *(f"{way}: {figures}" for way, figures in told.items()), sep="\n")


def parse_flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ways", nargs="+", choices=[*WAYS, GIVEN], default=[*WAYS, GIVEN], help="rows of the table")
    parser.add_argument("--prompts", type=int, default=1500, help="that are answered (default: 1500)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the trainings (default: 0 1 2)")
    parser.add_argument("--max-parallel", type=int, help="trainings side by side (default: one a core)")
    parser.add_argument("--work-dir", type=Path, default=Path(tempfile.gettempdir()) / "eval_self_improve")
    return parser.parse_args()


def load(bench: Workbench, seeds: list[int]) -> tuple[Workbench, DatasetDict]:
    """The recipe's rows with the approach's columns, and the workbench with what the approach learned from them."""
    import hf_mbdc as mbdc

    source = bench.recipe.dataset
    rows: Any = mbdc.load_dataset(str(source.name), **source.options)
    approach = mbdc.fit(rows, bench.approach)
    plan = dataclasses.replace(bench.recipe.evaluation, seeds=tuple(seeds))
    recipe = dataclasses.replace(bench.recipe, evaluation=plan)
    return dataclasses.replace(bench, approach=approach, recipe=recipe), mbdc.annotate(rows, approach)


def measured(bench: Workbench, dataset: DatasetDict, train: Dataset) -> Measurement:
    """The target trained on train rows and scored on the test problems."""
    from hf_mbdc.measurement import measure

    (found,) = measure(
        [train],
        dataset["test"],
        bench.approach,
        training=bench.training,
        plan=bench.recipe.evaluation,
        work_dir=bench.work_dir,
        max_parallel=bench.max_parallel,
    )
    return found


def propose(
    bench: Workbench, rows: Dataset, model: Measurement, way: str, prompts: int, seed: int = 1
) -> tuple[Dataset, dict[str, float]]:
    """The train rows with what the model of the first seed answered, and what is told of the answers."""
    from hf_mbdc.synthesis.self_training import SelfTrainingOptions, open_prompts, run

    options = SelfTrainingOptions(**{"prompts": prompts, "max_tokens": 16, "seed": seed, **WAYS.get(way, {})})
    if way == GIVEN:
        return given(rows, open_prompts(rows, options)), {}
    result = run(rows, options, bench.context(target=lambda: model.trainings[0]))
    return result.rows, {"learned": result.record.changed, **result.record.told}


def given(rows: Dataset, positions: np.ndarray) -> Dataset:
    """The rows with the true answers to some prompts: those of the problems' own maker."""
    from hf_mbdc.loaders.made_problems import make_problem
    from hf_mbdc.transforms.rows import replace_rows

    ids = [rows["id"][place] for place in positions.tolist()]
    answers = [make_problem(int(key.rpartition("-")[2])).answer for key in ids]
    return replace_rows(rows, positions, {"completion": answers})


def weighed(bench: Workbench, dataset: DatasetDict, parent: Measurement, candidate: Measurement) -> Evidence:
    """The evidence of the gate."""
    from hf_mbdc.measurement import weigh

    return weigh(parent, candidate, dataset["test"], bench.approach.metric, bench.recipe.evaluation)


def head(dataset: DatasetDict) -> str:
    """The head of the table."""
    families = sorted(set(dataset["test"]["family"][:]))
    columns = ["data of", "solved", *families, "difference", "95 % interval", "gate"]
    return f"\n| {' | '.join(columns)} |\n|---|{'--:|' * (len(families) + 2)}---|---|"


def line(way: str, found: Measurement, evidence: Evidence | None, dataset: DatasetDict) -> str:
    """A line of the table."""
    family = np.array(dataset["test"]["family"][:])
    scores = found.scores["solved"]
    cells = [f"{scores.mean():.3f}", *(f"{scores[:, family == name].mean():.3f}" for name in np.unique(family))]
    if evidence is None:
        return f"| {way} | {' | '.join(cells)} | | | |"
    low, high = evidence.interval
    gate = f"{evidence.difference:+.3f} | {low:+.3f} to {high:+.3f} | {evidence.verdict}"
    return f"| {way} | {' | '.join(cells)} | {gate} |"


if __name__ == "__main__":
    main()
