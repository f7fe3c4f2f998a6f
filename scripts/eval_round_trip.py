"""Does every answer come back from the tokens that stand for it, as the same characters and the same boxes?

    python scripts/eval_round_trip.py --data ../shared/data

Each row is annotated, encoded, and decoded from logits that name its labelled span; then its characters must be those
of the annotation, and its words and boxes too. The encoders: the one of `layout_span`, and the checkpoint encoder over
tokenizers of each common kind, trained here on the same text (a vocabulary of a hub would need a download), in
the classes of transformers that carry them. KLUE's entities stand for Korean answers, which mostly end inside a word.

A row is `equal`, `not on edges` (its answer begins or ends inside a token; `more chars` is how many more the tokens
cover on average), or `left out` (no window can score it). `candidates` are all occurrences of its answers.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from hf_mbdc.approaches.extractive_qa import ExtractiveQA
from hf_mbdc.loaders import load_with_rejected
from hf_mbdc.targets.batches import collate
from hf_mbdc.targets.checkpoint import CheckpointEncoder
from hf_mbdc.targets.decoding import decode
from hf_mbdc.targets.encoding import EncodedRow, covered_spans, encode_rows
from hf_mbdc.targets.layout_features import LayoutSpanEncoder
from hf_mbdc.targets.layout_span import LayoutSpanConfig
from hf_mbdc.targets.objective import span_scores
from hf_mbdc.targets.places import answer_places

if TYPE_CHECKING:
    from hf_mbdc.targets.encoding import Encoder

Rows = list[dict[str, Any]]
COLUMNS = ("rows", "equal", "share", "not on edges", "more chars", "left out", "candidates", "of them equal", "windows")
VOCABULARY, BATCH = 16_000, 64


def read_sets(data: Path) -> Iterator[tuple[str, Rows]]:
    """Name and annotated rows of every set in the folder that has answers."""
    for name in ("sroie", "squad"):
        yield name, annotated(name, data / name)
    for path in sorted((data / "xquad").glob("xquad.*.json")):
        yield path.stem, annotated("squad", path)
    yield "klue ner", read_entities(data / "klue" / "klue-ner-v1.1_dev.tsv")


def annotated(name: str, path: Path) -> Rows:
    """Rows with a located answer, and for sets with gold offsets each gold span as a row of its own."""
    from datasets import concatenate_datasets

    parts = list(load_with_rejected(name, str(path)).dataset.values())
    table = concatenate_datasets(parts).remove_columns("image").with_format(None)[:]
    columns, _ = ExtractiveQA().try_transform(table)
    table |= columns
    rows = [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
    gold = []
    for row in rows:
        spans = {(s, s + len(a)) for s, a in zip(row.get("gold_starts", []), row["answers"], strict=False)}
        chosen = row["answer_start"], row["answer_end"]
        gold += [{**row, "answer_start": s, "answer_end": e, "candidates": []} for s, e in sorted(spans - {chosen})]
    return [row for row in rows if row["answer_start"] >= 0] + gold


def read_entities(path: Path) -> Rows:
    """One row per entity of KLUE's NER sentences: a text of characters, where particles hang on the entities."""
    rows: Rows = []
    text = path.read_text(encoding="utf-8")
    blocks = [b for b in text.split("\n\n") if b.strip()]
    for number, block in enumerate(blocks):
        pairs = [line.split("\t") for line in block.split("\n") if "\t" in line and not line.startswith("##")]
        context, tags = "".join(c for c, _ in pairs), [t for _, t in pairs]
        first = [i for i, tag in enumerate(tags) if tag.startswith("B-")]
        for start in first:
            end = next((j for j in range(start + 1, len(tags)) if not tags[j].startswith("I-")), len(tags))
            row: dict[str, Any] = {
                "id": f"{number}-{start}",
                "question": "무엇입니까?",
                "context": context,
                "words": context.split(),
            }
            row |= {"boxes": [], "answers": [context[start:end]], "answer_start": start, "answer_end": end}
            rows.append({**row, "candidates": []})
    return rows


