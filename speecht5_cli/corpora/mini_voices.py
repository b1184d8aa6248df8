"""The voices of the mini corpus: espeak-ng's accents, variants and pitches, chosen to sound unlike each other.

Twelve `seen` voices speak everything that is trained on, four `unseen` ones only a test set, four `extra` ones only
untranscribed speech for pre-training. No variant of espeak-ng serves two voices.
"""

from dataclasses import dataclass
from typing import Literal

from speecht5_cli.corpora.espeak import SpeakingStyle

Role = Literal["seen", "unseen", "extra"]


@dataclass(frozen=True, slots=True)
class Voice:
    """`id` has no '-', so that it can start an utterance id; f0_hz is the median that was measured."""

    id: str
    sex: Literal["f", "m"]
    role: Role
    f0_hz: int
    style: SpeakingStyle


VOICES = (
    Voice("f01", "f", "seen", 166, SpeakingStyle("en-us+f1", rate=165, pitch=45, range=40)),
    Voice("f02", "f", "seen", 213, SpeakingStyle("en-gb-x-rp+f2", rate=160, pitch=58, range=50)),
    Voice("f03", "f", "seen", 236, SpeakingStyle("en-us+Alicia", rate=185, pitch=45, range=50)),
    Voice("f04", "f", "seen", 206, SpeakingStyle("en-gb-scotland+belinda", rate=170, pitch=42, range=40)),
    Voice("f05", "f", "seen", 215, SpeakingStyle("en-us+Annie", rate=165, pitch=46, range=35)),
    Voice("f06", "f", "seen", 163, SpeakingStyle("en-029+f4", rate=170, pitch=40, range=50)),
    Voice("f07", "f", "unseen", 200, SpeakingStyle("en-us+f3", rate=160, pitch=52, range=40)),
    Voice("f08", "f", "unseen", 180, SpeakingStyle("en-gb-x-rp+shelby", rate=170, pitch=50, range=50)),
    Voice("f09", "f", "extra", 190, SpeakingStyle("en-gb-x-rp+linda", rate=165, pitch=35, range=40)),
    Voice("f10", "f", "extra", 200, SpeakingStyle("en-029+grandma", rate=165, pitch=55, range=40)),
    Voice("m01", "m", "seen", 100, SpeakingStyle("en-us", rate=165, pitch=48, range=50)),
    Voice("m02", "m", "seen", 81, SpeakingStyle("en-gb-x-rp+quincy", rate=160, pitch=45, range=50)),
    Voice("m03", "m", "seen", 114, SpeakingStyle("en-gb-scotland+Gene", rate=170, pitch=65, range=60)),
    Voice("m04", "m", "seen", 111, SpeakingStyle("en-us+gustave", rate=160, pitch=58, range=40)),
    Voice("m05", "m", "seen", 96, SpeakingStyle("en-029+Andy", rate=180, pitch=50, range=50)),
    Voice("m06", "m", "seen", 158, SpeakingStyle("en-us+Reed", rate=175, pitch=78, range=60)),
    Voice("m07", "m", "unseen", 108, SpeakingStyle("en-us+michel", rate=165, pitch=52, range=50)),
    Voice("m08", "m", "unseen", 86, SpeakingStyle("en-gb-scotland+m4", rate=175, pitch=38, range=60)),
    Voice("m09", "m", "extra", 131, SpeakingStyle("en-us+pablo", rate=165, pitch=65, range=50)),
    Voice("m10", "m", "extra", 90, SpeakingStyle("en-gb-x-rp+marcelo", rate=160, pitch=45, range=40)),
)


def voices_with(*roles: Role) -> list[Voice]:
    """The voices that play one of the roles."""
    return [voice for voice in VOICES if voice.role in roles]
