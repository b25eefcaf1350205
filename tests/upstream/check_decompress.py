"""Compares packages that bitmill decompressed with what coremltools makes of the same ones.

check_decompress.py COMPRESSED DECOMPRESSED [COMPRESSED DECOMPRESSED ...]

Every constant of `decompress_weights` must be in bitmill's package, with the same bits; no `constexpr_` operator may
be left, and the specification version is that of the input. Prints a line per package; the first fault ends it.
"""

import logging
import os
import sys
import tempfile
import warnings

import numpy as np

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
os.environ["TQDM_DISABLE"] = "1"

import coremltools as ct  # noqa: E402
import coremltools.optimize.coreml as cto  # noqa: E402
from coremltools.converters.mil.frontend.milproto.load import load as load_program  # noqa: E402


def constants(path):
    model = ct.models.MLModel(str(path), skip_model_load=True)
    spec = model.get_spec()
    program = load_program(spec, spec.specificationVersion, model.weights_dir)
    found = {}
    for function in program.functions.values():
        for operation in function.operations:
            assert not operation.op_type.startswith("constexpr_"), f"{path}: {operation.name} is left"
            if operation.op_type == "const" and isinstance(operation.outputs[0].val, np.ndarray):
                found[operation.outputs[0].name] = operation.outputs[0].val
    return spec.specificationVersion, found


def is_same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


for compressed, plain in zip(sys.argv[1::2], sys.argv[2::2]):
    original = ct.models.MLModel(compressed, skip_model_load=True)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "plain.mlpackage")
        cto.decompress_weights(original).save(path)
        _, theirs = constants(path)
        version, ours = constants(plain)
    assert version == original.get_spec().specificationVersion, f"{plain}: specification version {version}"
    for name, value in theirs.items():
        if value.size < 10:
            continue
        # Passes of coremltools may rename a constant.
        same = is_same(ours[name], value) if name in ours else any(is_same(own, value) for own in ours.values())
        assert same, f"{plain}: {name} has other values"
    print(plain, len(theirs))
