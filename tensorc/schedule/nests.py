"""From the rules of a group to the nest of its kernel."""

from __future__ import annotations

from collections.abc import Sequence

from tensorc.loops.nest import Kernel
from tensorc.schedule import build
from tensorc.schedule.axes import Space
from tensorc.schedule.contraction import contract
from tensorc.schedule.members import Member, Unplaced, members
from tensorc.schedule.memory import Names, Storage
from tensorc.schedule.online import NOTHING
from tensorc.schedule.residues import by_residues
from tensorc.schedule.sizes import Estimate
from tensorc.schedule.stages import Part, arrange
from tensorc.schedule.turned import turned
from tensorc.schedule.windows import windows


def kernel(name: str, space: Space, storage: Storage, names: Names, estimate: Estimate, deep: bool = False) -> Kernel:
    """The kernel of the rules of a space, which one nest can hold. `deep`: see `contract`."""
    every = by_residues(members(space, storage))
    found = contract(every, estimate, deep)
    if found is not None:
        return build.kernel(name, found.nest, found.carried, names)
    plan = turned(every)
    if plan is not None:
        nest = arrange(every, plan)
    else:
        nest = _nest(every, estimate)
    assert nest is not None, "a group has a nest"
    return build.kernel(name, nest, NOTHING, names, estimate if plan is None else None)


def fits(space: Space, estimate: Estimate, unplaced: Unplaced) -> tuple[Part, ...] | None:
    """The nest of the rules of a space, before it is known where they are stored."""
    every = by_residues(unplaced.members(space))
    found = contract(every, estimate)
    return found.nest if found is not None else _nest(every, estimate)


def _nest(every: Sequence[Member], estimate: Estimate) -> tuple[Part, ...] | None:
    """The loops of members, which are not bound yet."""
    found = windows(every, estimate)
    return arrange(every) if found is None else arrange(*found)
