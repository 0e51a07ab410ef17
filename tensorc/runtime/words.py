"""What the code that answers calls and Python agree on: where in memory each word is, and the process's functions that the code calls."""

from __future__ import annotations

import sys

from tensorc.loops import SMALL as SMALL
from tensorc.runtime.memory import APART as APART
from tensorc.runtime.native import External, Word

# The words of a function's state.
SLOW = 0  # the Python function for what is not remembered
CONTEXT = 1
TABLE = 2  # the records of one structure each; 0 where there are none
LAST = 3  # the record of the last call
CALLS = 4  # how many were answered here
TAKES_OUT = 5  # whether `out` is a parameter like any other
PARAMETERS = 6
NAMES = 7  # of the parameters
NUMBERS = 8  # for each parameter, whether a Python number is data
GENERAL = 9  # the records for any sizes: how many, and then they; 0 where there are none
STATE_WORDS = 10

# A table: its first word is how many places it has - 1, which is a mask; then come the places, by the hash of the structure.
T_MASK = 0
T_PLACES = 1

# The words of the context, one for a process. From TENSOR on they are filled in when torch is there.
BYPASS = 0  # how many reasons there are to leave every call to Python
WORKSPACE = 1  # memory for intermediates, kept for the next call
KEPT = 2  # the most bytes that are kept
OUT = 3  # the name `out`
TENSOR = 4  # the types of tensors
PARAMETER = 5
HANDLE = 6  # where a tensor's handle is in the object
KEYS_PLACE = 7  # where in what the handle points to the dispatch keys are
GRADIENT_PLACE = 8  # and what autograd knows of the tensor
KEYS = 9  # the dispatch keys of a plain tensor
INFERENCE_KEYS = 10
DATA = 11  # functions, those of torch's C interface
SIZES = 12
STRIDES = 13
DIM = 14
DTYPE = 15
GRADIENTS = 16
EMPTY = 17
DELETE = 18
WRAP = 19  # others
REQUIRES_GRADIENT = 20
FUNCTION_MODES = 21
DISPATCH_MODES = 22
KEY_INCLUDED = 23
TRACER = 24  # the dispatch key of torch.jit.trace
LEVELS = 25  # the names of the module of forward derivatives
LEVEL = 26  # the name of the level in it
NO_LEVEL = 27  # and what it is outside of any
UNWATCHED = 28  # whether it is known of this call that torch does not look at it
MAIN_THREAD = 29  # the one that signals are handled in
POLLED = 30  # when that was done last
STOPPED_AT = 31  # where the threads' code keeps the frame of a call that was interrupted; 0 where it does not run yet
RAISED = 32  # what the signal's handler raised: three words
PAGES = 35  # the free blocks of `pages`, so many places
HELD = 36  # the bytes in them
MOST_HELD = 37
HANDLER = 38  # what NumPy is told to take the memory of large arrays from; 0 where it is not
STORAGE_PLACE = 39  # where in what a tensor's handle points to its storage is; 0 where large tensors have torch's own memory
MEMORY_PLACE = 40  # where in a storage its memory's address is,
OWNER_PLACE = 41  # what its memory is freed by,
FREE_PLACE = 42  # and the function that frees it, which is given the owner
BLOCK_DROP = 43  # that of a block of `pages`
CONTEXT_WORDS = 44

# A free block of `pages`, and what stands before the data of each.
FREE_DATA = 0  # 0: the place is free
FREE_BYTES = 1
FREE_TIME = 2
FREE_WORDS = 3
FREE_PLACES = 48
FREE_AGE = 20_000  # milliseconds
BLOCK_START = 0
BLOCK_BYTES = 1
BLOCK_CAPACITY = 2
BLOCK_HEAD = 64  # bytes, so that data is aligned
UNIT = 1 << 16
HUGE_PAGE = 1 << 21
LARGE = 1 << 20  # so many bytes are taken from `pages`
MAPPING = 0x22 if sys.platform == "linux" else 0x1002  # private, and of no file
ADVICE = 14 if sys.platform == "linux" else 0  # to use huge pages

# The words of a record.
ACTIVE = 0  # how many calls are using it
LENGTH = 1  # of its structure, in words
STRUCTURE = 2
CODE = 3
FRAME = 4  # that of the one call that uses the record; others have copies
FRAME_LENGTH = 5
TAIL = 6  # its words behind the pointers
INPUTS = 7
SOURCES = 8
CAPTURED = 9
RESULTS = 10
SHAPES = 11
WORKSPACE_BYTES = 12
CHECKS = 13
CHECKED = 14  # where in the workspace
RELEASE = 15  # whether other threads may run meanwhile
FORM = 16  # how the results are put together
FORM_LENGTH = 17
BOUNDS = 18  # the first byte and the end of each input and result, from its data
TORCH = 19  # whether the results are tensors
RECIPE = 20  # how the frame follows from the structure; of a record for any sizes, as the next two are
KIND = 21  # its structure, of which the dims and strides do not count
MASK = 22  # for each word of the structure, whether it counts: 0 or -1
RECORD_WORDS = 23

