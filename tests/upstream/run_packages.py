#!/usr/bin/env python3
"""Writes the small packages on which `tests/coreml_run` runs every scheme.

    run_packages.py DIRECTORY

- `operators`: one weight for each operator that has weights, whichever way it lies; one constant with two consumers,
  two constants in one blob, and one that a block hands out. CoreML5, fp16.
- `floats`: a program of fp32. CoreML5.
- `functions`: two functions that share a weight. CoreML8.
- `nested`: weights in the blocks of `cond` and `while_loop`, and one that they take from outside. CoreML5.

Pack the directory as `tests/common/golden.rs` says: `DIRECTORY/NAME/model.mlpackage`.
"""

import json
import os
import shutil
import sys
import tempfile

import coremltools as ct
import numpy as np
from coremltools.converters.mil.mil import Builder as mb
from coremltools.converters.mil.mil import types

RNG = np.random.default_rng(20)


def values(*shape, dtype=np.float16):
    # Rows of different magnitudes, so that a scale taken along the wrong axis is a wrong value.
    rows = np.exp2(RNG.uniform(-3, 3, (shape[0],) + (1,) * (len(shape) - 1)))
    columns = np.exp2(RNG.uniform(-2, 2, (1, shape[1]) + (1,) * (len(shape) - 2)))
    return (RNG.standard_normal(shape) * rows * columns * 0.05).astype(dtype)


def weight(name, *shape, dtype=np.float16):
    return mb.const(val=values(*shape, dtype=dtype), name=f"{name}_weight")


def bias(name, length, dtype=np.float16):
    return mb.const(val=RNG.standard_normal(length).astype(dtype), name=f"{name}_bias")


def half(x):
    return mb.cast(x=x, dtype="fp16")


def full(x):
    return mb.cast(x=x, dtype="fp32")


def operators():
    @mb.program(
        input_specs=[
            mb.TensorSpec((4, 48)),
            mb.TensorSpec((1, 16, 8, 8)),
            mb.TensorSpec((5, 1, 16)),
            mb.TensorSpec((6,), dtype=types.int32),
        ],
        opset_version=ct.target.iOS15,
    )
    def main(x, image, sequence, tokens):
        x, image, sequence = half(x), half(image), half(sequence)
        out = []
        # Linear, twice with one constant.
        shared = weight("shared", 64, 48)
        once = mb.linear(x=x, weight=shared, bias=bias("shared", 64), name="shared")
        out.append(mb.add(x=once, y=mb.linear(x=mb.relu(x=x), weight=shared, bias=bias("again", 64), name="again")))
        # Two constants that come to lie in one blob.
        twin = weight("twin", 32, 48)
        other = mb.const(val=twin.val, name="other_weight")
        out.append(mb.linear(x=x, weight=twin, name="twin"))
        out.append(mb.linear(x=mb.relu(x=x), weight=other, name="other"))
        # The four ways in which a matrix lies in a product.
        out.append(mb.matmul(x=x, y=weight("right", 48, 32), name="right"))
        out.append(mb.matmul(x=x, y=weight("right_turned", 32, 48), transpose_y=True, name="right_turned"))
        turned = mb.transpose(x=x, perm=[1, 0])
        out.append(mb.matmul(x=weight("left", 32, 48), y=turned, name="left"))
        out.append(mb.matmul(x=weight("left_turned", 48, 32), y=turned, transpose_x=True, name="left_turned"))
        out.append(mb.matmul(x=mb.expand_dims(x=x, axes=[0]), y=weight("batched", 2, 48, 16), name="batched"))
        # Convolutions.
        conv = mb.conv(x=image, weight=weight("conv", 32, 16, 3, 3), bias=bias("conv", 32), name="conv")
        out.append(mb.conv(x=conv, weight=weight("depthwise", 32, 1, 3, 3), groups=32, name="depthwise"))
        out.append(mb.conv_transpose(x=conv, weight=weight("up", 32, 16, 2, 2), strides=[2, 2], name="up"))
        out.append(mb.conv(x=sequence, weight=weight("line", 16, 1, 3), pad_type="same", name="line"))
        signal = mb.reshape(x=image, shape=[1, 16, 64])
        out.append(mb.conv(x=signal, weight=weight("signal", 32, 16, 3), name="signal"))
        volume = mb.reshape(x=image, shape=[1, 16, 4, 4, 4])
        out.append(mb.conv(x=volume, weight=weight("volume", 16, 16, 2, 2, 2), name="volume"))
        # Recurrent, which CoreML5 has in fp32 only.
        zeros = np.zeros((1, 16), np.float32)
        wide = full(sequence)

        def gates(name, rows):
            names = [f"{name}_weight_ih", f"{name}_weight_hh"]
            return [mb.const(val=values(rows, 16, dtype=np.float32), name=name) for name in names]

        ih, hh = gates("lstm", 64)
        states = mb.lstm(x=wide, initial_h=zeros, initial_c=np.zeros((1, 16), np.float32), weight_ih=ih, weight_hh=hh,
                         bias=bias("lstm", 64, np.float32), name="lstm")
        out.append(half(states[0]))
        ih, hh = gates("gru", 48)
        out.append(half(mb.gru(x=wide, initial_h=zeros, weight_ih=ih, weight_hh=hh, name="gru")[0]))
        # A table, and a constant operand.
        out.append(mb.gather(x=weight("embedding", 96, 32), indices=tokens, axis=0, name="embedding"))
        out.append(mb.add(x=mb.expand_dims(x=x, axes=[1]), y=weight("operand", 32, 48), name="operand"))
        out.append(weight("handed_out", 32, 48))
        return [full(mb.identity(x=y)) for y in out[:-1]] + [full(out[-1])]

    return main


