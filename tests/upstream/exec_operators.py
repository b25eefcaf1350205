#!/usr/bin/env python3
"""Computes what operators must give, with PyTorch, for tests/exec/operators.rs.

    exec_operators.py OUT.json && gzip -9n OUT.json

Each case names an operator, its operator set, inputs known only at run time, constants, and the outputs. Floats are
written as they are in binary32; fp16 tensors hold values that a binary16 can hold.
"""

import json
import math
import sys

import torch
import torch.nn.functional as F

torch.manual_seed(7)
CASES = []
DTYPES = {torch.float32: "fp32", torch.float16: "fp16", torch.int32: "int32", torch.bool: "bool", torch.int8: "int8",
          torch.uint8: "uint8"}


def written(value, dtype=None):
    if isinstance(value, str):
        return {"text": value}
    if not isinstance(value, torch.Tensor):
        kind = torch.bool if isinstance(value, bool) else torch.int32
        if isinstance(value, float) or (isinstance(value, (list, tuple)) and value and isinstance(value[0], float)):
            kind = torch.float32
        if isinstance(value, (list, tuple)) and value and isinstance(value[0], bool):
            kind = torch.bool
        value = torch.tensor(value, dtype=kind)
    flat = value.reshape(-1)
    if value.dtype.is_floating_point:
        numbers = [float(f"{v:.9g}") if math.isfinite(v) else str(v) for v in flat.float().tolist()]
    else:
        numbers = [int(v) for v in flat.tolist()]
    return {"dtype": dtype or DTYPES[value.dtype], "shape": list(value.shape), "values": numbers}


def case(kind, outputs, live=None, const=None, opset="CoreML8", tolerance=2e-6, dtypes=None):
    """`live` and `const`: parameters; a list of tensors in `live` stands for several values."""
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    several = lambda v: [written(x) for x in v] if isinstance(v, list) and isinstance(v[0], torch.Tensor) else [written(v)]
    CASES.append({
        "kind": kind, "opset": opset, "tolerance": tolerance,
        "live": {name: several(value) for name, value in (live or {}).items()},
        "const": {name: written(value, (dtypes or {}).get(name)) for name, value in (const or {}).items()},
        "outputs": [written(output.contiguous()) for output in outputs],
    })


def rand(*shape):
    return torch.randn(*shape)


X = rand(2, 3, 4)
EDGES = torch.tensor([0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1.5, 30.0, -30.0, 88.0, -100.0, math.inf, -math.inf, math.nan])
UNARY = {
    "abs": torch.abs, "ceil": torch.ceil, "cos": torch.cos, "erf": torch.erf, "exp": torch.exp, "exp2": torch.exp2,
    "floor": torch.floor, "round": torch.round, "sign": torch.sign, "sin": torch.sin, "square": torch.square,
    "tanh": torch.tanh, "relu": F.relu, "relu6": F.relu6, "sigmoid": torch.sigmoid, "silu": F.silu,
    "softplus": F.softplus, "softsign": F.softsign, "atan": torch.atan, "sinh": torch.sinh, "cosh": torch.cosh,
    "tan": torch.tan,
}
for kind, f in UNARY.items():
    x = torch.cat([X.reshape(-1), EDGES[:7] if kind in ("cos", "sin", "tan", "sinh", "cosh", "softsign", "silu") else EDGES])
    if kind == "sign":
        x = x[:-1]
    case(kind, f(x), {"x": x}, tolerance=6e-6)
    case(kind, f(X.half().float()).half(), {"x": X.half()}, tolerance=1e-3)
for kind, f in {"sqrt": torch.sqrt, "log": torch.log, "rsqrt": torch.rsqrt, "acos": torch.acos, "asin": torch.asin,
                "atanh": torch.atanh}.items():
    x = torch.rand(20) * 0.9 + 0.05
    case(kind, f(x), {"x": x}, {} if kind in ("sqrt", "acos", "asin", "atanh") else {"epsilon": 0.0})
