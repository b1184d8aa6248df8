"""`speecht5 speakers`: train a speaker net, embed data dirs, import vectors and nets of others, measure."""

from contextlib import AbstractContextManager
from enum import Enum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from speecht5_cli.config import from_tree, merged, parse_overrides, read_settings, to_tree, write_yaml
from speecht5_cli.data.datadir import DataDir, opened
from speecht5_cli.data.speaker_crops import recordings_of
from speecht5_cli.data.speaker_vectors import BY_SPEAKER, BY_UTTERANCE, DIM, Side, read_vectors, speakers_of
from speecht5_cli.data.trials import cosines, equal_error_rate, make_trials, read_trials
from speecht5_cli.data.voices import give_voices, read_voices, write_voices
from speecht5_cli.errors import UsageError
from speecht5_cli.folders import CONFIG, model_folder
from speecht5_cli.plugins import variant_blocks
from speecht5_cli.provenance import Making, made


class Of(str, Enum):
    source = "source"
    target = "target"


PIPES = typer.Option(False, "--allow-pipes", help="Run the shell commands that wav.scp may hold.")
Whose = Annotated[
    Of | None,
    typer.Option("--of", help="In a dir of pairs: whose voice; by default the target's, which is spoken with."),
]


def add_to(app: typer.Typer) -> None:
    speakers = typer.Typer(no_args_is_help=True, help="Speaker vectors: x-vector nets, embeddings, voices.")
    speakers.command("fit", help="Train an x-vector net on data dirs that name their speakers.")(fit)
    speakers.command("embed", help="Write one vector an utterance and one a speaker into data dirs.")(embed)
    speakers.command("import", help="Bring in vectors (.npy, .scp, .ark) or SpeechBrain's x-vector net.")(import_)
    speakers.command("eer", help="Equal error rate of the vectors of data dirs.")(eer)
    app.add_typer(speakers, name="speakers")


def fit(
    words: list[str] = typer.Argument(metavar="DIR... OUT [CONFIG.yaml] [key=value]..."),
    variant: Path = typer.Option(None, "--variant", metavar="FILE", help="Its block `xvector` wins over CONFIG."),
    allow_pipes: bool = PIPES,
) -> None:
    """The net goes to the folder OUT. A share of every speaker's utterances is held out, to measure."""
    from speecht5_cli.train.speaker_encoder import SIZES, WEIGHTS, save_net
    from speecht5_cli.train.xvector import XVectorConfig, fit

    paths, files, overrides = _sorted_words(words)
    if len(paths) < 2 or len(files) > 1:
        raise UsageError("expected one or more data dirs, the folder to write, and at most one .yaml file")
    *sources, out = map(Path, paths)
    tree = read_settings(Path(files[0]) if files else None, "xvector", variant, variant_blocks())
    config = from_tree(XVectorConfig, merged(tree, overrides), files[0] if files else "config")
    dirs = [opened(source) for source in sources]
    inputs = [data.path / name for data in dirs for name in ("wav.scp", "segments", "utt2spk")]
    outputs = [out / name for name in (WEIGHTS, SIZES, "scores.yaml")]
    with made(out, "xvector", options=to_tree(config), inputs=inputs, outputs=outputs) as making:
        if making.done:
            print(f"{out}: up to date")
            return
        write_yaml(out / "config.yaml", to_tree(config))
        net, scores = fit(recordings_of(dirs, allow_pipes=allow_pipes), config, report=print)
        save_net(out, net, config.net)
        write_yaml(out / "scores.yaml", to_tree(scores))
    accuracy = "not measured" if scores.accuracy is None else f"{scores.accuracy:.1%}"
    rate = "not measured" if scores.eer is None else f"{scores.eer:.2%} on {scores.n_trials} trials"
    print(f"{out}: trained in {scores.training_s:.0f} s; held out: accuracy {accuracy}, EER {rate}")


