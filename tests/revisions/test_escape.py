"""Text from data in Markdown: no cell, line, link or HTML comes of it, and nothing hides in it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from hf_mbdc.revisions.escape import block, code, code_cell, prose, visible

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
NASTY = st.text(
    st.one_of(st.sampled_from("`|\\<>[]()!*_#-=+~$&;:/@.\n\r\t 1a\u202e\u2028"), st.characters()), max_size=40
)


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("12.00\nRM", None, "12.00⏎RM"),
        ("a\r\nb", None, "a⏎b"),
        ("a\tb", None, "a b"),
        ("x\u202ey", None, "x⟨U+202E⟩y"),
        ("\x1b[31m", None, "⟨U+001B⟩[31m"),
        ("\ud800", None, "⟨U+D800⟩"),
        ("9.00\u00a0", None, "9.00⟨U+00A0⟩"),
        ("क्‍ष", None, "क्‍ष"),  # with a joiner
        ("abcdef", 5, "abcd…"),
        ("abcde", 5, "abcde"),
        ("ab\r\nde", 5, "ab⏎de"),
        ("한글", None, "한글"),
    ],
)
def test_visible(text: str, limit: int | None, shown: str) -> None:
    assert visible(text, limit) == shown


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("total", "`total`"),
        ("", '`""`'),
        (None, "`null`"),
        (-1, "`-1`"),
        ([], "`[]`"),
        ("a|b", "`a\\|b`"),
        ("a\\|b", "`a\\⟨U+007C⟩b`"),
        ("`x`", "`` `x` ``"),
        ("<b>", "`<b>`"),
        (" ", "` `"),
        ({"start": 1}, '`{"start": 1}`'),
    ],
)
def test_code_cell(value: object, cell: str) -> None:
    assert code_cell(value) == cell


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("RM 9.00 | 10 %", "RM 9.00 &#124; 10 %"),
        ("![x](http://y)", "!\\[x\\](http&#58;//y)"),
        ("<script>", "&lt;script&gt;"),
        ("- a", "\\- a"),
        ("1. a", "1\\. a"),
        ("two\n\nlines", "two lines"),
        ("`train` rows", "`train` rows"),
        ("`a|b`", "\\`a&#124;b\\`"),
        ("me@x.org, www.x.org", "me&#64;x.org, www&#46;x.org"),
    ],
)
def test_prose(text: str, escaped: str) -> None:
    assert prose(text) == escaped


@given(NASTY, NASTY)
@example("`", "a|`")
@example("\\", "\\|")
@example("`|`", "``")
def test_a_cell_never_changes_the_table(value: str, text: str) -> None:
    table = f"| a | b | c |\n|---|---|---|\n| {code_cell(value, 400)} | {prose(text)} | end |\n"
    tokens = MARKDOWN.parse(table)
    assert [token.type for token in tokens].count("tr_open") == 2
    cells = [following for token, following in itertools.pairwise(tokens) if token.type == "td_open"]
    assert len(cells) == 3
    assert cells[-1].content == "end"
    assert _kinds(cells[0]) == {"code_inline"}
    assert _kinds(cells[1]) <= {"text", "code_inline"}
    assert cells[0].children[0].content.replace("⟨U+007C⟩", "|").strip() == _shown(value).replace("⟨U+007C⟩", "|")


@given(NASTY, NASTY)
@example("`a", "b`")
def test_prose_is_one_paragraph_of_text(text: str, value: str) -> None:
    tokens = MARKDOWN.parse(f"{prose(text)} and {code(value, 400)}\n")
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert _kinds(tokens[1]) <= {"text", "code_inline"}
    assert tokens[1].children[-1].content.strip() == _shown(value)


@given(st.lists(NASTY, max_size=4).map("\n".join))
@example("```\n<!-- hf_mbdc:end -->")
def test_a_block_ends_where_it_should(text: str) -> None:
    tokens = MARKDOWN.parse(f"{block(text, 'yaml')}\n\nafter\n")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert "<!--" not in tokens[0].content


def _kinds(token: object) -> set[str]:
    return {child.type.replace("text_special", "text") for child in token.children}


def _shown(value: str) -> str:
    return visible(value or '""').strip()  # readers trim cells and code spans
