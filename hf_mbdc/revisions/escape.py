"""Text from data, made safe for Markdown: it never adds a table cell, a line, a link or HTML, and nothing hides in it.

Two kinds of text meet a card. *Values* (cells of the dataset, names of columns, splits and models) are shown as inline
code, so that they read as they are. *Prose* (messages, reasons) is escaped into the running text. The rules are those
of CommonMark 0.31 and of GitHub's tables, whose cells are cut before anything else is read.
"""

from __future__ import annotations

import json
import re
import unicodedata

ELLIPSIS = "…"
_JOINERS = "\u200c\u200d"  # invisible, but Persian, Hindi and emoji are not themselves without them
_BLANKS = "\u00a0\u3164\uffa0"  # look like a space or like nothing: where a diff is about them, they must show
_PROSE = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"} | {c: f"\\{c}" for c in "\\`*_[]#~$"}


def visible(text: str, limit: int | None = None) -> str:
    """One line in which nothing is hidden: line ends become ⏎, control and bidi characters their number.

    Args:
        text: any text, also with lone surrogates.
        limit: the number of characters to cut the result to, the ellipsis included; None: no cut.

    Example:
        >>> visible("12.00\\nRM\\u202e", limit=40)
        '12.00⏎RM⟨U+202E⟩'
    """
    text = text.replace("\r\n", "\n")
    if limit is not None:
        text = text[: limit + 1]  # what follows makes no character shorter, so a long text need not be read to its end
    shown = "".join(map(_shown, text))
    return shown if limit is None or len(shown) <= limit else shown[: limit - 1] + ELLIPSIS


def code(value: object, limit: int = 80) -> str:
    """A value as inline code for a paragraph or a list; use `code_cell` inside a table.

    Strings are shown as they are (the empty one as `""`), all else as JSON, so that `null`, `-1` and `[]` differ.

    Example:
        >>> code("total"), code(None), code("")
        ('`total`', '`null`', '`""`')
    """
    text = visible(value if isinstance(value, str) and value else _as_json(value), limit)
    fence = "`" * (_longest_run(text) + 1)
    pad = " " if text.strip(" ") and (text[0] in " `" or text[-1] in " `") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def code_cell(value: object, limit: int = 80) -> str:
    r"""A value as inline code for a table cell: a pipe is escaped, as GitHub's tables want it even inside code.

    Readers disagree on a backslash before a pipe, so such a pipe is shown by its number.

    Example:
        >>> code_cell("a|b")
        '`a\\|b`'
    """
    text = (value if isinstance(value, str) and value else _as_json(value)).replace("\\|", "\\⟨U+007C⟩")
    return code(text, limit).replace("|", "\\|")


def prose(text: str, limit: int = 500, *, starts: bool = True) -> str:
    r"""Running text, for a paragraph, a list item or a table cell: one line without links or HTML.

    The only markup that is kept is `code`, where no pipe or backslash is in it. `starts`: it may begin a line, so that
    no mark of a list may begin it.

    Example:
        >>> prose("[x](http://y) <b> a|b in `train`")
        '\\[x\\](http&#58;//y) &lt;b&gt; a&#124;b in `train`'
    """
    pieces = re.split(r"(`[^`|\\]+`)", visible(" ".join(text.split()), limit))
    escaped = [code(piece[1:-1]) if number % 2 else _escaped(piece) for number, piece in enumerate(pieces)]
    line = "".join(escaped)
    if not starts:
        return line
    return re.sub(r"^([-+=])|^(\d+)([.)])", lambda m: f"\\{m[1]}" if m[1] else f"{m[2]}\\{m[3]}", line)


def block(text: str, language: str = "") -> str:
    """A fenced code block whose fence is longer than any run of backticks in the text.

    HTML comments are broken, so that no text can end our part of a card.
    """
    lines = "\n".join(visible(line) for line in text.rstrip("\n").split("\n")).replace("<!--", "<! --")
    fence = "`" * max(3, _longest_run(lines) + 1)
    return f"{fence}{language}\n{lines}\n{fence}"


def _escaped(line: str) -> str:
    line = "".join(_PROSE.get(character, character) for character in line)
    line = re.sub(r":(?=//)", "&#58;", line)  # GitHub makes links of bare addresses
    line = re.sub(r"(?i)(\bwww)\.", r"\1&#46;", line)
    return line.replace("@", "&#64;")


def _shown(character: str) -> str:
    if character == "\n":
        return "⏎"
    if character == "\t":
        return " "
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and character not in _JOINERS
    return f"⟨U+{ord(character):04X}⟩" if hidden or character in _BLANKS else character


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
