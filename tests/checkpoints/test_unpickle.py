"""Foreign pickles are data: read as torch reads them, and never run."""

import argparse
import enum
import io
import os
import pickle
import shutil
import sys
import types
import warnings
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from speecht5_cli.models.torch_file import StoredTensor, read_torch_file
from speecht5_cli.models.unpickle import MAX_STEPS, BadPickle, Inert, settings, unpickled

FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def saved(content: Any, path: Path, *, zipped: bool = True) -> Any:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return read(path)


def read(path: Path) -> Any:
    with path.open("rb") as file:
        return read_torch_file(file)


def loaded(content: Any) -> Any:
    return {name: stored.load() for name, stored in content.items()}


@FORMATS
def test_tensors(tmp_path: Path, zipped: bool) -> None:
    whole = torch.arange(24, dtype=torch.float32).view(4, 6)
    tensors = {
        "whole": whole,
        "transposed": whole.t(),
        "part": whole[1:3, 2:4],
        "scalar": torch.tensor(3.5),
        "empty": torch.empty(0, 4),
        "half": torch.randn(3).half(),
        "bfloat": torch.randn(3).bfloat16(),
        "ints": torch.arange(5),
        "bytes": torch.arange(5, dtype=torch.uint8),
        "flags": torch.tensor([True, False]),
        "doubles": torch.randn(2, 2).double(),
        "parameter": torch.nn.Parameter(torch.randn(2)),
    }
    for name, tensor in loaded(saved(tensors, tmp_path / "a.pt", zipped=zipped)).items():
        assert torch.equal(tensor, tensors[name]) and tensor.dtype == tensors[name].dtype, name


@FORMATS
def test_shared_storages_stay_shared(tmp_path: Path, zipped: bool) -> None:
    table = torch.randn(3, 4)
    content = saved({"a": table, "b": table, "c": table[1:]}, tmp_path / "a.pt", zipped=zipped)
    assert content["a"].storage is content["b"].storage is content["c"].storage


def test_state_dict_of_a_module(tmp_path: Path) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    content = saved({"model": net.state_dict()}, tmp_path / "a.pt")
    assert list(content["model"]) == list(net.state_dict())
    net.load_state_dict(loaded(content["model"]))


def test_the_file_is_not_written_back(tmp_path: Path) -> None:
    before = saved({"a": torch.zeros(3)}, tmp_path / "a.pt")["a"].load()
    before.fill_(7)
    assert read(tmp_path / "a.pt")["a"].load().tolist() == [0, 0, 0]


