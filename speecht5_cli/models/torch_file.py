"""Files that torch.save has written, read without torch.load: the zip of today, and the pickles in a row before it.

Tensors stay on disk until they are asked for, and are then views into the mapped file: a checkpoint with an optimiser's
state in it costs no more memory than its weights.
"""

import mmap
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from math import prod
from typing import IO, Any

import torch
from torch import Tensor

from speecht5_cli.models.unpickle import BadPickle, Name, unpickled

MAX_PICKLE_BYTES = 64 << 20  # of the part that describes the tensors

_LEGACY_MAGIC, _LEGACY_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_NAMES = frozenset(
    {f"torch.{name}" for name in _DTYPES}
    | {f"torch.{dtype}" for dtype in ("float64", "float32", "float16", "bfloat16", "int64", "int32", "uint8", "bool")}
)


@dataclass
class Storage:
    """A run of numbers in the file."""

    key: str
    dtype: torch.dtype
    n: int
    content: mmap.mmap
    position: int = -1  # in bytes

    @property
    def n_bytes(self) -> int:
        """Its length in the file."""
        return self.n * self.dtype.itemsize

    def place(self, position: int) -> None:
        """Say where the numbers start. Raises BadPickle when they would end behind the end of the file."""
        if position + self.n_bytes > len(self.content):
            raise BadPickle(f"cut short: the numbers of storage {self.key} end behind the end of the file")
        self.position = position

    def read(self) -> Tensor:
        """(n,)"""
        if self.n == 0:
            return torch.empty(0, dtype=self.dtype)
        if self.position % self.dtype.itemsize:  # only in old files
            copy = bytearray(self.content[self.position : self.position + self.n_bytes])
            return torch.frombuffer(copy, dtype=self.dtype)
        return torch.frombuffer(self.content, dtype=self.dtype, count=self.n, offset=self.position)


