"""How many answers does ExtractiveQA find, and is the first occurrence the right one?

    python scripts/eval_spans.py --data ../shared/data

SROIE has no gold offsets: counted is what was located, per key. SQuAD and XQuAD have them: counted is how often a
candidate begins where an annotator says, and how often the chosen one (the first) does. The gold offsets are read here
and nowhere else. Speed is answers per CPU second of `ExtractiveQA` in one process, reading
and writing left out.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

from hf_mbdc.approaches.extractive_qa import ExtractiveQA
from hf_mbdc.loaders import load_with_rejected

STATUSES = ("exact", "fuzzy", "absent", "unanswerable")
LANGUAGES = ("en", "de", "ru", "vi")
Table = dict[str, dict[str, Any]]


def read_rows(name: str, path: Path) -> tuple[dict[str, list[Any]], int]:
    """All rows of a set as columns, without the images, and how many rows were set aside."""
    from datasets import concatenate_datasets

    loaded = load_with_rejected(name, str(path))
    rows = concatenate_datasets(list(loaded.dataset.values())).remove_columns("image")
    return rows.with_format(None)[:], len(loaded.rejected)


def annotate_rows(rows: dict[str, list[Any]], approach: ExtractiveQA) -> tuple[dict[str, list[Any]], list[str], float]:
    """The rows with the added columns, the reasons of those that cannot be annotated, and answers per CPU second."""
    began = time.process_time()
    added, reasons = approach.try_transform(rows)
    seconds = time.process_time() - began
    return {**rows, **added}, [r for r in reasons if r], sum(map(len, rows["answers"])) / seconds


def status_table(rows: dict[str, list[Any]], groups: list[str]) -> Table:
    """Counts of each status and the located share of the answerable rows, per group and for all."""
    counts = Counter(zip(groups, rows["match_status"], strict=True))
    table: Table = {}
    for group in [*sorted(set(groups)), "all"]:
        line = {s: sum(n for (g, t), n in counts.items() if t == s and group in (g, "all")) for s in STATUSES}
        answerable = sum(line.values()) - line["unanswerable"]
        table[group] = {**line, "located": (line["exact"] + line["fuzzy"]) / max(answerable, 1)}
    return table


def occurrence_table(rows: dict[str, list[Any]], groups: list[str]) -> Table:
    """How many rows have 0, 1, 2, 3 or more occurrences, per group."""
    table: Table = {g: dict.fromkeys(("0", "1", "2", "3+"), 0) for g in sorted(set(groups))}
    for group, count in zip(groups, rows["n_occurrences"], strict=True):
        table[group][str(count) if count < 3 else "3+"] += 1
    return table


def gold_rates(rows: dict[str, list[Any]]) -> dict[str, float]:
    """Share of answerable rows where a candidate, and where the chosen one, begins at an annotator's offset."""
    gold = zip(rows["gold_starts"], rows["candidates"], rows["answer_start"], strict=True)
    hits = [(any(c["start"] in starts for c in found), chosen in starts) for starts, found, chosen in gold if starts]
    return {
        "answerable": len(hits),
        "a candidate is gold": sum(any_hit for any_hit, _ in hits) / len(hits),
        "the first is gold": sum(first for _, first in hits) / len(hits),
    }


def show(title: str, table: Table) -> None:
    columns = list(next(iter(table.values())))
    print(f"\n{title}\n{'':12}" + "".join(f"{column:>22}" for column in columns))
    for name, line in table.items():
        cells = (f"{v:.4f}" if isinstance(v, float) else str(v) for v in line.values())
        print(f"{name:12}" + "".join(f"{cell:>22}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with sroie, squad and xquad")
    parser.add_argument("--json", type=Path, help="write all figures there too")
    parser.add_argument("--show", action="store_true", help="list every fuzzy and absent row of SROIE")
    arguments = parser.parse_args()
    approach = ExtractiveQA()

    # 1. Receipts: located or not.
    rows, rejected = read_rows("sroie", arguments.data / "sroie")
    rows, unsound, speed = annotate_rows(rows, approach)
    located, occurrences = status_table(rows, rows["key"]), occurrence_table(rows, rows["key"])
    show("SROIE: status per key", located)
    show("SROIE: rows by number of occurrences", occurrences)
    print(f"{speed:,.0f} answers per CPU second; {rejected + len(unsound)} rows set aside")
    if arguments.show:
        for i, status in enumerate(rows["match_status"]):
            if status in ("fuzzy", "absent"):
                print(f"{status} {rows['id'][i]} {rows['answers'][i]} -> {rows['matched_text'][i]!r}")

    # 2. Texts with gold offsets: is it the right place?
    files = {
        "squad": arguments.data / "squad",
        **{f"xquad.{x}": arguments.data / f"xquad/xquad.{x}.json" for x in LANGUAGES},
    }
    gold: Table = {}
    for name, path in files.items():
        rows, rejected = read_rows("squad", path)
        rows, unsound, speed = annotate_rows(rows, approach)
        statuses = status_table(rows, ["all"] * len(rows["id"]))["all"]
        gold[name] = {**gold_rates(rows), "located": statuses["located"], "answers/s": round(speed)}
        gold[name] |= {"set aside": rejected + len(unsound)}
    show("Gold offsets", gold)
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"sroie": located, "sroie occurrences": occurrences, "gold": gold}, indent=2)
        )


if __name__ == "__main__":
    main()