# Where an input comes from: two words, how and which.
FROM_ARGUMENT = 0
FROM_ADDRESS = 1
FROM_CAPTURE = 2
AS_DOUBLE = 3
AS_FLOAT = 4
AS_LONG = 5
AS_INT = 6

# A result: six words.
R_DTYPE = 0
R_RANK = 1
R_DIMS = 2
R_STRIDES = 3
R_STAND_IN = 4
R_ITEMSIZE = 5
SHAPE_WORDS = 6

# An array that the function closes over: three words.
C_OBJECT = 0
C_LENGTH = 1
C_STRUCTURE = 2
CAPTURE_WORDS = 3

MOST_ARGUMENTS = 40
MOST_OUTS = 16
MOST_WORDS = 500
GIVEN_OUT = MOST_ARGUMENTS + MOST_OUTS  # where in the data of a call the object is that was given as `out`
DATA_WORDS = GIVEN_OUT + 1
ROOM = 600  # for MOST_WORDS and the largest array's words
LARGEST_RANK = 32
ALIGNMENT = 64
PASSED = 0x7FFFFFFFFFFFFFFF
WRITEABLE = 0x400
INFINITY = 0x7F800000
MONOTONIC = 1  # as Linux numbers its clocks; macOS has another number

# How a number of the recipe is computed: so many steps, each an operation and its operand, on a stack.
CONSTANT = 0
SIZE = 1
ADD = 2
MULTIPLY = 3
QUOTIENT = 4
REMAINDER = 5
DEEPEST = 12
MOST_SIZES = 64
MOST_SWITCHES = 64

NEW = -1  # in place of where an array is described: it is a result, which is made
ANY = -2  # in place of a stride
LARGEST_EXTENT = 1 << 31
LARGEST_RESULT = 1 << 40
LARGEST_WORKSPACE = 1 << 24

ANOTHER_WAY = 1
"""No address of an object: the call is left to Python."""

# Where things are in objects, in bytes. Other Pythons may have other places; those of this process are looked up when it needs the code.
TYPE = 8
TUPLE_LENGTH = 16
TUPLE_ITEMS = 24
ARRAY_DATA = 16
ARRAY_RANK = 24
ARRAY_DIMS = 32
ARRAY_STRIDES = 40
ARRAY_DTYPE = 56
ARRAY_FLAGS = 64
CALLABLE_STATE = 24

Context: Word = External("tensorc_context")
PyArray_Type = External("tensorc_array_type")
PyTuple_Type = External("tensorc_tuple_type")
PyFloat_Type = External("tensorc_float_type")
PyLong_Type = External("tensorc_int_type")
Py_True = External("tensorc_true")
PyArray_Empty = External("tensorc_array_empty")
PyTuple_New = External("tensorc_tuple_new")
PyTuple_SetItem = External("tensorc_tuple_set_item")
PyFloat_AsDouble = External("tensorc_float_as_double", "double")
PyLong_AsLongLongAndOverflow = External("tensorc_int_as_long")
PyObject_Vectorcall = External("tensorc_vectorcall")
PyEval_SaveThread = External("tensorc_save_thread")
PyEval_RestoreThread = External("tensorc_restore_thread", "void")
PyDict_GetItem = External("tensorc_dict_get_item")
Py_IncRef = External("tensorc_inc_ref", "void")
Py_DecRef = External("tensorc_dec_ref", "void")
PyErr_Clear = External("tensorc_error_clear", "void")
PyErr_CheckSignals = External("tensorc_check_signals")
PyErr_Fetch = External("tensorc_error_fetch", "void")
PyErr_Restore = External("tensorc_error_restore", "void")
PyGILState_Ensure = External("tensorc_ensure")
PyGILState_Release = External("tensorc_release", "void")
Py_IsInitialized = External("tensorc_is_initialized")
PyThread_get_thread_ident = External("tensorc_thread")
clock_gettime = External("tensorc_clock")
PyDataMem_SetHandler = External("tensorc_set_handler")
mmap = External("tensorc_map")
munmap = External("tensorc_unmap")
madvise = External("tensorc_advise")
PyMem_RawMalloc = External("tensorc_malloc")
PyMem_RawFree = External("tensorc_free", "void")
