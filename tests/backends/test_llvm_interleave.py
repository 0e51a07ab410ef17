"""The order of instructions that wait for one another."""

from __future__ import annotations

from tensorc.backends.llvm.interleave import interleaved


def test_independent_chains_alternate() -> None:
    first = ["  %v1 = fmul float %v0, %v0", "  %v2 = fmul float %v1, %v1"]
    second = ["  %v4 = fmul float %v3, %v3", "  %v5 = fmul float %v4, %v4"]
    assert interleaved([*first, *second]) == [first[0], second[0], first[1], second[1]]


def test_every_instruction_comes_after_its_operands_and_branches_keep_their_order() -> None:
    branch = "\n".join(
        ["  br i1 %{c}, label %b1, label %b2, !prof !0", "b1:", "  br label %b2", "b2:", "  %{r} = phi float [ %{u}, %entry ]"]
    )
    lines = [
        "  %v1 = fdiv float %v0, %v0",
        branch.format(c="v0", r="v2", u="v1"),
        "  %v3 = fadd float %v2, %v1",
        "  %v4 = fadd float %v0, %v0",
        branch.format(c="v4", r="v5", u="v4"),
        "  %v6 = fadd float %v5, %v3",
    ]
    found = interleaved(lines)
    assert found is not None and sorted(found) == sorted(lines)
    assert [found.index(line) for line in (lines[0], lines[1], lines[2], lines[4], lines[5])] == sorted(
        found.index(line) for line in lines if line != lines[3]
    )
    assert found.index(lines[3]) < found.index(lines[1])


def test_lines_with_effects_are_left_alone() -> None:
    assert interleaved(["  %v1 = load float, ptr %v0", "  store float %v1, ptr %v0"]) is None
