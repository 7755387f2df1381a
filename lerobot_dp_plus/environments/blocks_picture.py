"""Pictures of `blocks`: a textured table, a tray, three things and a gripper, drawn by OpenCV."""

import cv2
import numpy as np

RGB = ((205, 45, 40), (50, 160, 60), (45, 80, 200))
TRAY_RGB, GRIPPER_RGB = (225, 215, 190), (30, 30, 30)
#: Corners of the shapes on a circle of radius 1; a disc has as many as make it round.
CORNERS = (24, 4, 3)
_FINE = 4  # bits of a pixel that corners are rounded to


def table(rng: np.random.Generator, size: int) -> np.ndarray:
    """A wooden table seen from above, (size, size, 3) uint8: grain along one side, and light that differs from place to place."""
    grain = rng.normal(0, 12, (size, max(size // 16, 1))).astype(np.float32)
    light = rng.normal(0, 14, (4, 4)).astype(np.float32)
    over, across = (cv2.resize(part, (size, size), interpolation=cv2.INTER_CUBIC) for part in (grain, light))
    shade = np.add(over, across)
    wood = np.array([150, 120, 90]) + rng.normal(0, 10, 3)
    return np.clip(wood + shade[..., None], 0, 255).astype(np.uint8)


def draw(
    background: np.ndarray,
    places: np.ndarray,
    shapes: np.ndarray,
    sizes: np.ndarray,
    angles: np.ndarray,
    gripper: np.ndarray,
    closed: bool,
    tray: np.ndarray,
) -> np.ndarray:
    """The scene, (S, S, 3) uint8; all lengths as shares of the picture's side, angles in radians."""
    picture = background.copy()
    _fill(picture, np.array([tray[0], [tray[1, 0], tray[0, 1]], tray[1], [tray[0, 0], tray[1, 1]]]), TRAY_RGB)
    for place, shape, size, angle, colour in zip(places, shapes, sizes, angles, RGB, strict=True):
        count = CORNERS[shape]
        turned = angle + 2 * np.pi * np.arange(count) / count
        _fill(picture, place + size * np.stack([np.cos(turned), np.sin(turned)], 1), colour)
    gap = 0.03 if closed else 0.055
    for side in (-gap, gap):  # two fingers
        middle = gripper + np.array([side, 0.0])
        half = np.array([0.012, 0.035])
        _fill(picture, middle + half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]), GRIPPER_RGB)
    return picture


def _fill(picture: np.ndarray, corners: np.ndarray, colour: tuple[int, int, int]) -> None:
    """Fill a convex polygon (K, 2) with smooth edges, in place."""
    pixels = np.round((corners * len(picture) - 0.5) * 2**_FINE).astype(np.int32)
    cv2.fillConvexPoly(picture, pixels, colour, lineType=cv2.LINE_AA, shift=_FINE)