def make_encoders(texts: Sequence[str]) -> dict[str, Encoder]:
    """Encoders by name: ours, and the checkpoint encoder over tokenizers trained on `texts`."""
    from tokenizers import normalizers
    from transformers import (
        BertTokenizer,
        LayoutLMv3Tokenizer,
        LayoutXLMTokenizer,
        RobertaTokenizer,
        XLMRobertaTokenizer,
    )

    cased, uncased = (train(BertTokenizer(do_lower_case=lower), texts) for lower in (False, True))
    pieces = train(XLMRobertaTokenizer(), texts)["model"]["vocab"]
    bytewise = train(RobertaTokenizer(), texts)["model"]
    merges = [tuple(pair) for pair in bytewise["merges"]]
    spaced = train(LayoutLMv3Tokenizer(), texts)["model"]
    spaced_merges = [tuple(pair) for pair in spaced["merges"]]
    xlm = XLMRobertaTokenizer(vocab=[tuple(piece) for piece in pieces])
    xlm.backend_tokenizer.normalizer = normalizers.NFKC()  # as the character map of the real one does
    return {
        "layout_span": LayoutSpanEncoder(LayoutSpanConfig()),
        "BERT": CheckpointEncoder(BertTokenizer(vocab=cased["model"]["vocab"], do_lower_case=False)),
        "LayoutLM": CheckpointEncoder(BertTokenizer(vocab=uncased["model"]["vocab"]), boxes=True),
        "RoBERTa": CheckpointEncoder(RobertaTokenizer(vocab=bytewise["vocab"], merges=merges)),
        "LayoutLMv3": CheckpointEncoder(LayoutLMv3Tokenizer(vocab=spaced["vocab"], merges=spaced_merges), boxes=True),
        "XLM-R": CheckpointEncoder(xlm),
        "LiLT, XLM": CheckpointEncoder(LayoutXLMTokenizer(vocab=[tuple(piece) for piece in pieces]), boxes=True),
    }


def train(tokenizer: Any, texts: Sequence[str]) -> dict[str, Any]:
    """What a tokenizer of that class learns from `texts`, as the parts of its `tokenizer.json`."""
    new = tokenizer.train_new_from_iterator(texts, VOCABULARY, show_progress=False)
    parts: dict[str, Any] = json.loads(new.backend_tokenizer.to_str())
    return parts


def round_trip(rows: Rows, encoder: Encoder) -> Counter[str]:
    """The figures of one set with one encoder."""
    counts: Counter[str] = Counter()
    for first in range(0, len(rows), BATCH):
        part = rows[first : first + BATCH]
        encoded = encode_rows(part, encoder)
        kept = [pair for pair in zip(part, encoded, strict=True) if pair[1].left_out is None]
        counts["left out"] += len(part) - len(kept)
        for (row, one), span in zip(kept, decoded([one for _, one in kept], encoder), strict=True):
            counts.update(judge(row, one, span))
    counts["rows"] = len(rows)
    return counts


def judge(row: dict[str, Any], encoded: EncodedRow, span: tuple[int, int]) -> Counter[str]:
    """One row: did its span come back, with its words and boxes?"""
    truth = row["answer_start"], row["answer_end"]
    same = span == truth and places_agree(row, span)
    more = (truth[0] - span[0]) + (span[1] - truth[1])
    assert same or encoded.widened, (row["id"], truth, span)  # what differs is known to differ
    spans = [(c["start"], c["end"]) for c in row["candidates"]]
    back = covered_spans(encoded.windows, encoded.candidates).tolist()
    found = Counter({"equal": int(same), "not on edges": int(not same), "windows": len(encoded.windows)})
    found["candidates"] = len(spans)
    found["of them equal"] = sum(tuple(b) == s for b, s in zip(back, spans, strict=True))
    found["more"] = 0 if same else more
    return found


def places_agree(row: dict[str, Any], span: tuple[int, int]) -> bool:
    """Whether a decoded span has the words and boxes of the annotation, where the row has one."""
    if "word_start" not in row or span != (row["answer_start"], row["answer_end"]) or not row["candidates"]:
        return True
    batch: dict[str, list[Any]] = {name: [row[name]] for name in ("words", "boxes", "context", "pages") if name in row}
    places = answer_places(batch, [span])
    return all(places[name] == [row[name]] for name in places)


def decoded(rows: Sequence[EncodedRow], encoder: Encoder) -> Iterator[tuple[int, int]]:
    """What `decode` makes of logits that name the labelled tokens."""
    if not rows:
        return
    batch = collate(rows, [row.answer for row in rows], encoder)
    start, end = (torch.zeros(batch.starts.shape) for _ in range(2))
    start[batch.spans[:, 0], batch.spans[:, 1]] = end[batch.spans[:, 0], batch.spans[:, 2]] = 99.0
    plain = [dataclasses.replace(row, candidates=row.answer) for row in rows]
    for prediction in decode(span_scores(start, end, batch, encoder.max_answer_tokens), batch, plain):
        yield prediction.start, prediction.end


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with the sets")
    parser.add_argument("--only", help="one set, by its name in the table")
    arguments = parser.parse_args()
    sets = {name: rows for name, rows in read_sets(arguments.data) if arguments.only in (None, name)}
    encoders = make_encoders(sorted({row["context"] for rows in sets.values() for row in rows}))

    print(f"{'set':12}{'encoder':12}" + "".join(f"{name:>15}" for name in COLUMNS))
    for name, rows in sets.items():
        for kind, encoder in encoders.items():
            counts = round_trip(rows, encoder)
            shares = {"share": counts["equal"] / counts["rows"]}
            shares["more chars"] = counts["more"] / max(1, counts["not on edges"])
            cells = (f"{shares[c]:.4f}" if c in shares else str(counts[c]) for c in COLUMNS)
            print(f"{name:12}{kind:12}" + "".join(f"{cell:>15}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
