"""Everything an observation holds, as tokens."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lerobot_dp_plus.encoders.image import ImageEncoderConfig
from lerobot_dp_plus.encoders.robots import Robots
from lerobot_dp_plus.encoders.things import check_things, span_of, thing_tokens
from lerobot_dp_plus.encoders.words import WORD_IDS, WORDS_VALID, NoWords, Words
from lerobot_dp_plus.notation import PATCHES, ROBOT, STEPS, WORDS, Span, Tokens


class ObservationEncoder(nn.Module):
    """Makes tokens of states, pictures and words.

    States and one feature per camera stand side by side, in one token for each step. Places of pictures, and words,
    have tokens of their own, and so may things that a state lists (`things.py`) and the robot, if there are several
    (`robots.py`). States pass unchanged: the networks' first layer is linear anyway. So a state-only encoder
    has no weights.
    Cost: one pass of the image encoder per camera and chunk.

    Attributes:
        spans: the length and width of the tokens of every kind that there are.
    """

    def __init__(
        self,
        state_dims: Mapping[str, int],
        image_shapes: Mapping[str, tuple[int, int, int]],
        image_encoder: ImageEncoderConfig,
        *,
        n_obs_steps: int = 1,
        words: Words | None = None,
        things: int = 0,
        robots: Robots | None = None,
        fetch_pretrained: bool = True,
    ):
        """Names and sizes of what will come; `fetch_pretrained=False` when a checkpoint will fill the weights.

        With `robots`, shapes are those that all of them are padded to.

        Raises:
            ValueError: nothing to observe, an empty state, or an image the encoder cannot take; each by name.
        """
        super().__init__()
        if not state_dims and not image_shapes:
            raise ValueError("no observation: give at least one state in state_dims or one image in image_shapes")
        for key, dim in state_dims.items():
            if dim < 1:
                raise ValueError(f"{key} has {dim} dimensions; a state needs at least 1")
        image_encoder.check(image_shapes)
        words, self.things, self.robots = words or NoWords(), things, robots
        self.state_dims = dict(state_dims)
        self.image_shapes = {key: tuple(shape) for key, shape in image_shapes.items()}
        self.share_across_cameras = image_encoder.share_across_cameras
        names = dict.fromkeys(map(self._encoder_of, image_shapes))  # each name once, in order
        self.image_encoders = nn.ModuleDict(
            {name: image_encoder.build(fetch_pretrained=fetch_pretrained) for name in names}
        )
        self.word_encoder = words.build()
        self._of_cameras = image_encoder.gives
        #: Tells the places of one camera from those of another, where all cameras have the same encoder.
        self.camera = None
        if image_encoder.gives == PATCHES and self.share_across_cameras and len(image_shapes) > 1:
            self.camera = nn.Parameter(0.02 * torch.randn(len(image_shapes), image_encoder.feature_dim))
        self.spans = spans(self.state_dims, self.image_shapes, image_encoder, n_obs_steps, words, things, robots)

    def forward(self, observation: Mapping[str, Tensor]) -> tuple[Tokens, ...]:
        """States (B, T_o, S) and images (B, T_o, 3, H, W), normalised, and words -> tokens; other keys are ignored.

        Raises:
            ValueError: a key is missing, or has another shape than was announced.
        """
        robots, index = self.robots, None
        if robots is not None:
            index = robots.index(observation)
            shapes = {**{key: (dim,) for key, dim in self.state_dims.items()}, **self.image_shapes}
            observation = robots.padded(observation, shapes)
        side_by_side = [_take(observation, key, (dim,)) for key, dim in self.state_dims.items()]
        places: list[Tensor] = []
        there: list[Tensor | None] = []
        for key, shape in self.image_shapes.items():
            seen = self.image_encoders[self._encoder_of(key)](_take(observation, key, shape))
            has = None if robots is None or index is None else robots.having(key, index)
            if self._of_cameras == STEPS:
                side_by_side.append(seen if has is None else seen * has[:, None, None])
            else:
                places.append(seen)
                there.append(has)
        if robots is not None and index is not None and not robots.as_token:
            one_hot = robots.one_hot(index, next(iter([*side_by_side, *places])))
            side_by_side.append(one_hot[:, None].expand(-1, side_by_side[0].shape[1], -1))
        tokens = [Tokens(torch.cat(side_by_side, dim=-1))] if side_by_side else []
        if places:
            if self.camera is not None:
                places = [seen + own for seen, own in zip(places, self.camera, strict=True)]
            flat = [seen.flatten(1, 2) for seen in places]
            tokens.append(Tokens(torch.cat(flat, 1), _valid(flat, there), PATCHES))
        if self.things:
            tokens.append(thing_tokens(observation, self.state_dims, self.things, robots, index))
        if robots is not None and index is not None and robots.as_token:
            tokens.append(robots.token(index, next(span.values for span in tokens)))
        if self.word_encoder is not None:
            missing = [key for key in (WORD_IDS, WORDS_VALID) if key not in observation]
            if missing:
                raise ValueError(f"no {', '.join(missing)}; the processor makes them of the instruction, `task`")
            tokens.append(self.word_encoder(observation[WORD_IDS], observation[WORDS_VALID]))
        return tuple(tokens)

    def _encoder_of(self, key: str) -> str:
        """Name of a camera's encoder; module names may not hold dots, nor feature keys slashes."""
        return "shared" if self.share_across_cameras else key.replace(".", "/")


