"""The one configuration object: flag > environment (TENSORC_...) > [tool.tensorc] in pyproject.toml > default."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, cast

from tensorc.errors import ConfigError, suggestion

PREFIX = "TENSORC_"


@dataclass(frozen=True)
class Options:
    """All settings. None stands for what the machine offers: the user's cache directory, all processors, this processor's model."""

    cache_dir: Path | None = None
    cache: Literal["rw", "ro", "off"] = "rw"
    num_threads: int | None = None
    target: str = "cpu"
    cpu: str | None = None
    triton: Literal["compile", "interpret"] = "compile"
    precision: Literal["ieee", "tf32x3", "tf32"] = "ieee"
    math: Literal["accurate", "fast"] = "accurate"
    deterministic: bool = False
    fp_fusion: bool = False
    autotune: bool = False
    log: tuple[str, ...] = ()
    dump: Path | None = None

    @property
    def threads(self) -> int:
        """How many threads a kernel may use."""
        return processors() if self.num_threads is None else self.num_threads

    @property
    def code(self) -> str:
        """What code is made for: the target, and for a CPU whether its functions are the fast ones."""
        return "cpu:fast" if self.target == "cpu" and self.math == "fast" else self.target


def processors() -> int:
    """The processors that this process may use, no more than OMP_NUM_THREADS says: pools of processes share a machine out by it."""
    if hasattr(os, "process_cpu_count"):
        found = os.process_cpu_count() or 1
    else:
        found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shared = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(found, int(shared)) if shared.isdigit() and int(shared) else found


NAMES = tuple(f.name for f in fields(Options))


class Configuration:
    """`config.num_threads` reads a setting; `config.num_threads = 2` sets it for the process, `config.scope(num_threads=2)` for a block.

    The environment and pyproject.toml are read once, when a setting is first asked for.
    """

    _base: Options | None
    _scoped: ContextVar[Options | None]
    _watchers: list[Callable[[int], None]]
    _scopes: list[int]

    def __init__(self) -> None:
        object.__setattr__(self, "_base", None)
        object.__setattr__(self, "_watchers", [])
        object.__setattr__(self, "_scopes", [])
        object.__setattr__(self, "_scoped", ContextVar[Options | None]("tensorc_options", default=None))

    @property
    def current(self) -> Options:
        """The settings in force here."""
        scoped = self._scoped.get()
        return self._process() if scoped is None else scoped

    def _process(self) -> Options:
        """The settings of the process."""
        if self._base is None:
            self.reload()
            assert self._base is not None
        return self._base

    def __getattr__(self, name: str) -> Any:
        if name in NAMES or name in ("threads", "code"):
            return getattr(self.current, name)
        raise AttributeError(f"tensorc has no setting `{name}`{suggestion(name, NAMES)}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in NAMES:
            raise AttributeError(f"tensorc has no setting `{name}`{suggestion(name, NAMES)}")
        object.__setattr__(self, "_base", _changed(self._process(), {name: value}, "config"))
        self._tell(0)

    def watch(self, watcher: Callable[[int], None]) -> None:
        """From now on call `watcher`: with 1 and -1 where a scope with other code or another number of threads begins and ends, with 0
        where the process's settings change. It is called now for each such scope that there is."""
        self._watchers.append(watcher)
        for scope in self._scopes[:]:
            watcher(scope)

    def _tell(self, scopes: int) -> None:
        if scopes > 0:
            self._scopes.append(scopes)
        elif scopes < 0:
            self._scopes.pop()
        for watcher in self._watchers:
            watcher(scopes)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *NAMES]

    def __repr__(self) -> str:
        return f"config({', '.join(f'{n}={getattr(self.current, n)!r}' for n in NAMES)})"

    @contextmanager
    def scope(self, **settings: Any) -> Iterator[Options]:
        """The settings changed for the code inside, in this thread or task. ConfigError for an unknown one."""
        changed = _changed(self.current, settings, "config.scope")
        now = self.current
        retargeted = (changed.code, changed.num_threads) != (now.code, now.num_threads)
        token = self._scoped.set(changed)
        if retargeted:
            self._tell(1)
        try:
            yield changed
        finally:
            self._scoped.reset(token)
            if retargeted:
                self._tell(-1)

    def reload(self, environment: Mapping[str, str] | None = None, directory: Path | None = None) -> None:
        """Read the environment and the nearest pyproject.toml again; what was set by assignment is forgotten."""
        options = _changed(Options(), *_from_project(directory or Path.cwd()))
        options = _changed(options, _from_environment(os.environ if environment is None else environment), "the environment")
        object.__setattr__(self, "_base", options)
        self._tell(0)


