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
import math
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForQuestionAnswering, PretrainedConfig
from transformers.modeling_outputs import QuestionAnsweringModelOutput
from transformers.modeling_utils import PreTrainedModel

DX_BUCKETS, DY_BUCKETS, ORDER_BUCKETS = 6, 8, 8  # on each side of 0
DX_CLASSES, DY_CLASSES, ORDER_CLASSES = (2 * buckets + 1 for buckets in (DX_BUCKETS, DY_BUCKETS, ORDER_BUCKETS))
PAGE, MAX_ORDER = 1000, 200
# Question and padding tokens are put so far from the page that Δx alone tells them: document → question is below −PAGE,
# question → document between PAGE and PADDING_X − QUESTION_X, anything → padding above.
QUESTION_X, PADDING_X = 2001, 8000
NEVER = -1e4


class LayoutSpanConfig(PretrainedConfig):
    """Sizes of `LayoutSpanForQuestionAnswering` and of its featuriser; the defaults have about 0.26 M parameters.

    Args:
        word_buckets, shape_buckets, trigram_buckets: sizes of the hashed embeddings.
        max_trigrams: character trigrams kept of a token.
        coordinate_bins: bins of the absolute box embeddings.
        hidden_size, num_hidden_layers, num_attention_heads, intermediate_size: of the transformer.
        dropout: of the residual branches.
        word_dropout, trigram_dropout: share of document tokens whose word, or trigrams, are hidden while training.
        box_jitter: boxes are scaled and moved by up to this share of the page while training.
        max_length: tokens of question and window together.
        max_question_tokens: a longer question is cut.
        max_answer_tokens: the longest span that is decoded.
    """

    model_type = "layout_span"

    word_buckets: int = 2048
    shape_buckets: int = 128
    trigram_buckets: int = 1024
    max_trigrams: int = 8
    coordinate_bins: int = 32
    hidden_size: int = 64
    num_hidden_layers: int = 3
    num_attention_heads: int = 4
    intermediate_size: int = 128
    dropout: float = 0.1
    word_dropout: float = 0.1
    trigram_dropout: float = 0.05
    box_jitter: float = 0.02
    initializer_range: float = 0.02
    max_length: int = 512
    max_question_tokens: int = 48
    max_answer_tokens: int = 80


def token_relations(bbox: Tensor, document: Tensor, attention_mask: Tensor) -> Tensor:
    """The relation of every two tokens as one number: an index into the tables of `_RelativeBias`.

    A relation is a class of Δx (or: to a question token, from one, to padding) with a class of Δy and one of the
    distance in reading order. Distances are integers, so classes are looked up, several times faster than computed.

    Args:
        bbox: (batch, n, 4) integers.
        document, attention_mask: (batch, n).

    Returns:
        (batch · n · n,).
    """
    dx_class, dy_class, order_class = _class_tables(bbox.device)
    x, y = (bbox[..., 0] + bbox[..., 2]) // 2, (bbox[..., 1] + bbox[..., 3]) // 2
    x = torch.where(document, x, -QUESTION_X).masked_fill(attention_mask == 0, PADDING_X)
    dx = (x[:, None] - x[:, :, None]).clamp_(-QUESTION_X, PADDING_X) + QUESTION_X
    dy = y[:, None] - y[:, :, None] + PAGE
    index = torch.arange(x.shape[1], device=x.device)
    order = (index[None] - index[:, None]).clamp_(-MAX_ORDER, MAX_ORDER) + MAX_ORDER
    return (dx_class[dx] + dy_class[dy] + order_class[order]).flatten()


