"""A small layout-aware extractive model that reads the question's text, made to be trained from nothing on a CPU.

Embeddings of hashed word, shape, character trigrams and box go through a pre-norm transformer whose attention has a
learned bias for the relative position of two tokens on the page (buckets of Δx and Δy) and in the reading order. The
absolute positions of LayoutLM (Xu et al. 2020, https://arxiv.org/abs/1912.13318) need pre-training; relative ones in
two dimensions (LayoutLMv2, Xu et al. 2021, https://arxiv.org/abs/2012.14740) are learned from a few hundred documents.
We have one joint table for (Δx, Δy) instead of two, because "right of" matters on the same line only.

Importing this module registers the model with `AutoConfig` and `AutoModelForQuestionAnswering`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForQuestionAnswering, PretrainedConfig
from transformers.modeling_outputs import QuestionAnsweringModelOutput
from transformers.modeling_utils import PreTrainedModel

DX_BUCKETS, DY_BUCKETS, ORDER_BUCKETS = 6, 8, 8  # on each side of 0
# Relations that have no distance: question → any, document → question, and documents without layout.
FROM_QUESTION, TO_QUESTION, NO_LAYOUT = range(3)


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


class _Layer(nn.Module):
    def __init__(self, config: LayoutSpanConfig) -> None:
        super().__init__()
        hidden, self.heads, self.dropout = config.hidden_size, config.num_attention_heads, config.dropout
        self.attention_norm, self.mlp_norm = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.query_key_value, self.attention_output = nn.Linear(hidden, 3 * hidden), nn.Linear(hidden, hidden)
        self.mlp_in, self.mlp_out = (
            nn.Linear(hidden, config.intermediate_size),
            nn.Linear(config.intermediate_size, hidden),
        )

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x: (batch, n, hidden); bias: (batch, heads, n, n), added to the attention scores."""
        batch, n, hidden = x.shape
        qkv = self.query_key_value(self.attention_norm(x)).view(batch, n, 3, self.heads, hidden // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        attention = torch.softmax(query @ key.transpose(-1, -2) / math.sqrt(hidden // self.heads) + bias, -1)
        mixed = (attention @ value).transpose(1, 2).reshape(batch, n, hidden)
        x = x + nn.functional.dropout(self.attention_output(mixed), self.dropout, self.training)
        mlp = self.mlp_out(nn.functional.gelu(self.mlp_in(self.mlp_norm(x))))
        return x + nn.functional.dropout(mlp, self.dropout, self.training)


class _RelativeBias(nn.Module):
    """Learned attention bias of every layer and head from the relation of two tokens."""

    def __init__(self, config: LayoutSpanConfig) -> None:
        super().__init__()
        self.layers, self.heads = config.num_hidden_layers, config.num_attention_heads
        self.cells = (2 * DX_BUCKETS + 1) * (2 * DY_BUCKETS + 1)
        self.page = nn.Embedding(self.cells + 3, self.layers * self.heads)
        self.order = nn.Embedding(2 * ORDER_BUCKETS + 1 + 2, self.layers * self.heads)

    def forward(self, bbox: Tensor, document: Tensor) -> Tensor:
        """bbox: (batch, n, 4); document: (batch, n) bool → (layers, batch, heads, n, n)."""
        batch, n = document.shape
        x, y = (bbox[..., 0] + bbox[..., 2]) / 2, (bbox[..., 1] + bbox[..., 3]) / 2
        dx = signed_log_bucket(x[:, None] - x[:, :, None], DX_BUCKETS, 20, 1000)
        dy = signed_log_bucket(y[:, None] - y[:, :, None], DY_BUCKETS, 8, 1000)
        page = dx * (2 * DY_BUCKETS + 1) + dy
        placed = bbox.any(-1)
        both = document[:, :, None] & document[:, None]
        page = page.masked_fill(both & ~(placed[:, :, None] & placed[:, None]), self.cells + NO_LAYOUT)
        page = page.masked_fill(~document[:, None], self.cells + TO_QUESTION)
        page = page.masked_fill(~document[:, :, None], self.cells + FROM_QUESTION)
        index = torch.arange(n, device=bbox.device)
        order = signed_log_bucket((index[None] - index[:, None]).float(), ORDER_BUCKETS, 1, 200).expand(batch, n, n)
        order = order.masked_fill(document[:, :, None] & ~document[:, None], 2 * ORDER_BUCKETS + 1)
        order = order.masked_fill(~document[:, :, None] & document[:, None], 2 * ORDER_BUCKETS + 2)
        bias = self.page(page) + self.order(order)
        return bias.permute(3, 0, 1, 2).view(self.layers, self.heads, batch, n, n).transpose(1, 2)


def signed_log_bucket(distance: Tensor, buckets: int, first: float, last: float) -> Tensor:
    """Distances → 0 … 2·buckets: `buckets` is "nearer than `first`", then logarithmic steps up to `last` on each side.

    Example:
        >>> signed_log_bucket(torch.tensor([-1000.0, -20.0, 0.0, 19.0, 20.0, 1000.0]), 2, 20, 1000).tolist()
        [0, 1, 2, 2, 3, 4]
    """
    edges = torch.logspace(math.log10(first), math.log10(last), buckets, device=distance.device) * (1 - 1e-5)
    return buckets + torch.sign(distance).long() * torch.bucketize(distance.abs(), edges, right=True)


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
        self.bias = _RelativeBias(config)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))
        self.spans = nn.Linear(hidden, 2)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, _RelativeBias):
            for table in (module.page, module.order):
                nn.init.zeros_(table.weight)
        elif isinstance(module, (nn.Embedding, nn.EmbeddingBag)) and module.embedding_dim == self.config.hidden_size:
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
        bias = self.bias(bbox, document)
        if attention_mask is not None:
            bias = bias.masked_fill(attention_mask[None, :, None, None] == 0, torch.finfo(x.dtype).min)
        for layer, layer_bias in zip(self.layers, bias, strict=True):
            x = layer(x, layer_bias)
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
        return (bbox * (1 + scale) + 1000 * shift).clamp(0, 1000) * bbox.any(-1, keepdim=True)

    def _embed(
        self, input_ids: Tensor, shape_ids: Tensor, trigram_ids: Tensor, place_ids: Tensor, bbox: Tensor, doc: Tensor
    ) -> Tensor:
        batch, n = input_ids.shape
        bins = self.config.coordinate_bins
        trigrams = self.trigrams(trigram_ids.view(batch * n, -1)).view(batch, n, -1)
        x = self.words(input_ids) + self.shapes(shape_ids) + trigrams + self.places(place_ids)
        left, top, right, bottom = bbox.float().unbind(-1)
        x_bins = (torch.stack([left, right]) * bins / 1000).long()
        y_bin = ((top + bottom) / 2 * bins / 1000).long()
        height = ((bottom - top).clamp(0, 100) * bins / 100).long()
        where = self.x(x_bins).sum(0) + self.y(y_bin) + self.height(height)
        return x + where * (doc & bbox.any(-1))[..., None]


AutoConfig.register(LayoutSpanConfig.model_type, LayoutSpanConfig, exist_ok=True)
AutoModelForQuestionAnswering.register(LayoutSpanConfig, LayoutSpanForQuestionAnswering, exist_ok=True)
