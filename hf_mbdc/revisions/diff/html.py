"""A `Diff` as one page of HTML: tables, and the examples side by side with the changed words marked.

The page asks for nothing from elsewhere and runs no script: a content security policy says so to the browser. Every
text that comes from data is escaped, and what cannot be seen (control and bidi characters, line ends) is shown by its
number, so that no cell can hide what it holds or change how its neighbours read.
"""

from __future__ import annotations

import difflib
import html
import re
from collections.abc import Iterable, Iterator, Sequence

from hf_mbdc.revisions.diff.diff import MAX_IDS, ColumnDiff, Diff, Example, SplitDiff
from hf_mbdc.revisions.diff.words import column_facts, duplicate_lines, leak_lines, move_lines, schema_lines
from hf_mbdc.revisions.escape import visible

SHOWN_NAME = 200
MOST_TOKENS = 400  # of a cell; longer ones are marked as a whole

_CSP = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --soft: #59636e; --page: #fff; --line: #d1d9e0; --head: #f6f8fa;
  --gone: #ffd7d5; --came: #ccf0d3; --loud: #b3261e; --loud-page: #fff1f0; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --soft: #9aa4af; --page: #0d1117; --line: #3d444d;
  --head: #161b22; --gone: #67212a; --came: #1b4d2b; --loud: #ff9a93; --loud-page: #2d1214; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem 1rem 4rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0 0 1rem; } h2 { font-size: 1.25rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top; }
