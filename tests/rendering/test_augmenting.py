"""Augmentation changes what it says, as strongly as it says, and each row by itself."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from hf_mbdc.errors import RecipeError
from hf_mbdc.rendering.augmenting import LEVELS, Augmentation, augment, blur, draw_plan, noise_bank, texture_bank
from hf_mbdc.transforms.draws import row_keys, uniform

NONE = Augmentation(affine=0, perspective=0, blur=0, background=0, noise=0, color=0, jpeg=0)
BOX = np.array([[4, 4, 44, 28]])


def changed(strength: Augmentation, count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """A black square on white, changed: levels and colours."""
    ink = np.zeros((count, 32, 48), dtype=np.uint8)
    ink[:, 8:24, 12:36] = 255
    keys = row_keys([str(i) for i in range(count)], seed=3)
    plan = draw_plan(keys, np.full(count, 48), 32, np.repeat(BOX, count, axis=0), strength)
    levels = augment(ink, plan)
    return levels, np.stack([palette[level] for palette, level in zip(plan.palettes, levels, strict=True)])


def test_without_strength_two_greys_remain() -> None:
    levels, colors = changed(NONE)
    assert np.unique(levels).tolist() == [10, 54]  # room for noise on both sides
    assert (colors[..., 0] == colors[..., 1]).all()
    assert (colors[..., 1] == colors[..., 2]).all()


def test_text_stays_apart_from_its_background() -> None:
    _, colors = changed(dataclasses.replace(NONE, color=1))
    lightness = colors.astype(float) @ [0.3, 0.6, 0.1]
    contrast = np.abs(lightness[:, 16, 24] - lightness[:, 2, 2])
    assert contrast.min() > 35
    assert (lightness[:, 16, 24] > lightness[:, 2, 2]).mean() == pytest.approx(0.2, abs=0.1)  # light on dark
    assert np.ptp(colors, axis=-1).max() > 60


@pytest.mark.parametrize(
    ("name", "differs"),
    [("noise", True), ("background", True), ("blur", False), ("affine", False), ("perspective", False)],
)
def test_each_strength_changes_something_of_its_own(name: str, differs: bool) -> None:
    levels, _ = changed(dataclasses.replace(NONE, **{name: 1}))
    still, _ = changed(NONE)
    assert (levels != still).any(axis=(1, 2)).mean() > 0.9
    assert bool((levels[:, :2, :2] != still[:, :2, :2]).any()) is differs  # of the empty background


def test_half_the_strength_is_half_the_noise() -> None:
    spread = [changed(dataclasses.replace(NONE, noise=strength))[0][:, :4].std() for strength in (0.5, 1.0)]
    assert spread[0] == pytest.approx(spread[1] / 2, rel=0.15)


def test_blur_is_the_mean_of_three() -> None:
    ink = np.zeros((2, 9, 9), dtype=np.uint8)
    ink[:, 4, 4] = 255
    blurred = blur(ink, np.array([0, 85], dtype=np.uint16))
    assert (blurred[0] == ink[0]).all()
    assert np.abs(blurred[1, 3:6, 3:6].astype(int) - 255 / 9).max() <= 1
    assert blurred[1, :3].max() == 0
    even = np.full((1, 9, 9), 255, dtype=np.uint8)
    assert (blur(even, np.array([85], dtype=np.uint16)) == 255).all()  # nothing is lost at the edges


def test_banks_are_centred_and_without_a_seam() -> None:
    assert noise_bank().mean() == pytest.approx(0, abs=1)
    assert noise_bank().std() == pytest.approx(41, abs=3)
    texture = texture_bank().astype(int)
    assert np.abs(texture[0] - texture[-1]).max() < 30
    assert np.abs(texture[:, 0] - texture[:, -1]).max() < 30
    assert texture.std() > 20


@pytest.mark.parametrize("width", [48, 600])
def test_texture_and_noise_are_windows_of_the_banks(width: int) -> None:
    """Also over the end of a bank."""
    plan = draw_plan(row_keys(["0"], 0), np.full(1, width), 32, BOX, NONE)
    still = dataclasses.replace(plan, texture=np.array([[64, 500, 490]]), noise=np.array([[40, 512 * 512 - 700]]))
    levels = augment(np.zeros((1, 32, width), dtype=np.uint8), still)[0]
    rows, columns = np.arange(500, 532)[:, None] % 512, np.arange(490, 490 + width) % 512
    texture = texture_bank()[rows, columns].astype(int) // 2 * 64
    noise = np.roll(noise_bank().reshape(-1), 700)[: 32 * width].reshape(32, width).astype(int) // 2 * 40
    assert (levels == np.clip(10 + (texture + noise + 128) // 256, 0, 63)).all()


def test_the_share_of_jpeg_files() -> None:
    keys = row_keys([str(i) for i in range(2000)], seed=0)
    boxes = np.repeat(BOX, 2000, axis=0)
    plan = draw_plan(keys, np.full(2000, 48), 32, boxes, Augmentation(jpeg=0.25))
    assert (plan.quality > 0).mean() == pytest.approx(0.25, abs=0.03)
    assert set(plan.quality[plan.quality > 0].tolist()) <= set(range(30, 91))
    assert plan.palettes.shape == (2000, LEVELS, 3)


def test_a_row_changes_by_its_key_alone() -> None:
    keys = row_keys([str(i) for i in range(50)], seed=0)
    ink = np.random.default_rng(0).integers(0, 256, (50, 32, 48), dtype=np.uint8)
    boxes = np.repeat(BOX, 50, axis=0)
    whole = augment(ink, draw_plan(keys, np.full(50, 48), 32, boxes, Augmentation()))
    order = np.random.default_rng(1).permutation(50)[:17]
    part = augment(ink[order], draw_plan(keys[order], np.full(17, 48), 32, boxes[:17], Augmentation()))
    assert (part == whole[order]).all()


@pytest.mark.parametrize("value", [-0.1, 1.5, True, "much"])
def test_strengths_are_checked(value: object) -> None:
    with pytest.raises(RecipeError, match=r"Strengths lie between 0 and 1 \(key 'noise'"):
        Augmentation(noise=value)  # type: ignore[arg-type]


def test_draws_are_even_and_differ_between_rows_and_numbers() -> None:
    keys = row_keys([str(i) for i in range(4000)], seed=0)
    first, second = uniform(keys, 0), uniform(keys, 1)
    for values in (first, second):
        assert np.histogram(values, 8, (0, 1))[0] / 4000 == pytest.approx(np.full(8, 0.125), abs=0.03)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05
    assert (row_keys(["0"], seed=1) != keys[:1]).all()
