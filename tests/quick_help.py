"""Spares draccus what it does over and over: for programs of the tests that read many command lines."""

import functools
import inspect
from types import SimpleNamespace

import draccus.wrappers.docstring
import draccus.wrappers.field_wrapper


def remember() -> None:
    """Remember the help of every field and the arguments of every action.

    draccus reads a class's source anew for each field, and an action's signature for each option. That is most of the second
    that a command of LeRobot's begins with, and the answers are always the same.
    """
    docstring, fields = draccus.wrappers.docstring, draccus.wrappers.field_wrapper
    docstring.get_attribute_docstring = functools.cache(docstring.get_attribute_docstring)
    fields.inspect = SimpleNamespace(getfullargspec=functools.cache(inspect.getfullargspec))
