# SPDX-License-Identifier: MIT
"""Reads a GGUF file (v2, v3) into a dictionary of metadata and a dictionary of tensors.

Part of the oracle: shares nothing with the C code and, unlike it, trusts its input.
"""

import struct

import numpy as np

import quants

SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
STRING, ARRAY = 8, 9


class Cursor:
    """Walks the bytes of the header."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def number(self, code):
        (value,) = struct.unpack_from("<" + code, self.data, self.at)
        self.at += struct.calcsize("<" + code)
        return value

    def string(self):
        n_bytes = self.number("Q")
        self.at += n_bytes
        return bytes(self.data[self.at - n_bytes : self.at])

    def value(self, kind):
        if kind == STRING:
            return self.string().decode("utf-8", "replace")
        if kind != ARRAY:
            return self.number(SCALARS[kind])
        element, count = self.number("I"), self.number("Q")
        if element == STRING:
            return [self.string() for _ in range(count)]
        code = SCALARS[element]
        values = list(struct.unpack_from(f"<{count}{code}", self.data, self.at))
        self.at += count * struct.calcsize("<" + code)
        return values


class Tensor:
    """Raw bytes with a shape; `shape` is in row-major order: the reverse of the file's."""

    def __init__(self, name, shape, type_id, data):
        self.name, self.shape, self.type_id, self.data = name, shape, type_id, data

    def array(self):
        """Values as float64, exactly the float32 numbers that the block formulas give."""
        return quants.dequantise(self.type_id, self.data).reshape(self.shape)


class Gguf:
    """One file: `metadata` by key, `tensors` by name in file order."""

    def __init__(self, path):
        with open(path, "rb") as file:
            cursor = Cursor(memoryview(file.read()))
        magic, version = bytes(cursor.data[:4]), struct.unpack_from("<I", cursor.data, 4)[0]
        if magic != b"GGUF" or version not in (2, 3):
            raise ValueError(f"{path}: magic {magic!r} version {version}, expected GGUF 2 or 3")
        cursor.at = 8
        n_tensors, n_keys = cursor.number("q"), cursor.number("q")
        self.metadata = {}
        for _ in range(n_keys):
            key = cursor.string().decode()
            self.metadata[key] = cursor.value(cursor.number("I"))
        directory = [self._entry(cursor) for _ in range(n_tensors)]
        alignment = self.metadata.get("general.alignment", 32)
        base = -(-cursor.at // alignment) * alignment
        self.tensors = {}
        for name, shape, type_id, offset in directory:
            n_bytes = quants.n_bytes(type_id, int(np.prod(shape)))
            data = np.frombuffer(cursor.data, np.uint8, n_bytes, base + offset)
            self.tensors[name] = Tensor(name, shape, type_id, data)

    @staticmethod
    def _entry(cursor):
        name = cursor.string().decode()
        n_dims = cursor.number("I")
        dims = [cursor.number("q") for _ in range(n_dims)]
        type_id, offset = cursor.number("I"), cursor.number("Q")
        return name, tuple(reversed(dims)), type_id, offset

    def array(self, name):
        """Float64 values of a tensor, or None when the file has no such tensor."""
        tensor = self.tensors.get(name)
        return None if tensor is None else tensor.array()