def spans(
    state_dims: Mapping[str, int],
    image_shapes: Mapping[str, tuple[int, ...]],
    image_encoder: ImageEncoderConfig,
    n_obs_steps: int,
    words: Words,
    things: int = 0,
    robots: Robots | None = None,
) -> dict[str, Span]:
    """The length and width of the tokens of every kind that an `ObservationEncoder` with these settings gives.

    Raises:
        ValueError: the state cannot be cut into so many things, or places of pictures have tokens already.
    """
    found = {}
    check_things(things, state_dims, robots)
    features = len(image_shapes) if image_encoder.gives == STEPS else 0
    width = sum(state_dims.values()) + features * image_encoder.feature_dim
    if robots is not None and not robots.as_token:
        width += len(robots)
    if width:
        found[STEPS] = Span(n_obs_steps, width)
    if image_shapes and image_encoder.gives == PATCHES:
        count = sum(image_encoder.tokens(shape, n_obs_steps) for shape in image_shapes.values())
        found[PATCHES] = Span(count, image_encoder.feature_dim)
    if things and PATCHES in found:
        raise ValueError(f"things = {things}: places of pictures have tokens already; legal is things = 0")
    if things:
        found[PATCHES] = span_of(things, state_dims, n_obs_steps, robots)
    if robots is not None and robots.as_token:
        found[ROBOT] = Span(1, len(robots))
    said = words.span()
    if said is not None:
        found[WORDS] = said
    return found


def _valid(places: Sequence[Tensor], there: Sequence[Tensor | None]) -> Tensor | None:
    """Which tokens of several cameras, (B, S, C) each, are of cameras that are there, (B, S); None if all are."""
    if all(has is None for has in there):
        return None
    sizes = [seen.shape[:2] for seen in places]
    ones = [
        places[0].new_ones(size, dtype=torch.bool) if has is None else has[:, None].expand(size)
        for size, has in zip(sizes, there, strict=True)
    ]
    return torch.cat(ones, 1)


def _take(observation: Mapping[str, Tensor], key: str, shape: tuple[int, ...]) -> Tensor:
    """The entry `key`, (B, T_o, *shape), or an error that says what is wrong with it."""
    if key not in observation:
        raise ValueError(f"observation {key} is missing; got {', '.join(sorted(observation)) or 'nothing'}")
    value = observation[key]
    if value.dim() != 2 + len(shape) or tuple(value.shape[2:]) != shape:
        expected = ", ".join(map(str, ("B", "T_o", *shape)))
        hint = ", to which the preprocessor shrinks pictures" if len(shape) == 3 else ""
        raise ValueError(f"observation {key} has shape {tuple(value.shape)}; expected ({expected}){hint}")
    if not value.is_floating_point():
        raise ValueError(f"observation {key} is {value.dtype}; expected normalised floating-point values")
    return value
