"""Whose voice is heard: cosines of the hypotheses' speaker vectors with those of the speakers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from speecht5_cli.errors import DataError

Vectors = Mapping[str, np.ndarray]

SETTINGS = {
    "similarity": "cosine of the hypothesis's x-vector with the intended speaker's, mean over utterances",
    "similarity_source": "as similarity, with the speaker who spoke the source",
    "nearer_to_target": "per cent of utterances nearer to the intended speaker than to the source's",
    "voice_named": "per cent of utterances whose nearest speaker is the intended one",
}


@dataclass(frozen=True)
class Voices:
    """Who should be heard, and who was, by utterance."""

    heard: Vectors  # utterance -> vector of the hypothesis
    speakers: Vectors  # speaker -> vector
    target: Mapping[str, str]  # utterance -> the intended speaker
    source: Mapping[str, str]  # utterance -> who spoke the source; the same as `target` where there is no source


def similarities(voices: Voices) -> dict[str, dict[str, float]]:
    """Utterance -> numbers named as in SETTINGS, a share as 0 or 100; without a source's vector only some of them.

    Raises DataError when an intended speaker has no vector, or when the vectors are of different sizes.
    """
    names = sorted(voices.speakers)
    stack = _normalised(np.stack([voices.speakers[name] for name in names]))  # (speakers, D)
    places = {name: place for place, name in enumerate(names)}
    found = {}
    for utterance, vector in voices.heard.items():
        target, source = voices.target[utterance], voices.source[utterance]
        if target not in places:
            raise DataError(f"utterance {utterance}: no vector of its speaker '{target}' in spk_xvector.scp")
        if len(vector) != stack.shape[1]:
            raise DataError(
                f"utterance {utterance}: a vector of {len(vector)} values, the speakers' have {stack.shape[1]}; both "
                "must come from one net"
            )
        cosines = stack @ _normalised(vector[None])[0]  # (speakers,)
        numbers = {
            "similarity": float(cosines[places[target]]),
            "voice_named": 100.0 * (int(cosines.argmax()) == places[target]),
        }
        if source != target and source in places:
            numbers["similarity_source"] = float(cosines[places[source]])
            numbers["nearer_to_target"] = 100.0 * (numbers["similarity"] > numbers["similarity_source"])
        found[utterance] = numbers
    return found


def _normalised(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
