"""What the two cameras of the made-up SO-101 see: one stands in front of the table, one sits on the wrist."""

import cv2
import numpy as np

from lerobot_dp_plus.environments.so101 import CUBE, Table, forward, points

BGR = ((50, 60, 210), (200, 110, 40))  # red, blue
TABLE, ARM, JAWS = (150, 165, 175), (60, 60, 60), (20, 160, 230)
#: The front camera: where it stands, where it looks, in metres; its focal length over the picture's height.
FROM, TO, FOCAL = np.array([0.75, 0.0, 0.45]), np.array([0.12, 0.0, 0.06]), 1.8
#: Metres of table that the wrist camera's picture is high.
SEEN = 0.16


def front(table: Table, height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8, from in front of the table."""
    picture = _board(height, width)
    for place, colour in zip(table.cubes, BGR, strict=True):
        corners = np.array([[x, y, z] for x in (-CUBE, CUBE) for y in (-CUBE, CUBE) for z in (0, 2 * CUBE)])
        outline = cv2.convexHull(_projected(corners + np.r_[place, _lift(table, place)], height, width))
        cv2.fillPoly(picture, [outline.astype(np.int32)], colour, cv2.LINE_AA)
    joints = _projected(points(table.joints), height, width).astype(np.int32)
    thick = max(height // 30, 1)
    cv2.polylines(picture, [joints[:3]], False, ARM, thick, cv2.LINE_AA)
    cv2.polylines(picture, [joints[2:]], False, JAWS, max(thick // 2, 1), cv2.LINE_AA)
    return picture[..., ::-1].copy()


def wrist(table: Table, height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8, from above the tip, turned with the arm; the jaws are at its lower edge."""
    picture = _board(height, width)
    tip, pan = forward(table.joints), np.deg2rad(table.joints[0])
    scale = height / SEEN / (1 + 4 * max(tip[2], 0.0))
    turn = np.array([[np.cos(pan), np.sin(pan)], [-np.sin(pan), np.cos(pan)]])
    for place, colour in zip(table.cubes, BGR, strict=True):
        ahead, aside = turn @ (place - tip[:2])
        centre = (width / 2 - aside * scale, height / 2 - ahead * scale)
        box = cv2.boxPoints((centre, (2 * CUBE * scale, 2 * CUBE * scale), float(np.rad2deg(pan))))
        cv2.fillPoly(picture, [box.astype(np.int32)], colour, cv2.LINE_AA)
    apart = 0.004 + 0.02 * table.joints[5] / 100
    for side in (-1, 1):
        place = (int(width / 2 + side * apart * scale), int(height / 2))
        cv2.line(picture, place, (place[0], height), JAWS, max(height // 40, 1), cv2.LINE_AA)
    return picture[..., ::-1].copy()


def _board(height: int, width: int) -> np.ndarray:
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = TABLE
    picture[:: max(height // 12, 1)] -= 12  # its grain, so that no picture is of one colour
    return picture


def _lift(table: Table, place: np.ndarray) -> float:
    held = table.held is not None and np.array_equal(table.cubes[table.held], place)
    return max(float(forward(table.joints)[2]) - CUBE, 0.0) if held else 0.0


def _projected(places: np.ndarray, height: int, width: int) -> np.ndarray:
    """Pixels (N, 2) float32 of places (N, 3)."""
    ahead = (TO - FROM) / np.linalg.norm(TO - FROM)
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    down = np.cross(ahead, right)
    seen = (places - FROM) @ np.stack([right, down, ahead], -1)
    return (FOCAL * height * seen[:, :2] / seen[:, 2:] + [width / 2, height / 2]).astype(np.float32)