def origins(environment: Mapping[str, str] | None = None, directory: Path | None = None) -> dict[str, str]:
    """Where the value of each setting comes from when it is read: an environment variable, a table of pyproject.toml, or `default`."""
    environment = os.environ if environment is None else environment
    settings, where = _from_project(directory or Path.cwd())
    found = {name: where if name in settings else "default" for name in NAMES}
    return found | {name: PREFIX + name.upper() for name in NAMES if PREFIX + name.upper() in environment}


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for key, value in environment.items():
        if key.startswith(PREFIX):
            name = key.removeprefix(PREFIX).lower()
            if name not in NAMES:
                known = [PREFIX + n.upper() for n in NAMES]
                raise ConfigError(f"unknown environment variable {key}{suggestion(key, known)}")
            found[name] = value
    return found


def _from_project(directory: Path) -> tuple[dict[str, Any], str]:
    """The settings in the nearest pyproject.toml, and what messages call it."""
    for folder in (directory, *directory.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            import tomllib

            try:
                table: Any = tomllib.loads(file.read_text(encoding="utf-8"))
                for key in ("tool", "tensorc"):
                    table = table.get(key, {}) if isinstance(table, dict) else {}
            except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError):
                return {}, str(file)  # not ours to report: whoever owns the file will
            settings = {k.replace("-", "_"): v for k, v in table.items()} if isinstance(table, dict) else {}
            for key in ("cache_dir", "dump"):
                if isinstance(settings.get(key), str):
                    settings[key] = folder / Path(settings[key]).expanduser()
            return settings, f"[tool.tensorc] in {file}"
    return {}, "pyproject.toml"


def _changed(options: Options, settings: Mapping[str, Any], where: str) -> Options:
    for name in settings:
        if name not in NAMES:
            raise ConfigError(f"unknown setting `{name}` in {where}{suggestion(name, NAMES)}")
    return replace(options, **{name: _read(name, value, where) for name, value in settings.items()})


def _read(name: str, value: Any, where: str) -> Any:
    try:
        return _READERS[name](value)
    except (TypeError, ValueError) as reason:
        raise ConfigError(f"setting `{name}` in {where} is {value!r}: {reason}") from None


def _path(value: Any) -> Path | None:
    if value is None or value == "":
        return None
    if not isinstance(value, (str, Path)):
        raise TypeError("it must be a path")
    return Path(value).expanduser()


def _threads(value: Any) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError("it must be a number of threads")
    count = int(value)
    if count < 1:
        raise ValueError("it must be at least 1")
    return count


def _choice(*allowed: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"it must be one of {', '.join(allowed)}{suggestion(str(value), allowed)}")
        return cast(str, value)

    return read


def _switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value) not in ("0", "1", "true", "false"):
        raise ValueError("it must be true or false")
    return str(value) in ("1", "true")


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise TypeError("it must be a text")
    return value


def _topics(value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(p, str) for p in parts):
        raise TypeError("it must be a list of topics")
    topics = tuple(p.strip() for p in parts if p.strip())
    for topic in topics:
        if topic not in TOPICS:
            raise ValueError(f"there is no topic `{topic}`{suggestion(topic, TOPICS)}; the topics are {', '.join(TOPICS)}")
    return topics


_READERS: dict[str, Callable[[Any], Any]] = {
    "cache_dir": _path,
    "cache": _choice("rw", "ro", "off"),
    "num_threads": _threads,
    "target": _choice("cpu", "triton", "reference"),
    "cpu": _text,
    "triton": _choice("compile", "interpret"),
    "precision": _choice("ieee", "tf32x3", "tf32"),
    "math": _choice("accurate", "fast"),
    "deterministic": _switch,
    "fp_fusion": _switch,
    "autotune": _switch,
    "log": _topics,
    "dump": _path,
}

config = Configuration()


TOPICS = ("cache", "calls", "compile", "fusion")
"""What there is to log."""


def log(topic: str, message: str) -> None:
    """A line on standard error, where the setting `log` has the topic."""
    if topic in config.log:
        print(f"tensorc {topic}: {message}", file=sys.stderr)
