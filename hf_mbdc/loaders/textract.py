"""Amazon Textract's JSON: `Blocks` of type PAGE, LINE, WORD, QUERY and QUERY_RESULT.

Read are responses of DetectDocumentText and AnalyzeDocument (one page, `Page` is left out), of GetDocumentTextDetection
and GetDocumentAnalysis (many pages, in parts: a response with a `NextToken` goes on in the next one), lists of
responses, and blocks grouped by type (`{"PAGE": […], "LINE": […], "WORD": […]}`, as in MP-DocVQA's OCR files).
https://docs.aws.amazon.com/textract/latest/dg/how-it-works-document-layout.html

Lines come in the order of the blocks, which is Textract's reading order. Boxes are `Geometry.BoundingBox` (Left, Top,
Width, Height as shares of the page), or the box around `Geometry.Polygon` where there is no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hf_mbdc.errors import DataError
from hf_mbdc.loaders.pages import PixelBox, Sheet, Word, infer_lines

WHOLE: PixelBox = (0.0, 0.0, 1.0, 1.0)
GROUPS = ("PAGE", "LINE", "WORD")
MEND = "Textract's format is Blocks[].{BlockType, Id, Page, Text, Geometry.BoundingBox, Relationships}."

Block = dict[str, Any]


@dataclass(frozen=True)
class Query:
    """A question that was put to Textract, and the answers that it gave: none where it found none."""

    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Response:
    """The blocks of one response, the file that it stood in, and whether it goes on in the next one."""

    blocks: list[Block]
    path: str
    goes_on: bool


def is_textract(content: Any) -> bool:
    """Whether what a JSON file holds looks like Textract's."""
    if isinstance(content, list):
        return bool(content) and all(
            isinstance(item, dict) and ("BlockType" in item or "Blocks" in item) for item in content
        )
    return isinstance(content, dict) and ("Blocks" in content or any(isinstance(content.get(g), list) for g in GROUPS))


def read_textract(contents: Sequence[tuple[str, Any]]) -> tuple[list[Sheet], list[Query]]:
    """The pages of a document, and the queries in it.

    Args:
        contents: name and content of every file of the document, in order.

    Raises:
        DataError: blocks are missing, malformed, or on a page that is not there; a part of the answer is missing.
    """
    sheets: list[Sheet] = []
    queries: dict[str, dict[str, None]] = {}  # ordered sets
    for job in _jobs([response for path, content in contents for response in _responses(content, path)]):
        by_id = {block.get("Id"): block for response in job for block in response.blocks}
        sheets += _sheets(job, by_id)
        for query in _queries(job, by_id):
            queries.setdefault(query.text, {}).update(dict.fromkeys(query.answers))
    return sheets, [Query(text, tuple(answers)) for text, answers in queries.items()]


def _responses(content: Any, path: str) -> Iterator[Response]:
    if isinstance(content, list) and not any(isinstance(item, dict) and "BlockType" in item for item in content):
        for item in content:
            yield from _responses(item, path)
        return
    goes_on = False
    blocks = content
    if isinstance(content, dict):
        status = content.get("JobStatus", "SUCCEEDED")
        if status != "SUCCEEDED":
            raise DataError(f"The job's status is {status!r}, so text may be missing", path=path)
        goes_on = bool(content.get("NextToken"))
        blocks = content.get("Blocks") if "Blocks" in content else [b for g in GROUPS for b in content.get(g) or []]
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise DataError("The file is not in Textract's format: no list of objects 'Blocks'", path=path, mend=MEND)
    if odd := [block["Id"] for block in blocks if not isinstance(block.get("Id"), str | None)]:
        raise DataError(f"An Id is {odd[0]!r}, and not a text", path=path, mend=MEND)
    yield Response(blocks, path, goes_on)


def _jobs(responses: list[Response]) -> list[list[Response]]:
    """Responses that belong together: parts of one answer, which number their pages through.

    A response with a page that was there before is the answer to another request, whose pages follow.
    """
    jobs: list[list[Response]] = []
    seen: set[int] = set()
    for response in responses:
        pages = {_page(block, response.path) for block in response.blocks if block.get("BlockType") == "PAGE"}
        if not jobs or pages & seen:
            if jobs and jobs[-1][-1].goes_on:
                raise _incomplete(jobs[-1][-1])
            jobs.append([])
            seen = set()
        jobs[-1].append(response)
        seen |= pages
    if jobs and jobs[-1][-1].goes_on:
        raise _incomplete(jobs[-1][-1])
    return jobs