case("inverse", 1 / (X + 0.01), {"x": X}, {"epsilon": 0.01}, tolerance=1e-5)
case("gelu", F.gelu(X), {"x": X}, {"mode": "EXACT"})
case("gelu", F.gelu(X, approximate="tanh"), {"x": X}, {"mode": "TANH_APPROXIMATION"})
case("gelu", X * torch.sigmoid(1.702 * X), {"x": X}, {"mode": "SIGMOID_APPROXIMATION"})
case("elu", F.elu(X, 0.7), {"x": X}, {"alpha": 0.7})
case("leaky_relu", F.leaky_relu(X, 0.2), {"x": X}, {"alpha": 0.2})
case("thresholded_relu", F.threshold(X, 0.3, 0.0), {"x": X}, {"alpha": 0.3})
case("clamped_relu", torch.where(X >= 0, X.clamp(max=0.8), X * 0.1), {"x": X}, {"alpha": 0.1, "beta": 0.8})
case("linear_activation", X * 2.0 + 0.5, {"x": X}, {"alpha": 2.0, "beta": 0.5})
case("scaled_tanh", 1.5 * torch.tanh(0.5 * X), {"x": X}, {"alpha": 1.5, "beta": 0.5})
case("sigmoid_hard", (0.3 * X + 0.5).clamp(0, 1), {"x": X}, {"alpha": 0.3, "beta": 0.5})
case("clip", X.clamp(-0.5, 0.5), {"x": X}, {"alpha": -0.5, "beta": 0.5})
case("threshold", X.clamp(min=0.1), {"x": X}, {"alpha": 0.1})
X4 = rand(2, 3, 5, 7)
ALPHA = torch.tensor([0.1, 0.2, 0.3])
case("prelu", F.prelu(X4, ALPHA), {"x": X4}, {"alpha": ALPHA})
case("softplus_parametric", ALPHA.view(3, 1, 1) * F.softplus(X4 * 2), {"x": X4}, {"alpha": ALPHA, "beta": torch.full((3,), 2.0)})
for axis in (-1, 1, 0):
    case("softmax", F.softmax(X4, axis), {"x": X4}, {"axis": axis})

A, B = rand(2, 1, 4), rand(3, 1)
for kind, f in {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "real_div": torch.div, "maximum": torch.maximum,
                "minimum": torch.minimum, "floor_div": lambda a, b: torch.floor(a / b), "mod": torch.remainder}.items():
    case(kind, f(A, B), {"x": A, "y": B})
    case(kind, f(X, X.flip(0)), {"x": X, "y": X.flip(0)})
    case(kind, f(X, torch.tensor(0.7)), {"x": X, "y": torch.tensor(0.7)})
case("pow", torch.pow(A.abs(), B), {"x": A.abs(), "y": B}, tolerance=1e-5)
I, J = torch.randint(-20, 20, (3, 4), dtype=torch.int32), torch.tensor([[3], [-4], [7]], dtype=torch.int32)
for kind, f in {"add": torch.add, "mul": torch.mul, "floor_div": lambda a, b: torch.div(a, b, rounding_mode="floor"),
                "mod": torch.remainder, "maximum": torch.maximum,
                "real_div": lambda a, b: torch.div(a, b, rounding_mode="trunc")}.items():
    case(kind, f(I, J), {"x": I, "y": J})
for kind, f in {"equal": torch.eq, "not_equal": torch.ne, "greater": torch.gt, "greater_equal": torch.ge,
                "less": torch.lt, "less_equal": torch.le}.items():
    y = torch.where(B > 0, A, B)
    case(kind, f(A, y), {"x": A, "y": y})
P, Q = A > 0, B > 0
for kind, f in {"logical_and": torch.logical_and, "logical_or": torch.logical_or, "logical_xor": torch.logical_xor}.items():
    case(kind, f(P, Q), {"x": P, "y": Q})
