"""Let torchaudio be imported beside a CPU-only build of torch.

torchaudio's wheel carries a binary extension that is linked against CUDA libraries. A CPU build of torch does not
bring those, so loading the extension fails, and with it ``import torchaudio``. Without the extension files the
package imports, and its Python parts (resampling, spectrograms, loudness, masks) work. This tool sets the files
aside under another name, which is undone by ``--undo`` or by installing torchaudio again.

It does nothing when torchaudio is not installed, when it imports as it is, or when torch is a CUDA build (another
fault, which hiding files would only cover up).

    python tools/mend_torchaudio.py [--undo] [--quiet]

Exit code: 0 when torchaudio imports or is not installed, 1 when it does not import and this tool cannot help.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path

ASIDE = ".aside"
EXTENSIONS = (".so", ".pyd", ".dylib", ".dll")


def extension_files(package: Path) -> list[Path]:
    """The binary extension of the torchaudio that lies in `package`."""
    return sorted(path for path in (package / "lib").glob("*") if path.suffix in EXTENSIONS)


def set_aside(package: Path) -> list[Path]:
    """Rename the extension's files so that torchaudio no longer finds them; returns what was renamed."""
    files = extension_files(package)
    for path in files:
        path.replace(path.with_name(path.name + ASIDE))
    return files


def put_back(package: Path) -> list[Path]:
    """Undo `set_aside`; returns the files that have their names again."""
    files = [
        path.with_name(path.name.removesuffix(ASIDE)) for path in sorted((package / "lib").glob(f"*{ASIDE}"))
    ]
    for path in files:
        path.with_name(path.name + ASIDE).replace(path)
    return files


def imports() -> str:
    """Import torchaudio in a fresh interpreter, as a user's program would; the last line of the error, or empty."""
    code = "import torchaudio, torchaudio.functional, torchaudio.transforms"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return "" if run.returncode == 0 else (run.stderr.strip().splitlines() or ["unknown error"])[-1]


def torch_is_cpu_only() -> bool:
    import torch

    return torch.version.cuda is None and getattr(torch.version, "hip", None) is None


def mend(package: Path | None, undo: bool = False) -> tuple[bool, str]:
    """Whether torchaudio is in order now (or not wanted), and one line on what was found and done."""
    if package is None:
        return True, "torchaudio is not installed; nothing depends on it"
    if undo:
        return True, f"put back {len(put_back(package))} files of torchaudio's extension in {package / 'lib'}"
    hidden = list((package / "lib").glob(f"*{ASIDE}"))
    if hidden and not torch_is_cpu_only():  # torch has become a CUDA build since: the extension fits again
        put_back(package)
    error = imports()
    if not error:
        return True, "torchaudio imports"
    if not torch_is_cpu_only():
        return False, f"torchaudio cannot be imported beside this CUDA build of torch: {error}"
    moved = set_aside(package)
    if not moved:
        return False, f"torchaudio cannot be imported, and it has no extension to set aside: {error}"
    if error := imports():
        put_back(package)
        return False, f"torchaudio cannot be imported even without its extension: {error}"
    return (
        True,
        f"torchaudio imports now: its CUDA extension ({len(moved)} files) is set aside, torch is CPU-only",
    )


def find_package() -> Path | None:
    spec = importlib.util.find_spec("torchaudio")
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Let torchaudio be imported beside a CPU-only build of torch."
    )
    parser.add_argument("--undo", action="store_true", help="give the extension files their names back")
    parser.add_argument("--quiet", action="store_true", help="say nothing when nothing was wrong")
    chosen = parser.parse_args(arguments)
    good, said = mend(find_package(), chosen.undo)
    if not good or not chosen.quiet or "set aside" in said:
        print(said, file=sys.stdout if good else sys.stderr)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
