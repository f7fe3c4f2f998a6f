"""Target models of text generation: causal language models, a small new one or a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import TrainingError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SMALL_LM = "small_lm"
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>", "<system>", "<user>", "<assistant>")
POSITIONS = 4096  # tokens that the small model takes; rotary positions cost no weights
TEMPLATE = (
    "<s>{% for m in messages %} <{{ m['role'] }}> {{ m['content'] }}"
    "{% if m['role'] == 'assistant' %} </s>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %} <assistant>{% endif %}"
)


def new_language_model(
    words: Sequence[str], *, width: int = 96, layers: int = 4
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A Llama of some 500,000 weights with a token for each word, for problems that it can learn in a minute.

    The weights come from torch's random state: seed it. White space between words is one blank to this model.

    Args:
        words: its vocabulary; every other word is `<unk>`.
        width: of the hidden states, a multiple of 8.
        layers: of the network.

    Example:
        >>> model, tokenizer = new_language_model(["sort", "1", "2"], width=16, layers=1)
        >>> tokenizer.decode(tokenizer("sort 2 1 9")["input_ids"])
        'sort 2 1 <unk>'
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = word_tokenizer(words)
    places = {name: SPECIAL.index(token) for name, token in {"pad": "<pad>", "bos": "<s>", "eos": "</s>"}.items()}
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=POSITIONS,
        tie_word_embeddings=True,
        **{f"{name}_token_id": place for name, place in places.items()},
    )
    return LlamaForCausalLM(config), tokenizer


def word_tokenizer(words: Sequence[str]) -> PreTrainedTokenizerBase:
    """A fast tokenizer with one token a word and a chat template."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: place for place, word in enumerate(dict.fromkeys([*SPECIAL, *words]))}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    made.add_special_tokens({"additional_special_tokens": list(SPECIAL[4:])})
    made.chat_template = TEMPLATE
    return made


def load_language_model(name: str, *, training: bool = False) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A causal language model and its tokenizer, from a folder or the Hub; no code from there is run.

    A model without a chat template gets a plain one: a prompt is a line, behind which the model goes on.

    Args:
        name: folder, or id of the Hub.
        training: weights in float32, as small steps are lost in bfloat16; else as they are stored, on a GPU.

    Raises:
        TrainingError: there is none, or it has no tokenizer.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    dtype: Any = "auto" if torch.cuda.is_available() and not training else torch.float32
    try:
        model = AutoModelForCausalLM.from_pretrained(name, dtype=dtype, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError) as error:
        shown = Path(name).name if Path(name).is_absolute() else name
        mend = "Name small_lm, a folder that save_pretrained wrote, or a causal language model of the Hub."
        what = f"The language model cannot be loaded: {str(error).splitlines()[0]}"
        raise TrainingError(what, model=shown, mend=mend) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if not tokenizer.chat_template:
        tokenizer.chat_template = _plain_template(tokenizer)
    return model, tokenizer


def _plain_template(tokenizer: PreTrainedTokenizerBase) -> str:
    """A chat template for a model that knows no turns: each text on lines of its own, and the end behind an answer.

    It begins with the token that the tokenizer itself begins a text with, which a chat template must write out.
    """
    begins = tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
    start = "{{ bos_token }}" if begins and tokenizer.bos_token_id is not None else ""
    ends = "{{ m['content'] }}{% if m['role'] == 'assistant' %}{{ eos_token }}{% else %}{{ '\\n' }}{% endif %}"
    return f"{start}{{% for m in messages %}}{ends}{{% endfor %}}"