case("logical_not", ~P, {"x": P})
case("select", torch.where(Q, A, B), {"cond": Q, "a": A, "b": B})
case("cast", (X * 3).int(), {"x": X * 3}, {"dtype": "int32"})
case("cast", I.half(), {"x": I}, {"dtype": "fp16"})
case("cast", I.bool(), {"x": I}, {"dtype": "bool"})
case("cast", (I * 100).to(torch.int8), {"x": I * 100}, {"dtype": "int8"})


def conv(dims, groups=1, stride=1, dilation=1, pad=0, channels=(4, 6), kernel=3, size=5, half=False, bias=True):
    f = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[dims]
    x = rand(2, channels[0], *[size + i for i in range(dims)])
    w = rand(channels[1], channels[0] // groups, *[kernel] * dims) * 0.3
    b = rand(channels[1]) if bias else None
    if half:
        x, w, b = x.half(), w.half(), b.half()
        y = f(x.float(), w.float(), b.float(), stride, pad, dilation, groups).half()
    else:
        y = f(x, w, b, stride, pad, dilation, groups)
    const = {"weight": w, "strides": [stride] * dims, "pad_type": "custom", "pad": [pad] * 2 * dims,
             "dilations": [dilation] * dims, "groups": groups}
    case("conv", y, {"x": x}, const | ({"bias": b} if bias else {}), tolerance=2e-3 if half else 5e-6)


for dims in (1, 2, 3):
    conv(dims)
    conv(dims, stride=2, pad=1)
    conv(dims, dilation=2, pad=2, groups=2)
    conv(dims, groups=4, channels=(4, 8), pad=1, stride=2)
conv(2, kernel=1, bias=False)
conv(2, kernel=1, groups=2)
conv(2, kernel=5, groups=4, channels=(4, 4), pad=2)
conv(2, kernel=3, groups=4, channels=(4, 4), pad=2, dilation=2)
conv(2, kernel=7, groups=4, channels=(4, 4), pad=3, stride=3, size=8)
conv(2, half=True, pad=1)
for same, (lo, hi) in {"same": (0, 1), "same_lower": (1, 0)}.items():
    x, w = rand(1, 2, 8, 8), rand(3, 2, 3, 3)
    case("conv", F.conv2d(F.pad(x, (lo, hi, lo, hi)), w, stride=2), {"x": x}, {"weight": w, "strides": [2, 2], "pad_type": same}, tolerance=5e-6)
for dims in (1, 2, 3):
    f = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}[dims]
    for groups, stride, pad, dilation in ((1, 2, 1, 1), (2, 3, 0, 2), (4, 1, 1, 1)):
        x, w, b = rand(2, 4, *[5] * dims), rand(4, 3, *[3] * dims), rand(3 * groups)
        y = f(x, w, b, stride, pad, 0, groups, dilation)
        case("conv_transpose", y, {"x": x}, {
            "weight": w, "bias": b, "strides": [stride] * dims, "pad_type": "custom", "pad": [pad] * 2 * dims,
            "dilations": [dilation] * dims, "groups": groups}, tolerance=8e-6)
x, w = rand(1, 2, 4, 4), rand(2, 3, 3, 3)
y = F.conv_transpose2d(x, w, None, 2, 1, 1)
case("conv_transpose", y, {"x": x}, {"weight": w, "strides": [2, 2], "pad_type": "custom", "pad": [1, 1, 1, 1],
                                     "output_shape": list(y.shape)}, tolerance=5e-6)

for ceil in (False, True):
    for pad in (0, 1):
        const = {"kernel_sizes": [3, 3], "strides": [2, 2], "pad_type": "custom", "pad": [pad] * 4, "ceil_mode": ceil}
        x = rand(2, 3, 8, 11)
        case("max_pool", F.max_pool2d(x, 3, 2, pad, ceil_mode=ceil), {"x": x}, const)
        for exclude in (False, True):
            y = F.avg_pool2d(x, 3, 2, pad, ceil_mode=ceil, count_include_pad=not exclude)
            case("avg_pool", y, {"x": x}, const | {"exclude_padding_from_average": exclude})
