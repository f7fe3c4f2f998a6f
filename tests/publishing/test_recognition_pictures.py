"""A published dataset of word images shows some of them, and how often characters occur."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from datasets import Dataset, DatasetDict
from word_files import image_file

import hf_mbdc as mbdc
from hf_mbdc.publishing.recognition_pictures import SHOWN, character_counts, chosen_images, recognition_pictures
from hf_mbdc.records import Decision, Iteration
from hf_mbdc.revisions.repositories.folder import FolderRepository


def words(*texts: str, version: str | None = None) -> Dataset:
    from datasets import Features, Image, Value

    features = Features({"id": Value("string"), "text": Value("string"), "image": Image()})
    images = [{"bytes": image_file(number % 256), "path": None} for number in range(len(texts))]
    rows = {"id": [f"r{n}" for n in range(len(texts))], "text": list(texts), "image": images}
    made = Dataset.from_dict(rows, features=features)
    return made if version is None else made.add_column("mbdc_iteration", [version] * len(texts))


def record(**more: object) -> Iteration:
    approach = {"name": "text_recognition", "options": {"charset": ["가", "뷁"]}}
    common = {"repo_id": "me/words", "version": "v1.0.0", "message": "m", "content_hash": "0" * 64, "splits": {}}
    made = Iteration(**common, decision=Decision("baseline", ""), approach=approach)  # type: ignore[arg-type]
    return dataclasses.replace(made, **more)  # type: ignore[arg-type]


def test_characters_of_the_charset_that_never_occur_count_as_zero() -> None:
    counts = character_counts(words("가가", "나"), record())
    assert counts is not None
    assert sorted(counts.tolist()) == [0, 1, 2]
    assert character_counts(words("", ""), record()) is None


def test_images_are_those_of_the_version_in_an_order_of_their_ids() -> None:
    from datasets import concatenate_datasets

    old, new = words("가", "나"), words("다", version="v2.0.0").map(lambda row: {"id": "new"})
    both = concatenate_datasets([old.add_column("mbdc_iteration", ["v1.0.0", None]), new])
    assert chosen_images(both, "v2.0.0") == [image_file(0)]
    assert len(chosen_images(both, "v9.0.0")) == 3
    many = words(*["가"] * (SHOWN + 9))
    assert len(chosen_images(many, "v1.0.0")) == SHOWN
    assert chosen_images(many, "v1.0.0") == chosen_images(many.select(np.arange(len(many))[::-1]), "v1.0.0")


def test_nothing_sensitive_is_shown_and_other_approaches_have_no_pictures(tmp_path: Path) -> None:
    rows, repository = DatasetDict(train=words("가", "나")), FolderRepository(tmp_path)

    def paths(**more: object) -> list[str]:
        return [picture.path for picture in recognition_pictures(rows, record(**more), repository)]

    assert paths() == ["assets/images.png", "assets/frequencies.png"]
    assert paths(sensitive=("image",)) == ["assets/frequencies.png"]
    assert paths(sensitive=("text",)) == []
    assert paths(approach={"name": "extractive_qa"}) == []


def test_the_card_shows_them_before_and_after(tmp_path: Path) -> None:
    first = mbdc.annotate(DatasetDict(train=words("가가", "나")), mbdc.TextRecognition())
    second = mbdc.annotate(DatasetDict(train=words("가가", "나", "다다다")), mbdc.TextRecognition())
    repository = FolderRepository(tmp_path)
    made = []
    for rows, parent in ((first, None), (second, "v1.0.0")):
        entry = mbdc.publish(rows, "me/words", repository=tmp_path, message="Words", parent=parent)
        sha = repository.head("me/words") or ""
        card = repository.read("me/words", sha, "README.md").decode()
        assert "![some of the new word images](assets/images.png)" in card, entry.version
        assert "](assets/frequencies.png)" in card
        made.append(repository.read("me/words", sha, "assets/frequencies.png"))
        assert repository.read("me/words", sha, "assets/images.png").startswith(b"\x89PNG")
    assert made[0] != made[1]
