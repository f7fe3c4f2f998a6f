"""The card of a dataset and its changelog: whole texts for a real history, what others wrote kept, nothing injected."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import DatasetCard
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from hf_mbdc.errors import DataError
from hf_mbdc.records import Cost, Decision, Iteration, ParentRecord, SliceEvidence, SplitRecord, StepRecord
from hf_mbdc.revisions.card import about, card, costs, sections, wording
from hf_mbdc.revisions.card.card import BEGIN, END, read_template, render_card, split_card
from hf_mbdc.revisions.card.masking import MASK

GOLDEN = Path(__file__).parents[1] / "golden"
SPLITS = ("train", "validation", "test")
CONFIGS: dict[str, Any] = {
    "configs": [
        {"config_name": "default", "data_files": [{"split": s, "path": f"data/{s}-*.parquet"} for s in SPLITS]}
    ],
    "dataset_info": {
        "features": [
            *({"name": name, "dtype": "string"} for name in ("id", "document_id", "key", "vendor", "question")),
            {"name": "words", "list": "string"},
            {"name": "boxes", "list": {"list": "int32"}},
            {"name": "context", "dtype": "string"},
            {"name": "answers", "list": "string"},
            {"name": "image", "dtype": "image"},
            {"name": "answer_start", "dtype": "int32"},
            {"name": "mbdc_source", "dtype": "string"},
            {"name": "mine", "dtype": "float32"},
        ],
        "splits": [{"name": "train", "num_examples": 752}],
    },
}
FOREIGN = (
    "---\nlicense: mit\nlanguage: no\ntags: receipts\nconfigs: old\nmine: {a: 1}\n---\n# My receipts\n\nBy hand.\n"
)


def read(name: str) -> Iteration:
    return Iteration.from_json((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def render(iteration: Iteration, history: list[Iteration], existing: str | None = None) -> dict[str, bytes]:
    return render_card(iteration, history, existing_card=existing, configs=CONFIGS)


def front_matter(text: str) -> dict[str, Any]:
    return yaml.safe_load(text.split("\n---\n")[0].removeprefix("---\n"))


def check_tables(text: str) -> None:
    """Every line of a table has as many cells as its head, and no line of Markdown was cut by a template's slip."""
    outside = re.sub(r"(?ms)^(`{3,})\w*$.*?^\1$", "", text)
    for table in re.findall(r"(?:^\|.*\n)+", outside, flags=re.M):
        lines = table.splitlines()
        assert re.fullmatch(r"\|(:?-+:?\|)+", lines[1]), lines[1]
        assert len(lines) > 2
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
        assert len(cells) == 1, table
    assert not re.search(r"[^|\n]\n\|", outside), "a table needs an empty line before it"
    assert "\n\n\n" not in text


