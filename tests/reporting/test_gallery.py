"""Strips are light enough to see."""

import numpy as np
from PIL import Image

from lerobot_dp_plus.reporting.gallery import BRIGHT, lightened


def luma(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("L"), dtype=float) / 255


def test_a_dark_scene_becomes_as_bright_as_said_and_keeps_its_order() -> None:
    shades = np.tile(np.repeat(np.linspace(0, 90, 10), 4).astype(np.uint8), (8, 1))
    scene = Image.fromarray(np.stack([shades, shades, shades // 2], -1))
    before, after = luma(scene), luma(lightened(scene))
    assert abs(after[before > 0.04].mean() - BRIGHT) < 0.03
    assert (after[before == 0] == 0).all() and (after >= before).all()
    row = after[0, ::4]
    assert (np.diff(row) > 0).all(), "what was told apart still is"


def test_light_and_black_pictures_stay_as_they_are() -> None:
    light, black = Image.new("RGB", (8, 8), (250, 250, 250)), Image.new("RGB", (8, 8))
    assert lightened(light) is light and lightened(black) is black
