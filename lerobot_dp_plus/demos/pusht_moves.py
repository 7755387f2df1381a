"""Push primitives and the ways to them, all in the T's own frame, where both are the same wherever the T lies.

A *move* goes round the T to an approach point a few pixels off its surface, then straight on in one direction. What
a push does to the T does not depend on where the T lies, so every contact × heading × travel is computed once with
the quasi-static model; the search then only composes rigid motions. The way round is a shortest path over a
ring of nodes around the T, kept clear of both boxes.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.sparse.csgraph import shortest_path

from lerobot_dp_plus.demos.pusht_model import FACES, LOWER, RADIUS, UPPER, clearance, push, rotate

GAP = 6.0  # pixels between disc and T at the approach point
STRIDE = 1.0  # pixels per sub-step of the model
_REACH = 140.0  # longest travel in pixels
_SPACING = 9.0  # pixels between neighbouring contacts
_HEADINGS = np.array([0.0, 0.3, -0.3, 0.6, -0.6, 0.9, -0.9])  # of a push, radians off the inward normal
_CONTINUED = np.array([0.0, 0.2, -0.2, 0.45, -0.45, 0.75, -0.75])  # the same, of a push on from where the disc is
_MARGIN = 19.0  # of the disc's centre from the boxes on the way round
_RING = 28.0  # of the ring's nodes from the T's corners


@dataclass(frozen=True)
class Move:
    """One push in the T's frame: approach point (2,), unit direction (2,), pixels of travel, face touched.

    A continuing move pushes on from where the disc is, in the given direction; its approach point is not visited.
    """

    approach: np.ndarray
    direction: np.ndarray
    travel: float
    face: int
    continuing: bool = False


@dataclass(frozen=True)
class Library:
    """All M pushes, each at L travels.

    contact: (M,) index of the approach point · approach: (K, 2) · face: (K,) · direction: (M, 2) ·
    travel: (L,) pixels · motion: (M, L, 3) of the T · end: (M, L, 2) disc afterwards, in the frame before the push ·
    node_length: (nodes, K) length of the shortest way from each ring node to each approach point.
    """

    contact: np.ndarray
    approach: np.ndarray
    face: np.ndarray
    direction: np.ndarray
    travel: np.ndarray
    motion: np.ndarray
    end: np.ndarray
    node_length: np.ndarray

    def move(self, index: int, travel: int) -> Move:
        """The move behind push `index` at travel number `travel`."""
        contact = self.contact[index]
        return Move(self.approach[contact], self.direction[index], float(self.travel[travel]), int(self.face[contact]))


def _approaches() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Approach points (K, 2), outward normals (K, 2), face numbers (K,); none where the inner corner is too tight."""
    points, normals, faces = [], [], []
    for face, (start, end) in enumerate(FACES):
        length = float(np.linalg.norm(end - start))
        along = (end - start) / length
        normal = np.array([along[1], -along[0]])
        for offset in np.linspace(3, length - 3, max(2, round((length - 6) / _SPACING) + 1)):
            point = start + along * offset + normal * (RADIUS + GAP)
            if clearance(point)[0] > RADIUS + GAP - 1:
                points.append(point)
                normals.append(normal)
                faces.append(face)
    return np.array(points), np.array(normals), np.array(faces)


def _ring() -> np.ndarray:
    """Nodes around the T (nodes, 2): three on the arc about each outer corner, one in each inner corner."""
    nodes = []
    corners = [start for start, _ in FACES]
    for index, corner in enumerate(corners):
        before, after = corner - corners[index - 1], corners[(index + 1) % len(corners)] - corner
        outs = [np.array([v[1], -v[0]]) / np.linalg.norm(v) for v in (before, after)]
        if before[0] * after[1] - before[1] * after[0] > 0:
            nodes += [corner + _RING * out / np.linalg.norm(out) for out in (outs[0], outs[0] + outs[1], outs[1])]
        else:
            nodes.append(corner + _RING * (outs[0] + outs[1]))
    return np.array(nodes)


NODES = _ring()


