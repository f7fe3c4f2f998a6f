"""Does a recogniser of real images read better when rendered lines join the few real ones that it learns from?

    python scripts/eval_real_images.py --data-dir ../shared/data/sroie
    python scripts/eval_real_images.py --data-dir ../shared/data/sroie --folds 3 --seeds 0 --steps 300 --wrong 30

Texts are plenty, images are few: SROIE's folder has the texts of all its receipts and images of some. A row is a whole
line, cut out of its page by its box (`sroie_words`): one to about 55 characters, blanks among them, in capitals
whatever the page shows, for so SROIE writes its texts. Receipts with images are dealt into folds; each line is read
once, by targets that saw no line of its receipt (with `--split-by vendor`: of its vendor). They learn, for as many
steps and from the same first weights, from

    real             the lines of the other folds' receipts
    rendered         different lines of the receipts without image, drawn by `hf_mbdc.render`: capital or not, on grey,
                     cut to their ink as an annotator's box is. A line that also stands on a receipt with image is left
                     out, so that no text to be read is drawn
    real + rendered  both, in each step `--share` of real lines

Line accuracy, character error rate and F1 of the characters by how often the fold's real lines have them; intervals are
over receipts, all seeds together. `new lines` are those whose text is on no real line that was trained on. Differences
are paired over receipts and seeds (`hf_mbdc.compare`). Trainings are kept in `--work-dir`: a killed run goes on.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_mbdc.errors import DataError, MbdcError, RecipeError
from hf_mbdc.records import Cost

if TYPE_CHECKING:
    from datasets import Dataset

    from hf_mbdc.approaches.text_recognition import TextRecognition
    from hf_mbdc.measurement import Measurement
    from hf_mbdc.metrics.intervals import Estimate
    from hf_mbdc.synthesis.rendering import RenderOptions

REAL, RENDERED, BOTH = "real", "rendered", "real + rendered"
PAIRS = ((BOTH, REAL), (RENDERED, REAL), (BOTH, RENDERED))
# All that a receipt may say in capitals; the same for every training, so that all begin with the same weights.
CHARSET = "".join(chr(code) for code in range(32, 127) if not chr(code).islower())
DRAWN_HEIGHT = 48  # cut to its ink, a line is about as high as the 32 pixels that the target reads
MARGIN = 3  # pixels around the ink, at most
SHOWN = (("upper", 0.5), ("title", 0.8), ("capitalize", 0.9), ("lower", 1.0))  # the cumulated shares of each case
CASE, SIDES = 0, 1  # numbers of draws


def main() -> None:
    flags = parse_flags()
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    rows, texts = load(flags)
    rendered = draw(texts)
    fold = deal(owners(rows, texts, flags.split_by), flags.folds)
    told = f"{len(rows):,} lines of {len(set(rows['document_id'][:]))} receipts with images, in {flags.folds} folds"
    print(f"{told}; {len(rendered):,} of {len(texts.lines):,} other lines drawn; {flags.steps:,} steps a training\n")
    found = train(rows, fold, rendered, flags)
    report(found, flags)


def parse_flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True, help="folder with box/, key/ and img/ of SROIE")
    parser.add_argument("--split-by", choices=("document", "vendor"), default="document")
    parser.add_argument("--folds", type=int, default=3, help="parts of the receipts, each read once (default: 3)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the trainings (default: 0 1 2)")
    parser.add_argument("--steps", type=int, default=1000, help="of every training (default: 1000)")
    parser.add_argument("--share", type=float, default=0.5, help="of real lines, where both are learned (default: .5)")
    parser.add_argument("--wrong", type=int, default=0, help="wrong readings to print (default: 0)")
    parser.add_argument("--max-parallel", type=int, help="trainings side by side (default: one a core)")
    parser.add_argument("--work-dir", type=Path, default=Path(tempfile.gettempdir()) / "eval_real_images")
    flags = parser.parse_args()
    if flags.folds < 2:
        raise RecipeError(f"There are {flags.folds} folds", key="--folds", mend="Give 2 or more.")
    if not 0 < flags.share < 1:
        raise RecipeError("A share lies between 0 and 1", key="--share", value=flags.share, mend="Give one like 0.5.")
    return flags


# --- rows ---


@dataclass(frozen=True)
class Texts:
    """What is known of receipts beside their images.

    Args:
        vendors: receipt → what receipts of one vendor share; "" where no company is given.
        whole: receipt → its text.
        lines: different text that no receipt with image has → a receipt without image that has it.
    """

    vendors: Mapping[str, str]
    whole: Mapping[str, str]
    lines: Mapping[str, str]


def load(flags: argparse.Namespace) -> tuple[Dataset, Texts]:
    """The lines of all receipts with images, and the texts of all receipts."""
    import hf_mbdc as mbdc

    rows: Any = mbdc.load_dataset("sroie_words", flags.data_dir, split_fractions=(1, 0, 0))["train"]
    pages: Any = mbdc.load_dataset("sroie", flags.data_dir, split_fractions=(1, 0, 0))["train"]
    pages = pages.select_columns(["document_id", "vendor", "context"]).to_list()
    vendors = {page["document_id"]: page["vendor"] for page in pages}
    whole = {page["document_id"]: page["context"] for page in pages}
    imaged = set(rows["document_id"][:])
    # The vendors of lines that are read, too, where new vendors are what one wants to know of.
    known = {vendors.get(name) for name in imaged} - {"", None} if flags.split_by == "vendor" else set()
    others = {name: text for name, text in whole.items() if name not in imaged and vendors[name] not in known}
    read = {plain(text) for text in rows["text"][:]}
    lines = {line: name for name, text in others.items() for line in map(plain, text.split("\n")) if line not in read}
    if not lines:
        mend = "Give texts (box/*.csv) of receipts without image, too."
        raise DataError("No receipt without image has a line of its own", data_dir=str(flags.data_dir), mend=mend)
    return rows, Texts(vendors, whole, lines)


def plain(text: str) -> str:
    """A line with one blank between words, so that equal ones are found."""
    return " ".join(text.split())


def owners(rows: Dataset, texts: Texts, split_by: str) -> list[str]:
    """(rows,) what each line must not be parted from: its receipt, those of equal text, and those of its vendor."""
    from hf_mbdc.loaders.splits import group_tie, text_tie
    from hf_mbdc.transforms.groups import groups

    names = sorted(set(rows["document_id"][:]))
    ties = []
    for name in names:
        own = [f"4-document:{name}", *([text_tie(texts.whole[name])] if name in texts.whole else [])]
        vendor = texts.vendors.get(name, "") if split_by == "vendor" else ""
        ties.append([*own, *([group_tie(vendor)] if vendor else [])])
    group = dict(zip(names, groups(ties), strict=True))
    return [group[name] for name in rows["document_id"][:]]


def deal(groups: Sequence[str], folds: int) -> np.ndarray:
    """(rows,) folds of nearly equal size: the largest group first, each to the fold that has the fewest rows.

    Raises:
        DataError: there are fewer groups than folds.
    """
    sizes = Counter(groups)
    if len(sizes) < folds:
        mend = "Give more receipts with images (img/*.jpg), or fewer --folds."
        raise DataError(f"{len(sizes)} groups of receipts make no {folds} folds", mend=mend)
    filled, place = [0] * folds, {}
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        place[name] = filled.index(min(filled))
        filled[place[name]] += sizes[name]
    return np.array([place[name] for name in groups])


def draw(texts: Texts) -> Dataset:
    """Rendered lines with the columns of real ones; what cannot be drawn is told by `render`."""
    from datasets import Dataset

    import hf_mbdc as mbdc
    from hf_mbdc.loaders.word_images import FEATURES
    from hf_mbdc.transforms.draws import row_keys, uniform

    text_of = {f"drawn-{number:05d}": line for number, line in enumerate(texts.lines)}
    keys = row_keys(list(text_of), seed=0)
    cases = [in_case(text, place) for text, place in zip(text_of.values(), uniform(keys, CASE), strict=True)]
    drawn = mbdc.render(Dataset.from_dict({"id": list(text_of), "text": cases}), look())
    stored: Any = drawn.with_format("arrow").select_columns(["id", "image", "character_boxes"])[:]
    rows = []
    for row in stored.to_pylist():  # a loop: each image is a file of its own
        content = cut_to_ink(row["image"]["bytes"], row["character_boxes"], row["id"])
        text = text_of[row["id"]]
        image = {"bytes": content, "path": f"{row['id']}.png"}
        rows.append({"id": row["id"], "document_id": texts.lines[text], "text": text, "image": image})
    return Dataset.from_list(rows, features=FEATURES)


def in_case(text: str, place: float) -> str:
    """A text as a receipt may print what SROIE writes in capitals.

    Example:
        >>> in_case("TOTAL SALES", 0.2), in_case("TOTAL SALES", 0.6)
        ('TOTAL SALES', 'Total Sales')
    """
    name = next(name for name, end in SHOWN if place < end)
    shown: str = getattr(text, name)()
    return shown


def look() -> RenderOptions:
    """How lines are drawn: dark on light paper, as receipts are, in the packaged fonts and those of one width."""
    import hf_mbdc as mbdc

    spec = importlib.util.find_spec("matplotlib")  # ships them beside two of the packaged ones
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    more = [str(folder / f"DejaVuSans{kind}.ttf") for kind in ("Mono", "Mono-Bold", "-Bold")]
    changes = mbdc.Augmentation(affine=0.5, perspective=0.5, background=0.5, color=0.0, jpeg=0.0)
    return mbdc.RenderOptions(height=DRAWN_HEIGHT, augmentation=changes, fonts=("packaged", *more))


def cut_to_ink(content: bytes, boxes: Sequence[Sequence[int]], row_id: str) -> bytes:
    """The part of an image around its characters as a PNG file: render leaves room for any letter, boxes do not."""
    from PIL import Image

    from hf_mbdc.transforms.draws import row_keys, uniform

    left, top, right, bottom = (uniform(row_keys([row_id], 0), SIDES + side, 0, MARGIN + 1).item() for side in range(4))
    x0, y0 = (min(box[side] for box in boxes) for side in (0, 1))
    x1, y1 = (max(box[side] for box in boxes) for side in (2, 3))
    buffer = BytesIO()
    with Image.open(BytesIO(content)) as image:
        within = max(0, x0 - int(left)), max(0, y0 - int(top)), x1 + int(right), y1 + int(bottom)
        part = image.convert("L").crop((*within[:2], min(image.width, within[2]), min(image.height, within[3])))
    part.save(buffer, format="PNG")
    return buffer.getvalue()


# --- trainings ---


@dataclass
class Found:
    """What was read.

    Args:
        rows: all real lines, annotated by the fold that each was read in (see `TextRecognition`).
        counts: (folds) → character → how often the real lines that this fold trained on have it.
        fold: (rows,)
        new: (rows,) whether no real line that was trained on has the text.
        read: arm → (seeds, rows) texts.
        left_out: arm → reason → rows that could not be trained on, summed over trainings.
    """

    rows: Dataset
    counts: list[Mapping[str, int]]
    fold: np.ndarray
    new: np.ndarray
    read: dict[str, np.ndarray]
    left_out: dict[str, Counter[str]] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)

    def add(self, arm: str, measured: Measurement, ids: Sequence[str], places: np.ndarray) -> None:
        """Takes in what the trainings of an arm read at some places of `rows`."""
        for seed, training in enumerate(measured.trainings):
            table = training.predictions["test"].select(["id", "prediction"]).to_pydict()
            texts = dict(zip(table["id"], table["prediction"], strict=True))
            self.read[arm][seed, places] = [texts[key] for key in ids]
            self.left_out.setdefault(arm, Counter()).update(training.metrics.get("rows_left_out", {}))
        self.cost += measured.cost


def train(rows: Dataset, fold: np.ndarray, rendered: Dataset, flags: argparse.Namespace) -> Found:
    """Trains the target on each arm, for each fold and seed, and reads the lines that were held out."""
    from datasets import concatenate_datasets

    import hf_mbdc as mbdc
    from hf_mbdc.mixture import mixture

    order = np.argsort(fold, kind="stable")
    rows, fold = rows.select(order), fold[order]
    empty = np.full((len(flags.seeds), len(rows)), "", object)
    found = Found(rows, [], fold, np.zeros(len(rows), bool), {arm: empty.copy() for arm in (REAL, RENDERED, BOTH)})
    annotated = []
    for k in range(flags.folds):
        others, own = (rows.select(np.flatnonzero(kept)) for kept in (fold != k, fold == k))
        approach = mbdc.fit(others, mbdc.TextRecognition(charset=CHARSET))
        real, test, drawn = (mbdc.annotate(part, approach) for part in (others, own, rendered))
        if k == 0:  # one training reads all folds: it saw none of them
            found.add(RENDERED, measured([drawn], rows, approach, flags)[0], rows["id"][:], np.arange(len(rows)))
        shares = {REAL: flags.share, RENDERED: 1 - flags.share}
        both = mixture({REAL: real, RENDERED: drawn}, shares, round(len(drawn) / (1 - flags.share)), real)
        for arm, one in zip((REAL, BOTH), measured([real, both], test, approach, flags), strict=True):
            found.add(arm, one, test["id"][:], np.flatnonzero(fold == k))
        found.new[fold == k] = ~np.isin(test["text"][:], real["text"][:])
        assert approach.frequencies is not None  # it was fitted
        found.counts.append(approach.frequencies.by_character)
        annotated.append(test)
    found.rows = concatenate_datasets(annotated)
    return found


def measured(
    train: Sequence[Dataset], test: Dataset, approach: TextRecognition, flags: argparse.Namespace
) -> list[Measurement]:
    """One measurement for each train split, with every seed."""
    from hf_mbdc.measurement import measure
    from hf_mbdc.recipe import EvaluationRecipe
    from hf_mbdc.training.config import RecognitionConfig

    return measure(
        train,
        test,
        approach,
        training=RecognitionConfig(),
        plan=EvaluationRecipe(split="test", cluster_by="document_id", seeds=tuple(flags.seeds)),
        work_dir=flags.work_dir,
        steps=flags.steps,
        max_parallel=flags.max_parallel,
    )


# --- scores ---


def report(found: Found, flags: argparse.Namespace) -> None:
    """The table, the differences with their verdicts, what could not be learned, and some wrong readings."""
    import hf_mbdc as mbdc
    from hf_mbdc.metrics.recognition import word_accuracy_scores

    references, receipts = found.rows["text"][:], found.rows["document_id"][:]
    right = {
        arm: np.stack([word_accuracy_scores(list(texts), references) for texts in read])
        for arm, read in found.read.items()
    }
    print("| trained on | line accuracy | new lines | CER | F1, all | many | medium | few |")
    print("|---|---|---|---|---|---|---|---|")
    for arm, scores in right.items():
        print(f"| {arm} | {' | '.join(map(cell, estimates(found, arm, scores)))} |")
    for better, worse in PAIRS:
        compared = mbdc.compare(right[worse], right[better], clusters=receipts, slices=found.rows["bucket"][:])
        print(f"\nline accuracy, {worse} → {better}\n{compared}")
    print()
    for arm, reasons in found.left_out.items():
        told = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        print(f"{arm}: rows that could not be learned, all trainings together: {told or 'none'}")
    print(f"{found.cost.cpu_seconds / 60:.1f} CPU minutes of training")
    wrong = np.flatnonzero(right[BOTH][0] == 0)
    for row in np.random.default_rng(0).permutation(wrong)[: flags.wrong].tolist():
        read = "  ".join(f"{arm}: {found.read[arm][0, row]!r}" for arm in (BOTH, REAL))
        print(f"{found.rows['id'][row]}  {references[row]!r}  {read}")


def estimates(found: Found, arm: str, right: np.ndarray) -> list[Estimate]:
    """Line accuracy, that of new lines, CER and F1 of an arm, with intervals over receipts."""
    from hf_mbdc.metrics.intervals import ratio_estimates
    from hf_mbdc.metrics.recognition import char_counts, edit_counts

    references, receipts = np.array(found.rows["text"][:], object), found.rows["document_id"][:]
    all_rows = np.ones_like(right)
    parts = [[right, all_rows], [right * found.new, all_rows * found.new]]
    edits = [edit_counts(texts.tolist(), references.tolist()) for texts in found.read[arm]]
    parts.append([np.stack(sums) for sums in zip(*edits, strict=True)])
    good, bad = np.zeros((*right.shape, 4)), np.zeros((*right.shape, 4))
    for k, counts in enumerate(found.counts):
        own = np.flatnonzero(found.fold == k)
        for seed, texts in enumerate(found.read[arm]):
            good[seed, own], bad[seed, own] = char_counts(texts[own].tolist(), references[own].tolist(), counts)
    above, below = (np.stack([part[side] for part in parts], axis=-1).sum(axis=0) for side in (0, 1))
    above, below = np.concatenate([above, 2 * good.sum(axis=0)], 1), np.concatenate([below, (2 * good + bad).sum(0)], 1)
    return ratio_estimates(above, below, receipts)


def cell(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


if __name__ == "__main__":
    try:
        main()
    except MbdcError as error:
        sys.exit(f"error: {error}")
