"""The pictures that go with a revision of word images, made of its rows and its record."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_mbdc.records import Iteration

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from hf_mbdc.revisions.card.card import Picture
    from hf_mbdc.revisions.repositories.repository import Repository

APPROACH = "text_recognition"
SHOWN = 60  # images


def recognition_pictures(splits: DatasetDict, iteration: Iteration, repository: Repository) -> list[Picture]:
    """The pictures of a dataset of the approach `text_recognition`; none for others.

    Some of the images that this version added to train (of a first version: of all), those whose ids have the smallest
    hashes, so that the same rows give the same picture · how often each character occurs in train, before and after ·
    the ratio between sources, where one was searched for · F1 by bucket, where it was measured.

    Args:
        splits: the rows of the revision.
        iteration: its record. What it calls sensitive is in no picture.
        repository: has the parent's rows.
    """
    from hf_mbdc.revisions.card.card import Picture
    from hf_mbdc.revisions.card.recognition_plots import bucket_plot, contact_sheet, frequency_plot, mixing_plot
    from hf_mbdc.revisions.card.wording import name

    if iteration.approach.get("name") != APPROACH or "train" not in splits:
        return []
    train, sensitive, made = splits["train"], set(iteration.sensitive), []
    parent, own = iteration.parent.version if iteration.parent else "", name(iteration)
    if not sensitive & {"image", "text"} and (files := chosen_images(train, iteration.version)):
        made.append(Picture("assets/images.png", "some of the new word images", contact_sheet(files)))
    if "text" not in sensitive and (after := character_counts(train, iteration)) is not None:
        before = _counts_before(iteration, repository)
        png = frequency_plot(before, after, parent, own)
        made.append(Picture("assets/frequencies.png", "occurrences of each character, the most frequent first", png))
    if iteration.mixing.get("curves"):
        alt = "score by the share of each source, with what was trained and what was chosen"
        made.append(Picture("assets/mixing.png", alt, mixing_plot(iteration.mixing)))
    if iteration.evidence is not None and iteration.evidence.buckets:
        png = bucket_plot(iteration.evidence.buckets, parent, own)
        made.append(Picture("assets/buckets.png", "F1 of characters by how often they occur in train", png))
    return made


def _counts_before(iteration: Iteration, repository: Repository) -> np.ndarray | None:
    """What `character_counts` gives of the parent's train rows."""
    from hf_mbdc.publishing.history import load

    if iteration.parent is None:
        return None
    rows = load(iteration.repo_id, iteration.parent.sha, repository=repository)
    return character_counts(rows["train"], iteration) if "train" in rows else None


def chosen_images(rows: Dataset, version: str) -> list[bytes]:
    """The image files of at most `SHOWN` rows: of those that the version made, if it made any."""
    from datasets import Image

    if not isinstance(rows.features.get("image"), Image):
        return []
    ids = rows.with_format(None)["id"][:]
    places = np.arange(len(rows))
    if "mbdc_iteration" in rows.column_names:
        own = np.array([made == version for made in rows.with_format(None)["mbdc_iteration"][:]], dtype=bool)
        places = places[own] if own.any() else places
    hashes = [hashlib.blake2b(str(ids[place]).encode("utf-8", "surrogatepass")).digest() for place in places.tolist()]
    first = sorted(zip(hashes, places.tolist(), strict=True))[:SHOWN]
    table = rows.with_format("arrow").select([place for _, place in first]).select_columns(["image"])[:]
    values: list[Any] = table["image"].to_pylist()
    return [value["bytes"] for value in values if value is not None and value["bytes"]]


def character_counts(rows: Dataset, iteration: Iteration) -> np.ndarray | None:
    """(characters,) how often each occurs, those of the charset that never do among them; None without characters.

    What a character is, and the charset, are options of the approach in the record.
    """
    from hf_mbdc.transforms.character_frequencies import count_characters

    if "text" not in rows.column_names:
        return None
    options = iteration.approach.get("options") or {}
    column = rows.select_columns(["text"]).with_format("arrow")[:]["text"]
    found = count_characters([column], options.get("normalization", "NFC"), options.get("unit", "code_point"))
    unseen = set(options.get("charset") or ()) - found.by_character.keys()
    return np.array([*found.counts, *[0] * len(unseen)], np.int64) if found.counts else None
