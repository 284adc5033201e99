# SPDX-License-Identifier: MIT
"""Values of quantised blocks, vectorised over blocks.

Every value is computed in float64 and rounded once to float32. That equals the float32 formulas bit
for bit: half-precision scales times small integers are exact in 24 bits but for one last rounding.
"""

import numpy as np

# type id -> (name, elements of a block, bytes of a block)
TYPES = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    20: ("IQ4_NL", 32, 18),
    23: ("IQ4_XS", 256, 136),
    30: ("BF16", 1, 2),
    39: ("MXFP4", 32, 17),
}
ID_OF = {name: type_id for type_id, (name, _, _) in TYPES.items()}

IQ4_VALUES = np.array(
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.float64
)
FP4_VALUES = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float64)
FP4_VALUES = np.concatenate([FP4_VALUES, -FP4_VALUES])


def n_bytes(type_id, n_elems):
    _, block_elems, block_bytes = TYPES[type_id]
    return n_elems // block_elems * block_bytes


def dequantise(type_id, data):
    """Flat float64 values of packed blocks (uint8)."""
    name, _, block_bytes = TYPES[type_id]
    blocks = np.ascontiguousarray(data).reshape(-1, block_bytes)
    values = globals()["_" + name.lower()](blocks)
    with np.errstate(over="ignore"):
        return values.astype(np.float32).astype(np.float64).reshape(-1)


def _half(blocks, at):
    """The half-precision number at byte `at` of every block, as a column."""
    return blocks[:, at : at + 2].copy().view("<f2").astype(np.float64)


def _nibbles(qs):
    """(n, b) bytes -> (n, 2b): all low nibbles, then all high nibbles."""
    return np.concatenate([qs & 15, qs >> 4], axis=1)


def _bits32(blocks, at):
    """The 32 bits of the little-endian word at byte `at`: (n, 32)."""
    return np.unpackbits(blocks[:, at : at + 4], axis=1, bitorder="little")


def _f32(blocks):
    return blocks.copy().view("<f4").astype(np.float64)


def _f16(blocks):
    return blocks.copy().view("<f2").astype(np.float64)


def _bf16(blocks):
    bits = blocks.copy().view("<u2").astype(np.uint32) << 16
    return bits.view(np.float32).astype(np.float64)


def _q4_0(blocks):
    return _half(blocks, 0) * (_nibbles(blocks[:, 2:]).astype(np.float64) - 8)


def _q4_1(blocks):
    return _half(blocks, 0) * _nibbles(blocks[:, 4:]) + _half(blocks, 2)


def _q5_0(blocks):
    q = _nibbles(blocks[:, 6:]) + 16.0 * _bits32(blocks, 2)
    return _half(blocks, 0) * (q - 16)


def _q5_1(blocks):
    q = _nibbles(blocks[:, 8:]) + 16.0 * _bits32(blocks, 4)
    return _half(blocks, 0) * q + _half(blocks, 2)


def _q8_0(blocks):
    return _half(blocks, 0) * blocks[:, 2:].view(np.int8)


def _iq4_nl(blocks):
    return _half(blocks, 0) * IQ4_VALUES[_nibbles(blocks[:, 2:])]


def _mxfp4(blocks):
    scale = np.exp2(blocks[:, :1].astype(np.float64) - 127)
    return scale * FP4_VALUES[_nibbles(blocks[:, 1:])]


def _scales_k4(s):
    """The 12 packed bytes of Q4_K and Q5_K -> scales and minima, (n, 8) each."""
    s = s.astype(np.int64)
    low_scale, low_min = s[:, 0:4] & 63, s[:, 4:8] & 63
    high_scale = (s[:, 8:12] & 15) + 16 * (s[:, 0:4] >> 6)
    high_min = (s[:, 8:12] >> 4) + 16 * (s[:, 4:8] >> 6)
    return np.concatenate([low_scale, high_scale], 1), np.concatenate([low_min, high_min], 1)


def _affine_k(blocks, q):
    """d * scale * q - dmin * min for q of (n, 8, 32)."""
    scale, minimum = _scales_k4(blocks[:, 4:16])
    d, dmin = _half(blocks, 0), _half(blocks, 2)
    return (d * scale)[:, :, None] * q - (dmin * minimum)[:, :, None]


def _nibbles_k(qs):
    """(n, 128) bytes -> (n, 8, 32): per 32 bytes the low nibbles, then the high ones."""
    groups = qs.reshape(-1, 4, 1, 32)
    return np.concatenate([groups & 15, groups >> 4], axis=2).reshape(-1, 8, 32)


def _q4_k(blocks):
    return _affine_k(blocks, _nibbles_k(blocks[:, 16:144]))


def _q5_k(blocks):
    high = blocks[:, None, 16:48] >> np.arange(8, dtype=np.uint8)[None, :, None] & 1
    return _affine_k(blocks, _nibbles_k(blocks[:, 48:176]) + 16.0 * high)


def _q6_k(blocks):
    low = blocks[:, :128].reshape(-1, 2, 2, 32)
    low = np.concatenate([low & 15, low >> 4], axis=2)
    high = blocks[:, 128:192].reshape(-1, 2, 1, 32)
    high = high >> np.array([0, 2, 4, 6], np.uint8)[None, None, :, None] & 3
    q = (low + 16.0 * high - 32).reshape(-1, 16, 16)
    scale = blocks[:, 192:208].view(np.int8)
    return (_half(blocks, 208) * scale)[:, :, None] * q


def _two_bits(qs):
    """(n, 64) bytes -> (n, 16, 16): per 32 bytes four shifts of 32 elements."""
    groups = qs.reshape(-1, 2, 1, 32)
    return (groups >> np.array([0, 2, 4, 6], np.uint8)[None, None, :, None] & 3).reshape(-1, 16, 16)


def _q2_k(blocks):
    s = blocks[:, :16]
    d, dmin = _half(blocks, 80), _half(blocks, 82)
    return (d * (s & 15))[:, :, None] * _two_bits(blocks[:, 16:80]) - (dmin * (s >> 4))[:, :, None]


def _q3_k(blocks):
    s = blocks[:, 96:108]
    low = np.concatenate([s[:, :8] & 15, s[:, :8] >> 4], axis=1)
    high = np.concatenate([s[:, 8:] >> shift & 3 for shift in (0, 2, 4, 6)], axis=1)
    scale = low + 16.0 * high - 32
    bit = blocks[:, None, :32] >> np.arange(8, dtype=np.uint8)[None, :, None] & 1
    q = _two_bits(blocks[:, 32:96]) + 4.0 * bit.reshape(-1, 16, 16) - 4
    return (_half(blocks, 108) * scale)[:, :, None] * q


def _iq4_xs(blocks):
    high = blocks[:, 2:4].copy().view("<u2")
    low = blocks[:, 4:8]
    low = np.stack([low & 15, low >> 4], axis=2).reshape(-1, 8)
    scale = low + 16.0 * (high >> (2 * np.arange(8, dtype=np.uint16))[None, :] & 3) - 32
    qs = blocks[:, 8:136].reshape(-1, 8, 16)
    q = IQ4_VALUES[np.concatenate([qs & 15, qs >> 4], axis=2)]
    return (_half(blocks, 0) * scale)[:, :, None] * q
