"""What the data of a version is, for its card: the task, the size, and what every column means.

The columns and their types come from the YAML by which `datasets` finds the files; meanings from the approach's record
and, for what the loaders and the steps write, from here. A column that nobody described is listed without a meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hf_mbdc.records import Iteration
from hf_mbdc.revisions.card import wording

if TYPE_CHECKING:
    from datasets import Features

TASKS = {  # approach → `task_categories` of the Hub
    "extractive_qa": ["question-answering"],
    "text_generation": ["text-generation"],
    "text_recognition": ["image-to-text"],
}
SENTENCES = {
    "extractive_qa": "A row is a question about a document, with the place of its answer in the text.",
    "text_generation": "A row is a prompt; with a completion to learn, or without one as a model is to answer it.",
    "text_recognition": "A row is a text with its image, and how rare its characters are.",
}
SIZES = (
    "1K",
    "10K",
    "100K",
    "1M",
    "10M",
    "100M",
    "1B",
    "10B",
    "100B",
    "1T",
)  # the limits of the Hub's `size_categories`
READ = {
    "question": "What is asked.",
    "words": "The words of the document, in the order of `context`.",
    "context": "The text of the document; all character offsets count in it.",
    "answers": "The given answer, if need be in several wordings; [] = unanswerable.",
}
RECEIPT = {
    "key": "The value that is asked for: company, date, address or total.",
    "vendor": "The company, normalised; a split by vendor keeps its rows on one side.",
}
PROVENANCE = {
    "mbdc_source": "The step that made or changed the row; null = none did.",
    "mbdc_parent_id": "The `id` of the row that it was made from.",
    "mbdc_model": "The model that the step asked, model@sha.",
    "mbdc_iteration": "The version for which the step ran.",
}
LEARNED = {
    "dynamics_confidence": "Mean probability of the label over the epochs.",
    "dynamics_variability": "Standard deviation of that probability over the epochs.",
    "dynamics_correctness": "Share of the epochs in which the label was the model's first choice.",
    "dynamics_forgetting": "How often the row was right in one epoch and wrong in the next.",
    "dynamics_margin": "Mean margin of the label to the best other answer (log-probability); far below 0 = suspicious.",
    "dynamics_loss": "Mean loss over the epochs.",
    "dynamics_region": "easy | ambiguous | hard",
    "curriculum_stage": "The part of a training, from 0, from which an easy-to-hard curriculum shows the row.",
}
LABELS = {
    "mbdc_disagreement": "How far the row's annotators differ: 0 = not at all, 1 = as by chance.",
    "mbdc_label_quality": "Probability, as far as a model goes, that the label is right.",
    "mbdc_label_suspected": "Whether the label is to be looked at.",
    "mbdc_label_suggested": "The label that the model would give in its place.",
    "mbdc_label_rank": "1 = the label to be looked at first.",
}
OTHERS = {
    "id": "Names the row; unique in its split.",
    "document_id": "Names the document that the row is about.",
    "image": "The page as an image; null = none.",
}
DOCUMENTS = {"words", "boxes", "context"}  # columns that are those of our loaders when they stand together


def describe_columns(iteration: Iteration, configs: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """(column, type, meaning, who added it) of every column, in the order of the files."""
    adds = iteration.approach.get("adds", {})
    types = _types(configs) or {name: str(item["type"]) for name, item in adds.items()}
    known = _meanings(iteration, set(types)) | {name: str(item["meaning"]) for name, item in adds.items()}
    approach = str(iteration.approach.get("name", ""))
    by = dict.fromkeys(PROVENANCE | LEARNED | LABELS, "hf_mbdc") | dict.fromkeys(adds, approach)
    return [(name, kind, known.get(name, wording.MISSING), by.get(name, "the data")) for name, kind in types.items()]


def contents(iteration: Iteration) -> str:
    """What the data is, in a sentence or two: `640 rows of 160 documents in 3 splits.`"""
    splits = iteration.splits.values()
    rows = sum(split.rows for split in splits)
    documents = [split.documents for split in splits if split.documents is not None]
    of = f" of {wording.plural(sum(documents), 'document')}" if documents and len(documents) == len(splits) else ""
    task = SENTENCES.get(iteration.approach.get("name", ""), "")
    return f"{wording.plural(rows, 'row')}{of} in {wording.plural(len(splits), 'split')}. {task}".strip()


def front_matter(iteration: Iteration) -> dict[str, Any]:
    """`task_categories` and `size_categories`, by which the Hub filters."""
    rows = sum(split.rows for split in iteration.splits.values())
    place = max(0, len(str(rows)) - 3)  # 999 rows have three digits, 1,000 rows four
    size = f"{SIZES[place - 1]}<n<{SIZES[place]}" if place else f"n<{SIZES[0]}"
    task = TASKS.get(iteration.approach.get("name", ""))
    return ({"task_categories": task} if task else {}) | {"size_categories": [size]}


def features_of(configs: Mapping[str, Any]) -> Features:
    """The columns of the rows, from the YAML by which `datasets` finds the files."""
    from datasets import Features

    found = configs.get("dataset_info") or {}
    if isinstance(found, list):  # one entry a config; the rows are the config "default"
        found = next((item for item in found if item.get("config_name") == "default"), {})
    return Features._from_yaml_list(found.get("features") or [])  # the reverse of what `layout.card_configs` writes


def _types(configs: Mapping[str, Any]) -> dict[str, str]:
    from hf_mbdc.revisions.diff.diff import describe

    return {name: describe(feature) for name, feature in features_of(configs).items()}


def _meanings(iteration: Iteration, columns: set[str]) -> dict[str, str]:
    """The meanings that are sure: a column called `key` or `words` need not be that of our loaders."""
    known = OTHERS | PROVENANCE | LEARNED | LABELS
    if columns >= DOCUMENTS:
        known |= READ | {"boxes": _boxes(iteration, columns)}
    if columns >= DOCUMENTS | RECEIPT.keys():
        known |= RECEIPT
    if columns >= DOCUMENTS | {"title", "document_id"}:
        known["title"] = "The title of the article that the document is a part of."
        known["gold_starts"] = "The first character of every answer in `context`, as the source gives it."
    return known


def _boxes(iteration: Iteration, columns: set[str]) -> str:
    loader = (iteration.recipe.get("dataset") or {}).get("name")
    frame = "the page, or of the extent of its text"
    if columns >= RECEIPT.keys():
        frame = "the extent of the document's text, not of the page"
    elif loader == "docvqa":
        frame = "the page"
    return f"x0 y0 x1 y1 of each word, 0–1000 of {frame}; [] = text without a page."
