"""A zarr store that never hands out half a chunk.

Blosc's decoder trusts the length in a chunk's header and reads past the end of a shorter chunk: a truncated file becomes
numbers of whatever lies behind it in memory, without an error. Other codecs notice by themselves.
Source of the header: Blosc 1's README_CHUNK_FORMAT, bytes 12 to 15, little-endian.

Imported only once zarr is known to be there.
"""

from zarr.abc.store import ByteRequest, Store
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import WrapperStore

_HEADER = 16


class CheckedStore(WrapperStore[Store]):
    """`store`, with the length of every Blosc chunk checked; `blosc` holds the paths of the arrays that use it."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.blosc: set[str] = set()

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """The value of `key`; ValueError if it is a Blosc chunk that is shorter or longer than it says."""
        value = await super().get(key, prototype, byte_range)
        folder, _, name = key.rpartition("/")
        is_chunk = any(f"{folder}/".startswith(f"{path}/") for path in self.blosc) and not name.startswith(
            (".z", "zarr.")
        )
        if value is not None and byte_range is None and is_chunk:
            header = value.as_numpy_array()[:_HEADER].tobytes()
            stated = int.from_bytes(header[12:16], "little") if len(header) == _HEADER else _HEADER
            if stated != len(value):
                raise ValueError(f"chunk {key} has {len(value)} bytes and says it has {stated}")
        return value
