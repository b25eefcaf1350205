"""Loads a torchao checkpoint of bitmill with the real torchao and compares every weight.

check_torchao.py INPUT OUTPUT DEQUANTIZED MAPPING

Integers, scales and zero points must be equal to what torchao makes of the input; dequantized values to those
of bitmill's own `--format dequantized`; everything else to the input. Prints one line of counts.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from torchao.quantization import IntxUnpackedToInt8Tensor, MappingType

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from load_torchao import load  # noqa: E402


def same(a, b):
    return a.dtype == b.dtype and torch.equal(torch.nan_to_num(a), torch.nan_to_num(b))


def main():
    source, output, dequantized, mapping = sys.argv[1:]
    original, floats, state = load_file(source), load_file(dequantized), load(output)
    assert set(state) == set(original), set(state) ^ set(original)
    counts = {"integers": 0, "codebooks": 0, "kept": 0}
    for name, weight in original.items():
        loaded = state[name]
        if isinstance(loaded, IntxUnpackedToInt8Tensor):
            expected = IntxUnpackedToInt8Tensor.from_hp(
                weight, tuple(loaded.block_size), loaded.target_dtype, mapping_type=MappingType[mapping]
            )
            for attribute in ("qdata", "scale", "zero_point"):
                assert same(getattr(expected, attribute), getattr(loaded, attribute)), (name, attribute)
            assert same(expected.dequantize(), floats[name]), name
            counts["integers"] += 1
        elif hasattr(loaded, "codebook"):
            assert same(loaded.dequantize(), floats[name]), name
            counts["codebooks"] += 1
        elif torch.equal(loaded, weight):
            counts["kept"] += 1
        else:
            assert same(loaded, floats[name]), name
            counts["codebooks"] += 1
    print(", ".join(f"{count} {what}" for what, count in counts.items()))


main()