def embed(
    net: Path = typer.Argument(metavar="XVECTOR", help="Folder of a net, from fit or import."),
    dirs: list[Path] = typer.Argument(metavar="DIR..."),
    of: Whose = None,
    nj: int = typer.Option(1, help="Processes."),
    allow_pipes: bool = PIPES,
) -> None:
    """Writes xvector.scp and spk_xvector.scp; every vector has length 1."""
    for data in map(opened, dirs):
        side = _side(data, of)
        with _vectors_made(data, {"embed": side}, side, [net / "xvector.safetensors", net / "xvector.yaml"]) as making:
            if making.done:
                print(f"{data.path}: up to date")
                continue
            from speecht5_cli.train.speaker_encoder import embed_dir

            n_speakers = embed_dir(net, data, side=side, nj=nj, allow_pipes=allow_pipes)
            what = "utterances" if side == "source" else "targets of utterances"
            print(f"{data.path}: vectors of {len(data.utterances)} {what} and {n_speakers} speakers")


def import_(
    source: Path = typer.Argument(
        metavar="SRC", help=".npy, .scp, .ark, a folder of .npy, or a SpeechBrain checkpoint."
    ),
    out: Path = typer.Argument(metavar="OUT", help="A data dir, a model folder, or an .npy file to write."),
    name: str = typer.Option("", help="The voice to take out of several, or what to call the only one."),
    dim: int = typer.Option(DIM, help="Values that the model expects of a vector."),
    of: Whose = None,
) -> None:
    """A SpeechBrain checkpoint (its folder or embedding_model.ckpt) becomes a net in the folder OUT. Vectors become
    xvector.scp of a data dir, or voices of a model folder."""
    if source.suffix in (".ckpt", ".pt", ".pth") or (source / "embedding_model.ckpt").exists():
        from speecht5_cli.train.speaker_encoder import import_speechbrain

        print(f"{out}: a net whose vectors have {import_speechbrain(source, out).dim} values")
        return
    vectors = read_voices(source, name=name, dim=dim)
    if (out / "utt2spk").exists() or (out / "wav.scp").exists():
        data = opened(out)
        side = _side(data, of)
        with _vectors_made(data, {"import": side, "name": name}, side, [source], afresh=True):
            print(f"{out}: vectors of {give_voices(data, vectors, side=side)} utterances")
        return
    for file in write_voices(model_folder(out) if (out / CONFIG).exists() else out, vectors):
        print(f"{file}: a voice")


def eer(
    dirs: list[Path] = typer.Argument(metavar="DIR..."),
    trials: Path | None = typer.Option(
        None, help="Lines 'utterance utterance target|nontarget'; else all pairs, or a sample."
    ),
    of: Whose = None,
    limit: int = typer.Option(100_000, help="Pairs to draw where there are more."),
    seed: int = typer.Option(1, help="Of the drawing."),
) -> None:
    """Scores a trial by the cosine of its two vectors."""
    vectors: dict[str, np.ndarray] = {}
    utt2spk: dict[str, str] = {}
    for data in map(opened, dirs):
        vectors |= read_vectors(data.path / "xvector.scp")
        utt2spk |= speakers_of(data, _side(data, of))
    pairs = read_trials(trials) if trials else make_trials(utt2spk, np.random.default_rng(seed), limit=limit)
    rate = equal_error_rate(cosines(pairs, vectors), pairs.same)
    print(f"EER {rate:.2%} on {len(pairs.same)} trials, {int(pairs.same.sum())} of them target")


def _side(data: DataDir, of: Of | None) -> Side:
    if of is not None:
        return of.value
    return "target" if data.has("target.scp") else "source"


def _vectors_made(
    data: DataDir, options: dict, side: Side, inputs: list[Path], *, afresh: bool = False
) -> AbstractContextManager[Making]:
    """The record of what wrote xvector.scp last: one for embed and import, so that each undoes the other's."""
    tables = ("wav.scp", "segments", "utt2spk") if side == "source" else ("target.scp", "utt2spk", "utt2tgtspk")
    return made(
        data.path,
        BY_UTTERANCE,
        options=options,
        inputs=[*(data.path / name for name in tables), *inputs],
        outputs=[data.path / f"{name}.{kind}" for name in (BY_UTTERANCE, BY_SPEAKER) for kind in ("ark", "scp")],
        force=afresh,
    )


def _sorted_words(words: list[str]) -> tuple[list[str], list[str], dict]:
    """(folders, .yaml files, overrides)."""
    overrides = [word for word in words if "=" in word and not Path(word).exists()]
    rest = [word for word in words if word not in overrides]
    files = [word for word in rest if word.endswith((".yaml", ".yml"))]
    return [word for word in rest if word not in files], files, parse_overrides(overrides)
