"""How a preset's axes meet the command line."""

import dataclasses
import inspect
from typing import Any

import draccus
from draccus.utils import DecodingError
from lerobot.configs import PreTrainedConfig


def _axis_with_default(axis: type[draccus.ChoiceRegistry], field: str, default: str) -> type:
    """A stand-in for an axis whose choices are the same and whose type, when not given, is `default`."""

    def get_choice_class(cls: type[draccus.ChoiceRegistry], name: str) -> type:
        choices = cls.get_known_choices()
        if name not in choices:
            raise DecodingError((field,), f"type = {name!r}: legal are {', '.join(sorted(choices))}")
        return choices[name]

    namespace = {
        "__doc__": axis.__doc__,
        "__module__": axis.__module__,
        "_choice_registry": axis.get_known_choices(),
        "default_choice_name": classmethod(lambda cls: default),
        "get_choice_class": classmethod(get_choice_class),
    }
    # Draccus takes only a direct child of its registry for a choice.
    return type(axis.__name__, (draccus.ChoiceRegistry,), namespace)


def register_preset[T: type](name: str):
    """Register a policy type, and let `--policy.sampler.num_steps=5` mean the preset's own sampler.

    Draccus asks for a `type` with every choice, although the preset has one. It reads the annotations, so these get the
    preset's default; nothing else sees the stand-ins, which share the axis's registry.
    """

    def decorate(cls: T) -> T:
        for field in dataclasses.fields(cls):  # type: ignore[arg-type]
            if field.default_factory is dataclasses.MISSING:
                continue
            default = field.default_factory()
            if isinstance(default, draccus.ChoiceRegistry):
                axis: Any = next(base for base in type(default).__mro__ if draccus.ChoiceRegistry in base.__bases__)
                stand_in = _axis_with_default(axis, field.name, axis.get_choice_name(type(default)))
                cls.__annotations__ = {**inspect.get_annotations(cls), field.name: stand_in}
        return PreTrainedConfig.register_subclass(name)(cls)

    return decorate
