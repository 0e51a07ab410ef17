"""E08xx: imports and files."""

from __future__ import annotations

from tensorc.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    Rule(
        "E0801",
        "a file that cannot be imported",
        "The path is relative to the folder of the file that imports it. The message ends with the system's reason.",
        wrong='import "nowhere.tx" as nowhere\nfn f(x: f32[N]) = x\n',
        right="import std.nn as nn\nfn f(x: f32[N]) = nn.softmax(x)\n",
    ),
    Rule(
        "E0802",
        "files that import each other",
        "A file is read before the files that import it, so imports do not go round in a circle. What two files both need "
        "goes into a third.",
    ),
    Rule(
        "E0803",
        "no such module",
        "The modules of the library are named `std.nn` and the like; files are imported by their path in quotes.",
        wrong="import std.nm as nn\nfn f(x: f32[N]) = nn.softmax(x)\n",
        right="import std.nn as nn\nfn f(x: f32[N]) = nn.softmax(x)\n",
    ),
)
