# SPDX-License-Identifier: MIT
"""Writes small GGUF files, whole or split in parts, and packs random quantised blocks."""

import struct

import numpy as np

import quants

# kind -> (id in the file, code of struct.pack)
KINDS = {
    "u8": (0, "B"),
    "i8": (1, "b"),
    "u16": (2, "H"),
    "i16": (3, "h"),
    "u32": (4, "I"),
    "i32": (5, "i"),
    "f32": (6, "f"),
    "bool": (7, "?"),
    "u64": (10, "Q"),
    "i64": (11, "q"),
    "f64": (12, "d"),
}


class Typed:
    """A value stored with a type other than the usual one of its Python type."""

    def __init__(self, kind, value):
        self.kind, self.value = kind, value


def _string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value):
    if isinstance(value, str):
        return struct.pack("<I", 8) + _string(value)
    if not isinstance(value, Typed):
        usual = "bool" if isinstance(value, bool) else "u32" if isinstance(value, int) else "f32"
        value = Typed(usual, value)
    kind_id, code = KINDS[value.kind]
    if isinstance(value.value, list):
        head = struct.pack("<IIQ", 9, kind_id, len(value.value))
        return head + struct.pack(f"<{len(value.value)}{code}", *value.value)
    return struct.pack("<I" + code, kind_id, value.value)


def write(path, metadata, tensors, version=3):
    """metadata: key -> value; tensors: name -> (shape in row-major order, type name, bytes)."""
    alignment = metadata.get("general.alignment", 32)

    def padding(n_bytes):
        return b"\0" * (-n_bytes % alignment)

    header = b"GGUF" + struct.pack("<Iqq", version, len(tensors), len(metadata))
    for key, value in metadata.items():
        header += _string(key) + _value(value)
    offset = 0
    for name, (shape, type_name, data) in tensors.items():
        header += _string(name) + struct.pack("<I", len(shape))
        header += b"".join(struct.pack("<q", n) for n in reversed(shape))
        header += struct.pack("<IQ", quants.ID_OF[type_name], offset)
        offset += len(data) + len(padding(len(data)))
    with open(path, "wb") as file:
        file.write(header + padding(len(header)))
        for _, _, data in tensors.values():
            file.write(data + padding(len(data)))


def write_split(path, metadata, tensors, n_parts):
    """Parts PATH-0000i-of-0000n.gguf (path without .gguf); returns the name of the first."""
    names = list(tensors)
    paths = []
    for i_part in range(n_parts):
        own = metadata if i_part == 0 else {}
        keys = {
            "split.no": Typed("u16", i_part),
            "split.count": Typed("u16", n_parts),
            "split.tensors.count": Typed("i32", len(tensors)),
        }
        first, end = (i * len(names) // n_parts for i in (i_part, i_part + 1))
        part = {name: tensors[name] for name in names[first:end]}
        paths.append(f"{path}-{i_part + 1:05}-of-{n_parts:05}.gguf")
        write(paths[-1], {**own, **keys}, part)
    return paths[0]


def pack_random(rng, type_name, shape, std):
    """Bytes of a random tensor whose values have about the standard deviation `std`."""
    n_elems = int(np.prod(shape))
    if type_name == "F32":
        return rng.normal(0, std, n_elems).astype("<f4").tobytes()
    if type_name == "F16":
        return rng.normal(0, std, n_elems).astype("<f2").tobytes()
    if type_name == "BF16":
        bits = rng.normal(0, std, n_elems).astype("<f4").view("<u4")
        return (bits >> 16).astype("<u2").tobytes()
    return _pack_blocks(rng, type_name, n_elems, std)


# Bytes where the half-precision fields of each block type are: scales, and offsets of the elements.
HALVES_AT = {
    "Q4_0": ([0], []),
    "Q4_1": ([0], [2]),
    "Q5_0": ([0], []),
    "Q5_1": ([0], [2]),
    "Q8_0": ([0], []),
    "IQ4_NL": ([0], []),
    "IQ4_XS": ([0], []),
    "Q2_K": ([80, 82], []),
    "Q3_K": ([108], []),
    "Q4_K": ([0, 2], []),
    "Q5_K": ([0, 2], []),
    "Q6_K": ([208], []),
}
OFFSET_PER_SCALE = {"Q4_1": -7.5, "Q5_1": -15.5}


def _pack_blocks(rng, type_name, n_elems, std):
    """Random bytes in every field but the scales, which are set to give the wanted spread."""
    type_id = quants.ID_OF[type_name]
    _, block_elems, block_bytes = quants.TYPES[type_id]
    n_blocks = n_elems // block_elems
    blocks = rng.integers(0, 256, (n_blocks, block_bytes), dtype=np.uint8)
    if type_name == "MXFP4":
        middle = 127 + round(np.log2(std / 3))  # the codes have a root mean square of 3
        blocks[:, 0] = rng.integers(middle - 1, middle + 2, n_blocks)
        return blocks.tobytes()
    scales, offsets = HALVES_AT[type_name]
    spread = rng.uniform(0.5, 1.5, n_blocks)

    def set_halves(unit):
        for at in scales:
            blocks[:, at : at + 2] = (unit * spread).astype("<f2").view(np.uint8).reshape(-1, 2)
        for at in offsets:
            value = unit * spread * OFFSET_PER_SCALE[type_name]
            blocks[:, at : at + 2] = value.astype("<f2").view(np.uint8).reshape(-1, 2)

    set_halves(1.0)
    set_halves(std / quants.dequantise(type_id, blocks).std())
    return blocks.tobytes()