x = rand(2, 3, 9)
case("avg_pool", F.avg_pool1d(x, 4, 3), {"x": x}, {"kernel_sizes": [4], "strides": [3], "pad_type": "valid"})
x = rand(1, 2, 5, 6, 7)
case("max_pool", F.max_pool3d(x, 2, 2), {"x": x}, {"kernel_sizes": [2] * 3, "strides": [2] * 3, "pad_type": "valid"})
case("l2_pool", F.lp_pool2d(X4, 2, 2, 2), {"x": X4}, {"kernel_sizes": [2, 2], "strides": [2, 2], "pad_type": "valid"})

G, BETA = rand(3), rand(3)
M, V = rand(3), torch.rand(3) + 0.1
case("batch_norm", F.batch_norm(X4, M, V, G, BETA), {"x": X4}, {"mean": M, "variance": V, "gamma": G, "beta": BETA, "epsilon": 1e-5}, tolerance=5e-6)
case("instance_norm", F.instance_norm(X4, weight=G, bias=BETA), {"x": X4}, {"gamma": G, "beta": BETA, "epsilon": 1e-5}, tolerance=5e-6)
LG, LB = rand(7), rand(7)
case("layer_norm", F.layer_norm(X4, (7,), LG, LB), {"x": X4}, {"axes": [-1], "gamma": LG, "beta": LB, "epsilon": 1e-5}, tolerance=5e-6)
perm = X4.permute(0, 2, 3, 1)
y = F.layer_norm(perm, (3,), G, BETA).permute(0, 3, 1, 2)
case("layer_norm", y, {"x": X4}, {"axes": [1], "gamma": G, "beta": BETA, "epsilon": 1e-5}, tolerance=5e-6)
case("l2_norm", X4 / (X4.square().sum((1, 2, 3), keepdim=True) + 1e-6).sqrt(), {"x": X4}, {"epsilon": 1e-6})
for size in (3, 4):
    x = rand(2, 6, 4, 4)
    case("local_response_norm", F.local_response_norm(x, size, 0.2, 0.75, 1.5), {"x": x}, {"size": size, "alpha": 0.2, "beta": 0.75, "k": 1.5})

R = rand(3, 4, 5)
for keep in (False, True):
    for axes in ([1], [0, 2], [-1]):
        d = dict(dim=axes, keepdim=keep)
        c = {"axes": axes, "keep_dims": keep}
        case("reduce_mean", R.mean(**d), {"x": R}, c)
        case("reduce_sum", R.sum(**d), {"x": R}, c)
        case("reduce_max", R.amax(**d), {"x": R}, c)
        case("reduce_min", R.amin(**d), {"x": R}, c)
        case("reduce_l1_norm", R.abs().sum(**d), {"x": R}, c)
        case("reduce_l2_norm", R.square().sum(**d).sqrt(), {"x": R}, c)
        case("reduce_sum_square", R.square().sum(**d), {"x": R}, c)
        case("reduce_log_sum_exp", torch.logsumexp(R, **d), {"x": R}, c)
        case("reduce_log_sum", R.abs().sum(**d).log(), {"x": R.abs()}, c)
    for axis in (1, -1):
        case("reduce_argmax", R.argmax(axis, keep).int(), {"x": R}, {"axis": axis, "keep_dims": keep})
        case("reduce_argmin", R.argmin(axis, keep).int(), {"x": R}, {"axis": axis, "keep_dims": keep})
case("reduce_prod", R.prod(1), {"x": R}, {"axes": [1], "keep_dims": False}, tolerance=1e-5)
case("reduce_sum", I.sum(1).int(), {"x": I}, {"axes": [1], "keep_dims": False})

