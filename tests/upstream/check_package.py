"""Has coremltools judge Core ML packages that bitmill wrote.

check_package.py JOBS

JOBS is a JSON list. Each entry names a `package`, and may name `values`, a safetensors file of every weight as it
should decompress (by the name of the value in the program), and `upstream`: the `original` package and a list of
coremltools `passes` (`quantize`, `palettize`, `prune`, with their configuration) that ask for the same thing; `slack`
is by which share squared errors may be larger.

Of each package: coremltools opens it; rebuilds the program through its own type inference, in the operator set of
the specification version; declared types, the description, and the form of compressed constants are right; every
compressed constant decompresses, to the values given; `decompress_weights` gives a package of plain weights. With
`upstream`: the same chains of operators with the same types and shapes, the same integers and scales, and palettes
whose squared error is no larger. Prints a line of counts per package; the first fault ends it with status 1.
"""

import json
import logging
import os
import sys
import warnings
from types import SimpleNamespace

import numpy as np

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
os.environ["TQDM_DISABLE"] = "1"

import coremltools as ct  # noqa: E402
import coremltools.optimize.coreml as cto  # noqa: E402
from coremltools.converters.mil.frontend.milproto.load import load as load_program  # noqa: E402
from coremltools.converters.mil.mil import types  # noqa: E402
from safetensors.numpy import load_file  # noqa: E402

SETS = {6: "CoreML5", 7: "CoreML6", 8: "CoreML7", 9: "CoreML8", 10: "CoreML9"}
# Operators whose only version is that of CoreML6 keep its form: parameters as attributes.
OLD = {"constexpr_affine_dequantize"}
INTEGERS = {"data", "quantized_data", "nonzero_data", "offset", "zero_point"}


def open_package(path):
    model = ct.models.MLModel(str(path), skip_model_load=True)
    spec = model.get_spec()
    program = load_program(spec, spec.specificationVersion, file_weights_dir=model.weights_dir)
    program.validate()
    return model, spec, program


def operations(block):
    for operation in block.operations:
        for inner in operation.blocks:
            yield from operations(inner)
        yield operation


def messages(block):
    for operation in block.operations:
        for inner in operation.blocks:
            yield from messages(inner)
        yield operation


def shape_of(tensor):
    return [d.constant.size if d.WhichOneof("dimension") == "constant" else None for d in tensor.dimensions]


def check_structure(spec):
    """What coremltools does not look at itself."""
    for name, function in spec.mlProgram.functions.items():
        wanted = SETS[spec.specificationVersion]
        assert function.opset == wanted, (name, function.opset, wanted)
        assert list(function.block_specializations) == [wanted], name
        for operation in messages(function.block_specializations[wanted]):
            if operation.type.startswith("constexpr_"):
                as_attributes = spec.specificationVersion < 9 or operation.type in OLD
                attributes = set(operation.attributes) - {"name"}
                assert bool(attributes) == as_attributes and bool(operation.inputs) != as_attributes, operation
    if not spec.description.functions:
        function = spec.mlProgram.functions["main"]
        inputs = {v.name: v.type for v in function.inputs}
        described = {f.name for f in spec.description.input} | {f.name for f in spec.description.state}
        assert described == set(inputs), (described, set(inputs))
        outputs = set(function.block_specializations[function.opset].outputs)
        assert {f.name for f in spec.description.output} == outputs


def declared(spec):
    """Every declared type: element type and shape by name of value."""
    types_by_name = {}
    for function in spec.mlProgram.functions.values():
        for operation in messages(function.block_specializations[function.opset]):
            for output in operation.outputs:
                tensor = output.type.tensorType
                types_by_name[output.name] = (tensor.dataType, shape_of(tensor))
    return types_by_name


def check_types(spec, program):
    from coremltools.converters.mil.backend.mil.helper import types_to_proto_primitive

    known = declared(spec)
    for function in program.functions.values():
        for operation in operations(function):
            for output in operation.outputs:
                if output.name not in known or types.is_list(output.sym_type):
                    continue
                element, shape = known[output.name]
                assert types_to_proto_primitive(output.dtype) == element, (operation.op_type, output.name)
                inferred = [d if isinstance(d, (int, np.integer)) else None for d in output.shape]
                assert all(a is None or b is None or a == b for a, b in zip(inferred, shape)), (output.name, shape)
                assert len(inferred) == len(shape), (output.name, inferred, shape)


def is_constexpr(operation):
    return operation.op_type.startswith("constexpr_")


