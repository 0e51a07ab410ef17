"""`tensorc doctor`: what is installed, which processor and settings are in force, and whether a kernel compiles and runs."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import click

from tensorc.cli.output import FAILED, OK, Report, Session, json_option, settings

PACKAGES = ("numpy", "llvmlite", "ml_dtypes", "torch", "triton")
EXTENSIONS = ("sse4.2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512fp16", "avx512bf16", "neon", "sve")
"""Of the processor's features those that decide what code looks like; --json has them all."""

PROGRAM = "fn weighted(x: f32[N, M], w: f32[M]) -> f32[N] = sum(exp(x) * w, axis=1)\n"


@click.command("doctor", short_help="Show versions, processor and settings, and try out a kernel.")
@json_option
@click.pass_obj
def command(session: Session) -> Report:
    """Show versions, processor and settings, and compile and run a small kernel. Exits with 1 if something does not work."""
    from tensorc.cli.reproducer import versions

    found = versions()
    processor, configured, test = describe_processor(), describe_settings(), self_test()
    data = {
        "versions": {**dict.fromkeys(PACKAGES), **found, "llvm": _llvm_version()},
        "processor": processor,
        "settings": configured,
        "self_test": test,
    }
    healthy = not any("error" in part for part in (processor, configured, test))
    return Report(_text(data), data, code=OK if healthy else FAILED)


def describe_processor() -> dict[str, Any]:
    """The processor by LLVM's names, its vector width in bits, and the number of threads."""
    try:
        from tensorc.backends.llvm.target import host

        target = host()
    except Exception as error:  # whatever keeps LLVM from starting is what is asked for
        return {"error": f"{type(error).__name__}: {error}"}
    features = [f[1:] for f in target.features.split(",") if f.startswith("+")]
    return {
        "triple": target.triple,
        "name": target.cpu,
        "features": features,
        "vector_bits": 8 * target.vector_bytes,
        "processors": os.cpu_count(),
    }


def describe_settings() -> dict[str, Any]:
    """Each setting's value and where it comes from."""
    from tensorc.config import NAMES, config, origins
    from tensorc.errors import ConfigError

    try:
        with settings():
            places = origins()
            values = {name: getattr(config, name) for name in NAMES}
            shown = {name: value if value is None or isinstance(value, int | list) else _plain(value) for name, value in values.items()}
            return {name: {"value": value, "from": places[name]} for name, value in shown.items()} | {"threads": config.threads}
    except ConfigError as error:
        return {"error": str(error)}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else str(value)


def self_test() -> dict[str, Any]:
    """Compile a small kernel, run it, and compare the result with the oracle's."""
    try:
        import numpy as np

        from tensorc.api.module import compile
        from tensorc.cli.results import compare

        with settings(target="cpu"):
            started = time.perf_counter()
            weighted = compile(PROGRAM, "<self-test>")["weighted"]
            x, w = np.linspace(-1, 1, 30, dtype=np.float32).reshape(6, 5), np.ones(5, np.float32)
            comparison = compare([weighted(x, w)], [weighted.reference(x, w)])
            seconds = time.perf_counter() - started
        return {"seconds": round(seconds, 3)} if comparison.agrees else {"error": comparison.text}
    except Exception as error:  # any failure is the finding
        return {"error": f"{type(error).__name__}: {error}"}


def _llvm_version() -> str | None:
    try:
        import llvmlite.binding as llvm

        return ".".join(map(str, llvm.llvm_version_info))
    except (ImportError, OSError):
        return None


# As text.


def _text(data: Mapping[str, Any]) -> str:
    processor, configured, test = data["processor"], data["settings"], data["self_test"]
    if "error" in processor:
        about = {"error": processor["error"]}
    else:
        known = [name for name in EXTENSIONS if name in processor["features"]]
        name, vectors = f"{processor['name']} ({processor['triple']})", f"{processor['vector_bits']} bits"
        about = {"name": name, "vectors": vectors, "features": " ".join(known)}
    rows = {
        "versions": {name: version or "not installed" for name, version in data["versions"].items()},
        "processor": about,
        "settings": configured if "error" in configured else _settings_rows(configured),
        "self-test": {"cpu": f"failed: {test['error']}" if "error" in test else f"works ({test['seconds']:.2f} s)"},
    }
    parts = []
    for title, lines in rows.items():
        width = max(map(len, lines))
        parts.append("\n".join([title, *(f"  {name:<{width}}  {value}" for name, value in lines.items())]))
    return "\n\n".join(parts)


def _settings_rows(configured: Mapping[str, Any]) -> dict[str, str]:
    """The settings as lines; what none stands for is said."""
    unset = {"cache_dir": "the user's cache folder", "num_threads": f"{configured['threads']}, all", "cpu": "this one", "dump": "nowhere"}
    rows = {}
    for name, row in configured.items():
        if name == "threads":
            continue
        value = row["value"]
        shown = unset.get(name, "none") if value is None else (", ".join(value) or "nothing") if isinstance(value, list) else str(value)
        rows[name] = f"{shown}  ({row['from']})"
    return rows