case("cumsum", R.cumsum(1), {"x": R}, {"axis": 1})
case("cumsum", R.flip(1).cumsum(1).flip(1), {"x": R}, {"axis": 1, "reverse": True}, tolerance=5e-6)
case("cumsum", R.cumsum(1) - R, {"x": R}, {"axis": 1, "exclusive": True}, tolerance=5e-6)
values, indices = R.topk(3, 1)
case("topk", [values, indices.int()], {"x": R}, {"k": 3, "axis": 1, "ascending": False})
values, indices = R.topk(2, 2, largest=False)
case("topk", [values, indices.int()], {"x": R}, {"k": 2, "axis": -1, "ascending": True})
case("argsort", R.argsort(1, descending=True).int(), {"x": R}, {"axis": 1, "ascending": False})
case("argsort", R.argsort(0).int(), {"x": R}, {"axis": 0, "ascending": True})
case("band_part", torch.tril(torch.triu(R, -1), 2), {"x": R}, {"lower": 1, "upper": 2})
case("concat", torch.cat([R, R * 2, R[:, :1]], 1), {"values": [R, R * 2, R[:, :1].contiguous()]}, {"axis": 1})
case("concat", torch.stack([R, -R], 2).reshape(3, 8, 5), {"values": [R, -R]}, {"axis": 1, "interleave": True})
case("stack", torch.stack([R, -R], 2), {"values": [R, -R]}, {"axis": 2})
case("split", list(R.split([1, 2, 1], 1)), {"x": R}, {"split_sizes": [1, 2, 1], "axis": 1})
case("tile", R.repeat(2, 1, 3), {"x": R}, {"reps": [2, 1, 3]})
case("fill", torch.full((2, 3), 1.5), {"shape": torch.tensor([2, 3], dtype=torch.int32)}, {"value": 1.5})
case("range_1d", torch.arange(0.5, 3.0, 0.3), {"end": torch.tensor(3.0)}, {"start": 0.5, "step": 0.3})
case("range_1d", torch.arange(9, 1, -3, dtype=torch.int32), {"end": torch.tensor(1, dtype=torch.int32)}, {"start": 9, "step": -3})
case("shape", torch.tensor([3, 4, 5], dtype=torch.int32), {"x": R})
case("one_hot", F.one_hot(torch.tensor([0, 2, 1]), 4).float() * 2 - 0.5, {"indices": torch.tensor([0, 2, 1], dtype=torch.int32)},
     {"one_hot_vector_size": 4, "on_value": 1.5, "off_value": -0.5})
case("non_zero", I.nonzero().int(), {"x": I})
for mode, torch_mode in {"constant": "constant", "reflect": "reflect", "replicate": "replicate"}.items():
    y = F.pad(X4, (2, 1, 0, 3), torch_mode, **({"value": 0.25} if mode == "constant" else {}))
    case("pad", y, {"x": X4}, {"pad": [0, 3, 2, 1], "mode": mode, "constant_val": 0.25})

case("reshape", R.reshape(5, -1), {"x": R, "shape": torch.tensor([5, -1], dtype=torch.int32)})
case("transpose", R.permute(2, 0, 1), {"x": R}, {"perm": [2, 0, -2]})
case("expand_dims", R[:, None, :, :, None], {"x": R}, {"axes": [1, -1]})
case("squeeze", A.squeeze(1), {"x": A}, {"axes": [1]})
case("reverse", R.flip(0, 2), {"x": R}, {"axes": [0, 2]})
case("sliding_windows", R.unfold(1, 2, 1).transpose(2, 3), {"x": R}, {"axis": 1, "size": 2, "stride": 1})
case("flatten2d", R.reshape(3, 20), {"x": R}, {"axis": 1})
case("slice_by_index", R[1:3, 0:4:2, -3:], {"x": R, "begin": torch.tensor([1, 0, -3], dtype=torch.int32)},
     {"end": [3, 4, 5], "stride": [1, 2, 1]})