@dataclass
class StoredTensor:
    """A tensor on disk."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def load(self) -> Tensor:
        """A view into the mapped file."""
        return self.storage.read().as_strided(self.shape, self.stride, self.offset)


def read_torch_file(file: IO[bytes]) -> Any:
    """The content of an open file on disk, with StoredTensor for every tensor. Raises BadPickle."""
    try:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)  # as the owner's pages: never written back
    except ValueError:
        raise BadPickle("empty") from None
    file.seek(0)
    if zipfile.is_zipfile(file):
        return _read_zip(file, content)
    if content[:4] == b"PK\x03\x04":
        raise BadPickle("cut short: the zip's table of contents, which stands at its end, is missing")
    file.seek(0)
    return _read_legacy(file, content)


def _read_zip(file: IO[bytes], content: mmap.mmap) -> Any:
    try:
        archive = zipfile.ZipFile(file)
        members = {info.filename.partition("/")[2]: info for info in archive.infolist()}
        if "data.pkl" not in members:
            raise BadPickle("a zip, but not of torch's kind: no data.pkl in it")
        if any(info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 for info in members.values()):
            raise BadPickle("a zip with compressed or encrypted members, which torch never writes")
        if members["data.pkl"].file_size > MAX_PICKLE_BYTES:
            raise BadPickle(f"data.pkl has {members['data.pkl'].file_size} bytes; {MAX_PICKLE_BYTES} are allowed")
        if "byteorder" in members and archive.read(members["byteorder"]) != b"little":
            raise BadPickle("written on a big-endian machine")
        description = archive.read(members["data.pkl"])
    except (zipfile.BadZipFile, struct.error, NotImplementedError, EOFError, RuntimeError) as error:
        raise BadPickle(f"a damaged zip: {error}") from None
    storages = _Storages(content, lambda storage: _place_in_zip(storage, members))
    return unpickled(BytesIO(description), _FUNCTIONS, _NAMES, storages)


def _place_in_zip(storage: Storage, members: dict[str, zipfile.ZipInfo]) -> None:
    member = members.get(f"data/{storage.key}")
    if member is None:
        raise BadPickle(f"the zip lacks data/{storage.key}")
    if member.file_size != storage.n_bytes:
        raise BadPickle(f"data/{storage.key} has {member.file_size} bytes, {storage.n_bytes} were expected")
    header = storage.content[member.header_offset : member.header_offset + 30]
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise BadPickle(f"a damaged zip: no data/{storage.key} where it should start")
    name_bytes, extra_bytes = struct.unpack_from("<HH", header, 26)
    storage.place(member.header_offset + 30 + name_bytes + extra_bytes)


def _read_legacy(file: IO[bytes], content: mmap.mmap) -> Any:
    """Magic number, protocol, the machine's sizes, the object, the keys of its storages; then each one's numbers."""
    if unpickled(file, {}) != _LEGACY_MAGIC:
        raise BadPickle("a pickle, but no checkpoint of torch")
    if unpickled(file, {}) != _LEGACY_PROTOCOL:
        raise BadPickle("an unknown version of torch's format")
    machine = unpickled(file, {})
    if not isinstance(machine, dict) or not machine.get("little_endian", True):
        raise BadPickle("written on a big-endian machine")
    storages = _Storages(content)
    result = unpickled(file, _FUNCTIONS, _NAMES, storages)
    position = _place_in_row(file, storages)
    if position > len(content):
        raise BadPickle("cut short")
    return result


def _place_in_row(file: IO[bytes], storages: "_Storages") -> int:
    keys = unpickled(file, {})
    if not isinstance(keys, list) or set(keys) != set(storages.known):
        raise BadPickle("damaged: the list of storages does not fit the tensors")
    position = file.tell()
    for key in keys:
        storage = storages.known[key]
        size = storages.content[position : position + 8]
        if len(size) < 8 or struct.unpack("<q", size)[0] != storage.n:
            raise BadPickle(f"damaged or cut short at storage {key}")
        storage.place(position + 8)
        position += 8 + storage.n_bytes
    return position


class _Storages:
    """Resolves a pickle's references to storages."""

    def __init__(self, content: mmap.mmap, place: Callable[[Storage], None] | None = None) -> None:
        self.content, self.place_now = content, place
        self.known: dict[str, Storage] = {}

    def __call__(self, reference: Any) -> Storage:
        match reference:
            case ("storage", Name(name), str(key), str(), int(n), *view) if n >= 0 and not any(view):
                dtype = _DTYPES.get(name.removeprefix("torch."))
                if dtype is None:
                    raise BadPickle(f"numbers of type {name}, which are not supported")
            case _:
                raise BadPickle("a reference that is no storage")
        storage = self.known.get(key)
        if storage is None:
            storage = self.known[key] = Storage(key, dtype, n, self.content)
            if self.place_now:
                self.place_now(storage)
        elif (storage.dtype, storage.n) != (dtype, n):
            raise BadPickle(f"storage {key} is described twice, in different ways")
        return storage


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> StoredTensor:
    """Raises BadPickle when the tensor would reach beyond its storage, or be larger than it."""
    whole = isinstance(shape, tuple) and isinstance(stride, tuple) and len(shape) == len(stride) <= 16
    if not isinstance(storage, Storage) or not whole:
        raise BadPickle("damaged: a tensor without a storage or a shape")
    if not all(type(number) is int and number >= 0 for number in (offset, *shape, *stride)):
        raise BadPickle("damaged: a tensor with a shape that is none")
    last = offset + sum((n - 1) * step for n, step in zip(shape, stride))
    if prod(shape) > storage.n or (prod(shape) and last >= storage.n):
        raise BadPickle(f"a tensor of shape {shape} reaches beyond its {storage.n} numbers")
    return StoredTensor(storage, offset, shape, stride)


def _parameter(tensor: Any, *_: Any) -> StoredTensor:
    if not isinstance(tensor, StoredTensor):
        raise BadPickle("damaged: a parameter that is no tensor")
    return tensor


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.Size": lambda shape=(): tuple(shape),
}
