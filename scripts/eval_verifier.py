"""Does the verifier of final answers judge as people did? On four real models' solutions of GSM8K's test problems.

    python scripts/eval_verifier.py --data-dir ../shared/data/gsm8k

`example_model_solutions.jsonl` (Cobbe et al. 2021) holds a solution of each of four models for each problem, and
whether its authors counted it as right. Printed: how often `ExactAnswer` says the same, for each model, what it could
not read, and every disagreement.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from hf_mbdc.verifiers.exact_answer import ExactAnswer, final_answer

FILE = "example_model_solutions.jsonl"
PROBLEM = ("question", "ground_truth")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True, type=Path, help=f"folder with {FILE}")
    lines = (parser.parse_args().data_dir / FILE).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    verify, disagreements = ExactAnswer(), []
    print(f"{'model':20}{'solutions':>10}{'right':>8}{'agrees':>9}{'unread':>8}")
    for model in [name for name in rows[0] if name not in PROBLEM]:
        said = [row[model]["is_correct"] for row in rows]
        scores = [verify(row[model]["solution"], row["ground_truth"]) for row in rows]
        agrees = [(score == 1) == right for score, right in zip(scores, said, strict=True)]
        unread = sum(math.isnan(score) for score in scores)
        print(f"{model:20}{len(rows):>10}{sum(said):>8}{sum(agrees) / len(rows):>9.2%}{unread:>8}")
        disagreements += [(model, number) for number, same in enumerate(agrees) if not same]
    print(f"all: {1 - len(disagreements) / (len(rows) * (len(rows[0]) - len(PROBLEM))):.2%}\n")
    for model, number in disagreements:
        row = rows[number]
        answer, truth = (final_answer(text, verify.markers) for text in (row[model]["solution"], row["ground_truth"]))
        judged = "right" if row[model]["is_correct"] else "wrong"
        print(f"problem {number}, {model}: answered {answer!r}, the answer is {truth!r}, the authors say {judged}")


if __name__ == "__main__":
    main()
