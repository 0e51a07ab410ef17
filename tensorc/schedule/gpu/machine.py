"""The machine that decisions are made for: an H100's figures, rounded. Others differ by factors that change few of them."""

PROCESSORS = 132

BANDWIDTH = 3.0e6
"""Bytes of memory a microsecond."""

SECTOR = 32
"""Bytes of memory that are moved at once."""

CACHED = 2
"""How often what is moved with an element is still in the cache when its turn comes, of the times that it would be moved again."""

LAUNCH = 4.0
"""Microseconds that a kernel takes that does nothing."""

MATRIX = {16: 5.0e8, 32: 4.0e7, 64: 2.0e7}
"""Terms of a matrix product a microsecond, by the bits of its elements."""

HALF_EXACT = 8.0e7
"""The same where one side is of half floats and the other of f32, which is three parts of TF32."""

SCALAR = 2.0e7
"""Other operations a microsecond."""
