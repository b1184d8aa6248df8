"""The speaking program: the same request gives the same samples, and failures are said plainly."""

import sys
import time

import numpy as np
import pytest

from speecht5_cli.corpora.espeak import Espeak, SpeakingStyle, espeak_version
from speecht5_cli.errors import DataError, UsageError

PLAIN = SpeakingStyle("en-us")
BREATHY = SpeakingStyle("en-us+f3")  # its breath is drawn at random


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(UsageError, match=r"pip install 'speecht5\[mini\]'"):
        espeak_version()


class TestWithTheLibrary:
    @pytest.fixture(autouse=True)
    def needs_espeak(self) -> None:
        pytest.importorskip("espeakng_loader")

    @pytest.mark.parametrize("style", [PLAIN, BREATHY])
    def test_what_was_said_before_makes_no_difference(self, style: SpeakingStyle) -> None:
        with Espeak() as espeak:
            first = espeak.speak("the boy sees a dog", style)
            espeak.speak("now something else", PLAIN)
            again = espeak.speak("the boy sees a dog", style)
        with Espeak() as espeak:
            elsewhere = espeak.speak("the boy sees a dog", style)
        assert 0.5 < len(first) / espeak.rate < 3 and np.abs(first).max() > 0.1
        np.testing.assert_array_equal(first, again)
        np.testing.assert_array_equal(first, elsewhere)

    def test_breath_does_not_depend_on_the_time(self) -> None:
        """espeak-ng seeds its random numbers with the second in which it is loaded."""

        with Espeak() as espeak:
            first = espeak.speak("she", BREATHY)
        time.sleep(1.1)
        with Espeak() as espeak:
            np.testing.assert_array_equal(first, espeak.speak("she", BREATHY))

    def test_rate_and_voice_are_heard(self) -> None:
        with Espeak() as espeak:
            slow = espeak.speak("the boy sees a dog", SpeakingStyle("en-us", rate=120))
            fast = espeak.speak("the boy sees a dog", SpeakingStyle("en-us", rate=220))
        assert len(slow) > 1.3 * len(fast)

    def test_an_unknown_voice_is_named(self) -> None:
        with Espeak() as espeak, pytest.raises(DataError, match="no voice 'xx'"):
            espeak.speak("hello", SpeakingStyle("xx"))
