"""Text from data and people changes nothing but its own place, and nothing published names a token or this machine."""

from __future__ import annotations

import getpass
import json
import re
import socket
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from huggingface_hub import DatasetCard
from markdown_it import MarkdownIt

import hf_mbdc as mbdc
from hf_mbdc.records import Decision
from hf_mbdc.revisions.repositories.repository import Repository

ID = "me/x"
NASTY = {
    "pipe": "a|b\\|c",
    "backticks": "`` ` ``` code",
    "script": "</style></code></table><script>alert(1)</script><img src=x onerror=alert(1)>",
    "front matter": "---\nlicense: evil\n---\n# Title",
    "links": "[x](http://evil.example) ![y](http://evil.example/y.png) <http://evil.example> www.evil.example",
    "markers": "<!-- hf_mbdc:end -->\n\n<details>",
    "bidi": "\u202eevil\u2066\u200b\u0007\x1b[31m",
    "entities": "&lt;b&gt; &#60;script&#62; &amp;",
    "templates": "{{ 7 * 7 }} {% raw %} ${7} %s",
    "blanks": "\n\n\n- item\n\n1. one\n\n    code\n\n> quote\n\n***",
    "a megabyte": "x|`<b>" * 170_000,
}
PLAIN = "an ordinary text"


def rows(text: str, ids: tuple[str, ...], label: int, cell: str | None = None) -> Dataset:
    """Rows with the text in the names of a column and of a label, and in the cells, or `cell` there."""
    kinds = {"id": Value("string"), "text": Value("string"), "y": ClassLabel(names=["plain", _short(text)])}
    cells = [text if cell is None else cell] * len(ids)
    columns = {"id": list(ids), "text": cells, "y": [label] * len(ids), _column(text): [label] * len(ids)}
    return Dataset.from_dict(columns, Features({**kinds, _column(text): Value("int32")}))


def _short(text: str) -> str:
    return text[:200] if text.strip() else "blank"


def _column(text: str) -> str:
    return re.sub(r"\s", " ", f"c {text[:60]}")


def publish(text: str, root: Path) -> dict[str, str]:
    """Two versions whose ids, cells, labels, columns, messages and reasons are the text; the prose and the page."""
    line = "".join(letter if letter.isprintable() else " " for letter in text[:300])  # as a message must be
    key = f"id {text[:100]}"
    other = f"t {text[:50]}"
    old = DatasetDict(train=rows(text, (key, "b"), 0, PLAIN), test=rows(text, (other,), 0, PLAIN))
    new = DatasetDict(train=rows(text, (key, "b", other), 1), test=rows(text, ("u",), 0))  # a leak, too
    rejected = Dataset.from_dict({"id": ["r"], "reason": [text[:1000]]})
    mbdc.publish(old, ID, repository=root, message=line)
    mbdc.publish(new, ID, repository=root, message=line, rejected=rejected, parent="v1.0.0")
    folder = root / f"datasets--{ID.replace('/', '--')}" / "snapshots"
    snapshot = folder / str(mbdc.log(ID, repository=root)[0].sha)
    page = mbdc.report(ID, root / "page.html", repository=root)
    names = ("README.md", "CHANGELOG.md", "manifest.json", "croissant.json")
    return {name: (snapshot / name).read_text("utf-8") for name in names} | {"page.html": page.read_text("utf-8")}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return publish("other words", tmp_path_factory.mktemp("plain"))


class Shape(HTMLParser):
    """The elements of a page without texts; `del`, `ins` and the ids that hash a version differ with the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.shape: list[tuple[str, ...]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("del", "ins"):
            self.shape.append((tag, *sorted(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("del", "ins"):
            self.shape.append((f"/{tag}",))


def markdown_shape(text: str) -> Iterator[tuple[str, str]]:
    """The blocks of a card, and what in a line is more than text and code."""
    for token in MarkdownIt("commonmark", {"html": True}).enable("table").parse(DatasetCard(text).text):
        yield token.type, token.tag
        for inner in token.children or ():
            if inner.type not in ("text", "code_inline", "text_special"):
                yield inner.type, inner.tag


def table_widths(text: str) -> list[int]:
    """Of each line of a table its pipes that cut cells: a parser drops what is beyond the head's, and shows no more."""
    return [len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_nothing_but_its_own_place_changes(text: str, plain: dict[str, str], tmp_path: Path) -> None:
    made = publish(text, tmp_path)
    assert Shape(made["page.html"]).shape == Shape(plain["page.html"]).shape
    for name in ("README.md", "CHANGELOG.md"):
        assert list(markdown_shape(made[name])) == list(markdown_shape(plain[name])), name
        assert table_widths(made[name]) == table_widths(plain[name]), name
    assert "license" not in DatasetCard(made["README.md"]).data.to_dict()
    for name in ("README.md", "CHANGELOG.md", "page.html"):
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b\u0007\u001b]", made[name].split("\n---\n")[-1])
        assert len(made[name]) < len(plain[name]) + 60_000, "a long cell is shortened"
    assert json.loads(made["manifest.json"])["repo_id"] == ID
    ids = [field["@id"] for field in json.loads(made["croissant.json"])["recordSet"][1]["field"]]
    assert all(re.fullmatch(r"default/[\w%.~@-]+", one, re.ASCII) for one in ids)
    assert len(ids) == len(set(ids)) == 5


def test_no_token_and_no_name_of_this_machine(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "hf_" + "QwErTyUiOp" * 3
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setenv("MY_SECRET", "s3cr3t-value")
    first = mbdc.publish(rows("one", ("a", "b"), 0), ID, repository=repository, message="first")
    rejected = Dataset.from_dict({"id": ["r"], "reason": ["no total"]})
    changed = rows("one", ("a", "b"), 1)
    mbdc.publish(changed, ID, repository=repository, message="second", parent=first.sha, rejected=rejected)
    page = mbdc.report(ID, tmp_path / "page.html", repository=repository)
    files = {str(path): path.read_bytes() for path in repository.snapshot(ID, "main").rglob("*") if path.is_file()}
    assert {"README.md", "CHANGELOG.md", "manifest.json", "croissant.json"} <= {Path(name).name for name in files}
    homes = {str(Path.home()), str(Path.cwd()), str(tmp_path), str(Path(mbdc.__file__).parents[1])} - {"/"}
    words = {token, "s3cr3t-value", socket.gethostname(), *homes}
    words |= {name for name in (getpass.getuser(),) if name not in ("root", "user")}  # too common as words
    for name, content in [*files.items(), ("page.html", page.read_bytes())]:
        for word in words:
            assert word.encode() not in content, (name, word)


def test_a_refused_candidate_changes_no_more(tmp_path: Path) -> None:
    from dataclasses import replace

    from hf_mbdc.publishing.publication import commit, draft
    from hf_mbdc.revisions.repositories.folder import FolderRepository

    repository = FolderRepository(tmp_path)
    mbdc.publish(rows("one", ("a",), 0), ID, repository=repository, message="first")
    drafted = draft(rows("one", ("a",), 1), ID, repository, message="worse")
    shapes = []
    for reason in (PLAIN, NASTY["script"]):
        refused = replace(drafted, iteration=replace(drafted.iteration, decision=Decision("reject", reason)))
        record = commit(refused, repository)
        text = repository.read(ID, str(record.sha), "README.md").decode()
        shapes.append(list(markdown_shape(text)))
    assert shapes[0] == shapes[1]