def raw_html(text: str) -> list[str]:
    """The HTML tags that a Markdown reader finds."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text)
    found = [inner for token in tokens for inner in (token, *(token.children or ())) if inner.type.startswith("html")]
    return [tag for token in found for tag in re.findall("<[^>]+>", token.content)]


def golden(name: str) -> str:
    return (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_golden(number: int) -> None:
    told = [read("receipts_v1"), read("receipts_v2"), read("receipts_v3_refused")][:number]
    files = render(told[-1], told[:-1])
    assert files["README.md"].decode() == golden(f"card_{number}.md")
    assert files["CHANGELOG.md"].decode() == golden(f"changelog_{number}.md")
    plots = {1: [], 2: ["assets/evidence.png"], 3: ["assets/evidence.png", "assets/trend.png"]}[number]
    assert sorted(files) == ["CHANGELOG.md", "README.md", *plots]
    for path in plots:
        assert f"]({path})" in files["README.md"].decode()
    check_tables(files["README.md"].decode())


def test_the_hub_reads_the_front_matter() -> None:
    text = render(read("receipts_v2"), [read("receipts_v1")])["README.md"].decode()
    data = DatasetCard(text).data.to_dict()
    assert data["configs"] == CONFIGS["configs"]
    assert data["dataset_info"] == CONFIGS["dataset_info"]
    assert data["tags"] == ["hf_mbdc"]
    assert data["mbdc"] == {
        "version": "v2.0.0",
        "parent": "v1.0.0",
        "content_hash": "9f8e" * 16,
        "approach": "extractive_qa",
        "decision": "accept",
        "metric": {
            "name": "exact_match",
            "split": "test",
            "score": 0.8745,
            "parent_score": 0.8228,
            "difference": 0.0517,
            "interval": [0.0312, 0.0723],
        },
    }


def test_what_others_wrote_is_kept() -> None:
    first = render(read("receipts_v1"), [], FOREIGN)["README.md"].decode()
    data = front_matter(first)
    assert data["license"] == "mit"
    assert data["language"] == "no"  # Norwegian; plain YAML 1.1 would read False
    assert data["tags"] == ["receipts", "hf_mbdc"]
    assert data["mine"] == {"a": 1}
    assert data["configs"] == CONFIGS["configs"]
    assert "# My receipts\n\nBy hand.\n\n<!-- hf_mbdc:begin" in first
    edited = first.replace("By hand.", "By hand, later.") + "\n## Ethics\n\nNo names.\n"
    second = render(read("receipts_v2"), [read("receipts_v1")], edited)["README.md"].decode()
    assert "By hand, later.\n\n<!-- hf_mbdc:begin" in second
    assert second.endswith(f"{END}\n\n## Ethics\n\nNo names.\n")
    assert second.count(BEGIN) == second.count(END) == 1
    assert "**`v2.0.0`**" in second
    assert "**`v1.0.0`**" not in second


def test_rendering_twice_changes_nothing() -> None:
    once = render(read("receipts_v2"), [read("receipts_v1")], FOREIGN)
    assert render(read("receipts_v2"), [read("receipts_v1")], once["README.md"].decode()) == once


def test_the_card_follows_from_the_manifest() -> None:
    record = read("receipts_v2")
    environment = dict(reversed(record.environment.items()))  # JSON sorts the keys of the manifest
    shuffled = dataclasses.replace(record, environment=environment, sha="f" * 40)
    assert render(shuffled, [read("receipts_v1")]) == render(record, [read("receipts_v1")])


def test_odd_line_ends_in_yaml_survive() -> None:
    existing = '---\nmine: "a\\u0085b\\u2028c\\nd"\n---\n'
    text = render(read("receipts_v1"), [], existing)["README.md"].decode()
    assert split_card(text)[2]["mine"] == "a\x85b\u2028c\nd"


def test_stale_configs_do_not_survive() -> None:
    text = render_card(read("receipts_v1"), [], existing_card=FOREIGN, configs={})["README.md"].decode()
    assert "configs" not in front_matter(text)


@pytest.mark.parametrize(
    ("existing", "message"),
    [
        ("---\na: 1\nb: [1}\n---\n", "The YAML of the dataset card cannot be read (path 'README.md', line 3)"),
        ("---\n- a\n---\n", "The YAML of the dataset card is not a mapping"),
        (
            f"{BEGIN}\nx\n",
            "The markers of hf_mbdc in the dataset card are not one pair (path 'README.md', begin 1, end 0)",
        ),
        (f"{END}\n{BEGIN}\n", "are not one pair"),
        (f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n", "are not one pair (path 'README.md', begin 2, end 2)"),
    ],
)
def test_a_broken_card_is_told(existing: str, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        split_card(existing)


def test_line_ends_and_marks_of_others() -> None:
    assert split_card("\ufeff---\r\nlicense: mit\r\n---\r\ntext\r\n") == ("text\r\n\n", "\n", {"license": "mit"})
    assert split_card("no front matter") == ("no front matter\n\n", "\n", {})
    assert split_card(f"---\na: 1\n---\nmine\n{BEGIN}\nours\n{END}\ntheirs") == ("mine\n", "\ntheirs", {"a": 1})


NASTY = st.text(st.one_of(st.sampled_from("`|\\<>[]!*_#-\n\r{}%\u202e"), st.characters()), max_size=20)


@settings(max_examples=40, deadline=None)
@given(st.lists(NASTY, min_size=14, max_size=14, unique=True))
def test_nothing_from_data_breaks_the_card(texts: list[str]) -> None:
    name, split, column, value, reason, metric, part, step, why, model, key, message, sha, plain = texts
    cells = {column: {"changed": 1, "kind": "text", "examples": [{"id": name, "before": value, "after": None}]}}
    record = dataclasses.replace(
        read("receipts_v2"),
        message=message,
        splits={split: SplitRecord(1, sha)},
        parent=ParentRecord(plain, sha, ""),
        decision=Decision("inconclusive", reason),
        steps=(StepRecord(step, "model-guided synthesis", why, model, changed=1, reasons={reason: 1}),),
        diff={
            "splits": {split: _split(changed=1, columns=cells, reasons={reason: 1})},
            "schema": {"added": {column: value}, "removed": {}, "retyped": {name: [value, plain]}},
            "moved": [{"before": split, "after": plain, "rows": 2, "ids": [name]}],
        },
        evidence=dataclasses.replace(
            read("receipts_v2").evidence,
            metric=metric,
            split=split,
            slices=(SliceEvidence(part, 1, 0.5, 0.4, -0.1, (-0.2, -0.01)),),
            secondary={key: (0.1, 0.2)},
        ),
        approach={"name": name, "target": model, "adds": {column: {"type": plain, "meaning": why}}},
        recipe={key: {name: "<!-- hf_mbdc:end -->\n```\n---\n"}},
        rejected={reason: 2},
        environment={plain: value},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(card.plots, "evidence_plot", lambda *_: b"")
        files = render(record, [read("receipts_v1")], FOREIGN)
    text = files["README.md"].decode()
    check_tables(text)
    assert raw_html(text.partition(BEGIN)[2].rpartition(END)[0]) == [
        "<details>",
        "<summary>",
        "</summary>",
        "</details>",
    ]
    before, after, data = split_card(text)
    assert (before, after) == ("# My receipts\n\nBy hand.\n\n", "\n")
    assert DatasetCard(text).data.to_dict()["configs"] == CONFIGS["configs"]
    assert data["mbdc"]["approach"] == name
    assert "\n".join(files["CHANGELOG.md"].decode().splitlines()) + "\n" == files["CHANGELOG.md"].decode()


def _split(**fields: Any) -> dict[str, Any]:
    counts = dict.fromkeys(("added", "removed", "changed"), 0)
    rest = {"rows_before": 2, "rows_after": 2, "columns": {}, "reasons": {}, "reordered": False, "status": "kept"}
    return {**counts, **rest, **fields}


def test_what_the_whole_cost_more_than_its_steps() -> None:
    record = read("receipts_v1")
    assert [name for name, _ in costs.costs(record)] == ["load sroie", "annotate extractive_qa", None]
    assert costs.costs(record)[-1][1].tokens == 9_412_608
    cheap = dataclasses.replace(
        record, cost=Cost(wall_seconds=1.0, bytes=7)
    )  # as when a training was found in the cache
    assert costs.costs(cheap)[-1][1] == Cost(bytes=7)


def test_a_template_cannot_forget_a_filter() -> None:
    with pytest.raises(TypeError, match="without a filter"):
        card._environment().from_string("{{ value }}").render(value="<b>")
    with pytest.raises(TypeError, match="without a filter"):
        card._environment().from_string("{{ 3 }}").render()


def test_templates_are_found_in_a_checkout_and_in_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "## Evidence" in read_template("dataset_card.md.jinja")
    (tmp_path / "a.jinja").write_text("x", encoding="utf-8")
    monkeypatch.setattr(card, "_CARDS", (tmp_path / "none", tmp_path))
    assert read_template("a.jinja") == "x"
    with pytest.raises(FileNotFoundError, match=r"No template 'b\.jinja'"):
        read_template("b.jinja")


def test_published_by_hand_and_unchanged_data() -> None:
    record = dataclasses.replace(
        read("receipts_v2"),
        version="v1.0.1",
        diff={"splits": {"train": _split()}, "schema": {"added": {}, "removed": {}, "retyped": {}}, "moved": []},
        steps=(),
        evidence=None,
        scores={},
        approach={},
        recipe={},
        cost=Cost(),
        decision=Decision("unmeasured", "Published by hand."),
    )
    text = render(record, [read("receipts_v1")])["README.md"].decode()
    check_tables(text)
    assert "**`v1.0.1`** holds the same data as `v1.0.0`. Its effect on a target model was not measured." in text
    assert "No row and no column: the data is that of `v1.0.0`." in text
    assert "Published by hand; no step is on record." in text


def test_agreement_of_the_annotators_is_told_where_it_is_known() -> None:
    plain = {"confidence": 0.95, "left_out": 0, "method": "infinitesimal jackknife"}
    record = dataclasses.replace(
        read("receipts_v2"),
        agreement=(
            {
                **plain,
                "statistic": "Krippendorff's alpha",
                "scale": "ordinal",
                "value": 0.7495,
                "interval": [0.723, 0.774],
                "units": 519,
                "ratings": 3262,
                "left_out": 2,
            },
            {
                **plain,
                "statistic": "Fleiss' <kappa>|",
                "scale": "nominal",
                "value": None,
                "interval": [None, None],
                "units": 3,
                "ratings": 6,
            },
        ),
    )
    text = render(record, [read("receipts_v1")])["README.md"].decode()
    check_tables(text)
    assert "| Krippendorff's alpha, ordinal | .750 | [.723, .774] (95 %) | 519 | 3,262 | 2 |" in text.replace("\\", "")
    assert "nominal | – | – | 3 | 6 | 0 |" in text
    assert "<kappa>" not in text
    assert "annotators agree" not in render(read("receipts_v2"), [read("receipts_v1")])["README.md"].decode()


@pytest.mark.parametrize(
    ("fields", "schema", "sentence"),
    [
        ({"changed": 1}, {}, "changes 1 of 2 train rows"),
        ({"changed": 1, "rows_before": 1}, {}, "changes 1 of 1 train row"),
        ({"added": 1}, {}, "adds 1 train row"),
        (
            {"changed": 2, "added": 1200, "removed": 3},
            {},
            "changes 2 of 2 train rows, adds 1,200 train rows and removes 3 train rows",
        ),
        ({}, {"added": {"a": "int32"}}, "adds 1 column (a)"),
        ({"removed": 2}, {"removed": dict.fromkeys("abcd", "x")}, "removes 2 train rows and 4 columns"),
        (
            {"added": 3},
            {"added": {"a": "x"}, "removed": {"b": "x"}},
            "adds 3 train rows and 1 column (a), and removes 1 column (b)",
        ),
        ({}, {}, "holds the same data as v1.0.0"),
    ],
)
def test_change_in_words(fields: dict[str, Any], schema: dict[str, Any], sentence: str) -> None:
    record = dataclasses.replace(
        read("receipts_v2"), diff={"splits": {"train": _split(**fields)}, "schema": schema, "moved": []}
    )
    assert wording.change(record, str) == sentence


def test_an_interval_of_no_width_says_nothing_of_small_differences() -> None:
    record = read("receipts_v2")
    assert record.evidence is not None
    for interval, said in (((0.0, 0.0), False), ((0.0, 0.1), True)):
        found = dataclasses.replace(record.evidence, difference=0.0, interval=interval)
        limit = sections.known_limits(dataclasses.replace(record, evidence=found), str)[0]
        assert limit.startswith("Small evaluation set: 316 rows in 79 clusters")
        assert limit.endswith("a difference below about .05 does not show." if said else "79 clusters.")


def test_a_step_tells_documents_from_rows_and_statuses_from_reasons() -> None:
    load = StepRecord("load x", "industrial data quality", "", added=8, rejected=1, reasons={"absent": 1})
    reasons = {"unanswerable": 2, "exact": 5, "no words": 1}
    annotate = StepRecord("annotate x", "approach-specific information", "", changed=7, rejected=1, reasons=reasons)
    steps = (load, annotate)
    assert sections.step_counts(load) == "8 rows added, 1 document or question rejected"
    assert sections.step_counts(annotate) == "7 rows changed, 1 rejected"
    assert sections.step_counts(StepRecord("x", "industrial data quality", "")) == "0 rows touched"
    assert [(status, rows) for status, _, rows in sections.match_statuses(steps)] == [("exact", 5), ("unanswerable", 2)]
    assert sections.step_reasons(steps) == [("load x", "absent", 1), ("annotate x", "no words", 1)]
    assert sections.rejected_unit(steps)
    assert not sections.rejected_unit((annotate,))


def test_what_was_set_aside_is_counted_with_what_was_inherited() -> None:
    record = dataclasses.replace(read("receipts_v2"), rejected={f"reason {i:02}": 20 - i for i in range(14)})
    assert sections.rejected(record).startswith("189 rows or documents set aside. By earlier versions.")
    found = sections.rejected_reasons(record)
    assert (found[0], found[11:]) == (("reason 00", 20), [("reason 11", 9), ("other reasons", 15)])
    assert "189 rows or documents set aside, in no split." in sections.known_limits(record, str)
    assert sections.rejected(dataclasses.replace(record, rejected={})) == "No row is set aside."


def test_a_changed_row_is_one_line() -> None:
    def column(before: Any, after: Any) -> dict[str, Any]:
        return {"changed": 1, "kind": "text", "examples": [{"id": "a", "before": before, "after": after}]}

    telling = {name: column("1", "2") for name in ("answer_end", "answer_start", "word_start", "mbdc_source")}
    other = {name: column(None, "x|y") for name in "abcde"}
    for cells, line in (
        (telling, "`answer_start` `1` → `2`, `answer_end` `1` → `2`"),
        (other, ", ".join(rf"`{name}` `null` → `x\|y`" for name in "abcd")),
    ):
        assert sections.examples({"splits": {"train": _split(columns=cells)}}) == [("train", "a", line)]


def test_an_example_of_every_column_and_no_masked_one_before_others() -> None:
    def column(kind: str, *told: tuple[str, str, str]) -> dict[str, Any]:
        return {
            "changed": 9,
            "kind": kind,
            "examples": [dict(zip(("id", "before", "after"), t, strict=True)) for t in told],
        }

    masked = [(f"m{row}", MASK, MASK) for row in range(5)]
    texts = [(f"t{row}", "x", "y") for row in range(5)]
    columns = {
        "name": column("text", *masked),
        "text": column("text", *texts),
        "label": column("label", ("z", "a", "b")),
    }
    found = sections.examples({"splits": {"train": _split(columns=columns)}})
    assert [row for _, row, _ in found] == ["m0", "m1", "t0", "t1", "t2", "t3", "t4", "z"]


def test_an_example_shows_where_long_texts_part() -> None:
    example = {"id": "a", "before": "word " * 30 + "12.00 end", "after": "word " * 30 + "12.50 end"}
    column = {"changed": 1, "kind": "text", "examples": [example]}
    ((_, _, line),) = sections.examples({"splits": {"train": _split(columns={"t": column})}})
    assert line == "`t` `…d word 12.00 end` → `…d word 12.50 end`"


def test_rows_that_are_in_another_split_as_well_are_told() -> None:
    copied = [{"before": "train", "after": "extra", "rows": 2, "ids": ["a", "b"]}]
    lines = sections.structure_lines({"splits": {}, "copied": copied})
    assert lines == ["2 rows of `train` came into `extra` as well, counted as added there."]


def test_meanings_are_told_only_where_they_are_sure() -> None:
    record = dataclasses.replace(read("receipts_v1"), approach={})

    def meanings(*names: str) -> dict[str, str]:
        features = [{"name": name, "dtype": "string"} for name in names]
        info = [{"config_name": "rejected", "features": []}, {"config_name": "default", "features": features}]
        rows = about.describe_columns(record, {"dataset_info": info})
        assert [(name, kind) for name, kind, _, _ in rows] == [(name, "string") for name in names]
        return {name: meaning for name, _, meaning, _ in rows}

    assert meanings("id", "key", "vendor", "words") == {
        "id": "Names the row; unique in its split.",
        "key": "–",
        "vendor": "–",
        "words": "–",
    }
    page = ("words", "boxes", "context")
    assert "of the page, or of the extent" in meanings(*page)["boxes"]
    assert "extent of the document's text" in meanings(*page, "key", "vendor")["boxes"]
    record = dataclasses.replace(record, recipe={"dataset": {"name": "docvqa"}})
    assert meanings(*page)["boxes"] == "x0 y0 x1 y1 of each word, 0–1000 of the page; [] = text without a page."


@pytest.mark.parametrize(
    ("rows", "size"),
    [(1, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (123_456, "100K<n<1M"), (10**9, "1B<n<10B")],
)
def test_front_matter_says_task_and_size(rows: int, size: str) -> None:
    record = dataclasses.replace(read("receipts_v1"), splits={"train": SplitRecord(rows, "")})
    assert about.front_matter(record) == {"task_categories": ["question-answering"], "size_categories": [size]}
    assert about.front_matter(dataclasses.replace(record, approach={})) == {"size_categories": [size]}
    theirs = "---\ntask_categories: [document-question-answering]\nsize_categories: old\n---\n"
    data = front_matter(render(record, [], theirs)["README.md"].decode())
    assert data["task_categories"] == ["document-question-answering"]
    assert data["size_categories"] == [size]
    assert "license" not in data


def test_contents() -> None:
    record = dataclasses.replace(read("receipts_v1"), approach={})
    assert about.contents(record) == "1,256 rows of 314 documents in 3 splits."
    record = dataclasses.replace(record, splits={"train": SplitRecord(1, "", 1)})
    assert about.contents(record) == "1 row of 1 document in 1 split."
    record = dataclasses.replace(record, splits={"train": SplitRecord(2, "", 1), "test": SplitRecord(1, "")})
    assert about.contents(record) == "3 rows in 2 splits."


def test_a_candidate_is_never_called_by_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[str, ...]] = []
    monkeypatch.setattr(card.plots, "evidence_plot", lambda _, *names: drawn.append(names) or b"")
    told = [read("receipts_v1"), read("receipts_v2"), read("receipts_v3_refused")]
    later = dataclasses.replace(told[1], version="v2.0.1", decision=Decision("unmeasured", "By hand."), evidence=None)
    for files in (render(told[2], told[:2]), render(later, told)):
        for path in ("README.md", "CHANGELOG.md"):
            text = files[path].decode()
            assert text.count("v3.0.0") == text.count("(would have been `v3.0.0`)")
            assert "70707070" in text
    assert front_matter(files["README.md"].decode())["mbdc"]["version"] == "v2.0.1"
    refused = front_matter(render(told[2], told[:2])["README.md"].decode())["mbdc"]
    assert "version" not in refused
    assert refused["candidate"] == "candidates/70707070"
    assert set(drawn) == {("v2.0.0", "candidates/70707070")}


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (wording.number(0.664), ".66"),
        (wording.number(1.0), "1.00"),
        (wording.number(-0.05), "−.05"),
        (wording.number(0.23, signed=True), "+.23"),
        (wording.number(-0.001, signed=True), ".00"),
        (wording.number(12.345), "12.35"),
        (wording.number(float("nan")), "–"),
        (wording.p_value(0.0002), "p < .001"),
        (wording.p_value(0.032), "p = .032"),
        (wording.seconds(0), "0 s"),
        (wording.seconds(0.42), "0.42 s"),
        (wording.seconds(59.6), "60 s"),
        (wording.seconds(200), "3 min 20 s"),
        (wording.seconds(7500), "2 h 5 min"),
        (wording.size(512), "512 B"),
        (wording.size(1_204_311), "1.2 MB"),
        (wording.size(999_999), "1.0 MB"),
        (wording.plural(1, "row"), "1 row"),
        (wording.plural(2000, "row"), "2,000 rows"),
        (wording.day("2026-03-02T09:14:05+00:00"), "2026-03-02"),
        (wording.day("yesterday"), ""),
        (wording.listed(["a", "b", "c"]), "a, b and c"),
        (wording.seeds((0,)), "seed 0"),
        (wording.seeds((0, 1, 2)), "seeds 0, 1 and 2"),
    ],
)
def test_numbers_in_words(made: str, text: str) -> None:
    assert made == text
