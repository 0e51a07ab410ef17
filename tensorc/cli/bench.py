"""`tensorc bench`: how long a function takes, beside the same by NumPy and PyTorch, and beside what the machine can do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from tensorc.cli.output import FAILED, OK, UNAVAILABLE, USAGE, Refused, Report, Session, json_option, settings

if TYPE_CHECKING:
    from tensorc.api.bench import Bench
    from tensorc.api.function import Function
    from tensorc.elaborate import ParameterInfo
    from tensorc.runtime.arrays import Array

PEERS = ("numpy", "torch", "torch.compile")

SWEEP = re.compile(r"(?P<name>[A-Za-z_]\w*)=(?:(?P<low>\d+)\.\.(?P<high>\d+)(?P<step>[*+]\d+)|(?P<list>\d+(?:,\d+)*))")

MOST_SIZES = 100


@dataclass(frozen=True)
class Row:
    """One measurement: of tensorc, or of a peer."""

    size: int | None
    by: str
    bench: Bench


@click.command("bench", short_help="Time a function, beside its peers and the machine.")
@click.argument("place", metavar="FILE[:FN]")
@click.option("--arg", "-a", "args", multiple=True, metavar="NAME=VALUE", help="The value of a parameter, as for `run`.")
@click.option("--vs", "peers", metavar="PEER,...", default="", help=f"Time the same by {', '.join(PEERS)}.")
@click.option("--sweep", metavar="N=LOW..HIGH*2", help="For each of several sizes: N=128..8192*2, N=100..900+100 or N=3,5,7.")
@click.option("--roofline", metavar="FILE.png", help="Draw the measurements below the machine's roof.")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), default=0.3, show_default=True, help="For each measurement.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Settles the random values.")
@json_option
@click.pass_obj
def command(
    session: Session, place: str, args: tuple[str, ...], peers: str, sweep: str | None, roofline: str | None, seconds: float, seed: int
) -> Report:
    """Time calls of one function with its code made. The sizes of arrays may be names that --sweep gives.

    GB/s counts each input read once and each result written once, GFLOP/s each operation on floats once. The roof is what kernels reach on
    this machine that only copy as many bytes, or only multiply and add.

    \b
    tensorc bench softmax.tx:softmax --arg x=randn:f32[4096,1024] --vs numpy,torch
    tensorc bench softmax.tx:softmax --arg x=randn:f32[N,1024] --sweep N=128..8192*2 --roofline softmax.png
    """
    from tensorc.cli.program import function, load
    from tensorc.elaborate import parameters

    chosen = _peers(peers)
    sizes = _sizes(sweep)
    if roofline is not None:
        _check_picture(roofline)
    with settings():
        unit, name = load(place, session)
        declared, f = parameters(unit, name), function(unit, name)
        rows: list[Row] = []
        wrong: list[str] = []
        for size in sizes:
            texts = _sized(declared, args, sweep, size)
            for row in _measured(session, f, declared, texts, chosen, size, seconds, seed, wrong):
                rows.append(row)
    if roofline is not None:
        from tensorc.cli.roofline import draw

        draw([(r.by, r.bench) for r in rows], roofline)
    message = "\n".join([*wrong, *([f"wrote {roofline}"] if roofline is not None else [])])
    return Report(_table(rows, sweep), {"function": name, "rows": [_data(r, rows) for r in rows]}, message, code=FAILED if wrong else OK)


# What is asked for.


def _peers(text: str) -> list[str]:
    from tensorc.errors import suggestion

    found = [word.strip() for word in text.split(",") if word.strip()]
    for word in found:
        if word not in PEERS:
            raise Refused(f"there is no peer `{word}`{suggestion(word, PEERS)}", f"the peers are {', '.join(PEERS)}")
    if any(word.startswith("torch") for word in found):
        try:
            import torch  # noqa: F401
        except ImportError:
            raise Refused("PyTorch is not installed", "pip install tensorc[torch]", code=UNAVAILABLE) from None
    return found


def _sizes(sweep: str | None) -> list[int | None]:
    if sweep is None:
        return [None]
    found = SWEEP.fullmatch(sweep.replace(" ", ""))
    if found is None:
        raise Refused(f"`--sweep {sweep}` names no sizes", "write --sweep N=128..8192*2, N=100..900+100 or N=3,5,7")
    if found["list"]:
        return [int(word) for word in found["list"].split(",")]
    low, high, by = int(found["low"]), int(found["high"]), int(found["step"][1:])
    if low > high or by < (2 if found["step"][0] == "*" else 1) or (found["step"][0] == "*" and low < 1):
        raise Refused(f"`--sweep {sweep}` never ends, or never begins", "write --sweep N=128..8192*2")
    sizes: list[int | None] = []
    size = low
    while size <= high:
        sizes.append(size)
        size = size * by if found["step"][0] == "*" else size + by
        if len(sizes) > MOST_SIZES:
            raise Refused(f"`--sweep {sweep}` has more than {MOST_SIZES} sizes", "choose a larger step")
    return sizes


def _sized(parameters: Sequence[ParameterInfo], texts: Sequence[str], sweep: str | None, size: int | None) -> list[str]:
    """The texts of arguments with a number for the name that is swept."""
    if sweep is None:
        return list(texts)
    name = sweep.partition("=")[0].strip()
    found = [re.sub(rf"(?<=[\[,\s]){re.escape(name)}(?=[\],\s])", str(size), text) for text in texts]
    if found == list(texts):
        help = f"write the size as {name}: --arg x=rand:f32[{name},1024]"
        raise Refused(f"no argument has a size `{name}`", help, code=USAGE)
    return found


def _check_picture(path: str) -> None:
    from pathlib import Path

    if not path.lower().endswith(".png"):
        raise Refused(f"`--roofline {path}` is no picture that can be drawn", "write a name that ends in .png")
    if not Path(path).parent.is_dir():
        raise Refused(f"there is no folder {Path(path).parent}")


# Measuring.


def _measured(
    session: Session,
    f: Function,
    declared: Sequence[ParameterInfo],
    texts: Sequence[str],
    peers: Sequence[str],
    size: int | None,
    seconds: float,
    seed: int,
    wrong: list[str],
) -> Iterator[Row]:
    from tensorc.cli.arguments import describe, read_arguments
    from tensorc.cli.results import flatten
    from tensorc.cli.run import call
    from tensorc.elaborate import MISSING

    values = read_arguments(declared, texts, seed)
    session.inputs = {key: describe(value) for key, value in values.items()}
    arguments = [values.get(p.name, MISSING) for p in declared]
    expected = flatten(call(f, arguments))
    mine = f.bench(*arguments, seconds=seconds)
    yield Row(size, "tensorc", mine)
    for peer in peers:
        run = _runner(f, arguments, peer)
        if isinstance(run, str):
            wrong.append(run)
            continue
        if not all(map(_agree, flatten(_as_arrays(run())), expected)):
            wrong.append(f"{peer} has another result, so that the times do not compare")
        yield Row(size, peer, _timed(run, mine, seconds))


def _runner(f: Function, arguments: Sequence[Any], name: str) -> Callable[[], Any] | str:
    """The call of a peer; what is wrong with it where there is none."""
    from tensorc.backends.peers import NoPeer, peer
    from tensorc.runtime.arrays import to_torch

    inputs = f._definition.prepare(arguments, {}).leaves
    try:
        made = peer(f.lower(*arguments).program, "numpy" if name == "numpy" else "torch").function
        if name == "numpy":
            return lambda: made(*inputs)
        import torch

        tensors = [to_torch(a) for a in inputs]
        compiled = torch.compile(made, dynamic=False) if name == "torch.compile" else made
        with torch.no_grad():
            compiled(*tensors)
        return lambda: compiled(*tensors)
    except NoPeer as reason:
        return f"{name}: {reason}"
    except Exception as failure:
        return f"{name} fails: {type(failure).__name__}: {str(failure).partition(chr(10))[0][:200]}"


def _agree(a: Array, b: Array) -> bool:
    """Whether two results are the same but for rounding, which other orders of summation have more of."""
    import numpy as np

    from tensorc.cli.results import TOLERANCES
    from tensorc.dtypes import from_numpy

    dtype = from_numpy(b.dtype)
    if a.shape != b.shape or dtype is None or not dtype.is_float:
        return bool(np.array_equal(a, b))
    x, y = a.astype(np.float64), b.astype(np.float64)
    size = float(np.max(np.abs(y), where=np.isfinite(y), initial=0.0))
    return bool(np.allclose(x, y, rtol=10 * TOLERANCES[dtype.name][0], atol=10 * TOLERANCES[dtype.name][0] * size, equal_nan=True))


def _as_arrays(value: Any) -> Any:
    """Tensors as arrays, in whatever tuple they stand."""
    from tensorc.runtime.arrays import view

    return tuple(map(_as_arrays, value)) if isinstance(value, tuple) else view(value, "a result")


def _timed(run: Callable[[], Any], mine: Bench, seconds: float) -> Bench:
    from tensorc.api.bench import timed

    median, best, runs = timed(run, seconds)
    return replace(mine, median=median, best=best, runs=runs)


# Saying it.


def _table(rows: Sequence[Row], sweep: str | None) -> str:
    from tensorc.api.bench import shown

    name = None if sweep is None else sweep.partition("=")[0].strip()
    table = [[*([name] if name else []), "", "median", "best", "GB/s", "GFLOP/s", "of the roof", "time / tensorc's"]]
    for r in rows:
        b = r.bench
        ratio = f"{b.best / _own(r, rows).bench.best:.2f}"
        cells = [
            r.by,
            shown(b.median),
            shown(b.best),
            f"{b.bytes / b.best / 1e9:.3g}",
            f"{b.flops / b.best / 1e9:.3g}",
            f"{b.share:.0%}",
            ratio,
        ]
        table.append([*([str(r.size)] if name else []), *cells])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    left = 1 + bool(name)
    lines = []
    for cells in table:
        padded = [c.ljust(w) if n < left else c.rjust(w) for n, (c, w) in enumerate(zip(cells, widths, strict=True))]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def _own(row: Row, rows: Sequence[Row]) -> Row:
    """tensorc's measurement of the same size."""
    return next(r for r in rows if r.by == "tensorc" and r.size == row.size)


def _data(row: Row, rows: Sequence[Row]) -> dict[str, Any]:
    b = row.bench
    return {
        "size": row.size,
        "by": row.by,
        "median_seconds": b.median,
        "best_seconds": b.best,
        "runs": b.runs,
        "flops": b.flops,
        "bytes": b.bytes,
        "gbytes_per_second": b.bytes / b.best / 1e9,
        "gflops": b.flops / b.best / 1e9,
        "roof": {"gbytes_per_second": b.roofs.bytes / 1e9, "gflops": b.roofs.flops / 1e9},
        "share_of_roof": b.share,
        "time_over_tensorc": b.best / _own(row, rows).bench.best,
    }