# Not buffers of a module: `from_pretrained` builds on the meta device and leaves unsaved buffers uninitialised.
@functools.cache
def _class_tables(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    tables = _dx_classes() * DY_CLASSES * ORDER_CLASSES, _classes(DY_BUCKETS, 8, PAGE) * ORDER_CLASSES
    dx, dy, order = (table.to(device) for table in (*tables, _classes(ORDER_BUCKETS, 1, MAX_ORDER)))
    return dx, dy, order


class _RelativeBias(nn.Module):
    """Learned attention bias of each head for each relation."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.page = nn.Parameter(torch.zeros(heads, DX_CLASSES, DY_CLASSES))
        self.order = nn.Parameter(torch.zeros(heads, ORDER_CLASSES))
        self.question = nn.Parameter(torch.zeros(heads, 2))  # to, from

    def forward(self, relations: Tensor) -> Tensor:
        """(batch · n · n,) → (heads, batch · n · n)."""
        near = self.page[..., None] + self.order[:, None, None]
        question = self.question[..., None, None].expand(-1, -1, DY_CLASSES, ORDER_CLASSES)
        padding = near.new_full((near.shape[0], 1, DY_CLASSES, ORDER_CLASSES), NEVER)
        # Heads first: as rows of an `nn.Embedding` this takes three times as long, most of it in the gradient.
        return torch.cat([near, question, padding], 1).flatten(1).index_select(1, relations)


class _Layer(nn.Module):
    def __init__(self, config: LayoutSpanConfig) -> None:
        super().__init__()
        hidden, inner = config.hidden_size, config.intermediate_size
        self.heads, self.dropout = config.num_attention_heads, config.dropout
        self.attention_norm, self.mlp_norm = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.query_key_value, self.attention_output = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
        self.bias = _RelativeBias(self.heads)
        self.mlp_in, self.mlp_out = nn.Linear(hidden, inner), nn.Linear(inner, hidden)

    def forward(self, x: Tensor, relations: Tensor) -> Tensor:
        """x: (batch, n, hidden); relations: (batch · n · n,)."""
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


def signed_log_bucket(distance: Tensor, buckets: int, first: float, last: float) -> Tensor:
    """Distances → 0 … 2·buckets: `buckets` is "nearer than `first`", then logarithmic steps up to `last` on each side.

    Example:
        >>> signed_log_bucket(torch.tensor([-1000.0, -20.0, 0.0, 19.0, 20.0, 1000.0]), 2, 20, 1000).tolist()
        [0, 1, 2, 2, 3, 4]
    """
    edges = torch.logspace(math.log10(first), math.log10(last), buckets, device=distance.device) * (1 - 1e-5)
    return buckets + torch.sign(distance).long() * torch.bucketize(distance.abs(), edges, right=True)


def _classes(buckets: int, first: float, last: int) -> Tensor:
    """Class of each integer distance −last … last."""
    return signed_log_bucket(torch.arange(-last, last + 1), buckets, first, last)


def _dx_classes() -> Tensor:
    """Class of each Δx from −QUESTION_X to PADDING_X: DX_CLASSES, then to question, from question, to padding."""
    dx = torch.arange(-QUESTION_X, PADDING_X + 1)
    near = signed_log_bucket(dx.clamp(-PAGE, PAGE), DX_BUCKETS, 20, PAGE)
    classes = torch.where(dx < -PAGE, DX_CLASSES, torch.where(dx > PAGE, DX_CLASSES + 1, near))
    return classes.masked_fill(dx > PADDING_X - QUESTION_X, DX_CLASSES + 2)


class LayoutSpanForQuestionAnswering(PreTrainedModel):
    """Start and end of the answer to a question in a document with layout; position 0 is "no answer".

    Example:
        >>> model = LayoutSpanForQuestionAnswering(LayoutSpanConfig())
        >>> ids = torch.ones(1, 5, dtype=torch.long)
        >>> model(input_ids=ids, shape_ids=ids, trigram_ids=ids[..., None], place_ids=ids,
        ...       bbox=torch.zeros(1, 5, 4), token_type_ids=ids).start_logits.shape
        torch.Size([1, 5])
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
        self.embedding_norm, self.final_norm = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))
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
        token_type_ids: Tensor,
        attention_mask: Tensor | None = None,
        **_: Any,
    ) -> QuestionAnsweringModelOutput:
        """All (batch, n), but `trigram_ids` (batch, n, t) and `bbox` (batch, n, 4). Made by `LayoutSpanEncoder`."""
        document = token_type_ids == 1
        if self.training:
            input_ids, trigram_ids = self._hide(input_ids, trigram_ids, document)
            bbox = self._move(bbox)
        x = self._embed(input_ids, shape_ids, trigram_ids, place_ids, bbox, document)
        x = nn.functional.dropout(self.embedding_norm(x), self.config.dropout, self.training)
        known = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        relations = token_relations(bbox, document, known)
        for layer in self.layers:
            x = layer(x, relations)
        start, end = self.spans(self.final_norm(x)).unbind(-1)
        return QuestionAnsweringModelOutput(start_logits=start, end_logits=end)

    def _hide(self, input_ids: Tensor, trigram_ids: Tensor, document: Tensor) -> tuple[Tensor, Tensor]:
        words = document & (torch.rand(input_ids.shape, device=input_ids.device) < self.config.word_dropout)
        trigrams = document & (torch.rand(input_ids.shape, device=input_ids.device) < self.config.trigram_dropout)
        return input_ids.masked_fill(words, 0), trigram_ids.masked_fill(trigrams[..., None], 0)

    def _move(self, bbox: Tensor) -> Tensor:
        """Scales and shifts each page a little; tokens without a box keep none."""
        draw = self.config.box_jitter * (2 * torch.rand(2, bbox.shape[0], 1, 2, device=bbox.device) - 1)
        scale, shift = draw.repeat(1, 1, 1, 2)
        return (bbox * (1 + scale) + PAGE * shift).clamp(0, PAGE).round().long() * bbox.any(-1, keepdim=True)

    def _embed(
        self, input_ids: Tensor, shape_ids: Tensor, trigram_ids: Tensor, place_ids: Tensor, bbox: Tensor, doc: Tensor
    ) -> Tensor:
        batch, n = input_ids.shape
        bins = self.config.coordinate_bins
        trigrams = self.trigrams(trigram_ids.view(batch * n, -1)).view(batch, n, -1)
        x = self.words(input_ids) + self.shapes(shape_ids) + trigrams + self.places(place_ids)
        left, top, right, bottom = bbox.unbind(-1)
        x_bins = torch.stack([left, right]) * bins // PAGE
        y_bin = (top + bottom) * bins // (2 * PAGE)
        height = (bottom - top).clamp(0, 100) * bins // 100
        where = self.x(x_bins).sum(0) + self.y(y_bin) + self.height(height)
        return x + where * (doc & bbox.any(-1))[..., None]


AutoConfig.register(LayoutSpanConfig.model_type, LayoutSpanConfig, exist_ok=True)
AutoModelForQuestionAnswering.register(LayoutSpanConfig, LayoutSpanForQuestionAnswering, exist_ok=True)
