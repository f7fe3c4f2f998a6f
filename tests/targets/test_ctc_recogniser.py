"""The CTC recogniser: its net, what becomes of rows, its loss, saving and loading."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from transformers import AutoConfig, AutoModelForCTC

from hf_mbdc.errors import DataError, TrainingError
from hf_mbdc.targets.recognition import ctc as module
from hf_mbdc.targets.recognition import load_recogniser
from hf_mbdc.targets.recognition.ctc import CtcTarget, new_ctc
from hf_mbdc.targets.recognition.ctc_recogniser import CtcRecogniser, CtcRecogniserConfig, columns_of
from hf_mbdc.targets.recognition.words import Word, charset_of, number_texts


def small(characters: str = "가나다", **options: Any) -> CtcTarget:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "stem_channels": (4, 8), "num_hidden_layers": 1}
    return new_ctc(CtcRecogniserConfig(characters=list(characters), **{**sizes, **options}))


def image_of(width: int, seed: int = 0, height: int = 32) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def table(*rows: tuple[bytes | None, str | None]) -> pa.Table:
    """Rows of an image's bytes and a text."""
    images = pa.array(
        [None if image is None else {"bytes": image, "path": None} for image, _ in rows],
        pa.struct({"bytes": pa.binary(), "path": pa.string()}),
    )
    ids = pa.array([f"w{n}" for n in range(len(rows))])
    return pa.table({"id": ids, "image": images, "text": pa.array([text for _, text in rows], pa.string())})


def words_of(widths: list[int], target: CtcTarget, text: str = "가나") -> list[Word]:
    return target.encode(table(*((image_of(w, n), text) for n, w in enumerate(widths))), "train", labels=True)


def test_it_is_small_and_reads_any_charset() -> None:
    model = CtcRecogniser(CtcRecogniserConfig(characters=[chr(0xAC00 + n) for n in range(1300)]))
    assert model.characters.out_features == 1301
    assert sum(p.numel() for p in model.parameters()) < 1_000_000


def test_the_gradient_reaches_every_parameter() -> None:
    target = small()
    losses, sizes = target.losses(target.model, words_of([40, 56], target), torch.device("cpu"))
    (losses / sizes).mean().backward()
    without = [name for name, p in target.model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


@pytest.mark.parametrize("widths", [[40, 41, 64, 9], [4, 200], [33, 33, 33]])
def test_an_image_does_not_see_what_it_is_padded_with(widths: list[int]) -> None:
    target = small(num_hidden_layers=3)
    target.model.eval()
    words = words_of(widths, target)
    with torch.no_grad():
        together, _ = target._logits(target.model, words, torch.device("cpu"))
        for logits, word in zip(together, words, strict=True):
            alone, columns = target._logits(target.model, [word], torch.device("cpu"))
            assert columns.tolist() == [word.length]
            torch.testing.assert_close(logits[: word.length], alone[0], atol=1e-5, rtol=1e-4)


def test_neighbouring_columns_are_mixed_in_order() -> None:
    block = small(kernel_size=3).model.layers[0]
    with torch.no_grad():
        block.bias.fill_(0.5)
        block.weight.copy_(torch.tensor([[1.0], [10.0], [100.0]]).expand(3, 16))
    x = torch.tensor([1.0, 2.0, 3.0])[None, :, None].expand(1, 3, 16)
    assert block._mix(x)[0, :, 0].tolist() == [210.5, 321.5, 32.5]
    weight = block.weight.detach().T[:, None]
    expected = torch.nn.functional.conv1d(x.transpose(1, 2), weight, block.bias, padding=1, groups=16)
    torch.testing.assert_close(block._mix(x), expected.transpose(1, 2))


def test_the_loss_adds_up_all_ways_to_write_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    target = small("가나")
    words = [Word("a", np.zeros((32, 8), np.uint8), np.array([1]), 2)]
    logits = torch.log(torch.tensor([[[0.4, 0.35, 0.25], [0.4, 0.35, 0.25]]]))
    monkeypatch.setattr(CtcTarget, "_logits", lambda *_: (logits, torch.tensor([2])))
    losses, sizes = target.losses(target.model, words, torch.device("cpu"))
    assert losses.tolist() == pytest.approx([-np.log(0.4025)])  # ε가, 가ε and 가가
    assert sizes.tolist() == [1]


def test_each_reason_to_leave_a_word_out() -> None:
    target = small("가나다", max_width=100)
    rows = table(
        (image_of(40), "가나"),
        (image_of(104), "가나"),  # too wide
        (image_of(16), "가나다가"),  # 4 columns for 4 characters
        (image_of(16), "가가나"),  # 4 columns: 가ε가나
        (image_of(12), "가가나"),
        (image_of(40), ""),
        (image_of(40), None),
        (None, "가"),
        (b"broken", "가"),
    )
    words = target.encode(rows, "train", labels=True)
    assert [word.left_out for word in words] == [
        None,
        "wider than 100 pixels",
        None,
        None,
        "too narrow for its text",
        "an empty text",
        "no text",
        "no image",
        "a file that is no image",
    ]
    assert [word.labels.tolist() for word in words[:4]] == [[1, 2], [1, 2], [1, 2, 3, 1], [1, 1, 2]]
    assert (words[0].length, words[0].tokens, words[0].pixels.shape) == (10, 10, (32, 40))


def test_a_word_with_as_many_columns_as_it_needs_has_a_finite_loss() -> None:
    target = small()
    [word] = target.encode(table((image_of(16), "가가나")), "train", labels=True)
    losses, _ = target.losses(target.model, [word], torch.device("cpu"))
    assert torch.isfinite(losses).all()


def test_an_image_that_is_to_be_read_must_be_readable() -> None:
    rows = table((image_of(40), "가"), (b"broken", "가"), (None, "가")).drop_columns("text")
    message = (
        r"2 of 3 images cannot be read; the first one is a file that is no image "
        r"\(split 'test', id 'w1', column 'image'\). Mend these rows, or leave them out of the split."
    )
    with pytest.raises(DataError, match=message):
        small().encode(rows, "test", labels=False)


def test_a_character_that_cannot_be_written() -> None:
    rows = table((image_of(40), "가"), (image_of(40), "나라마"))
    message = (
        r"The texts have 2 characters that the model cannot write, such as \['라', '마'\] \(id 'w1', column 'text'\). "
        "Train a new ctc_recogniser with these characters in its charset"
    )
    with pytest.raises(DataError, match=message):
        small().encode(rows, "train", labels=True)


def test_texts_are_compared_in_one_form_and_cut_as_configured() -> None:
    texts = pa.chunked_array([["\u1100\u1161"], ["e\u0301x", None]])
    ids = ["a", "b", "c"]
    numbers = number_texts(texts, ["é", "x", "가"], "NFC", "code_point", ids)
    assert [text.tolist() for text in numbers] == [[3], [1, 2], []]
    numbers = number_texts(texts, ["e\u0301", "x", "\u1100\u1161"], None, "grapheme", ids)
    assert [text.tolist() for text in numbers] == [[3], [1, 2], []]


def test_a_charset_is_what_was_given_and_what_the_texts_add() -> None:
    texts = pa.chunked_array([["나가", None, "b"]])
    assert charset_of("다가", texts, "NFC", "code_point") == ("다", "가", "b", "나")
    assert charset_of("", texts, "NFC", "code_point") == ("b", "가", "나")
    assert charset_of("다", None, "NFC", "code_point") == ("다",)
    # On lines of their own, characters do not melt.
    assert charset_of("\u1100\n\u1161", None, "NFC", "code_point") == ("\u1100", "\u1161")
    assert charset_of("\u1100\u1161", None, "NFC", "code_point") == ("가",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"characters": []}, "The recogniser has no characters to read. Give texts to train on, or a charset."),
        ({"characters": ["가"], "height": 30}, "The height is 30. It must be a multiple of 4."),
        ({"characters": ["가"], "height": 0}, "The height is 0"),
    ],
)
def test_what_no_recogniser_can_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        new_ctc(CtcRecogniserConfig(**options))