def _incomplete(response: Response) -> DataError:
    mend = "Put all responses of the document into one file as a list, or into a folder that a question names."
    return DataError("The response goes on (NextToken), and its next part is not there", path=response.path, mend=mend)


def _page(block: Block, path: str) -> int:
    page = block.get("Page", 1)
    if not isinstance(page, int) or isinstance(page, bool) or page < 1:
        raise DataError(f"Page is {page!r}, and not a number from 1", path=path, block=block.get("Id"))
    return page


def _sheets(job: list[Response], by_id: dict[Any, Block]) -> list[Sheet]:
    """One sheet a PAGE block, in the order of their numbers."""
    in_order = [(block, response.path) for response in job for block in response.blocks]
    numbers = sorted({_page(block, path) for block, path in in_order if block.get("BlockType") == "PAGE"})
    lines: dict[int, list[list[Word]]] = {number: [] for number in numbers or [1]}
    alone: dict[int, list[Word]] = {number: [] for number in lines}
    in_lines: set[Any] = set()
    for kind in ("LINE", "WORD"):  # lines first: a word is on its own when no line has it
        for block, path in in_order:
            if block.get("BlockType") != kind or block.get("Id") in in_lines:
                continue
            number = _page(block, path)
            if number not in lines:
                raise DataError(f"There is no page {number}", path=path, block=block.get("Id"))
            if kind == "WORD":
                alone[number].append(_word(block, path))
                continue
            words = list(_children(block, by_id, path)) or [block]
            in_lines.update(word.get("Id") for word in words)
            lines[number].append([_word(word, path) for word in words])
    return [Sheet(lines[number] + infer_lines(alone[number]), WHOLE) for number in lines]


def _children(block: Block, by_id: dict[Any, Block], path: str) -> Iterator[Block]:
    for child in _related(block, "CHILD", by_id, path):
        if child.get("BlockType") == "WORD":
            yield child


def _related(block: Block, kind: str, by_id: dict[Any, Block], path: str) -> Iterator[Block]:
    relationships = block.get("Relationships") or []
    try:
        ids = [i for relation in relationships if relation["Type"] == kind for i in relation["Ids"]]
        missing = [i for i in ids if i not in by_id]
    except (KeyError, TypeError):
        raise DataError("Relationships are malformed", path=path, block=block.get("Id"), mend=MEND) from None
    if missing:
        raise DataError(f"The block refers to {missing[0]!r}, which is not there", path=path, block=block.get("Id"))
    yield from (by_id[i] for i in ids)


def _word(block: Block, path: str) -> Word:
    text = block.get("Text")
    if not isinstance(text, str):
        raise DataError(f"The {block.get('BlockType')} has no Text", path=path, block=block.get("Id"))
    return text, _box(block, path)


def _box(block: Block, path: str) -> PixelBox:
    geometry = block.get("Geometry") or {}
    try:
        if "BoundingBox" in geometry:
            box = geometry["BoundingBox"]
            left, top, width, height = (float(box[key]) for key in ("Left", "Top", "Width", "Height"))
            return left, top, left + width, top + height
        xs, ys = zip(*((float(point["X"]), float(point["Y"])) for point in geometry["Polygon"]), strict=True)
    except (KeyError, TypeError, ValueError):
        what = f"The {block.get('BlockType')} {str(block.get('Text'))[:40]!r} has no Geometry that can be read"
        raise DataError(what, path=path, block=block.get("Id"), mend=MEND) from None
    return min(xs), min(ys), max(xs), max(ys)


def _queries(job: list[Response], by_id: dict[Any, Block]) -> Iterator[Query]:
    for response in job:
        for block in response.blocks:
            if block.get("BlockType") != "QUERY":
                continue
            query = block.get("Query")
            text = query.get("Text") if isinstance(query, dict) else None
            if not isinstance(text, str) or not text.strip():
                raise DataError("The QUERY has no Query.Text", path=response.path, block=block.get("Id"), mend=MEND)
            results = _related(block, "ANSWER", by_id, response.path)
            yield Query(text, tuple(r["Text"] for r in results if isinstance(r.get("Text"), str) and r["Text"].strip()))
