"""A vocoder's training as an experiment: new, resumed, or finished."""

from dataclasses import dataclass
from pathlib import Path

from speecht5_cli.config import Tree, from_tree, to_tree, write_yaml
from speecht5_cli.data.datadir import opened
from speecht5_cli.data.mel_segments import spoken_in
from speecht5_cli.data.predicted_mels import LogMelFolder
from speecht5_cli.data.speaker_vectors import Side
from speecht5_cli.decode.vocoder_folder import CONFIG, vocoder_folder
from speecht5_cli.provenance import fingerprint
from speecht5_cli.train.experiment import saved_tree, set_aside, what_changed, write_provenance
from speecht5_cli.train.vocoder import VocoderConfig, train_vocoder, with_sizes_of
from speecht5_cli.train.vocoder_checkpoint import newest


@dataclass(frozen=True, kw_only=True)
class VocoderSources:
    """What a vocoder is trained on, and from."""

    data: tuple[Path, ...]
    side: Side = "source"  # in a dir of pairs: whose sound
    mels: Path | None = None  # folder of predicted log-mels; none: they are computed from the sound
    init: Path | None = None  # vocoder to start from
    allow_pipes: bool = False

    def fingerprints(self) -> dict[str, str]:
        """Marks of everything that is read: another one makes it another experiment."""
        files = [folder / name for folder in self.data for name in ("wav.scp", "segments", "target.scp")]
        files += [self.mels / "feats.scp"] if self.mels else []
        files += [vocoder_folder(self.init)] if self.init else []
        return {str(file): fingerprint(file) for file in files if file.exists()}


def run_vocoder(config: VocoderConfig, sources: VocoderSources, exp: Path) -> str:
    """Train in the folder `exp`, or go on there; what was made with something else is set aside, never deleted.

    Returns what became of it, in a line.
    """
    if sources.init:
        config = with_sizes_of(config, sources.init)
    mels = LogMelFolder(sources.mels) if sources.mels else None
    spoken = spoken_in(
        [opened(path) for path in sources.data], mels=mels, side=sources.side, allow_pipes=sources.allow_pipes
    )
    note = _open(exp, to_tree(config) | {"sources": to_tree(sources)}, sources.fingerprints())
    if newest(exp) == config.train.steps:
        return f"{exp}: finished before; nothing to do"
    train_vocoder(config, spoken, exp, init=sources.init)
    return f"{note}{vocoder_folder(exp)}: a vocoder after {newest(exp)} steps"


def _completed(tree: Tree) -> Tree:
    """A saved configuration with the settings that have come since."""
    sources = from_tree(VocoderSources, tree.get("sources"), "sources")
    own = {key: value for key, value in tree.items() if key != "sources"}
    return to_tree(from_tree(VocoderConfig, own)) | {"sources": to_tree(sources)}


def _open(exp: Path, tree: Tree, inputs: dict[str, str]) -> str:
    """Make the folder ready, its configuration saved; says where a former experiment went."""
    note = ""
    if (exp / CONFIG).exists():
        changed = what_changed(exp, saved_tree(exp, _completed), tree, inputs)
        if not changed:
            return ""
        if newest(exp) is not None:
            note = f"{changed}; what was there is now in {set_aside(exp)}\n"
    exp.mkdir(parents=True, exist_ok=True)
    write_yaml(exp / CONFIG, tree)
    write_provenance(exp, inputs)
    return note
