"""One column of a LeRobotDataset's table as one tensor, with the dtype and shape LeRobot's own samples have.

LeRobot turns every value into Python objects and those into `torch.tensor`. Hence the rule reproduced here, exactly:
every integer is int64, every float has torch's default dtype (also float64 columns), booleans stay booleans.
"""

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

type Column = Tensor | list[str]


class NotInMemory(Exception):
    """Why a dataset stays with LeRobot's loader. The message completes the sentence "…, because "."""


def read_column(name: str, column: pa.ChunkedArray) -> Column:
    """All N values of a column: a contiguous tensor (N, *shape), or a list of N strings.

    Raises:
        NotInMemory: the column has missing values, rows of different length, or a type LeRobot does not turn into a
            tensor by the rule above.
    """
    values = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], type=column.type)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        _refuse_missing(name, values)
        return values.to_pylist()

    num_rows, shape = len(values), []
    _refuse_missing(name, values)
    while True:
        if isinstance(values, pa.ExtensionArray):  # Array2D … Array5D of `datasets`
            values = values.storage
        elif _is_list(values.type):
            shape.append(_row_length(name, values))
            values = values.flatten()
            _refuse_missing(name, values)
        else:
            break
    return torch.from_numpy(_as_torch_would(name, values).reshape(num_rows, *shape))


def _as_torch_would(name: str, values: pa.Array) -> np.ndarray:
    """A fresh numpy array of the flat values, in the dtype `torch.tensor` gives their Python objects."""
    kind = values.type
    dtype: np.dtype | type
    if pa.types.is_boolean(kind):
        dtype = np.bool_
    elif pa.types.is_integer(kind) and not pa.types.is_uint64(kind):
        dtype = np.int64
    elif pa.types.is_float32(kind) or pa.types.is_float64(kind):
        dtype = torch.empty(0).numpy().dtype  # torch's default dtype
    else:
        raise NotInMemory(f"column {name!r} has type {kind}; bool, int, float32, float64 and string can be held")
    return values.to_numpy(zero_copy_only=False).astype(dtype, copy=True)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _row_length(name: str, values: pa.Array) -> int:
    """The one length of all rows of a list array."""
    if pa.types.is_fixed_size_list(values.type):
        return values.type.list_size
    lengths = values.value_lengths().unique().to_pylist()
    if len(lengths) > 1:
        raise NotInMemory(f"column {name!r} has rows of different lengths {sorted(lengths)[:4]}")
    return lengths[0] if lengths else 0


def _refuse_missing(name: str, values: pa.Array) -> None:
    if values.null_count:
        raise NotInMemory(f"column {name!r} has {values.null_count} missing values")
