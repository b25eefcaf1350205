#!/usr/bin/env python3
"""Prints checksums of what coremltools decompresses: CRC-32 of the bytes, by package and name of the value.

    lowered_values.py DIRECTORY > tests/data/conformance/lowered-values.json

DIRECTORY holds `CASE/model.mlpackage`, as `tests/data/conformance/lowered.tar.gz` does.
"""

import json
import sys
import zlib
from pathlib import Path

import coremltools as ct
from coremltools.converters.mil.frontend.milproto.load import load

sums = {}
for package in sorted(Path(sys.argv[1]).glob("*/model.mlpackage")):
    model = ct.models.MLModel(str(package), skip_model_load=True)
    spec = model.get_spec()
    program = load(spec, spec.specificationVersion, file_weights_dir=model.weights_dir)
    known = sums[package.parent.name] = {}
    for function in program.functions.values():
        for operation in function.operations:
            # No chains here: each gives a weight by itself.
            if operation.op_type.startswith("constexpr_"):
                value = operation.materialized_val_inference()
                known[operation.outputs[0].name] = zlib.crc32(value.tobytes())
json.dump(sums, sys.stdout, indent=1, sort_keys=True)
print()