case("slice_by_index", R[:, 2, 1:], {"x": R}, {"begin": [0, 2, 1], "end": [0, 0, 0], "begin_mask": [True, False, False],
     "end_mask": [True, False, True], "squeeze_mask": [False, True, False]})
case("slice_by_index", R.flip(2)[:, :, ::2], {"x": R}, {"begin": [0, 0, 0], "end": [0, 0, 0], "stride": [1, 1, -2],
     "begin_mask": [True] * 3, "end_mask": [True] * 3})
case("slice_by_size", R[1:2, 1:, 2:4], {"x": R, "begin": torch.tensor([1, 1, 2], dtype=torch.int32)}, {"size": [1, -1, 2]})
y = R.clone()
y[1:3, 1:4:2] = 9.0
case("slice_update", y, {"x": R, "update": torch.full((2, 2, 5), 9.0)}, {"begin": [1, 1, 0], "end": [3, 4, 5], "stride": [1, 2, 1]})

IDX = torch.tensor([[2, 0], [1, -1]], dtype=torch.int32)
case("gather", R[:, IDX.long()], {"x": R, "indices": IDX}, {"axis": 1})
case("gather", torch.stack([R[i][torch.tensor([0, 3 - i]).long()] for i in range(3)]),
     {"x": R, "indices": torch.tensor([[0, 3], [0, 2], [0, 1]], dtype=torch.int32)}, {"axis": 1, "batch_dims": 1})
along = torch.randint(0, 4, (3, 2, 5))
case("gather_along_axis", R.gather(1, along), {"x": R, "indices": along.int()}, {"axis": 1})
case("gather_nd", R[[0, 2], [1, 3]], {"x": R, "indices": torch.tensor([[0, 1], [2, 3]], dtype=torch.int32)})
y = R.clone().index_add(1, torch.tensor([3, 0, 3]), torch.ones(3, 3, 5))
case("scatter", y, {"data": R, "indices": torch.tensor([3, 0, 3], dtype=torch.int32), "updates": torch.ones(3, 3, 5)}, {"axis": 1, "mode": "add"})
U = rand(3, 2, 5)
along = torch.stack([torch.randperm(4)[:2] for _ in range(15)]).reshape(3, 5, 2).transpose(1, 2)
case("scatter_along_axis", R.scatter(1, along, U), {"data": R, "indices": along.int().contiguous(), "updates": U}, {"axis": 1, "mode": "update"})
y = R.clone()
y[0, 1] += 1
y[2, 3] += 2
case("scatter_nd", y, {"data": R, "indices": torch.tensor([[0, 1], [2, 3]], dtype=torch.int32),
                       "updates": torch.tensor([[1.0] * 5, [2.0] * 5])}, {"mode": "add"})

LW, LBIAS = rand(6, 5), rand(6)
case("linear", F.linear(R, LW, LBIAS), {"x": R}, {"weight": LW, "bias": LBIAS}, tolerance=5e-6)
L, W = rand(2, 1, 3, 4), rand(5, 4, 6)
case("matmul", L @ W, {"x": L, "y": W}, tolerance=5e-6)
case("matmul", L @ W, {"x": L.transpose(-1, -2).contiguous(), "y": W.transpose(-1, -2).contiguous()},
     {"transpose_x": True, "transpose_y": True}, tolerance=5e-6)
