"""The texts of an evaluation column, to be asked what train texts give away of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from hf_mbdc.guidance.leak_report import Kind
from hf_mbdc.guidance.overlap import NearIndex, NgramIndex
from hf_mbdc.transforms.ngrams import Tokens

SHINGLE, PASSAGE = 3, 13  # tokens of the n-grams of near-duplicates, and of overlap
FREQUENT = 10, 0.001  # documents, or share of them, that an n-gram may stand in and still be evidence
PART = 0.2  # of the overlap that is asked for: the share from which a train text is named as a part of it

Distinct = Iterable[tuple[Tokens, np.ndarray]]  # blocks of different texts with their hashes
Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]  # hash of a train text, hash of an evaluation text, similarity


class EvaluationTexts:
    """Different texts with their n-grams, without those that many documents have.

    Args:
        texts: of the evaluation rows.
        background: other documents that tell which n-grams are frequent.
    """

    def __init__(self, texts: Distinct, background: Distinct) -> None:
        self.tokens, hashes = _join(texts)
        self.hashes, first = np.unique(hashes, return_index=True)
        self.tokens = self.tokens.take(first)
        self.shingles, self.passages = NgramIndex(self.tokens, SHINGLE), NgramIndex(self.tokens, PASSAGE)
        documents = len(self.hashes)
        for tokens, found in background:
            new = tokens.take(np.flatnonzero(~np.isin(found, self.hashes)))
            documents += len(new.lengths)
            for index in (self.shingles, self.passages):
                index.count(new)
        for index in (self.shingles, self.passages):
            index.drop_frequent(max(FREQUENT[0], int(FREQUENT[1] * documents)))
        self.near = NearIndex(self.tokens, self.shingles)

    def search(self, texts: Distinct, *, least: int, similarity: float, overlap: float) -> dict[Kind, Pairs]:
        """Pairs of a train text and an evaluation text by kind; a pair is of the first kind that it fits.

        Args:
            texts: of the train rows.
            least: tokens that an exact text needs.
            similarity, overlap: see `hf_mbdc.guidance.leaks.find_leaks`.
        """
        self.passages.repeated[:] = False
        exact, near, shared = [], [], []
        for tokens, hashes in texts:
            same = hashes[(tokens.lengths >= least) & np.isin(hashes, self.hashes)]
            exact.append((same, same, np.ones(len(same))))
            left, right, jaccard = self.near.pairs(tokens, similarity)
            near.append((hashes[left], self.hashes[right], jaccard))
            left, right, number = self.passages.shared(tokens)
            share = number / np.maximum(self.passages.sizes[right], 1)
            part = share >= PART * overlap
            shared.append((hashes[left[part]], self.hashes[right[part]], share[part]))
        covered = self.hashes[self.passages.coverage() >= overlap]
        of_exact, of_near, parts = (_concatenate(blocks) for blocks in (exact, near, shared))
        of_near = _keep(of_near, of_near[0] != of_near[1])
        parts = _keep(parts, np.isin(parts[1], covered) & (parts[0] != parts[1]) & ~_among(parts, of_near))
        return {"exact": of_exact, "near-duplicate": of_near, "n-grams": parts}


def _join(texts: Distinct) -> tuple[Tokens, np.ndarray]:
    blocks = list(texts)
    lengths = np.concatenate([np.zeros(1, np.int64), *(tokens.lengths for tokens, _ in blocks)])
    words = np.concatenate([np.empty(0, np.uint64), *(tokens.hashes for tokens, _ in blocks)])
    return Tokens(words, np.cumsum(lengths)), np.concatenate([np.empty(0, np.uint64), *(h for _, h in blocks)])


def _concatenate(blocks: Sequence[Pairs]) -> Pairs:
    empty = (np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0))
    left, right, similarity = (np.concatenate(parts) for parts in zip(empty, *blocks, strict=True))
    return left, right, similarity


def _keep(pairs: Pairs, mask: np.ndarray) -> Pairs:
    return pairs[0][mask], pairs[1][mask], pairs[2][mask]


def _among(pairs: Pairs, others: Pairs) -> np.ndarray:
    """(pairs,) whether the same texts are a pair of `others`."""
    known = set(zip(others[0].tolist(), others[1].tolist(), strict=True))
    return np.array([pair in known for pair in zip(pairs[0].tolist(), pairs[1].tolist(), strict=True)], bool)
