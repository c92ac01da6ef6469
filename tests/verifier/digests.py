#!/usr/bin/env python3
"""Recomputes the digests of read model tables from their rows, from projections/DIGESTS.md alone.

    python3 tests/verifier/digests.py projections/tests/vectors/digests.json

Needs nothing but Python. Shares no code with the desk: BLAKE3 is written out below, from its paper.
Exit code 0 when every digest agrees, 1 when one does not, 2 for a file that is none.
"""

import json
import struct
import sys

PART = 1_000_000
LANES = 1_024

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
SHUFFLE = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
MASK = 0xFFFFFFFF


def compress(chain, words, counter, length, flags):
    """One block of BLAKE3: sixteen words."""
    v = list(chain) + list(IV[:4]) + [counter & MASK, counter >> 32, length, flags]

    def mix(a, b, c, d, x, y):
        v[a] = (v[a] + v[b] + x) & MASK
        v[d] = ((v[d] ^ v[a]) >> 16 | (v[d] ^ v[a]) << 16) & MASK
        v[c] = (v[c] + v[d]) & MASK
        v[b] = ((v[b] ^ v[c]) >> 12 | (v[b] ^ v[c]) << 20) & MASK
        v[a] = (v[a] + v[b] + y) & MASK
        v[d] = ((v[d] ^ v[a]) >> 8 | (v[d] ^ v[a]) << 24) & MASK
        v[c] = (v[c] + v[d]) & MASK
        v[b] = ((v[b] ^ v[c]) >> 7 | (v[b] ^ v[c]) << 25) & MASK

    for turn in range(7):
        mix(0, 4, 8, 12, words[0], words[1])
        mix(1, 5, 9, 13, words[2], words[3])
        mix(2, 6, 10, 14, words[4], words[5])
        mix(3, 7, 11, 15, words[6], words[7])
        mix(0, 5, 10, 15, words[8], words[9])
        mix(1, 6, 11, 12, words[10], words[11])
        mix(2, 7, 8, 13, words[12], words[13])
        mix(3, 4, 9, 14, words[14], words[15])
        if turn < 6:
            words = [words[place] for place in SHUFFLE]
    return [v[i] ^ v[i + 8] for i in range(8)] + [v[i + 8] ^ chain[i] for i in range(8)]


def chunk(data, number):
    """The last, still open block of a chunk of at most 1,024 bytes."""
    blocks = [data[at : at + 64] for at in range(0, len(data), 64)] or [b""]
    chain = IV
    for place, block in enumerate(blocks):
        flags = (CHUNK_START if place == 0 else 0) | (CHUNK_END if place == len(blocks) - 1 else 0)
        words = struct.unpack("<16I", block.ljust(64, b"\0"))
        node = (chain, words, number, len(block), flags)
        if place < len(blocks) - 1:
            chain = compress(*node)[:8]
    return node


def tree(data, first=0):
    """The last, still open node over some chunks: the left side is the largest power of two that leaves a right one."""
    if len(data) <= 1024:
        return chunk(data, first)
    left = 1024
    while left * 2 < len(data):
        left *= 2
    sides = [tree(data[:left], first), tree(data[left:], first + left // 1024)]
    words = [word for side in sides for word in compress(*side)[:8]]
    return (IV, words, 0, 64, PARENT)


def blake3(data, length=32):
    chain, words, _, size, flags = tree(data)
    out = b""
    block = 0
    while len(out) < length:
        out += struct.pack("<16I", *compress(chain, words, block, size, flags | ROOT))
        block += 1
    return out[:length]


def place(vector, text):
    """Where a row stands in its table: the cells of its key, texts by their bytes and numbers by their size."""
    cells = dict(zip(vector["columns"], json.loads(text)))
    key = [cells[name] for name in vector["key"]]
    return [cell.encode() if isinstance(cell, str) else cell for cell in key]


def history(vector):
    """Part by part: a running hash over the rows in the order of their keys."""
    position = vector["columns"].index("position")
    parts = {}
    for text in sorted(vector["rows"], key=lambda text: place(vector, text)):
        part = json.loads(text)[position] // PART
        rows, value = parts.get(part, (0, bytes(32)))
        parts[part] = (rows + 1, blake3(value + text.encode()))
    return parts


def lattice(vector):
    """One part: the sum, lane by lane, of what every row is drawn out to."""
    lanes = [0] * LANES
    for text in vector["rows"]:
        drawn = blake3(vector["table"].encode() + text.encode(), 2 * LANES)
        lanes = [(a + b) % 65_536 for a, b in zip(lanes, struct.unpack(f"<{LANES}H", drawn))]
    return {0: (len(vector["rows"]), struct.pack(f"<{LANES}H", *lanes))}


def main():
    if len(sys.argv) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    # Of the authors of BLAKE3: the hash of nothing.
    assert blake3(b"").hex() == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    with open(sys.argv[1], encoding="utf-8") as file:
        vectors = json.load(file)
    wrong = 0
    for vector in vectors:
        parts = history(vector) if vector["append_only"] else lattice(vector)
        found = {
            part: {"part": part, "rows": rows, "value": value.hex(), "short": blake3(value).hex()}
            for part, (rows, value) in parts.items()
        }
        said = {digest["part"]: digest for digest in vector["digests"]}
        for part in sorted(found.keys() | said.keys()):
            agrees = found.get(part) == said.get(part)
            wrong += not agrees
            short = (said.get(part) or {}).get("short", "nothing")[:16]
            print(f"{vector['table']} part {part}: {short} {'agrees' if agrees else 'DOES NOT AGREE'}")
    return 1 if wrong or not vectors else 0


if __name__ == "__main__":
    sys.exit(main())