def test_settings_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Namespaces, enums and omegaconf's nodes are read without their packages."""
    module = types.ModuleType("fairseq.dataclass.constants")
    backend = enum.Enum("Backend", {"legacy": "legacy_ddp"}, module=module.__name__)
    # As the Pythons that run fairseq write a member; 3.11.0 to 3.11.3 ask for `getattr` instead.
    backend.__reduce_ex__ = lambda member, _: (backend, (member.value,))  # type: ignore[method-assign, assignment]
    module.Backend = backend  # type: ignore[attr-defined]
    nodes = types.ModuleType("omegaconf.dictconfig")

    class DictConfig:
        pass

    DictConfig.__module__, DictConfig.__qualname__ = nodes.__name__, "DictConfig"
    nodes.DictConfig = DictConfig  # type: ignore[attr-defined]
    for name in ("fairseq", "fairseq.dataclass", "omegaconf"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(sys.modules, nodes.__name__, nodes)
    inner, outer = DictConfig(), DictConfig()
    inner._content = {"width": 3}  # type: ignore[attr-defined]
    outer._content = {"lr": 0.1, "model": inner}  # type: ignore[attr-defined]
    content = {
        "namespace": argparse.Namespace(layers=12, conv="[(512, 10, 5)]", nested={"a": (1, None)}),
        "nodes": outer,
        "backend": backend("legacy_ddp"),
        "number": np.float64(0.5),
        "array": np.arange(3),
        "path": Path("somewhere"),
        "counts": defaultdict(list, {"a": [1]}),
        "ordered": OrderedDict(b=1, a=2),
        "sets": [{1, 2}, frozenset({3})],
        "bytes": b"\x00\xff",
        "large": 1 << 80,
    }
    torch.save(content, tmp_path / "a.pt")
    monkeypatch.undo()
    result = read(tmp_path / "a.pt")
    assert settings(result["namespace"]) == {"layers": 12, "conv": "[(512, 10, 5)]", "nested": {"a": [1, None]}}
    assert settings(result["nodes"]) == {"lr": 0.1, "model": {"width": 3}}
    assert isinstance(result["backend"], Inert) and result["backend"].args == ("legacy_ddp",)
    assert isinstance(result["number"], Inert)
    assert result["counts"] == {"a": [1]} and list(result["ordered"]) == ["b", "a"]
    assert result["sets"] == [{1, 2}, frozenset({3})]
    assert result["bytes"] == b"\x00\xff" and result["large"] == 1 << 80


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol(protocol: int) -> None:
    content = {"a": [1, -2, 3.5, True, None, "text", "\u2581"], "b": (1, (2,), (1, 2, 3, 4)), "c": {"d": {}}}
    content["again"] = content["a"]
    assert unpickled(io.BytesIO(pickle.dumps(content, protocol)), {}) == content


class Runs:
    """Unpickles as a call."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@FORMATS
@pytest.mark.parametrize(
    ("wanted", "payload"),
    [
        ("posix.system", lambda mark: Runs(os.system, f"touch {mark}")),
        ("builtins.eval", lambda mark: Runs(eval, f"open('{mark}', 'w')")),
        ("builtins.getattr", lambda mark: Runs(getattr, "", "join")),
        (f"{open.__module__}.open", lambda mark: Runs(open, str(mark), "w")),
        ("torch.serialization.load", lambda mark: Runs(torch.serialization.load, str(mark))),
        ("shutil.rmtree", lambda mark: Runs(shutil.rmtree, str(mark))),
    ],
)
def test_calls_are_refused_by_name(tmp_path: Path, zipped: bool, wanted: str, payload: Callable[[Path], Any]) -> None:
    mark = tmp_path / "ran"
    content = {"cfg": payload(mark), "model": {"a": torch.zeros(1)}}
    with pytest.raises(BadPickle, match=f"wants {wanted}"):
        saved(content, tmp_path / "a.pt", zipped=zipped)
    assert not mark.exists()


def test_a_known_name_is_never_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even what may be mentioned is looked up: an `omegaconf` that somebody installed stays shut."""
    result = unpickled(io.BytesIO(b"comegaconf.evil\nRun\n(S'rm -rf'\ntR."), {})
    assert isinstance(result, Inert) and result.name == "omegaconf.evil.Run"
    assert "omegaconf" not in sys.modules


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (b"S'a'\n(S'b'\ntR.", "calls something that is no function"),
        (b"\x80\x02]" + b"q\x00" * 3 + b"R.", "damaged"),
        (b"\x80\x02}" + b"]K\x01s.", "has a list as a key"),
        (b"\x80\x02}" + b")" + b"\x85" * 100_000 + b"K\x01s.", "has a tuple as a key"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02K\x01Q.", "outside of the pickle"),
        (b"\x80\x02K\x01t.", "a mark is missing"),
        (b"\x80\x02(.", "a mark where a value should be"),
        (b"\x80\x02}K\x01b.", None),
        (b"\x80\x02]K\x01b.", "gives a state to a list"),
        (b"\x80\x02h\x07.", "damaged"),
        (b"\x80\x02K\x01", "damaged"),
        (b"", "damaged"),
        (b"RIFF....WAVE", "damaged"),
    ],
)
def test_damage(code: bytes, message: str | None) -> None:
    if message is None:
        unpickled(io.BytesIO(code), {})
        return
    with pytest.raises(BadPickle, match=message):
        unpickled(io.BytesIO(code), {})