VEC = rand(4)
case("matmul", VEC @ W, {"x": VEC, "y": W}, tolerance=5e-6)
EX, EY = rand(2, 3, 4, 5), rand(2, 5, 4, 6)
case("einsum", torch.einsum("nchw,nwhr->nchr", EX, EY), {"values": [EX, EY]}, {"equation": "nchw,nwhr->nchr"}, tolerance=5e-6)
case("einsum", torch.einsum("chw,whr->chr", EX[0], EY[0]), {"values": [EX[0], EY[0]]}, {"equation": "chw,whr->chr"}, tolerance=5e-6)
QS, KS, VS = rand(2, 3, 4, 8), rand(2, 3, 6, 8), rand(2, 3, 6, 5)
attend = F.scaled_dot_product_attention
case("scaled_dot_product_attention", attend(QS, KS, VS), {"query": QS, "key": KS, "value": VS}, tolerance=5e-6)
mask = rand(4, 6)
case("scaled_dot_product_attention", attend(QS, KS, VS, mask), {"query": QS, "key": KS, "value": VS, "attn_mask": mask}, tolerance=5e-6)
mask = torch.rand(2, 1, 4, 6) > 0.3
mask[..., 0] = True
case("scaled_dot_product_attention", attend(QS, KS, VS, mask), {"query": QS, "key": KS, "value": VS, "attn_mask": mask}, tolerance=5e-6)

for align in (True, False):
    y = F.interpolate(X4, size=(10, 14), mode="bilinear", align_corners=align)
    case("upsample_bilinear", y, {"x": X4}, {"scale_factor_height": 2.0, "scale_factor_width": 2.0, "align_corners": align}, tolerance=5e-6)
    mode = "STRICT_ALIGN_CORNERS" if align else "UNALIGN_CORNERS"
    y = F.interpolate(X4, size=(8, 4), mode="bilinear", align_corners=align)
    case("resize_bilinear", y, {"x": X4}, {"target_size_height": 8, "target_size_width": 4, "sampling_mode": mode}, tolerance=5e-6)
case("upsample_nearest_neighbor", F.interpolate(X4, scale_factor=2), {"x": X4}, {"scale_factor_height": 2, "scale_factor_width": 2})
case("resize_nearest_neighbor", F.interpolate(X4, size=(9, 4)), {"x": X4}, {"target_size_height": 9, "target_size_width": 4})
case("resize", F.interpolate(X4, size=(9, 4)), {"x": X4, "shape": torch.tensor([9, 4], dtype=torch.int32)},
     {"resized_dims": 2, "interpolation_mode": "NEAREST_NEIGHBOR"}, dtypes={"resized_dims": "uint32"})
case("crop", X4[:, :, 1:4, 2:6], {"x": X4}, {"crop_height": [1, 1], "crop_width": [2, 1]})
grid = torch.rand(2, 4, 3, 2) * 2.4 - 1.2
for corners in (True, False):
    for mode, torch_mode in {"constant": "zeros", "border": "border", "reflection": "reflection"}.items():
        y = F.grid_sample(X4, grid, "bilinear", torch_mode, corners)
        case("resample", y, {"x": X4, "coordinates": grid}, {
            "sampling_mode": "bilinear", "padding_mode": mode, "padding_value": 0.0,
            "coordinates_mode": "normalized_minus_one_to_one", "align_corners": corners}, tolerance=1e-5)
S = rand(2, 8, 4, 6)
case("pixel_shuffle", F.pixel_shuffle(S, 2), {"x": S}, {"upscale_factor": 2})
case("pixel_unshuffle", F.pixel_unshuffle(S, 2), {"x": S}, {"downscale_factor": 2}, dtypes={"downscale_factor": "uint32"})
d2s = S.reshape(2, 2, 2, 2, 4, 6).permute(0, 3, 4, 1, 5, 2).reshape(2, 2, 8, 12)
case("depth_to_space", d2s, {"x": S}, {"block_size": 2})
case("space_to_depth", S, {"x": d2s.contiguous()}, {"block_size": 2})

for scale, zero in ((0.05, None), (0.03, 10)):
    z = zero or 0
    q = (torch.round(X / scale) + z).clamp(-128, 127).to(torch.int8)
    const = {"scale": scale} | ({"zero_point": torch.tensor(zero, dtype=torch.int8)} if zero else {})
    case("quantize", q, {"input": X}, const | {"output_dtype": "int8"})
    case("dequantize", (q.float() - z) * scale, {"input": q}, const)
