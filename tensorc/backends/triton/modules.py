"""Generated modules as files that are imported, so that tracebacks, line tables and `inspect` find their lines."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType


def write(text: str, name: str, folder: Path) -> Path:
    """The file of a module's text, in the folder, under a name that follows from the text."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = folder / f"{name}_{digest}.py"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)  # others may write it at the same time
    return path


def load(path: Path) -> ModuleType:
    """The module of a file, imported once a process."""
    name = f"tensorc_triton_{path.stem}"
    found = sys.modules.get(name)
    if found is None:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        found = importlib.util.module_from_spec(spec)
        sys.modules[name] = found
        spec.loader.exec_module(found)
    return found
