from __future__ import annotations

import json

import pytest

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.loaders import load_dataset, load_with_rejected

ALL_IN_TEST = {"split_fractions": (0, 0, 1)}
CONTEXT = "The Panthers gave up just 308 points,\nranking  sixth; 308 is few."


def question(number="q1", answers=(("308", 26),), **more):
    found = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": number, "question": "How many points?", "answers": found, **more}


def squad(*questions, title="Super_Bowl", context=CONTEXT):
    paragraph = {"context": context, "qas": list(questions)}
    return {"version": "1.1", "data": [{"title": title, "paragraphs": [paragraph]}]}


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def test_literal_row(tmp_path):
    write(tmp_path / "dev.json", squad(question(answers=[("308", 26), ("308 points", 26), ("308", 26), ("308", 54)])))
    assert load_dataset("squad", tmp_path, split="test", **ALL_IN_TEST).to_list() == [
        {
            "id": "q1",
            "document_id": "Super_Bowl-0",
            "title": "Super_Bowl",
            "question": "How many points?",
            "words": CONTEXT.split(),
            "boxes": [],
            "context": CONTEXT,
            "answers": ["308", "308 points", "308"],
            "gold_starts": [26, 26, 54],
            "image": None,
        }
    ]


def test_a_file_and_a_folder_with_it_are_the_same(tmp_path):
    write(tmp_path / "dev.json", squad(question()))
    (tmp_path / "SOURCE.txt").write_text("from the web")
    one = load_dataset("squad", tmp_path / "dev.json", **ALL_IN_TEST)
    assert one["test"].to_list() == load_dataset("squad", tmp_path, **ALL_IN_TEST)["test"].to_list()


def test_unanswerable_questions_do_not_use_plausible_answers(tmp_path):
    impossible = question(answers=[], is_impossible=True, plausible_answers=[{"text": "308", "answer_start": 26}])
    write(tmp_path / "dev.json", squad(impossible))
    row = load_dataset("squad", tmp_path, split="test", **ALL_IN_TEST)[0]
    assert (row["answers"], row["gold_starts"]) == ([], [])


def test_several_files_prefix_ids_and_keep_an_article_together(tmp_path):
    for language in ("de", "en"):
        articles = [squad(question(f"q{i}"), title=f"Article {i}")["data"][0] for i in range(12)]
        for number, article in enumerate(articles):
            article["paragraphs"][0]["context"] += f" {language} {number}"
        write(tmp_path / f"xquad.{language}.json", {"data": articles})
    loaded = load_dataset("squad", tmp_path, seed=1)
    sides = {row["id"]: split for split, rows in loaded.items() for row in rows.to_list()}
    assert set(loaded) == {"train", "validation", "test"}
    assert len(sides) == 24
    assert all(sides[f"xquad.de-q{i}"] == sides[f"xquad.en-q{i}"] for i in range(12))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (
            question("q2", [("309", 26)]),
            "The answer '309' is not at its answer_start, where '308' is (start 26, id 'q2').",
        ),
        (question("q2", []), "The question has no answers and is not marked is_impossible (id 'q2')."),
        (question("q2", is_impossible=True), "The question is marked is_impossible and has answers (id 'q2')."),
        (question("q2", [("308", -3)]), "An answer needs a text and an answer_start (id 'q2')."),
        (question("q1"), "The id was there before (path 'dev.json', id 'q1')."),
        (question(""), "The question has no id (path 'dev.json', id '')."),
        ({"id": "q2", "answers": []}, "The question has no text (path 'dev.json', id 'q2')."),
    ],
)
def test_one_bad_question_is_set_aside(tmp_path, bad, reason):
    write(tmp_path / "dev.json", squad(question("q1"), bad))
    loaded = load_with_rejected("squad", tmp_path, **ALL_IN_TEST)
    assert loaded.dataset["test"]["id"][:] == ["q1"]
    assert loaded.rejected.to_list() == [{"document_id": "Super_Bowl-0", "reason": reason}]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"data": [', "Broken JSON: Expecting value (path 'b.json', line 1, column 11)."),
        (
            {"rows": []},
            "The file is not in SQuAD's format: no list of objects 'data' (path 'b.json'). "
            "SQuAD's format is data[].paragraphs[].qas[].",
        ),
    ],
)
def test_a_broken_file_in_the_middle_of_a_folder_is_set_aside(tmp_path, content, reason):
    for name in ("a", "c"):
        write(tmp_path / f"{name}.json", squad(question(), title=name))
    write(tmp_path / "b.json", content)
    loaded = load_with_rejected("squad", tmp_path, **ALL_IN_TEST)
    assert loaded.dataset["test"]["id"][:] == ["a-q1", "c-q1"]
    assert loaded.rejected.to_list() == [{"document_id": "b.json", "reason": reason}]


def test_a_broken_article_sets_its_file_aside_but_ids_of_it_may_come_again(tmp_path):
    content = squad(question())
    content["data"].append({"title": "no paragraphs"})
    write(tmp_path / "dev.json", content)
    with pytest.raises(DataError, match=r"None of the 1 documents can be used .*no list of objects 'paragraphs'"):
        load_dataset("squad", tmp_path, **ALL_IN_TEST)


def test_a_paragraph_without_text(tmp_path):
    content = squad(question())
    content["data"][0]["paragraphs"].append({"context": " ", "qas": []})
    write(tmp_path / "dev.json", content)
    rejected = load_with_rejected("squad", tmp_path, **ALL_IN_TEST).rejected.to_list()
    assert rejected == [{"document_id": "Super_Bowl-1", "reason": "The paragraph has no text (path 'dev.json')."}]


def test_empty_folder_and_options(tmp_path):
    with pytest.raises(DataError, match=r"The folder has no JSON file in it .*Give a JSON file in SQuAD's format"):
        load_dataset("squad", tmp_path)
    write(tmp_path / "dev.json", squad(question()))
    with pytest.raises(RecipeError, match=r"split_by is 'vendor' .*This loader can split by 'document'"):
        load_dataset("squad", tmp_path, split_by="vendor")


@pytest.mark.parametrize(("name", "rows"), [("squad", 6078), ("xquad", 4760), ("xquad/xquad.ru.json", 1190)])
def test_the_real_sets(shared_data, name, rows):
    loaded = load_with_rejected("squad", shared_data / name)
    assert sum(len(split) for split in loaded.dataset.values()) == rows
    assert len(loaded.rejected) == 0
    sides: dict[str, str] = {}
    for split, dataset in loaded.dataset.items():
        for row in dataset.to_list():
            assert row["words"] == row["context"].split()
            assert sides.setdefault(row["title"], split) == split
            for answer, start in zip(row["answers"], row["gold_starts"], strict=True):
                assert row["context"].startswith(answer, start)