scales, zeros = torch.tensor([0.02, 0.05, 0.1]), torch.tensor([0, 128, 255], dtype=torch.uint8)
q = (torch.round(X / scales.view(3, 1)) + zeros.view(3, 1)).clamp(0, 255).to(torch.uint8)
const = {"scale": scales, "zero_point": zeros, "axis": 1}
case("quantize", q, {"input": X}, const | {"output_dtype": "uint8"})
case("dequantize", (q.float() - zeros.view(3, 1).float()) * scales.view(3, 1), {"input": q}, const)

SEQ, H0, C0 = rand(5, 2, 3), rand(2, 4), rand(2, 4)
reorder = lambda w, order: torch.cat([w.chunk(len(order))[i] for i in order])
with torch.no_grad():
    lstm = torch.nn.LSTM(3, 4)
    y, (h, c) = lstm(SEQ, (H0[None], C0[None]))
    # PyTorch has input, forget, cell, output.
    ifoz = lambda w: reorder(w, [0, 1, 3, 2])
    const = {"weight_ih": ifoz(lstm.weight_ih_l0), "weight_hh": ifoz(lstm.weight_hh_l0), "bias": ifoz(lstm.bias_ih_l0 + lstm.bias_hh_l0)}
    case("lstm", [y, h[0], c[0]], {"x": SEQ, "initial_h": H0, "initial_c": C0}, const | {"output_sequence": True}, tolerance=5e-6)
    two = torch.nn.LSTM(3, 4, bidirectional=True)
    h0, c0 = rand(2, 2, 4), rand(2, 2, 4)
    y, (h, c) = two(SEQ, (h0, c0))
    both = lambda s: torch.cat([s[0], s[1]], -1)
    const = {"direction": "bidirectional", "output_sequence": True,
             "weight_ih": ifoz(two.weight_ih_l0), "weight_hh": ifoz(two.weight_hh_l0), "bias": ifoz(two.bias_ih_l0 + two.bias_hh_l0),
             "weight_ih_back": ifoz(two.weight_ih_l0_reverse), "weight_hh_back": ifoz(two.weight_hh_l0_reverse),
             "bias_back": ifoz(two.bias_ih_l0_reverse + two.bias_hh_l0_reverse)}
    case("lstm", [y, both(h), both(c)], {"x": SEQ, "initial_h": both(h0), "initial_c": both(c0)}, const, tolerance=5e-6)
    gru = torch.nn.GRU(3, 4)
    y, h = gru(SEQ, H0[None])
    # PyTorch has reset, update, new, and the reset gate after the product.
    roz = lambda w: reorder(w, [0, 2, 1])
    const = {"weight_ih": roz(gru.weight_ih_l0), "weight_hh": roz(gru.weight_hh_l0), "bias": roz(gru.bias_hh_l0),
             "input_bias": roz(gru.bias_ih_l0), "reset_after": True, "output_sequence": True}
    case("gru", [y, h[0]], {"x": SEQ, "initial_h": H0}, const, tolerance=5e-6)
    rnn = torch.nn.RNN(3, 4)
    y, h = rnn(SEQ.flip(0), H0[None])
    const = {"weight_ih": rnn.weight_ih_l0, "weight_hh": rnn.weight_hh_l0, "bias": rnn.bias_ih_l0 + rnn.bias_hh_l0,
             "direction": "reverse", "output_sequence": False}
    case("rnn", [h, h[0]], {"x": SEQ, "initial_h": H0}, const, tolerance=5e-6)


def main():
    with open(sys.argv[1], "w") as out:
        json.dump(CASES, out, separators=(",", ":"))
        out.write("\n")
    print(len(CASES), "cases of", len({case["kind"] for case in CASES}), "operators")


if __name__ == "__main__":
    main()
