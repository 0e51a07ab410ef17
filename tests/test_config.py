"""The configuration: where a setting comes from, and what is told about one that is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tensorc as tc
from tensorc.config import Configuration


def settings(directory: Path, **environment: str) -> Configuration:
    made = Configuration()
    made.reload({f"TENSORC_{k.upper()}": v for k, v in environment.items()}, directory)
    return made


def test_environment_over_project_over_default(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.tensorc]\nnum-threads = 3\ncache_dir = "cache"\nlog = ["compile"]\n')
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    found = settings(inner, num_threads="2", log="cache, fusion")
    assert (found.num_threads, found.threads, found.log, found.cache_dir) == (2, 2, ("cache", "fusion"), tmp_path / "cache")
    assert settings(inner).num_threads == 3
    assert (found.target, found.cache, found.cpu, found.dump) == ("cpu", "rw", None, None)
    found = settings(inner, cache_dir="/somewhere", dump="", cpu="x86-64-v3", cache="off")
    assert (found.cache_dir, found.dump, found.cpu, found.cache) == (Path("/somewhere"), None, "x86-64-v3", "off")
    (tmp_path / "a" / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert settings(inner).num_threads is None and settings(inner).threads >= 1


def test_scope_and_assignment(tmp_path: Path) -> None:
    config = settings(tmp_path)
    config.num_threads = 4
    with config.scope(num_threads=1, log=("compile",)) as inside:
        assert (config.num_threads, config.log, inside.num_threads) == (1, ("compile",), 1)
        with config.scope(target="reference"):
            assert (config.num_threads, config.target) == (1, "reference")
    assert (config.num_threads, config.log) == (4, ())
    assert "num_threads=4" in repr(config) and "num_threads" in dir(config)
    config.reload({}, tmp_path)
    assert config.num_threads is None


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"cahce": "off"}, "unknown environment variable TENSORC_CAHCE; did you mean `TENSORC_CACHE`?"),
        ({"cache": "of"}, "setting `cache` in the environment is 'of': it must be one of rw, ro, off; did you mean `off`?"),
        ({"num_threads": "0"}, "it must be at least 1"),
        ({"num_threads": "two"}, "invalid literal"),
        ({"target": "gpu"}, "it must be one of cpu, triton, reference"),
    ],
)
def test_wrong_environment(tmp_path: Path, environment: dict[str, str], text: str) -> None:
    with pytest.raises(tc.ConfigError) as raised:
        settings(tmp_path, **environment)
    assert text in str(raised.value)


def test_wrong_settings(tmp_path: Path) -> None:
    config = settings(tmp_path)
    with (
        pytest.raises(tc.ConfigError, match=r"unknown setting `num_thread` in config.scope; did you mean `num_threads`"),
        config.scope(num_thread=1),
    ):
        pass
    with pytest.raises(AttributeError, match=r"no setting `targt`; did you mean `target`"):
        config.targt = "cpu"
    with pytest.raises(AttributeError, match=r"no setting `targt`"):
        _ = config.targt
    with pytest.raises(tc.ConfigError, match=r"it must be a number of threads"):
        config.num_threads = True
    with pytest.raises(tc.ConfigError, match=r"there is no topic `compil`; did you mean `compile`"):
        settings(tmp_path, log="cache,compil")
    with pytest.raises(tc.ConfigError, match=r"it must be a list of topics"):
        config.log = 3
    (tmp_path / "pyproject.toml").write_text("[tool.tensorc]\nthreds = 3\n")
    with pytest.raises(tc.ConfigError, match=r"unknown setting `threds` in .tool.tensorc. in .*pyproject.toml"):
        settings(tmp_path)


def test_the_import_is_light() -> None:
    heavy = "torch triton rich click lark llvmlite numpy tensorc.elaborate tensorc.syntax"
    code = f"import sys, tensorc; found = [m for m in {heavy.split()!r} if m in sys.modules]; assert not found, found"
    subprocess.run([sys.executable, "-c", code], check=True)
