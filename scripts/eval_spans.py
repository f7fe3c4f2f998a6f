"""How many answers does ExtractiveQA find, and which rung of its ladder chooses the right occurrence?

    python scripts/eval_spans.py --data ../shared/data

SROIE has no gold offsets: counted is what was located, per key, and where an answer occurs several times how often the
rungs agree, and take a total from a line that says so. SQuAD and XQuAD have gold offsets: counted is how often a
candidate begins where an annotator says, and how often the chosen one does, per rung, beside a plain baseline (the
occurrence whose sentence shares the most question words, weighted by idf). The gold offsets are read here and nowhere
else. Speed is answers per CPU second of `ExtractiveQA` in one process, reading and writing left out; for `learned`
without learning, whose seconds stand beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.approaches import fit
from hf_mbdc.approaches.extractive_qa import ExtractiveQA
from hf_mbdc.loaders import load_with_rejected

if TYPE_CHECKING:
    from datasets import Dataset

STATUSES = ("exact", "fuzzy", "absent", "unanswerable")
RUNGS = ("first", "last", "random", "question", "learned")
Columns = dict[str, list[Any]]
Table = dict[str, dict[str, Any]]


def read_rows(name: str, path: Path) -> tuple[Dataset, int]:
    """All rows of a set, without the images, and how many rows were set aside."""
    from datasets import concatenate_datasets

    loaded = load_with_rejected(name, str(path))
    rows = concatenate_datasets(list(loaded.dataset.values())).remove_columns("image")
    return rows.with_format(None), len(loaded.rejected)


def annotate_rows(rows: Columns, approach: ExtractiveQA) -> tuple[Columns, list[str], float]:
    """The rows with the added columns, the reasons of those that cannot be annotated, and answers per CPU second."""
    began = time.process_time()
    added, reasons = approach.try_transform(rows)
    seconds = time.process_time() - began
    return {**rows, **added}, [r for r in reasons if r], sum(map(len, rows["answers"])) / seconds


def climb(ds: Dataset) -> tuple[dict[str, Columns], dict[str, Any]]:
    """The rows as each rung annotates them, and what each cost; the gold offsets are not among the columns given."""
    rungs, costs = {}, {}
    given = ds.remove_columns([name for name in ds.column_names if name.startswith("gold_")])
    rows = given[:]
    for rung in RUNGS:
        began = time.process_time()
        approach = fit(given, ExtractiveQA(choose=rung))  # type: ignore[arg-type]
        learning = time.process_time() - began
        rungs[rung], _, speed = annotate_rows(rows, approach)
        costs[f"{rung}/s"] = round(speed)
    return rungs, {**costs, "seconds to learn": round(learning, 1)}


def status_table(rows: Columns, groups: list[str]) -> Table:
    """Counts of each status and the located share of the answerable rows, per group and for all."""
    counts = Counter(zip(groups, rows["match_status"], strict=True))
    table: Table = {}
    for group in [*sorted(set(groups)), "all"]:
        line = {s: sum(n for (g, t), n in counts.items() if t == s and group in (g, "all")) for s in STATUSES}
        answerable = sum(line.values()) - line["unanswerable"]
        table[group] = {**line, "located": (line["exact"] + line["fuzzy"]) / max(answerable, 1)}
    return table


def occurrence_table(rows: Columns, groups: list[str]) -> Table:
    """How many rows have 0, 1, 2, 3 or more occurrences, per group."""
    table: Table = {g: dict.fromkeys(("0", "1", "2", "3+"), 0) for g in sorted(set(groups))}
    for group, count in zip(groups, rows["n_occurrences"], strict=True):
        table[group][str(count) if count < 3 else "3+"] += 1
    return table


def agreement_table(rungs: dict[str, Columns], groups: list[str]) -> Table:
    """Of the rows with several occurrences, the share that `learned` places where each other rung does, per group."""
    table: Table = {}
    for group in sorted(set(groups)):
        several = [i for i, g in enumerate(groups) if g == group and rungs["learned"]["n_occurrences"][i] > 1]
        learned = rungs["learned"]["answer_start"]
        table[group] = {"several": len(several)} | {
            f"= {rung}": sum(learned[i] == rungs[rung]["answer_start"][i] for i in several) / max(len(several), 1)
            for rung in RUNGS[:-1]
        }
    return table


def total_lines(rungs: dict[str, Columns], keys: list[str]) -> dict[str, Any]:
    """Of the totals that occur several times, the share that each rung puts on a line with the word "total"."""
    several = [i for i, key in enumerate(keys) if key == "total" and rungs["first"]["n_occurrences"][i] > 1]
    shares: dict[str, Any] = {"several": len(several)}
    for rung, rows in rungs.items():
        lines = []
        for i in several:
            _, top, _, bottom = rows["boxes"][i][rows["word_start"][i]]
            pairs = zip(rows["words"][i], rows["boxes"][i], strict=True)
            lines.append([word.lower() for word, box in pairs if top <= (box[1] + box[3]) / 2 <= bottom])
        shares[rung] = sum(any("total" in word for word in line) for line in lines) / max(len(several), 1)
    return shares


def overlap_baseline(rows: Columns) -> list[int]:
    """(n,) the start of the occurrence whose sentence has the most idf-weighted words of the question; first of equals.

    The baseline that the ladder is measured against: sentences end at ". ", "? " or "! ", idf is over the documents.
    """
    words = [set(re.findall(r"\w+", text.lower())) for text in set(rows["context"])]
    counts = Counter(word for own in words for word in own)
    chosen = []
    for context, question, candidates, first in zip(
        *(rows[name] for name in ("context", "question", "candidates", "answer_start")), strict=True
    ):
        best = [c for c in candidates if c["score"] == max(other["score"] for other in candidates)]
        asked = set(re.findall(r"\w+", question.lower()))
        weights = []
        for candidate in best:
            begin = max((m.end() for m in re.finditer(r"[.?!]\s", context[: candidate["start"]])), default=0)
            end = re.search(r"[.?!](\s|$)", context[candidate["end"] :])
            sentence = context[begin : candidate["end"] + end.start() if end else None].lower()
            shared = asked & set(re.findall(r"\w+", sentence))
            weights.append(sum(math.log(len(words) / counts[word]) for word in sorted(shared)))
        chosen.append(best[weights.index(max(weights))]["start"] if best else first)
    return chosen


def gold_rates(rungs: dict[str, Columns], gold: list[list[int]]) -> dict[str, Any]:
    """Share of answerable rows where a candidate, and where each rung's choice, begins at an annotator's offset."""
    answerable = [row for row, starts in enumerate(gold) if starts]
    candidates = rungs["first"]["candidates"]
    rates: dict[str, Any] = {
        "rows": len(answerable),
        "several": sum(len(candidates[row]) > 1 for row in answerable),
        "gold found": sum(any(c["start"] in gold[row] for c in candidates[row]) for row in answerable),
    }
    rates["gold found"] /= len(answerable)
    starts = {name: rows["answer_start"] for name, rows in rungs.items()} | {
        "overlap": overlap_baseline(rungs["first"])
    }
    for name in ("first", "last", "random", "overlap", "question", "learned"):
        rates[name] = sum(starts[name][row] in gold[row] for row in answerable) / len(answerable)
    return rates


def show(title: str, table: Table) -> None:
    """Prints a table: shares with four digits, counts as they are."""
    columns = list(next(iter(table.values())))
    widths = [max(len(column), 8) + 2 for column in columns]
    print(f"\n{title}\n{'':12}" + "".join(f"{column:>{w}}" for column, w in zip(columns, widths, strict=True)))
    for name, line in table.items():
        cells = (f"{v:.4f}" if isinstance(v, float) and v <= 1 else f"{v:,}" for v in line.values())
        print(f"{name:12}" + "".join(f"{cell:>{w}}" for cell, w in zip(cells, widths, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with sroie, squad and xquad")
    parser.add_argument("--json", type=Path, help="write all figures there too")
    parser.add_argument("--show", action="store_true", help="list every fuzzy and absent row of SROIE")
    arguments = parser.parse_args()

    # 1. Receipts: located or not, and whether the rungs agree.
    ds, rejected = read_rows("sroie", arguments.data / "sroie")
    rungs, costs = climb(ds)
    keys = ds["key"][:]
    figures: dict[str, Table] = {
        "SROIE: status per key": status_table(rungs["first"], keys),
        "SROIE: rows by number of occurrences": occurrence_table(rungs["first"], keys),
        "SROIE: where answers occur several times, learned agrees with": agreement_table(rungs, keys),
        "SROIE: totals that occur several times, chosen on a line with the word total": {
            "total": total_lines(rungs, keys)
        },
    }
    for title, table in figures.items():
        show(title, table)
    print(f"{costs['first/s']:,} answers per CPU second (first); {rejected} rows set aside")
    if arguments.show:
        for row_id, answers, status, text in zip(
            *(rungs["first"][name] for name in ("id", "answers", "match_status", "matched_text")), strict=True
        ):
            if status in ("fuzzy", "absent"):
                print(f"{status} {row_id} {answers} -> {text!r}")

    # 2. Texts with gold offsets: is it the right place?
    languages = sorted(path.name.split(".")[1] for path in (arguments.data / "xquad").glob("xquad.*.json"))
    files = {"squad": arguments.data / "squad"}
    files |= {f"xquad.{x}": arguments.data / f"xquad/xquad.{x}.json" for x in languages}
    rates: Table = {}
    speeds: Table = {}
    for name, path in files.items():
        ds, rejected = read_rows("squad", path)
        rungs, costs = climb(ds)
        rates[name] = {**gold_rates(rungs, ds["gold_starts"][:]), "set aside": rejected}
        speeds[name] = costs
    texts = [line for name, line in rates.items() if name.startswith("xquad")]
    if texts:
        rates["xquad mean"] = {column: sum(line[column] for line in texts) / len(texts) for column in texts[0]}
    figures |= {"Share of answerable rows with the gold offset": rates, "Answers per CPU second": speeds}
    show("Share of answerable rows with the gold offset", rates)
    show("Answers per CPU second", speeds)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