thead th { background: var(--head); overflow-wrap: normal; }
tbody th { min-width: 4rem; } .scroll + .scroll, .loud + .loud { margin-top: .75rem; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.cell { font-family: ui-monospace, monospace; font-size: .875rem; width: 42%; white-space: pre-wrap; }
.soft { color: var(--soft); }
.loud { border: 2px solid var(--loud); background: var(--loud-page); padding: .75rem 1rem; border-radius: .375rem; }
.loud strong { color: var(--loud); }
del { background: var(--gone); text-decoration: line-through; } ins { background: var(--came); text-decoration: none; }
@media (max-width: 40rem) {
  table.sides, table.sides tbody, table.sides tr, table.sides td, table.sides th { display: block; width: 100%; }
  table.sides thead { display: none; } table.sides tr { margin-bottom: .75rem; }
  table.sides td::before { content: attr(data-label); display: block; color: var(--soft); font: .75rem system-ui; }
}
"""


def diff_page(diff: Diff, title: str = "What changed") -> str:
    """The whole page as text; write it as UTF-8."""
    head = _text(title, SHOWN_NAME)
    body = "\n".join(_body(diff))
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_CSP}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="referrer" content="no-referrer">\n'
        f"<title>{head}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{head}</h1>\n{body}\n</main>\n"
        f"</body>\n</html>\n"
    )


def _body(diff: Diff) -> Iterator[str]:
    if diff.leaks:
        yield _loud("Rows crossed between training and evaluation", leak_lines(diff))
    if lines := list(duplicate_lines(diff)):
        yield _loud("Keys that are there more than once", lines)
    if diff.is_empty:
        yield "<p>No changes.</p>"
    if diff.splits:
        yield "<h2>Rows</h2>"
        yield _splits(diff)
    if notes := [*schema_lines(diff.schema), *move_lines(diff)]:
        yield "<h2>Columns, splits and order</h2>"
        yield _list(notes)
    for name, split in diff.splits.items():
        if split.columns:
            yield f"<h2>Changed cells in {_text(name, SHOWN_NAME)}</h2>"
            for column, change in split.columns.items():
                yield _column(column, change, split)
        yield from _ids(name, split)


def _splits(diff: Diff) -> str:
    titles = ("split", "before", "after", "added", "removed", "changed")
    marks = {"kept": "", "added": " (new split)", "removed": " (split removed)"}
    rows = []
    for name, split in diff.splits.items():
        counts = (split.rows_before, split.rows_after, split.added, split.removed, split.changed)
        cells = "".join(f'<td class="number">{count:,}</td>' for count in counts)
        rows.append(f'<tr><th scope="row">{_text(name, SHOWN_NAME)}{marks[split.status]}</th>{cells}</tr>')
    return _table(titles, rows)


def _column(name: str, change: ColumnDiff, split: SplitDiff) -> str:
    share = f"{change.changed:,} of {split.rows_after - split.added:,} rows"
    parts = [f'<h3>{_text(name, SHOWN_NAME)} <span class="soft">{change.kind}, {share}</span></h3>']
    if facts := list(column_facts(change)):
        parts.append(_list(facts))
    if change.labels:
        rows = [
            f"<tr><td>{_value(label.before)}</td><td>{_value(label.after)}</td>"
            f'<td class="number">{label.rows:,}</td></tr>'
            for label in change.labels
        ]
        parts.append(_table(("old", "new", "rows"), rows))
    if change.examples:
        rows = [_example(example) for example in change.examples]
        parts.append(_table(("row", "before", "after"), rows, "sides"))
    return "\n".join(parts)


def _example(example: Example) -> str:
    before, after = mark(example.before, example.after)
    return (
        f'<tr><th scope="row">{_text(example.id, SHOWN_NAME)}</th><td class="cell" data-label="before">{before}</td>'
        f'<td class="cell" data-label="after">{after}</td></tr>'
    )


def _ids(name: str, split: SplitDiff) -> Iterator[str]:
    for title, ids, number in (("Added", split.added_ids, split.added), ("Removed", split.removed_ids, split.removed)):
        if number:
            shown = [_text(key, SHOWN_NAME) for key in ids[:MAX_IDS].to_pylist()]
            rest = f" and {number - len(shown):,} more" if number > len(shown) else ""
            keys = ", ".join(f"<code>{key}</code>" for key in shown)
            yield f"<h3>{title} in {_text(name, SHOWN_NAME)}</h3>\n<p>{keys}{rest}</p>"


def mark(before: str | None, after: str | None) -> tuple[str, str]:
    """Both texts as HTML; the words that only one of them has are marked with `<del>` and `<ins>`.

    Example:
        >>> mark("total 12.00 RM", "total 12.50 RM")
        ('total <del>12.00</del> RM', 'total <ins>12.50</ins> RM')
    """
    if before is None or after is None:
        return _value(before), _value(after)
    left, right = _tokens(before), _tokens(after)
    if max(len(left), len(right)) > MOST_TOKENS:
        return _tagged("del", [before]), _tagged("ins", [after])
    parts: tuple[list[str], list[str]] = ([], [])
    for kind, a, b, c, d in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        same = kind == "equal"
        parts[0].append(_text("".join(left[a:b])) if same else _tagged("del", left[a:b]))
        parts[1].append(_text("".join(right[c:d])) if same else _tagged("ins", right[c:d]))
    return "".join(parts[0]), "".join(parts[1])


def _tokens(text: str) -> list[str]:
    """Words with their punctuation, runs of white space, and single characters of scripts without spaces."""
    return re.findall(r"\s+|[\u3040-\u30ff\u3400-\u9fff]|[^\s\u3040-\u30ff\u3400-\u9fff]+", text)


def _tagged(tag: str, tokens: Sequence[str]) -> str:
    return f"<{tag}>{_text(''.join(tokens))}</{tag}>" if tokens else ""


def _value(value: str | None) -> str:
    return '<span class="soft">null</span>' if value is None else _text(value) or '<span class="soft">empty</span>'


def _text(text: str, limit: int | None = None) -> str:
    return html.escape(visible(text, limit), quote=True)


def _list(lines: Iterable[str]) -> str:
    return "<ul>\n" + "\n".join(f"<li>{html.escape(line)}</li>" for line in lines) + "\n</ul>"


def _loud(title: str, lines: Iterable[str]) -> str:
    return f'<div class="loud" role="alert"><strong>{title}</strong>\n{_list(lines)}\n</div>'


def _table(titles: Sequence[str], rows: Iterable[str], style: str = "") -> str:
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    kind = f' class="{style}"' if style else ""
    body = "\n".join(rows)
    return f'<div class="scroll"><table{kind}>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'
