"""`speecht5 transcribe | translate | identify | speak | convert | enhance`: one file or sentence, no data dir."""

from pathlib import Path

import typer

from speecht5_cli.commands.decode import Precision
from speecht5_cli.config import parse_overrides
from speecht5_cli.decode.options import GRIFFIN_LIM
from speecht5_cli.errors import UsageError

SoundIn = typer.Argument(..., metavar="SOUND", help="A sound file of any rate and format.")
ModelIn = typer.Option(..., "--model", help="Experiment or model folder.")
PrecisionIn = typer.Option(Precision.auto, "--precision", help="Numbers of the forward pass.")
Settings = typer.Option([], "--set", metavar="key=value", help="Decoding settings, such as beam=10.")


def _wav(path: Path) -> Path:
    if path.is_dir():
        raise UsageError(f"--out {path}: is a folder; give the name of the sound file")
    if path.suffix.lower() != ".wav":
        raise UsageError(f"--out {path}: what is written is WAV; let the name end in .wav")
    return path


Out = typer.Option(..., "--out", "-o", metavar="WAV", callback=_wav, help="The sound file to write, 16 kHz.")
VoiceIn = typer.Option(None, "--voice", help="A voice of the model, or an .npy file [default: the model's own]")
VocoderIn = typer.Option(GRIFFIN_LIM, "--vocoder", help="griffin-lim, or a vocoder's folder.")


def add_to(app: typer.Typer) -> None:
    app.command("transcribe", help="What is said in a sound file.")(transcribe)
    app.command("translate", help="What is said in a sound file, in another language.")(translate)
    app.command("identify", help="Who speaks in a sound file.")(identify)
    app.command("speak", help="Speak a sentence.")(speak)
    app.command("convert", help="Say the words of a sound file in another voice.")(convert)
    app.command("enhance", help="Take the noise out of a sound file.")(enhance)


def transcribe(
    sound: Path = SoundIn, model: Path = ModelIn, settings: list[str] = Settings, precision: Precision = PrecisionIn
) -> None:
    from speecht5_cli.api import Model

    print(Model(model, task="asr", precision=precision.value, **parse_overrides(settings)).transcribe(sound))


def translate(
    sound: Path = SoundIn, model: Path = ModelIn, settings: list[str] = Settings, precision: Precision = PrecisionIn
) -> None:
    from speecht5_cli.api import Model

    print(Model(model, task="st", precision=precision.value, **parse_overrides(settings)).translate(sound))


def identify(
    sound: Path = SoundIn, model: Path = ModelIn, settings: list[str] = Settings, precision: Precision = PrecisionIn
) -> None:
    from speecht5_cli.api import Model

    for name, log_p in Model(model, task="sid", precision=precision.value, **parse_overrides(settings)).identify(sound):
        print(f"{name}\t{log_p:.4f}")


def speak(
    text: str = typer.Argument(..., help="What to say."),
    model: Path = ModelIn,
    out: Path = Out,
    voice: str = VoiceIn,
    vocoder: str = VocoderIn,
    settings: list[str] = Settings,
    precision: Precision = PrecisionIn,
) -> None:
    from speecht5_cli.api import Model
    from speecht5_cli.data.audio import write_audio

    write_audio(
        out,
        Model(model, task="tts", precision=precision.value, **parse_overrides(settings)).speak(
            text, voice=voice, vocoder=vocoder
        ),
    )


def convert(
    sound: Path = SoundIn,
    model: Path = ModelIn,
    out: Path = Out,
    voice: str = VoiceIn,
    vocoder: str = VocoderIn,
    settings: list[str] = Settings,
    precision: Precision = PrecisionIn,
) -> None:
    from speecht5_cli.api import Model
    from speecht5_cli.data.audio import write_audio

    write_audio(
        out,
        Model(model, task="vc", precision=precision.value, **parse_overrides(settings)).convert(
            sound, voice=voice, vocoder=vocoder
        ),
    )


def enhance(
    sound: Path = SoundIn,
    model: Path = ModelIn,
    out: Path = Out,
    speaker_net: Path = typer.Option(..., "--speaker-net", help="The x-vector net that the model was trained with."),
    vocoder: str = VocoderIn,
    settings: list[str] = Settings,
    precision: Precision = PrecisionIn,
) -> None:
    from speecht5_cli.api import Model
    from speecht5_cli.data.audio import write_audio

    clean = Model(model, task="se", precision=precision.value, **parse_overrides(settings)).enhance(
        sound, speaker_net=speaker_net, vocoder=vocoder
    )
    write_audio(out, clean)
