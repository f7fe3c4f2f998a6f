"""A small layout-aware extractive model that reads the question's text, made to be trained from nothing on a CPU.

Embeddings of hashed word, shape, character trigrams and box go through a pre-norm transformer whose attention has a
learned bias for the relative position of two tokens on the page (buckets of Δx and Δy) and in the reading order. The
absolute positions of LayoutLM (Xu et al. 2020, https://arxiv.org/abs/1912.13318) need pre-training; relative ones in
two dimensions (LayoutLMv2, Xu et al. 2021, https://arxiv.org/abs/2012.14740) are learned from a few hundred documents.
We have one joint table for (Δx, Δy) instead of two, because "right of" matters on the same line only.

Importing this module registers the model with `AutoConfig` and `AutoModelForQuestionAnswering`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForQuestionAnswering, PretrainedConfig
from transformers.modeling_outputs import QuestionAnsweringModelOutput
from transformers.modeling_utils import PreTrainedModel

from hf_mbdc.targets.encoding import PAGE

# Edges of the classes of distances, on each side of 0.
DX_EDGES = (20, 44, 96, 209, 457, 1000)  # of the page's width
DY_EDGES = (5, 11, 24, 38, 60, 100, 180, 400)  # 1/20 of the document's line height: same line < 11, next line about 24
ORDER_EDGES = (1, 2, 5, 10, 21, 44, 94, 200)  # tokens
HEIGHT_STEPS = 20
DX_CLASSES, DY_CLASSES, ORDER_CLASSES = (2 * len(edges) + 1 for edges in (DX_EDGES, DY_EDGES, ORDER_EDGES))
# The null token and padding are put so far from the page that Δx alone tells them: document → null is below −PAGE,
# null → document between PAGE and PADDING_X − NULL_X, anything → padding above.
NULL_X, PADDING_X = 2001, 8000
NEVER = -1e4


class LayoutSpanConfig(PretrainedConfig):
    """Sizes of `LayoutSpanForQuestionAnswering` and of its featuriser; the defaults have 0.36 M parameters.

    Args:
        word_buckets, shape_buckets, trigram_buckets: sizes of the hashed embeddings.
        max_trigrams: character trigrams kept of a token.
        coordinate_bins: bins of the absolute box embeddings.
        hidden_size, num_attention_heads, intermediate_size: of the transformer.
        num_hidden_layers: layers that read the document, once for all its questions.
        num_joint_layers: layers behind the question, for each of its rows.
        dropout: of the residual branches.
        word_dropout, trigram_dropout: share of document tokens whose word, or trigrams, are hidden while training.
        box_jitter: boxes are scaled and moved by up to this share of the page while training.
        bias_scale: factor of the learned relative bias, in effect its learning rate.
        max_length: tokens of a window.
        max_question_tokens: a longer question is cut.
        max_answer_tokens: the longest span that is decoded.
    """

    model_type = "layout_span"

    word_buckets: int = 2048
    shape_buckets: int = 256
    trigram_buckets: int = 1024
    max_trigrams: int = 8
    coordinate_bins: int = 32
    hidden_size: int = 64
    num_hidden_layers: int = 3
    num_joint_layers: int = 0
    num_attention_heads: int = 4
    intermediate_size: int = 128
    dropout: float = 0.2
    word_dropout: float = 0.3
    trigram_dropout: float = 0.3
    box_jitter: float = 0.02
    bias_scale: float = 10.0
    initializer_range: float = 0.02
    max_length: int = 512
    max_question_tokens: int = 48
    max_answer_tokens: int = 80


def token_relations(bbox: Tensor, line_height: Tensor, known: Tensor) -> Tensor:
    """The relation of every two tokens as one number: an index into the tables of `_RelativeBias`.

    A relation is a class of Δx (or: to the null token, from it, to padding) with a class of Δy, in line heights, and
    one of the distance in reading order. Distances are integers: to look classes up is several times faster than to
    compute them.

    Args:
        bbox: (batch, n, 4) integers.
        line_height: (batch, 1) integers, at least 1.
        known: (batch, n) bool, False for padding. Position 0 is the null token.

    Returns:
        (batch, n · n).
    """
    dx_class, dy_class, order_class = _class_tables(bbox.device)
    x = (bbox[..., 0] + bbox[..., 2]) // 2
    y = (bbox[..., 1] + bbox[..., 3]) * HEIGHT_STEPS // (2 * line_height)
    x = x.masked_fill(~known, PADDING_X)
    x[:, 0] = -NULL_X
    dx = (x[:, None] - x[:, :, None]).clamp_(-NULL_X, PADDING_X) + NULL_X
    dy = (y[:, None] - y[:, :, None]).clamp_(-DY_EDGES[-1], DY_EDGES[-1]) + DY_EDGES[-1]
    index = torch.arange(x.shape[1], device=x.device)
    order = (index[None] - index[:, None]).clamp_(-ORDER_EDGES[-1], ORDER_EDGES[-1]) + ORDER_EDGES[-1]
    return (dx_class[dx] + dy_class[dy] + order_class[order]).flatten(1)


# Not buffers of a module: `from_pretrained` builds on the meta device and leaves unsaved buffers uninitialised.
@functools.cache
def _class_tables(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    tables = _dx_classes() * DY_CLASSES * ORDER_CLASSES, _classes(DY_EDGES) * ORDER_CLASSES, _classes(ORDER_EDGES)
    dx, dy, order = (table.to(device) for table in tables)
    return dx, dy, order


class _RelativeBias(nn.Module):
    """Learned attention bias of each head for each relation."""

    def __init__(self, heads: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.page = nn.Parameter(torch.zeros(heads, DX_CLASSES, DY_CLASSES))
        self.order = nn.Parameter(torch.zeros(heads, ORDER_CLASSES))
        self.null = nn.Parameter(torch.zeros(heads, 2))  # to, from

    def forward(self, relations: Tensor) -> Tensor:
        """(batch, n · n) → (heads, batch · n · n)."""
        near = self.page[..., None] + self.order[:, None, None]
        null = self.null[..., None, None].expand(-1, -1, DY_CLASSES, ORDER_CLASSES)
        padding = near.new_full((near.shape[0], 1, DY_CLASSES, ORDER_CLASSES), NEVER)
        # Adam moves an entry by no more than the learning rate a step, too little for a bias that is to matter beside
        # the scores of the content: unscaled, exact match on the totals of receipts is .57 in place of .84.
        table = torch.cat([near * self.scale, null * self.scale, padding], 1)
        # Heads first: as rows of an `nn.Embedding` this takes three times as long, most of it in the gradient.
        return table.flatten(1).index_select(1, relations.flatten())


class _Layer(nn.Module):
    def __init__(self, config: LayoutSpanConfig) -> None:
        super().__init__()
        hidden, inner = config.hidden_size, config.intermediate_size
        self.heads, self.dropout = config.num_attention_heads, config.dropout
        self.attention_norm, self.mlp_norm = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.query_key_value, self.attention_output = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
        self.bias = _RelativeBias(self.heads, config.bias_scale)
        self.mlp_in, self.mlp_out = nn.Linear(hidden, inner), nn.Linear(inner, hidden)

    def forward(self, x: Tensor, relations: Tensor) -> Tensor:
        """x: (batch, n, hidden); relations: (batch, n · n)."""
        x = x + nn.functional.dropout(self._attend(self.attention_norm(x), relations), self.dropout, self.training)
        mlp = self.mlp_out(nn.functional.gelu(self.mlp_in(self.mlp_norm(x))))
        return x + nn.functional.dropout(mlp, self.dropout, self.training)

    def _attend(self, x: Tensor, relations: Tensor) -> Tensor:
        batch, n, hidden = x.shape
        qkv = self.query_key_value(x).view(batch, n, 3, self.heads, -1)
        query, key, value = qkv.permute(2, 3, 0, 1, 4).reshape(3, self.heads * batch, n, -1)
        bias = self.bias(relations).view(self.heads * batch, n, n)
        # One call in place of three passes over (heads · batch, n, n), which are what attention costs on a CPU.
        scores = torch.baddbmm(bias, query, key.transpose(1, 2), alpha=(hidden // self.heads) ** -0.5)
        mixed = torch.softmax(scores, -1) @ value
        mixed = mixed.view(self.heads, batch, n, -1).permute(1, 2, 0, 3).reshape(batch, n, hidden)
        return self.attention_output(mixed)


def distance_class(distance: Tensor, edges: Sequence[int]) -> Tensor:
    """Signed integer distances → 0 … 2·len(edges): the middle is "nearer than the first edge".

    Example:
        >>> distance_class(torch.tensor([-1000, -20, 0, 19, 20, 1000]), (20, 200)).tolist()
        [0, 1, 2, 2, 3, 4]
    """
    return len(edges) + distance.sign() * torch.bucketize(distance.abs(), torch.tensor(edges), right=True)


def _classes(edges: Sequence[int]) -> Tensor:
    """Class of each distance from −edges[-1] to edges[-1]."""
    return distance_class(torch.arange(-edges[-1], edges[-1] + 1), edges)


def _dx_classes() -> Tensor:
    """Class of each Δx from −NULL_X to PADDING_X: DX_CLASSES, then to null, from null, to padding."""
    dx = torch.arange(-NULL_X, PADDING_X + 1)
    near = distance_class(dx, DX_EDGES)
    classes = torch.where(dx < -PAGE, DX_CLASSES, torch.where(dx > PAGE, DX_CLASSES + 1, near))
    return classes.masked_fill(dx > PADDING_X - NULL_X, DX_CLASSES + 2)


class _Question(nn.Module):
    """Makes document tokens depend on the question: each attends to the question's tokens, and what it finds scales and
    shifts it (FiLM, Perez et al. 2018, https://arxiv.org/abs/1709.07871, here per token).
    """

    def __init__(self, config: LayoutSpanConfig) -> None:
        super().__init__()
        hidden, inner = config.hidden_size, config.intermediate_size
        self.dropout = config.dropout
        self.query, self.key = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.value, self.film = nn.Linear(hidden, hidden), nn.Linear(hidden, 2 * hidden)
        self.mlp_norm = nn.LayerNorm(hidden)
        self.mlp_in, self.mlp_out = nn.Linear(hidden, inner), nn.Linear(inner, hidden)

    def forward(self, x: Tensor, question: Tensor, known: Tensor) -> Tensor:
        """x: (rows, n, hidden); question: (rows, q, hidden); known: (rows, q) bool → (rows, n, hidden)."""
        never = torch.zeros_like(known, dtype=x.dtype).masked_fill(~known, NEVER)
        scores = self.query(x) @ self.key(question).transpose(1, 2) * x.shape[-1] ** -0.5 + never[:, None]
        # The question's values go through the wide maps before they are mixed: q tokens are few, n are many.
        scale, shift = (torch.softmax(scores, -1) @ self.film(nn.functional.gelu(self.value(question)))).chunk(2, -1)
        x = x * (1 + scale) + shift
        mlp = self.mlp_out(nn.functional.gelu(self.mlp_in(self.mlp_norm(x))))
        return x + nn.functional.dropout(mlp, self.dropout, self.training)


class LayoutSpanForQuestionAnswering(PreTrainedModel):
    """Start and end of the answer to a question in a document with layout; position 0 is "no answer".

    Example:
        >>> from hf_mbdc.targets.layout_features import LayoutSpanEncoder
        >>> import numpy as np
        >>> model = LayoutSpanForQuestionAnswering(LayoutSpanConfig())
        >>> encoder = LayoutSpanEncoder(model.config)
        >>> document = encoder.encode_document("TOTAL 9.00", np.array([[0, 5], [6, 10]]), np.zeros((0, 4)))
        >>> windows = [encoder.encode(question, document)[0] for question in ("Total?", "Which date?")]
        >>> inputs = {name: torch.from_numpy(values) for name, values in encoder.collate(windows).items()}
        >>> inputs["input_ids"].shape, model(**inputs).start_logits.shape
        (torch.Size([1, 3]), torch.Size([2, 3]))
    """

    config_class = LayoutSpanConfig
    base_model_prefix = "layout_span"
    main_input_name = "input_ids"

    def __init__(self, config: LayoutSpanConfig) -> None:
        super().__init__(config)
        hidden, bins = config.hidden_size, config.coordinate_bins + 1
        self.words = nn.Embedding(config.word_buckets, hidden, padding_idx=0)
        self.shapes = nn.Embedding(config.shape_buckets, hidden, padding_idx=0)
        self.trigrams = nn.EmbeddingBag(config.trigram_buckets, hidden, mode="sum", padding_idx=0)
        self.places = nn.Embedding(9, hidden)
        self.x, self.y, self.height = (nn.Embedding(bins, hidden) for _ in range(3))
        self.embedding_norm, self.question_norm, self.final_norm = (nn.LayerNorm(hidden) for _ in range(3))
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))
        self.question = _Question(config)
        self.joint_layers = nn.ModuleList(_Layer(config) for _ in range(config.num_joint_layers))
        self.spans = nn.Linear(hidden, 2)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
            if module.padding_idx is not None:
                nn.init.zeros_(module.weight[module.padding_idx])

    def forward(
        self,
        input_ids: Tensor,
        shape_ids: Tensor,
        trigram_ids: Tensor,
        place_ids: Tensor,
        bbox: Tensor,
        line_height: Tensor,
        question_input_ids: Tensor,
        question_shape_ids: Tensor,
        question_trigram_ids: Tensor,
        document_index: Tensor | None = None,
        **_: Any,
    ) -> QuestionAnsweringModelOutput:
        """Logits (rows, n) of `LayoutSpanEncoder.collate`'s inputs; 0 is padding everywhere.

        Args:
            input_ids, shape_ids, place_ids: (documents, n).
            trigram_ids: (documents, n, t).
            bbox: (documents, n, 4), 0–1000; all 0 for a token without a box.
            line_height: (documents, 1), median height of the document's boxes.
            question_input_ids, question_shape_ids: (rows, q).
            question_trigram_ids: (rows, q, t).
            document_index: (rows,) the document of each question; the one with the same number by default.
        """
        known, asked = input_ids != 0, question_input_ids != 0
        relations = token_relations(bbox, line_height, known)
        if self.training:
            input_ids, trigram_ids, bbox = self._disturb(input_ids, trigram_ids, bbox)
        x = self._embed(input_ids, shape_ids, trigram_ids) + self.places(place_ids) + self._embed_boxes(bbox)
        x = nn.functional.dropout(self.embedding_norm(x), self.config.dropout, self.training)
        for layer in self.layers:
            x = layer(x, relations)
        question = self.question_norm(self._embed(question_input_ids, question_shape_ids, question_trigram_ids))
        if document_index is not None:
            x, relations = x[document_index], relations[document_index] if self.joint_layers else relations
        x = self.question(x, question, asked)
        for layer in self.joint_layers:
            x = layer(x, relations)
        start, end = self.spans(self.final_norm(x)).unbind(-1)
        return QuestionAnsweringModelOutput(start_logits=start, end_logits=end)

    def _disturb(self, input_ids: Tensor, trigram_ids: Tensor, bbox: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Hides words and trigrams of some tokens; scales and shifts each page a little."""
        draw = torch.rand(2, *input_ids.shape, device=bbox.device)
        input_ids = input_ids.masked_fill(draw[0] < self.config.word_dropout, 0)
        trigram_ids = trigram_ids.masked_fill((draw[1] < self.config.trigram_dropout)[..., None], 0)
        scale, shift = self.config.box_jitter * (2 * torch.rand(2, len(bbox), 1, 2, device=bbox.device) - 1)
        moved = (bbox * (1 + scale.repeat(1, 1, 2)) + PAGE * shift.repeat(1, 1, 2)).clamp(0, PAGE).round().long()
        return input_ids, trigram_ids, moved * bbox.any(-1, keepdim=True)

    def _embed(self, input_ids: Tensor, shape_ids: Tensor, trigram_ids: Tensor) -> Tensor:
        trigrams = self.trigrams(trigram_ids.flatten(0, 1)).view(*input_ids.shape, -1)
        return self.words(input_ids) + self.shapes(shape_ids) + trigrams

    def _embed_boxes(self, bbox: Tensor) -> Tensor:
        bins = self.config.coordinate_bins
        left, top, right, bottom = bbox.unbind(-1)
        x = self.x(left * bins // PAGE) + self.x(right * bins // PAGE) + self.y((top + bottom) * bins // (2 * PAGE))
        x = x + self.height((bottom - top).clamp(0, 100) * bins // 100)
        return x * bbox.any(-1, keepdim=True)


AutoConfig.register(LayoutSpanConfig.model_type, LayoutSpanConfig, exist_ok=True)
AutoModelForQuestionAnswering.register(LayoutSpanConfig, LayoutSpanForQuestionAnswering, exist_ok=True)
