"""A small CTC recogniser of word images, made to be trained from nothing on one CPU core.

Two strided convolutions make a quarter of the image's columns and rows, a third one makes each column, over its whole
height, a vector; a few blocks mix neighbouring columns (depthwise convolution, norm and two linear maps, as in
ConvNeXt, Liu et al. 2022, https://arxiv.org/abs/2201.03545, in one dimension), and a linear map gives each column's
characters.
Connectionist temporal classification (Graves et al. 2006) sums over all ways to write a text into the columns.

Importing this module registers the model with `AutoConfig` and `AutoModelForCTC`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCTC, PretrainedConfig
from transformers.modeling_outputs import CausalLMOutput
from transformers.modeling_utils import PreTrainedModel

STRIDE = 4  # pixels of a column, and rows of the map that the third convolution reads
BLANK = 0  # the output that is no character


class CtcRecogniserConfig(PretrainedConfig):
    """What `CtcRecogniser` reads, and its sizes.

    Args:
        characters: what can be read; output n + 1 is `characters[n]`, output 0 the blank of CTC. A character may be of
            several code points.
        normalization: the Unicode form of what is read (`NFC`, `NFD`, `NFKC`, `NFKD`); None: texts as they stand.
        unit: `code_point` or `grapheme`, see `hf_mbdc.transforms.character_rows.cut_characters`.
        height: rows of an image in pixels, a multiple of 4; images of another height are scaled.
        max_width: columns in pixels, after scaling, of the widest image that is trained on.
        stem_channels: of the first two convolutions.
        hidden_size: of a column's vector.
        num_hidden_layers: blocks that mix columns.
        kernel_size: columns that a block mixes, odd.
        expansion: how much wider the inside of a block is.
    """

    model_type = "ctc_recogniser"

    characters: Sequence[str] = ()
    normalization: str | None = "NFC"
    unit: str = "code_point"
    height: int = 32
    max_width: int = 1024
    stem_channels: Sequence[int] = (16, 32)
    hidden_size: int = 192
    num_hidden_layers: int = 2
    kernel_size: int = 5
    expansion: int = 2


def columns_of(width: int) -> int:
    """Columns that an image of so many pixels has in the output.

    Example:
        >>> [columns_of(width) for width in (1, 4, 5)]
        [1, 1, 2]
    """
    return -(-width // STRIDE)


class _Block(nn.Module):
    def __init__(self, config: CtcRecogniserConfig) -> None:
        super().__init__()
        hidden, inner = config.hidden_size, config.expansion * config.hidden_size
        self.weight = nn.Parameter(torch.empty(config.kernel_size, hidden))
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.norm = nn.LayerNorm(hidden)
        self.mlp_in, self.mlp_out = nn.Linear(hidden, inner), nn.Linear(inner, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """x: (batch, columns, hidden)."""
        return x + self.mlp_out(torch.relu(self.mlp_in(self.norm(self._mix(x)))))

    def _mix(self, x: Tensor) -> Tensor:
        """A depthwise convolution as a sum of shifted columns: on a CPU, half the time of `Conv1d` with groups."""
        side, columns = len(self.weight) // 2, x.shape[1]
        padded = nn.functional.pad(x, (0, 0, side, side))
        mixed = self.bias.expand_as(x)
        for shift, weight in enumerate(self.weight):
            mixed = torch.addcmul(mixed, padded[:, shift : shift + columns], weight)
        return mixed


class CtcRecogniser(PreTrainedModel):
    """Logits of the characters of each column of a word image.

    Example:
        >>> model = CtcRecogniser(CtcRecogniserConfig(characters=["가", "나"]))
        >>> model(torch.zeros(1, 1, 32, 40), torch.tensor([10])).logits.shape
        torch.Size([1, 10, 3])
    """

    config_class = CtcRecogniserConfig
    base_model_prefix = "ctc_recogniser"
    main_input_name = "pixel_values"

    def __init__(self, config: CtcRecogniserConfig) -> None:
        super().__init__(config)
        first, second = config.stem_channels
        hidden = config.hidden_size
        self.stem_in = nn.Conv2d(1, first, 3, stride=2, padding=1)
        self.stem_out = nn.Conv2d(first, second, 3, stride=2, padding=1)
        self.columns = nn.Conv2d(second, hidden, (config.height // STRIDE, 3), padding=(0, 1))
        self.column_norm, self.final_norm = nn.LayerNorm(hidden), nn.LayerNorm(hidden)
        self.layers = nn.ModuleList(_Block(config) for _ in range(config.num_hidden_layers))
        self.characters = nn.Linear(hidden, len(config.characters) + 1)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.kaiming_uniform_(module.weight, a=5**0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, _Block):
            nn.init.uniform_(module.weight, -(len(module.weight) ** -0.5), len(module.weight) ** -0.5)
            nn.init.zeros_(module.bias)

    def forward(self, pixel_values: Tensor, columns: Tensor, **_: Any) -> CausalLMOutput:
        """Logits (batch, n, characters + 1); what is right of an image's columns means nothing.

        Args:
            pixel_values: (batch, 1, height, 4 · n), 0 right of each image.
            columns: (batch,) columns of each image, at most n.
        """
        x = pixel_values.to(memory_format=torch.channels_last)
        x = torch.relu(self.stem_in(x))  # no column of `stem_out` that is inside sees one of these that is not
        x = torch.relu(_only(self.stem_out(x), columns))
        x = torch.relu(self.columns(x))[:, :, 0].transpose(1, 2)
        x = self.column_norm(x)
        for layer in self.layers:
            x = layer(_only_columns(x, columns))
        return CausalLMOutput(logits=self.characters(self.final_norm(x)))


def _only(x: Tensor, columns: Tensor) -> Tensor:
    """(batch, channels, rows, n) with 0 right of each image, so that an image does not see what it is padded with."""
    return x * _inside(columns, x.shape[3])[:, None, None] if bool((columns < x.shape[3]).any()) else x


def _only_columns(x: Tensor, columns: Tensor) -> Tensor:
    """The same for (batch, n, hidden)."""
    return x * _inside(columns, x.shape[1])[:, :, None] if bool((columns < x.shape[1]).any()) else x


def _inside(columns: Tensor, n: int) -> Tensor:
    return (torch.arange(n, device=columns.device) < columns[:, None]).float()


AutoConfig.register(CtcRecogniserConfig.model_type, CtcRecogniserConfig, exist_ok=True)
AutoModelForCTC.register(CtcRecogniserConfig, CtcRecogniser, exist_ok=True)