@pytest.mark.parametrize("height", [16, 32, 64])
def test_any_height(height: int) -> None:
    target = small(height=height)
    [word] = words_of([40], target)
    assert word.pixels.shape == (height, round(40 * height / 32))
    assert target.read([word])[0].score < 0


def test_saving_and_the_auto_classes(tmp_path: Path) -> None:
    target = small("가나e")
    target.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    assert AutoConfig.from_pretrained(tmp_path).characters == ["가", "나", "e"]
    again = AutoModelForCTC.from_pretrained(tmp_path)
    assert all(torch.equal(p, again.state_dict()[name]) for name, p in target.model.state_dict().items())
    words = words_of([40, 80], target)
    loaded = load_recogniser(str(tmp_path), beam_width=3)
    assert isinstance(loaded, CtcTarget)
    assert loaded.beam_width == 3
    assert loaded.model.config.stem_channels == [4, 8]
    assert CtcTarget(loaded.model).read(words) == target.read(words)


def test_a_seed_gives_the_weights() -> None:
    one, same = small().model, small().model
    torch.manual_seed(1)
    other = CtcRecogniser(one.config)
    assert torch.equal(one.stem_in.weight, same.stem_in.weight)
    assert not torch.equal(one.stem_in.weight, other.stem_in.weight)


@pytest.mark.parametrize("beam_width", [1, 4])
def test_a_reading_has_the_probability_of_its_text(beam_width: int) -> None:
    target = CtcTarget(small().model, beam_width)
    with torch.no_grad():
        target.model.characters.weight.mul_(20)  # untrained, it would read nothing
    words = words_of([12, 20, 16], target, "가")
    for word, reading in zip(words, target.read(words), strict=True):
        with torch.no_grad():
            logits, _ = target._logits(target.model, [word], torch.device("cpu"))
        logs = torch.log_softmax(logits[0], -1).numpy()
        total = 0.0
        for path in itertools.product(range(4), repeat=len(logs)):
            if "".join("가나다"[o - 1] for o, _ in itertools.groupby(path) if o) == reading.text:
                total += float(np.exp(logs[np.arange(len(logs)), path].sum()))
        assert reading.score == pytest.approx(np.log(total), abs=1e-4)


def test_batches_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    target = small()
    with torch.no_grad():
        target.model.characters.weight.mul_(20)
    words = words_of([40, 400, 8, 44, 61, 3], target)
    together = target.read(words)
    monkeypatch.setattr(module, "BATCH_COLUMNS", 1)
    for one, other in zip(together, target.read(words), strict=True):
        assert one.text == other.text
        assert one.score == pytest.approx(other.score, abs=1e-3)
    assert target.read([]) == []


def test_a_checkpoint_that_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="ctc_recogniser is a new model, and has learned nothing yet"):
        load_recogniser("ctc_recogniser")
    small().save(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(TrainingError, match=r"The recogniser cannot be loaded: .*Name a folder that save_pretrained"):
        load_recogniser(str(tmp_path))


def test_columns_are_quarters_of_pixels() -> None:
    assert [columns_of(width) for width in (0, 1, 4, 5, 8)] == [0, 1, 1, 2, 2]