def visible(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Whether the straight way (..., 2) -> (..., 2) stays `_MARGIN` clear of both boxes; shapes broadcast, (...)."""
    start, end = start[..., None, :], end[..., None, :]
    step = np.where(np.abs(end - start) < 1e-9, 1e-9, end - start)
    one, two = (LOWER - _MARGIN - start) / step, (UPPER + _MARGIN - start) / step
    enter, leave = np.minimum(one, two).max(axis=-1), np.maximum(one, two).min(axis=-1)
    hits = (enter < leave) & (leave > 0) & (enter < 1)
    return ~hits.any(axis=-1)


def retreat(points: np.ndarray) -> np.ndarray:
    """Points (..., 2) of the T's frame moved straight away from its surface until they are free to leave."""
    for _ in range(3):
        distance, out = clearance(points)
        points = points + out * np.maximum(RADIUS + GAP - distance, 0)[..., None]
    return points


@lru_cache(maxsize=1)
def _graph() -> tuple[np.ndarray, np.ndarray]:
    """Lengths and predecessors between all ring nodes and approach points, (nodes + K, nodes + K) each."""
    points = np.concatenate([NODES, _approaches()[0]])
    lengths = np.linalg.norm(points[:, None] - points, axis=-1)
    lengths = np.where(visible(points[:, None], points), lengths, np.inf)
    return shortest_path(lengths, return_predecessors=True)


@lru_cache(maxsize=1)
def library() -> Library:
    """The library of pushes, computed once per process."""
    approach, normal, face = _approaches()
    contacts, headings = np.arange(len(approach)).repeat(len(_HEADINGS)), np.tile(_HEADINGS, len(approach))
    direction = rotate(-normal[contacts], headings)
    steps = np.arange(1, int(_REACH / STRIDE) + 1)
    path = approach[contacts, None] + direction[:, None] * (steps * STRIDE)[:, None]
    poses = push(np.zeros(3), path)
    keep = np.unique(
        np.concatenate([np.arange(6, 20), np.arange(20, 36, 2), np.geomspace(36, len(steps) - 1, 11).astype(int)])
    )
    return Library(
        contact=contacts,
        approach=approach,
        face=face,
        direction=direction,
        travel=steps[keep] * STRIDE,
        motion=poses[:, keep],
        end=path[:, keep],
        node_length=_graph()[0][: len(NODES), len(NODES) :],
    )


@dataclass(frozen=True)
class Continuations:
    """Pushes from where B discs are: C directions (B, C, 2); motion (B, C, L, 3) and end (B, C, L, 2) at the library's
    travels; face (B,); `possible` (B,) where the disc is close enough to push on."""

    direction: np.ndarray
    motion: np.ndarray
    end: np.ndarray
    face: np.ndarray
    possible: np.ndarray


def continuations(agent: np.ndarray) -> Continuations:
    """What pushing on would do, for discs (B, 2) in the T's frame."""
    book = library()
    distance, out = clearance(agent)
    direction = rotate(-out[:, None], _CONTINUED)  # (B, C, 2)
    stride = 2 * STRIDE
    steps = np.arange(1, int(_REACH / stride) + 1)
    path = agent[:, None, None] + direction[:, :, None] * (steps * stride)[:, None]  # (B, C, S, 2)
    poses = push(np.zeros(3), path.reshape(-1, *path.shape[2:]), sweeps=2).reshape(*path.shape[:3], 3)
    # Odd travels lie between two sub-steps.
    index, share = np.divmod(book.travel / stride - 1, 1)
    low, high = index.astype(int), np.minimum(index.astype(int) + 1, len(steps) - 1)
    motion, end = (
        values[:, :, low] * (1 - share)[:, None] + values[:, :, high] * share[:, None] for values in (poses, path)
    )
    face = book.face[np.argmin(np.linalg.norm(agent[:, None] - book.approach, axis=-1), axis=1)]
    return Continuations(direction, motion, end, face, distance < RADIUS + GAP)


def way_lengths(agent: np.ndarray) -> np.ndarray:
    """Lengths in pixels of the shortest ways from discs (B, 2) in the T's frame to every approach point, (B, K)."""
    book = library()
    free = retreat(agent)
    straight = np.linalg.norm(free[:, None] - book.approach, axis=-1)
    to_node = np.linalg.norm(free[:, None] - NODES, axis=-1)
    to_node = np.where(visible(free[:, None], NODES), to_node, np.inf)
    around = (to_node[:, :, None] + book.node_length).min(axis=1)
    way = np.where(visible(free[:, None], book.approach), straight, around)
    return np.linalg.norm(free - agent, axis=-1)[:, None] + way


def way(agent: np.ndarray, approach: np.ndarray) -> np.ndarray:
    """The shortest way from a disc (2,) to an approach point (2,) of the library, both in the T's frame, (n, 2).

    Starts with the point of retreat when the disc is close to the T, ends with `approach`.
    """
    lengths, previous = _graph()
    free = retreat(agent)
    points = [free] if np.linalg.norm(free - agent) > 0.5 else []
    if not visible(free, approach):
        goal = len(NODES) + int(np.argmin(np.linalg.norm(library().approach - approach, axis=-1)))
        total = np.linalg.norm(free - NODES, axis=-1) + lengths[: len(NODES), goal]
        total = np.where(visible(free, NODES), total, np.inf)
        node = int(np.argmin(total))
        while node != goal:
            points.append(NODES[node])
            node = int(previous[goal, node])
            if node < 0:  # nothing in sight: the simulator will tell what the straight way does
                break
    return np.array([*points, approach])
