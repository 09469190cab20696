"""Ranks end together."""

import os
import subprocess
import sys

import pytest

from voicegan.core import ranks
from voicegan.errors import VoiceganError


@pytest.mark.parametrize(("alive", "code"), [(True, 0), (False, 1)])
def test_rank_ends_soon_after_the_process_that_started_it(alive, code):
    parent = os.getpid() if alive else 1 << 22  # the latter is beyond any process's number
    script = "import time; from voicegan.core import ranks; ranks._end_with_parent(); time.sleep(3)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, ranks.PARENT: str(parent), "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=120,
    )
    assert done.returncode == code


def test_unshareable_batch_is_refused_before_anything_starts():
    with pytest.raises(VoiceganError, match="batch of 3 cannot be shared by 2 devices.*trainer.batch=4"):
        ranks.launch("cpu", 2, "fp32", batch=3)
    assert ranks.PARENT not in os.environ
