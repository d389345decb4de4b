"""Walks a forest for one row, in machine code that LLVM makes when the first model is loaded.

A tree walk that branches at each node is bound by mispredicted branches: for a row the processor has not seen, about
every other guess is wrong. So the code here does not branch on data. A node's decision is a comparison whose outcome
is *added* to the index of its left child, a leaf leads back to itself, and eight trees are walked side by side, so
that one waits for memory while the others compute. :mod:`melonkube.serving.runtimes.forest` makes the arrays.

The code knows nothing of a model; one function serves all of them. It takes some 60 ms to make and is kept in memory,
so that there is no cache of compiled code to look after.
"""

import ctypes
import threading
from collections.abc import Callable
from mmap import PAGESIZE, PROT_EXEC, PROT_READ, PROT_WRITE, mmap
from typing import Any

import numpy as np
from llvmlite import binding, ir

LANES = 8
"""Trees walked side by side: enough to hide memory's latency, few enough for the processor's registers."""

ZERO_THRESHOLD = float(np.float32(1e-35))
"""LightGBM's ``kZeroThreshold`` (meta.h), a float: what is nearer to zero counts as zero."""

FIELDS = (
    *("row", "cells", "leaves", "out"),  # what belongs to a scorer
    *("number_features", "number_missing", "number_zero", "numbers"),
    *("set_features", "set_limits", "set_cells", "set_counts", "set_starts", "set_bytes", "sets"),
    *("nodes", "roots", "places", "groups", "rounds", "outputs"),
)
"""What the kernel's context holds, 64 bits each: addresses of arrays, and counts."""

_BYTE, _I32, _I64, _F64, _POINTER = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.DoubleType(), ir.PointerType()
_NODE_UNITS = 2
"""A node's size in units of 8 bytes; indices of nodes count in those, which processors address without arithmetic."""

Kernel = Callable[[ctypes.c_void_p], None]


