"""`inspect`: the doubtful rows of a dataset on one HTML page that needs nothing but a browser.

The page holds its styles, its script, its data and its images; a Content-Security-Policy allows these, by their hashes,
and nothing else, no network above all. Texts from the data are JSON in a block that is not executed, and the script
puts them on the page as text, never as markup.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.review.documents import Documents
from hf_mbdc.review.reasons import reasons
from hf_mbdc.review.select import READS, Doubts, find_doubts, select_rows
from hf_mbdc.review.view import candidate_view, candidates_of, number, text_pieces

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset, DatasetDict

TEXT_BYTES = 40_000_000  # of all rows and documents together, images aside; further rows are left out
OPTIONAL = ("words", "boxes", "pages", "document_id", "image", "images", "mbdc_source", "mbdc_model", "mbdc_iteration")
_SAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


@dataclass(frozen=True)
class Review:
    """What was written: `shown` of `selected` rows of a split of `rows`; the `limit` or the size left out the rest."""

    path: Path
    split: str | None
    rows: int
    selected: int
    shown: int
    images: int
    images_left_out: int
    bytes: int


def inspect(
    ds: Dataset | DatasetDict,
    path: str | Path,
    *,
    split: str | None = None,
    status: Sequence[str] = (),
    max_margin: float | None = None,
    ids: Sequence[str] = (),
    limit: int = 50,
    repo_id: str | None = None,
    revision: str | None = None,
) -> Review:
    """Writes a page on which a person judges doubtful rows: the document, the chosen span, the others, and the reason.

    Without `status`, `max_margin` and `ids`, all rows are asked for that there is any doubt about: fuzzy matches,
    answers that were not found, and answers with several occurrences that match equally well. The most doubtful come
    first (`hf_mbdc.review.select` says how doubt is counted). `read_decisions` reads what the person decided.

    Args:
        ds: annotated with `ExtractiveQA`; one split is shown.
        path: the page, *.html; an earlier one is replaced.
        split: of a `DatasetDict`; default `train`, or the only one.
        status: only rows with these statuses (fuzzy, absent, exact, unanswerable).
        max_margin: only rows whose best candidate beats the second by at most this (`choice_margin`; where that is
            missing or NaN, the difference of their match scores).
        ids: only these rows.
        limit: how many rows at most.
        repo_id: where the data comes from, for the heading and the decisions.
        revision: likewise.

    Raises:
        DataError: the split is not there or not annotated, an id is unknown, no row is left, or the page cannot be
            written.
        RecipeError: an option is out of its range.

    Example:
        >>> inspect(ds, "review.html", status=["fuzzy"]).shown  # doctest: +SKIP
        50
    """
    rows, split = _one_split(ds, split)
    target = _checked_path(path)
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise RecipeError(f"limit is {limit!r}", key="limit", mend="Give a whole number of at least 1.")
    doubts = find_doubts(rows, split=split)
    wanted = select_rows(doubts, statuses=status, max_margin=max_margin, ids=ids, split=split)
    documents = Documents()
    views = list(_within(TEXT_BYTES, _views(rows, doubts, wanted[:limit], documents), documents))
    about = {
        "repo_id": repo_id,
        "revision": revision,
        "split": split,
        "fingerprint": _fingerprint(rows, repo_id, split),
        "total": len(rows),
        "selected": len(wanted),
        "counts": doubts.counts(),
    }
    used = sorted({view["document"] for view in views})
    blocks = {f"document-{k}": _json(documents.data(k)) for k in used}
    text = _render({**about, "rows": views}, blocks, documents.images)
    _write(target, text)
    return Review(
        path=target,
        split=split,
        rows=len(rows),
        selected=len(wanted),
        shown=len(views),
        images=len(documents.images),
        images_left_out=documents.images_left_out,
        bytes=len(text.encode()),
    )


def _one_split(ds: Dataset | DatasetDict, split: str | None) -> tuple[Dataset, str | None]:
    from datasets import Dataset, DatasetDict

    if isinstance(ds, Dataset):
        own = str(ds.split) if ds.split else None
        if split is not None and split != own:
            mend = "Leave split out, or pass the DatasetDict."
            raise DataError(f"This is one split, not a dict with {split!r}", split=own, mend=mend)
        return ds, own
    if not isinstance(ds, DatasetDict):
        mend = "Load one: hf_mbdc.load(…) or hf_mbdc.load_dataset(…); a stream first with Dataset.from_generator."
        raise DataError(f"inspect needs a dataset, not {type(ds).__name__}", mend=mend)
    name = split or ("train" if "train" in ds or len(ds) != 1 else next(iter(ds)))
    if name not in ds:
        mend = f"Take one of {', '.join(ds) or 'none: it is empty'} with split (--split)."
        raise DataError(f"The dataset has no split {name!r}", mend=mend)
    return ds[name], name


def _checked_path(path: str | Path) -> Path:
    target = Path(path)
    if target.suffix.lower() not in (".html", ".htm"):
        raise DataError("The page is an HTML file", path=str(path), mend="Give it a name that ends in .html.")
    if target.is_dir():
        raise DataError("A folder has the name of the page", path=str(path), mend="Give another name.")
    if not target.parent.is_dir():
        mend = "Make the folder first, or give another one."
        raise DataError("The folder of the page does not exist", path=str(path), mend=mend)
    return target


def _views(rows: Dataset, doubts: Doubts, wanted: np.ndarray, documents: Documents) -> Iterator[dict[str, Any]]:
    """The rows as the page shows them, one by one: a page holds few, and every one is cut into texts of its own."""
    plain = _undecoded(rows)
    for place in wanted.tolist():
        row = plain[place]
        candidates, chosen, left_out = candidates_of(row)
        document = documents.number(row)
        spans = [(candidate["start"], candidate["end"]) for candidate in candidates]
        documents.add_spans(document, spans)
        layout = documents.layouts[document]
        view = {
            "id": row["id"],
            "question": row["question"] or "",
            "answers": [answer for answer in row["answers"] or [] if answer],
            "status": row["match_status"],
            "score": number(row["match_score"]),
            "margin": number(doubts.margin[place]),
            "by_choice": bool(doubts.by_choice[place]),
            "doubt": number(doubts.doubt[place]),
            "reasons": reasons(row, doubts, place),
            "label": [row["answer_start"], row["answer_end"]],
            "chosen": chosen,
            "candidates": [candidate_view(candidate, row, layout) for candidate in candidates],
            "left_out": left_out,
            "document": document,
            "document_id": row.get("document_id"),
            "source": row.get("mbdc_source"),
        }
        if not layout.offsets or not layout.places:
            view["text"] = text_pieces(row["context"], spans)
        yield view


def _undecoded(rows: Dataset) -> Dataset:
    """The columns that a page shows; images as the bytes that they are stored as."""
    from datasets import Image, List

    names = [name for name in dict.fromkeys((*READS, "match_status", *OPTIONAL)) if name in rows.column_names]
    plain = rows.with_format(None).select_columns(names)
    for name, feature in (("image", Image), ("images", List)):
        if name not in names:
            continue
        is_image = isinstance(plain.features[name], Image)
        if name == "image" and not is_image:
            plain = plain.remove_columns(name)  # something else of that name
        elif name == "image":
            plain = plain.cast_column(name, Image(decode=False))
        elif isinstance(plain.features[name], feature) and isinstance(plain.features[name].feature, Image):
            plain = plain.cast_column(name, List(Image(decode=False)))
        else:
            plain = plain.remove_columns(name)
    return plain


def _within(size: int, views: Iterator[dict[str, Any]], documents: Documents) -> Iterator[dict[str, Any]]:
    """The first views that fit into so many bytes with their documents, each counted once."""
    counted: set[int] = set()
    for view in views:
        number = view["document"]
        size -= len(_json(view)) + (0 if number in counted else documents.layouts[number].size)
        counted.add(number)
        if size < 0:
            return
        yield view


def _fingerprint(rows: Dataset, repo_id: str | None, split: str | None) -> str:
    """Names the labels of a split, so that a browser offers decisions again for these labels and for no others."""
    columns = rows.with_format(None)
    digest = hashlib.sha256(_json([repo_id, split, columns["id"][:]]).encode())
    digest.update(_json([columns["answer_start"][:], columns["answer_end"][:]]).encode())
    return digest.hexdigest()[:24]


def _json(data: Any) -> str:
    """JSON that no HTML parser takes for anything else: without `<`, `>`, `&` and JavaScript's line separators."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character, escape in _SAFE.items():
        text = text.replace(character, escape)
    return text


def _render(data: dict[str, Any], documents: dict[str, str], images: dict[str, str]) -> str:
    import jinja2

    from hf_mbdc.revisions.card.card import read_template

    style, script = read_template("inspect.css").strip(), read_template("inspect.js").strip()
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(read_template("inspect.html.jinja"))
    return template.render(
        title=" ".join(filter(None, ("Review", data["repo_id"], data["revision"], data["split"]))),
        policy=_policy(style, script),
        style=style,
        script=script,
        data=_json(data),
        documents=documents,
        images=images,
    )


def _policy(style: str, script: str) -> str:
    def hashed(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; script-src {hashed(script)}; style-src {hashed(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _write(path: Path, text: str) -> None:
    """The whole file or none: a reader never sees half a page."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="\n", dir=path.parent, suffix=".tmp", delete=False
        ) as file:
            file.write(text)
        Path(file.name).chmod(0o644)  # a temporary file is its owner's alone
        Path(file.name).replace(path)
    except OSError as error:
        what = f"The page cannot be written ({error.strerror})"
        raise DataError(what, path=str(path), mend="Choose a folder that can be written.") from error