def floats():
    @mb.program(input_specs=[mb.TensorSpec((4, 48)), mb.TensorSpec((1, 16, 8, 8))], opset_version=ct.target.iOS15)
    def main(x, image):
        f32 = np.float32
        y = mb.linear(x=x, weight=weight("linear", 64, 48, dtype=f32), bias=bias("linear", 64, f32), name="linear")
        z = mb.matmul(x=y, y=weight("matmul", 64, 32, dtype=f32), name="matmul")
        c = mb.conv(x=image, weight=weight("conv", 16, 16, 3, 3, dtype=f32), bias=bias("conv", 16, f32), name="conv")
        return z, mb.sigmoid(x=c)

    return main


def function(seed, shared):
    @mb.program(input_specs=[mb.TensorSpec((4, 48), dtype=types.fp16)], opset_version=ct.target.iOS18)
    def main(x):
        y = mb.linear(x=x, weight=mb.const(val=shared, name="shared_weight"), name="shared")
        return mb.linear(x=y, weight=weight(f"own_{seed}", 32, 64), name=f"own_{seed}")

    return main


def nested():
    @mb.program(
        input_specs=[mb.TensorSpec((4, 48)), mb.TensorSpec((1,), dtype=types.bool)], opset_version=ct.target.iOS15
    )
    def main(x, flag):
        x = half(x)
        outside = weight("outside", 48, 48)

        def yes():
            return mb.linear(x=mb.linear(x=x, weight=outside, name="yes_outside"), weight=weight("yes", 32, 48), name="yes")

        def no():
            return mb.linear(x=x, weight=weight("no", 32, 48), name="no")

        chosen = mb.cond(pred=mb.squeeze(x=flag), _true_fn=yes, _false_fn=no, name="cond")

        def more(x, i):
            return mb.less(x=i, y=3)

        def step(x, i):
            y = mb.linear(x=x, weight=outside, name="step_outside")
            return mb.matmul(x=y, y=weight("step", 48, 48), name="step"), mb.add(x=i, y=1)

        last, _ = mb.while_loop(_cond=more, _body=step, loop_vars=(x, np.int32(0)), name="loop")
        # A block may hand out a constant, which then cannot be compressed.
        constant = mb.cond(
            pred=mb.squeeze(x=flag),
            _true_fn=lambda: weight("branch", 32, 48),
            _false_fn=lambda: mb.linear(x=weight("left_branch", 32, 48), weight=weight("right_branch", 48, 48)),
            name="choice",
        )
        return full(chosen), full(last), full(constant)

    return main


def convert(program, target, path):
    model = ct.convert(
        program,
        source="milinternal",
        convert_to="mlprogram",
        minimum_deployment_target=target,
        compute_precision=ct.precision.FLOAT32,
        pass_pipeline=ct.PassPipeline.EMPTY,
        skip_model_load=True,
    )
    model.save(path)


def operations(block):
    for operation in block.operations:
        for inner in operation.blocks:
            yield from operations(inner)
        yield operation


def settle(path, share=()):
    """Edits what coremltools does not: blobs that two constants share, and who made it when."""
    data = os.path.join(path, "Data/com.apple.CoreML/model.mlmodel")
    spec = ct.utils.load_spec(path)
    spec.description.metadata.Clear()
    spec.mlProgram.attributes.clear()
    for function in spec.mlProgram.functions.values():
        blobs = {o.outputs[0].name: o.attributes["val"] for b in function.block_specializations.values() for o in operations(b) if o.type == "const"}
        for one, two in share:
            blobs[two].blobFileValue.offset = blobs[one].blobFileValue.offset
    with open(data, "wb") as file:
        file.write(spec.SerializeToString(deterministic=True))
    # Identifiers that are random say nothing.
    manifest = os.path.join(path, "Manifest.json")
    with open(manifest) as file:
        text = json.load(file)
    entries = sorted(text["itemInfoEntries"].items(), key=lambda item: item[1]["path"])
    names = {old: f"00000000-0000-4000-8000-{i:012}" for i, (old, _) in enumerate(entries)}
    text["itemInfoEntries"] = {names[old]: entry for old, entry in entries}
    text["rootModelIdentifier"] = names[text["rootModelIdentifier"]]
    with open(manifest, "w") as file:
        json.dump(text, file, indent=4, sort_keys=True)


def main():
    out = sys.argv[1]
    shutil.rmtree(out, ignore_errors=True)

    def place(name):
        os.makedirs(os.path.join(out, name))
        return os.path.join(out, name, "model.mlpackage")

    for name, program, share in [
        ("operators", operators(), [("twin_weight", "other_weight")]),
        ("floats", floats(), []),
        ("nested", nested(), []),
    ]:
        convert(program, ct.target.iOS15, place(name))
        settle(os.path.join(out, name, "model.mlpackage"), share)
    shared = (RNG.standard_normal((64, 48)) * 0.05).astype(np.float16)
    with tempfile.TemporaryDirectory() as directory:
        description = ct.utils.MultiFunctionDescriptor()
        for name, seed in [("first", 1), ("second", 2)]:
            path = os.path.join(directory, f"{name}.mlpackage")
            convert(function(seed, shared), ct.target.iOS18, path)
            description.add_function(path, "main", name)
        description.default_function_name = "first"
        ct.utils.save_multifunction(description, place("functions"))
    settle(os.path.join(out, "functions", "model.mlpackage"))


main()