class _Writer:
    """Writes the function; ``args[0]`` is the address of the context."""

    def __init__(self, function: ir.Function) -> None:
        self.build = ir.IRBuilder(function.append_basic_block("entry"))
        self._fabs = function.module.declare_intrinsic("llvm.fabs", [_F64])
        context = function.args[0]
        self.count = {name: self.load(context, self.constant(index), _I64) for index, name in enumerate(FIELDS)}
        self.array = {name: self.build.inttoptr(value, _POINTER) for name, value in self.count.items()}

    def constant(self, value: int) -> Any:
        return ir.Constant(_I64, value)

    def load(self, array: Any, index: Any, kind: Any) -> Any:
        """Return ``array[index]``; what is narrower than 64 bits is widened without a sign."""
        found = self.build.load(self.build.gep(array, [index], source_etype=kind), typ=kind)
        return self.build.zext(found, _I64) if kind in (_BYTE, _I32) else found

    def read(self, name: str, index: Any, kind: Any) -> Any:
        return self.load(self.array[name], index, kind)

    def write(self, value: Any, name: str, index: Any) -> None:
        self.build.store(value, self.build.gep(self.array[name], [index], source_etype=_F64))

    def loop(self, count: Any, body: Callable[[Any], None]) -> None:
        """Write ``for index in range(count): body(index)``."""
        build, before = self.build, self.build.block
        head, inside, after = (build.append_basic_block(name) for name in ("head", "inside", "after"))
        build.branch(head)
        build.position_at_end(head)
        index = build.phi(_I64)
        index.add_incoming(self.constant(0), before)
        build.cbranch(build.icmp_unsigned("<", index, count), inside, after)
        build.position_at_end(inside)
        body(index)
        index.add_incoming(build.add(index, self.constant(1)), build.block)
        build.branch(head)
        build.position_at_end(after)

    def number(self, at: Any) -> None:
        """Write the cell of a number: the value, or what stands for a missing or a zero one."""
        build = self.build
        value = self.read("row", self.read("number_features", at, _I32), _F64)
        missing = build.fcmp_unordered("uno", value, value)
        value = build.select(missing, self.read("number_missing", at, _F64), value)
        zero = build.fcmp_ordered("<=", build.call(self._fabs, [value]), ir.Constant(_F64, ZERO_THRESHOLD))
        value = build.select(zero, self.read("number_zero", at, _F64), value)
        self.write(value, "cells", build.add(at, self.constant(1)))

    def category(self, at: Any) -> None:
        """Write the cells of a category, one for each set it may be in: 0 for in, 1 for not in."""
        build = self.build
        value = self.read("row", self.read("set_features", at, _I32), _F64)
        limit = self.read("set_limits", at, _F64)
        known = build.and_(
            build.fcmp_ordered(">", value, ir.Constant(_F64, -1.0)), build.fcmp_ordered("<", value, limit)
        )
        code = build.fptosi(build.select(known, value, limit), _I64)
        count = self.read("set_counts", at, _I64)
        start = build.add(self.read("set_starts", at, _I64), build.mul(code, count))
        first = self.read("set_cells", at, _I64)

        def one(number: Any) -> None:
            outside = self.read("set_bytes", build.add(start, number), _BYTE)
            self.write(build.uitofp(outside, _F64), "cells", build.add(first, number))

        self.loop(count, one)

    def step(self, node: Any) -> Any:
        """Return the node after ``node``: its left child if the cell is at most the threshold, else its right one."""
        build = self.build
        start = build.gep(self.array["nodes"], [node], source_etype=_I64)
        threshold = self.load(start, self.constant(0), _F64)
        left = self.load(start, self.constant(2), _I32)
        cell = self.read("cells", self.load(start, self.constant(3), _I32), _F64)
        right = build.zext(build.fcmp_unordered(">", cell, threshold), _I64)
        return build.add(left, build.mul(right, self.constant(_NODE_UNITS)))

    def group(self, number: Any) -> None:
        """Walk ``LANES`` trees until none of them moves, and put down their leaves' values."""
        build = self.build
        trees = [build.add(build.mul(number, self.constant(LANES)), self.constant(lane)) for lane in range(LANES)]
        roots = [self.read("roots", tree, _I32) for tree in trees]
        before = build.block
        walk, done = build.append_basic_block("walk"), build.append_basic_block("done")
        build.branch(walk)
        build.position_at_end(walk)
        nodes = [build.phi(_I64) for _ in trees]
        following = [self.step(node) for node in nodes]
        moved = self.constant(0)
        for root, node, after in zip(roots, nodes, following, strict=True):
            moved = build.or_(moved, build.xor(node, after))
            node.add_incoming(root, before)
            node.add_incoming(after, walk)
        build.cbranch(build.icmp_unsigned("!=", moved, self.constant(0)), walk, done)
        build.position_at_end(done)
        for tree, node in zip(trees, nodes, strict=True):
            self.write(self.read("nodes", node, _F64), "leaves", self.read("places", tree, _I32))

    def sum(self) -> None:
        """Add up the trees of each output in their order, as LightGBM does: another order rounds differently."""
        build, outputs = self.build, self.count["outputs"]
        self.loop(outputs, lambda output: self.write(ir.Constant(_F64, 0.0), "out", output))

        def add(tree_of_round: Any, output: Any) -> None:
            leaf = self.read("leaves", build.add(tree_of_round, output), _F64)
            self.write(build.fadd(self.read("out", output, _F64), leaf), "out", output)

        def round_of(number: Any) -> None:
            first = build.mul(number, outputs)
            self.loop(outputs, lambda output: add(first, output))

        self.loop(self.count["rounds"], round_of)


def _module() -> ir.Module:
    module = ir.Module("melonkube")
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [_POINTER]), "score")
    writer = _Writer(function)
    writer.loop(writer.count["numbers"], writer.number)
    writer.loop(writer.count["sets"], writer.category)
    writer.loop(writer.count["groups"], writer.group)
    writer.sum()
    writer.build.ret_void()
    return module


_lock = threading.Lock()
_made: list[tuple[Kernel, Any]] = []


def kernel() -> Kernel:
    """Return the compiled function, which takes the address of a context; made at the first call, on any thread.

    It keeps the interpreter's lock: giving that up and taking it back at each row would cost more than the row where
    other threads want it.

    Raises:
        RuntimeError: LLVM cannot make code for this machine.
        OSError: This process may not run code that it has written.
    """
    with _lock:
        if not _made:
            # LLVM would not say so: its code would end the process.
            mmap(-1, PAGESIZE, prot=PROT_READ | PROT_WRITE | PROT_EXEC).close()
            binding.initialize_native_target()
            binding.initialize_native_asmprinter()
            machine = binding.Target.from_default_triple().create_target_machine(
                cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten(), opt=2
            )
            module = binding.parse_assembly(str(_module()))
            module.verify()
            tuning = binding.create_pipeline_tuning_options(speed_level=2)
            binding.create_pass_builder(machine, tuning).getModulePassManager().run(
                module, binding.create_pass_builder(machine, tuning)
            )
            engine = binding.create_mcjit_compiler(module, machine)
            engine.finalize_object()
            call = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)(engine.get_function_address("score"))
            _made.append((call, engine))  # the engine owns the code
        return _made[0][0]