def finals(program):
    """Compressed constants whose results operators use: (value, operation)."""
    for function in program.functions.values():
        for operation in operations(function):
            if not is_constexpr(operation):
                continue
            for output in operation.outputs:
                if any(not is_constexpr(child) for child in output.child_ops) or output in function.outputs:
                    yield output, operation


def values(operation):
    """What a compressed constant decompresses to, one value for each output."""
    for value in operation.inputs.values():
        if value.op is not None and is_constexpr(value.op) and value.val is None:
            for output, inner in zip(value.op.outputs, values(value.op)):
                # As if it were a constant: coremltools evaluates operators of constants only.
                output._sym_val = SimpleNamespace(val=inner)
    found = operation.materialized_val_inference()
    return found if isinstance(found, (list, tuple)) else [found]


def check_values(program, path):
    expected = load_file(path) if path else {}
    seen = 0
    for output, operation in finals(program):
        value = values(operation)[list(operation.outputs).index(output)]
        assert np.all(np.isfinite(value)), output.name
        if output.name in expected:
            want = expected.pop(output.name)
            assert want.dtype == value.dtype and want.shape == value.shape, (output.name, want.dtype, value.dtype)
            assert np.array_equal(want, value), (output.name, float(np.abs(want - value).max()))
        seen += 1
    for function in program.functions.values():
        for operation in operations(function):
            name = operation.outputs[0].name if operation.outputs else None
            if operation.op_type == "const" and name in expected:
                assert np.array_equal(expected.pop(name), operation.outputs[0].val), name
    assert not expected, f"not in the program: {sorted(expected)[:5]}"
    return seen


def config(passes):
    kinds = {"quantize": cto.OpLinearQuantizerConfig, "palettize": cto.OpPalettizerConfig}
    kinds |= {"prune": cto.OpMagnitudePrunerConfig, "threshold": cto.OpThresholdPrunerConfig}
    functions = {"quantize": cto.linear_quantize_weights, "palettize": cto.palettize_weights}
    functions |= {"prune": cto.prune_weights, "threshold": cto.prune_weights}
    for one in passes:
        options = {key: value for key, value in one.items() if key not in ("kind", "joint", "only")}
        options = kinds[one["kind"]](**options)
        if "only" in one:
            configuration = cto.OptimizationConfig(op_type_configs={one["only"]: options})
        else:
            configuration = cto.OptimizationConfig(options)
        yield functions[one["kind"]], configuration, one.get("joint", False)


def output_name(operation):
    """The name of an operation's first output, as it was before coremltools' passes went over the program."""
    return operation.outputs[0].name.removesuffix("_has_output_shape") if operation.outputs else ""


def chains(program):
    """What each operator's constant is made of: by consumer and parameter, the operations from first to last."""
    found = {}
    for name, function in program.functions.items():
        for operation in operations(function):
            if is_constexpr(operation) or operation.op_type == "const":
                continue
            for parameter, value in operation.inputs.items():
                if hasattr(value, "op") and value.op is not None and is_constexpr(value.op):
                    chain, pending = [], [value.op]
                    while pending:
                        one = pending.pop(0)
                        if one in chain:
                            continue
                        chain.insert(0, one)
                        pending += [v.op for v in one.inputs.values() if v.op is not None and is_constexpr(v.op)]
                    found[(name, output_name(operation), parameter)] = chain
    return found


def signed(value, zero_point):
    """Codes about their zero points, whatever their type: what both encodings of 8-bit codes share."""
    return value.astype(np.int32) - zero_point


def compare_affine(mine, theirs, where):
    old = mine.op_type == "constexpr_affine_dequantize"
    data, offset = ("quantized_data", "zero_point") if old else ("data", "offset")
    a, b = mine.inputs, theirs.inputs
    if mine.op_type.startswith("constexpr_sparse"):
        return compare_sparse(a, b, where)
    assert np.array_equal(a["scale"].val, b["scale"].val), (where, "scale")
    assert a["scale"].val.dtype == b["scale"].val.dtype and a["scale"].shape == b["scale"].shape, where
    if old:
        axis = int(a["axis"].val)
        spread = [1] * a[data].val.ndim

        def zeros(inputs):
            zero = np.asarray(inputs[offset].val, np.int32)
            if zero.ndim:
                spread[axis] = -1
                zero = zero.reshape(spread)
            return zero

        assert np.array_equal(signed(a[data].val, zeros(a)), signed(b[data].val, zeros(b))), (where, "codes")
        return
    assert a[data].dtype == b[data].dtype, (where, a[data].dtype, b[data].dtype)
    assert a[data].shape == b[data].shape, (where, a[data].shape, b[data].shape)
    assert np.array_equal(a[data].val, b[data].val), (where, "codes")
    assert (a.get(offset) is None) == (b.get(offset) is None), (where, "offset")
    if a.get(offset) is not None:
        assert np.array_equal(a[offset].val, b[offset].val), (where, "offset")


