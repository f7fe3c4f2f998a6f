"""What a person decided on a review page: the file that the page hands out, and its way back into the data.

JSON (`version` 1), the same that the page downloads:

    {"format": "hf_mbdc.decisions", "version": 1, "repo_id": "me/receipts", "revision": "v1.0.0", "split": "train",
     "decisions": [{"id": "000-total", "verdict": "candidate", "start": 96, "end": 100, "text": "9.00", "note": ""}]}

`verdict` is `right` (the label stays), `candidate` (the label moves to the candidate start:end), `wrong` (neither the
label nor a candidate is right: the row is set aside) or `open` (a note, and nothing decided). `start`, `end` and `text`
are the span that was judged: the candidate's, else the label's (−1, −1 and "" where there is none); a decision on other
data is recognised by them. `repo_id`, `revision` and `split` may be null.

CSV has the columns `repo_id, revision, split, id, verdict, start, end, text, note`, a byte order mark, and an
apostrophe before texts that a spreadsheet would take for a formula; it is taken off again here.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from hf_mbdc.approaches.extractive_qa import ExtractiveQA
from hf_mbdc.errors import DataError
from hf_mbdc.records import StepRecord
from hf_mbdc.review.select import SETTLED
from hf_mbdc.transforms.checks import check_ids
from hf_mbdc.transforms.rows import add_provenance_columns, replace_rows

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

FORMAT, VERSION = "hf_mbdc.decisions", 1
MOVED = "a person says that another occurrence is the answer"
WRONG = "a person says that the label is wrong and that no candidate is right"
Judgement = Literal["right", "wrong", "candidate", "open"]
_ABOUT = ("repo_id", "revision", "split")
_FIELDS = ("id", "verdict", "start", "end", "text", "note")


@dataclass(frozen=True)
class RowDecision:
    """What a person decided about one row; the fields are explained at the head of this file."""

    id: str
    verdict: Judgement
    start: int
    end: int
    text: str
    note: str = ""


@dataclass(frozen=True)
class Decisions:
    """All decisions of a file, and the data they were made on, as far as the page knew it."""

    rows: tuple[RowDecision, ...]
    repo_id: str | None = None
    revision: str | None = None
    split: str | None = None


@dataclass(frozen=True)
class AppliedDecisions:
    """The rows after the review, those that were set aside (`id`, `split`, `reason`), and the record of the step."""

    rows: Dataset | DatasetDict
    rejected: Dataset
    record: StepRecord


def read_decisions(path: str | Path) -> Decisions:
    """Reads the file that a review page downloaded, .json or .csv.

    Raises:
        DataError: the file is missing, is none, is of a newer version, or a decision in it is not sound; the message
            says which.

    Example:
        >>> read_decisions("decisions-me-receipts-v1.0.0-train.json").rows[0].verdict  # doctest: +SKIP
        'candidate'
    """
    file = Path(path)
    kind = file.suffix.lower()
    if kind not in (".json", ".csv"):
        raise DataError("Decisions are a .json or a .csv file", path=str(path), mend="Give the downloaded file.")
    try:
        text = file.read_bytes().decode("utf-8-sig")  # read_text would change the line ends inside texts
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise DataError(f"The decisions cannot be read: {reason}", path=str(path), mend="Download it anew.") from error
    about, items = (_from_json if kind == ".json" else _from_csv)(text, str(path))
    rows = tuple(_decision(item, number, str(path)) for number, item in enumerate(items, 1))
    seen: set[str] = set()
    for number, row in enumerate(rows, 1):
        if row.id in seen:
            mend = "Keep one decision a row."
            raise DataError("A row is decided twice", path=str(path), decision=number, id=row.id, mend=mend)
        seen.add(row.id)
    return Decisions(rows, **about)


def apply_decisions(
    rows: Dataset | DatasetDict, decisions: Decisions, approach: ExtractiveQA | None = None
) -> AppliedDecisions:
    """Puts a person's decisions into the rows they were made on; the rows without a decision stay as they are.

    The label of a row with the verdict `candidate` moves there, with all columns that follow from it, and the row's
    provenance says `mbdc_source: review`. Rows with the verdict `wrong` are set aside with the reason. Applying a moved
    label once more changes nothing.

    Args:
        rows: the annotated data that was reviewed, not changed: the split, or a dict that holds it; of a dict, the
            other splits get the columns of the provenance too.
        decisions: from `read_decisions`.
        approach: that annotated the rows; default `ExtractiveQA()`, whose options do not matter for a given choice.

    Raises:
        DataError: a decision's split, row, span or text is not there: the decisions were made on other data.

    Example:
        >>> done = apply_decisions(ds, read_decisions("decisions.json"))  # doctest: +SKIP
        >>> publish(done.rows, "me/receipts", rejected=done.rejected, message="Reviewed")  # doctest: +SKIP
    """
    from datasets import DatasetDict

    approach = approach or ExtractiveQA()
    if not isinstance(rows, DatasetDict):
        return _apply(rows, decisions, approach)
    if decisions.split not in rows:
        mend = f"The dataset has {', '.join(rows) or 'no split'}; pass the data that was reviewed."
        raise DataError(f"The decisions are on the split {decisions.split!r}", mend=mend)
    done = _apply(rows[decisions.split], decisions, approach)
    others = {name: add_provenance_columns(part) if done.record.changed else part for name, part in rows.items()}
    return dataclasses.replace(done, rows=DatasetDict({**others, decisions.split: done.rows}))


def _apply(rows: Dataset, decisions: Decisions, approach: ExtractiveQA) -> AppliedDecisions:
    own = str(rows.split) if rows.split else None
    if own and decisions.split and own != decisions.split:
        mend = f"Pass the split {decisions.split!r}."
        raise DataError(f"The decisions are on the split {decisions.split!r}", split=own, mend=mend)
    check_ids(rows, own)
    places = {row_id: place for place, row_id in enumerate(rows.with_format(None)["id"][:])}
    judged = [item for item in decisions.rows if item.verdict != "open"]
    for item in judged:
        if item.id not in places:
            raise _other_data("There is no row with this id", item, decisions)
    at = np.array([places[item.id] for item in judged], dtype=np.int64)
    batch = rows.with_format(None).select_columns(_columns(rows, approach)).select(at)[:]
    moved: list[tuple[int, int]] = []  # place in the batch, candidate
    for k, item in enumerate(judged):
        chosen = _checked(item, {name: values[k] for name, values in batch.items()}, decisions)
        if chosen is not None:
            moved.append((k, chosen))
    changed = _moved_rows(rows, approach, at, batch, moved)
    wrong = [k for k, item in enumerate(judged) if item.verdict == "wrong"]
    return _applied(changed, at[wrong], len(moved), decisions.split or own)


def _columns(rows: Dataset, approach: ExtractiveQA) -> list[str]:
    """What is read; without the image, which would be decoded."""
    names = list(dict.fromkeys([*approach.reads, *approach.adds]))
    names += [name for name in ("pages",) if name in rows.column_names and name not in names]
    if "candidates" not in rows.column_names:
        raise DataError("The rows are not annotated", mend="Pass the annotated rows that were reviewed.")
    return [name for name in names if name in rows.column_names]


def _checked(item: RowDecision, row: Mapping[str, Any], decisions: Decisions) -> int | None:
    """Where the label moves to: the number of a candidate, or None where it stays.

    Raises:
        DataError: the row is not as it was when the person looked at it.
    """
    label = (row["answer_start"], row["answer_end"])
    span = (item.start, item.end)
    text = row["context"][item.start : item.end] if item.start >= 0 else ""
    if text != item.text:
        raise _other_data(f"The span holds {text[:40]!r}, not {item.text[:40]!r}", item, decisions)
    if item.verdict != "candidate":
        if span != label:
            raise _other_data(f"The label is {label}, another one ({span}) was judged", item, decisions)
        return None
    candidates = [(candidate["start"], candidate["end"]) for candidate in row["candidates"]]
    if span not in candidates:
        raise _other_data(f"No candidate has the span {span}", item, decisions)
    return None if span == label else candidates.index(span)


def _moved_rows(
    rows: Dataset,
    approach: ExtractiveQA,
    at: np.ndarray,
    batch: Mapping[str, Sequence[Any]],
    moved: list[tuple[int, int]],
) -> Dataset:
    if not moved:
        return rows
    picked = [k for k, _ in moved]
    part = {name: [values[k] for k in picked] for name, values in batch.items()}
    columns = approach.choose_candidate(part, [chosen for _, chosen in moved])
    provenance = {
        "mbdc_source": [SETTLED] * len(moved),
        "mbdc_parent_id": part["id"],
        "mbdc_model": [None] * len(moved),
        "mbdc_iteration": [None] * len(moved),  # not known before it is published
    }
    there = {name: values for name, values in columns.items() if name in rows.column_names}  # older data has fewer
    return replace_rows(add_provenance_columns(rows), at[picked], {**there, **provenance})


def _applied(rows: Dataset, wrong: np.ndarray, moved: int, split: str | None) -> AppliedDecisions:
    from datasets import Dataset, Features, Value

    ids = rows.with_format(None).select_columns("id").select(wrong)["id"][:]
    values = {"id": ids, "split": [split] * len(ids), "reason": [WRONG] * len(ids)}
    rejected = Dataset.from_dict(values, features=Features({name: Value("string") for name in values}))
    kept = rows if not len(wrong) else rows.select(np.setdiff1d(np.arange(len(rows)), wrong))
    record = StepRecord(
        name=SETTLED,
        pillar="industrial data quality",
        why="A person looked at the rows whose labels are least certain.",
        kept=len(kept) - moved,
        changed=moved,
        rejected=len(ids),
        reasons={reason: count for reason, count in ((MOVED, moved), (WRONG, len(ids))) if count},
        automated=False,
    )
    return AppliedDecisions(kept, rejected, record)


def _other_data(what: str, item: RowDecision, decisions: Decisions) -> DataError:
    source = "@".join(filter(None, (decisions.repo_id, decisions.revision)))
    mend = f"Apply them to the data that they were made on{f', {source}' if source else ''}."
    return DataError(f"The decisions were made on other data: {what}", id=item.id, mend=mend)


def _from_json(text: str, path: str) -> tuple[dict[str, str | None], list[Any]]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError("The decisions are no JSON", path=path, mend="Download them anew.") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT or not isinstance(data.get("decisions"), list):
        mend = "Give the file that a review page downloaded."
        raise DataError(f"The file holds no decisions (`format` is not {FORMAT!r})", path=path, mend=mend)
    if data.get("version") != VERSION:
        what = f"The decisions have version {data.get('version')!r}, this hf_mbdc reads {VERSION}"
        raise DataError(what, path=path, mend="Upgrade hf_mbdc, or download them from a page that it wrote.")
    about = {name: data.get(name) for name in _ABOUT}
    if not all(value is None or isinstance(value, str) for value in about.values()):
        raise DataError(f"One of {', '.join(_ABOUT)} is no text", path=path, mend="Download them anew.")
    return about, data["decisions"]


def _from_csv(text: str, path: str) -> tuple[dict[str, str | None], list[Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = list(reader)
    except csv.Error as error:
        raise DataError(f"The decisions are no CSV: {error}", path=path, line=reader.line_num) from error
    names = reader.fieldnames or []
    if missing := [name for name in (*_ABOUT, *_FIELDS) if name not in names]:
        mend = "Give the file that a review page downloaded; a spreadsheet must save it with commas."
        raise DataError(f"The file holds no decisions: columns missing: {', '.join(missing)}", path=path, mend=mend)
    about: dict[str, str | None] = {}
    for name in _ABOUT:
        values = {_plain(line[name]) for line in lines}
        if len(values) > 1:
            raise DataError(
                f"The decisions are on several data sets: {name} differs", path=path, mend="Split the file."
            )
        about[name] = (values.pop() if values else None) or None
    items = []
    for line in lines:
        item: dict[str, Any] = {name: _plain(line[name]) for name in _FIELDS}
        for name in ("start", "end"):
            value = (item[name] or "").removeprefix("-")
            item[name] = int(item[name]) if value.isascii() and value.isdigit() and len(value) < 19 else item[name]
        items.append(item)
    return about, items


def _plain(cell: str | None) -> str | None:
    return cell[1:] if cell and cell.startswith("'") else cell


def _decision(item: Any, number: int, path: str) -> RowDecision:
    """A checked decision.

    Raises:
        DataError: a field is missing, of the wrong type, or says something impossible.
    """

    def refuse(what: str) -> DataError:
        row_id = item.get("id") if isinstance(item, dict) else None
        return DataError(what, path=path, decision=number, id=row_id, mend="Download the decisions anew.")

    if not isinstance(item, dict):
        raise refuse("A decision is no object")
    if not isinstance(item.get("id"), str) or not item["id"]:
        raise refuse("A decision names no row")
    if item.get("verdict") not in get_args(Judgement):
        raise refuse(f"The verdict {item.get('verdict')!r} is none of {', '.join(get_args(Judgement))}")
    start, end = item.get("start"), item.get("end")
    if type(start) is not int or type(end) is not int or not ((start, end) == (-1, -1) or 0 <= start < end):
        raise refuse(f"{start!r} to {end!r} is no span")
    if item["verdict"] == "candidate" and start < 0:
        raise refuse("A label cannot move to nothing")
    text, note = item.get("text"), item.get("note", "")
    if not isinstance(text, str) or not isinstance(note, str):
        raise refuse("text or note is no text")
    return RowDecision(item["id"], item["verdict"], start, end, text, note)
