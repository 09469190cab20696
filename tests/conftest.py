"""What holds for every test."""

import os
from pathlib import Path

# Workers that write numba's cache at the same moment can spoil it, and librosa's compiled loops then crash the
# process each time they are loaded. So each worker keeps a cache of its own.
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")
os.environ["NUMBA_CACHE_DIR"] = str(Path(__file__).parent.parent / ".pytest_cache" / f"numba-{_WORKER}")

# Workers side by side take one thread each, before torch is imported: else its threads fight over the same cores, and
# a training of seconds lasts minutes.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