def compare_sparse(a, b, where):
    """The same scales, and the same codes of what stays in both."""
    assert a["nonzero_data"].dtype == b["nonzero_data"].dtype, where
    # A block of which nothing is left has scale 0 there: dividing by it is left to whoever reads the codes.
    same = (a["scale"].val == b["scale"].val) | ((b["scale"].val == 0) & (a["scale"].val == 1))
    assert same.all(), (where, "scale")
    masks = [inputs["data_mask"].val.astype(bool) for inputs in (a, b)]
    # Of equal magnitudes at the bound, which numpy rounds to fp16, coremltools takes all, bitmill as many as asked.
    assert not np.any(masks[1] & ~masks[0]) and np.sum(masks[0] != masks[1]) <= 4, (where, "mask")
    codes = []
    for mask, inputs in zip(masks, (a, b)):
        dense = np.zeros(mask.shape, np.int32)
        dense[mask] = inputs["nonzero_data"].val
        codes.append(dense[masks[1]])
    assert np.array_equal(*codes), (where, "codes")


def compare(mine, upstream):
    original = chains_of_consts(open_package(upstream["original"])[2])
    model = ct.models.MLModel(upstream["original"], skip_model_load=True)
    for function, configuration, joint in config(upstream["passes"]):
        model = function(model, configuration, joint_compression=joint)
    spec = model.get_spec()
    theirs = chains(load_program(spec, spec.specificationVersion, file_weights_dir=model.weights_dir))
    mine = chains(mine)
    assert set(mine) == set(theirs), (sorted(set(mine) ^ set(theirs))[:4], len(mine), len(theirs))
    for where, chain in mine.items():
        other = theirs[where]
        assert [o.op_type for o in chain] == [o.op_type for o in other], (where, chain, other)
        weight = original[where]
        errors = []
        # Of palettes what is equal is the form; their entries, and the scales of these, are their own.
        exact = not any("lut" in operation.op_type for operation in chain)
        for one, two in zip(chain, other):
            for parameter in one.inputs:
                a, b = one.inputs[parameter], two.inputs.get(parameter)
                assert b is not None, (where, parameter)
                moved = one.op_type == "constexpr_affine_dequantize" and parameter in ("quantized_data", "zero_point")
                if not moved:
                    assert a.dtype == b.dtype, (where, parameter, a.dtype, b.dtype)
                if parameter not in ("nonzero_data", "indices_nonzero_data"):
                    assert a.shape == b.shape, (where, parameter, a.shape, b.shape)
            if exact and one.op_type in (
                "constexpr_affine_dequantize",
                "constexpr_blockwise_shift_scale",
                "constexpr_sparse_blockwise_shift_scale",
            ):
                compare_affine(one, two, where)
        for one in (chain, other):
            value = values(one[-1])[0].astype(np.float64)
            errors.append(float(((value - weight.astype(np.float64)) ** 2).sum()))
        assert errors[0] <= errors[1] * (1 + upstream["slack"]), (where, errors)
    return len(mine)


def chains_of_consts(program):
    found = {}
    for name, function in program.functions.items():
        for operation in operations(function):
            for parameter, value in operation.inputs.items():
                if hasattr(value, "val") and value.val is not None:
                    found[(name, output_name(operation), parameter)] = value.val
    return found


def check_decompressed(model, spec):
    if spec.description.functions:
        # "decompress_weights is not supported for a multifunction model."
        return
    plain = cto.decompress_weights(model).get_spec()
    for function in plain.mlProgram.functions.values():
        left = [o for o in messages(function.block_specializations[function.opset]) if "constexpr" in o.type]
        assert not left, left


def main():
    for job in json.load(open(sys.argv[1])):
        try:
            model, spec, program = open_package(job["package"])
            check_structure(spec)
            check_types(spec, program)
            seen = check_values(program, job.get("values"))
            check_decompressed(model, spec)
            compared = compare(program, job["upstream"]) if "upstream" in job else 0
        except BaseException:
            print(f"{job.get('name', job['package'])}: refused", file=sys.stderr)
            raise
        print(f"{job.get('name', job['package'])}: {seen} compressed, {compared} as upstream", flush=True)


main()