def test_bombs() -> None:
    """A memo with a huge number, more steps than any checkpoint has, nesting without end: neither memory nor crash."""
    assert unpickled(io.BytesIO(b"\x80\x02]r\xff\xff\xff\x7f."), {}) == []
    with pytest.raises(BadPickle, match=f"more than {MAX_STEPS} steps"):
        unpickled(io.BytesIO(b"\x80\x02" + b"]" * (MAX_STEPS + 1)), {})
    nested = unpickled(io.BytesIO(b"\x80\x02)" + b"\x85" * 400_000 + b"."), {})
    with pytest.raises(BadPickle, match="nested more than"):
        settings(nested)
    doubling = b"\x80\x02]q\x00" + b"".join(
        b"(h" + bytes([i]) + b"h" + bytes([i]) + b"lq" + bytes([i + 1]) for i in range(40)
    )
    with pytest.raises(BadPickle, match="settings are nested"):
        settings(unpickled(io.BytesIO(doubling + b"."), {}))


@FORMATS
def test_every_truncation_is_noticed(tmp_path: Path, zipped: bool) -> None:
    saved({"model": {"a": torch.randn(50), "b": torch.arange(9)}}, tmp_path / "a.pt", zipped=zipped)
    whole = (tmp_path / "a.pt").read_bytes()
    for size in range(0, len(whole), 29):
        (tmp_path / "cut.pt").write_bytes(whole[:size])
        with pytest.raises(BadPickle):
            read(tmp_path / "cut.pt")


def rezipped(source: Path, target: Path, change: Callable[[str, bytes], bytes | None], method: int = 0) -> None:
    """A copy of a zip, its members changed, or left out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", method) as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda name, content: None if name.endswith("data.pkl") else content, "no data.pkl"),
        (lambda name, content: None if "/data/0" in name else content, "lacks data/0"),
        (lambda name, content: content[:-4] if "/data/0" in name else content, "16 bytes, 20 were expected"),
        (lambda name, content: b"big" if name.endswith("byteorder") else content, "big-endian"),
    ],
)
def test_wrong_zips(tmp_path: Path, change: Callable[[str, bytes], bytes | None], message: str) -> None:
    saved({"a": torch.randn(5)}, tmp_path / "a.pt")
    rezipped(tmp_path / "a.pt", tmp_path / "b.pt", change)
    with pytest.raises(BadPickle, match=message):
        read(tmp_path / "b.pt")


def test_compressed_zip(tmp_path: Path) -> None:
    """torch compresses nothing, so that a small file with a large content is no checkpoint."""
    saved({"a": torch.zeros(1000)}, tmp_path / "a.pt")
    rezipped(tmp_path / "a.pt", tmp_path / "b.pt", lambda name, content: content, zipfile.ZIP_DEFLATED)
    with pytest.raises(BadPickle, match="compressed"):
        read(tmp_path / "b.pt")


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [((6,), (1,), 0), ((2,), (5,), 0), ((2, 2), (1, 1), 3), ((-1,), (1,), 0), ((10**12,), (0,), 0)],
)
def test_tensors_beyond_their_storage(tmp_path: Path, size: Any, stride: Any, offset: int) -> None:
    tensor = torch.randn(5)

    class Reaches:
        def __reduce__(self) -> Any:
            return torch._utils._rebuild_tensor_v2, (tensor.storage(), offset, size, stride, False, OrderedDict())

    with pytest.raises(BadPickle, match="tensor"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch's own, that its storages will be untyped one day
        saved({"a": Reaches()}, tmp_path / "a.pt")


def test_unknown_numbers(tmp_path: Path) -> None:
    with pytest.raises(BadPickle, match="ComplexFloatStorage"):
        saved({"a": torch.zeros(2, dtype=torch.complex64)}, tmp_path / "a.pt")


def test_other_files(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(BadPickle, match="no checkpoint of torch"):
        read(tmp_path / "a.pkl")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(BadPickle, match="empty"):
        read(tmp_path / "empty")


def test_moments_are_not_read(tmp_path: Path) -> None:
    """A tensor that nobody asks for stays on disk."""
    content = saved({"model": {"a": torch.ones(3)}, "moments": torch.ones(1000)}, tmp_path / "a.pt")
    assert isinstance(content["moments"], StoredTensor)
