"""The client's messages are pickles, which may call any function when they are read. Here they may name only plain data."""

import io
import pickle
from typing import Any

#: What LeRobot's client sends: its own messages, arrays and numbers of NumPy (both versions' names), and plain containers.
ALLOWED = {
    *(("lerobot.async_inference.helpers", name) for name in ("RemotePolicyConfig", "TimedObservation")),
    ("collections", "OrderedDict"),
    *(("numpy", name) for name in ("ndarray", "dtype")),
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
    ("_codecs", "encode"),  # bytes in the oldest pickles
}


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise ValueError(
                f"the message names {module}.{name}, which is no number, picture or word; send arrays of NumPy, numbers and "
                "text, as LeRobot's robot client does"
            )
        return super().find_class(module, name)


def read(data: bytes) -> Any:
    """What a message holds.

    Raises:
        ValueError: it is no pickle, or names anything but plain data.
    """
    try:
        return _Plain(io.BytesIO(data)).load()
    except ValueError:
        raise
    except Exception as error:  # a pickle that is cut or made up fails in many ways
        raise ValueError(f"the message cannot be read: {type(error).__name__}: {error}") from error
