"""Small programs with what PyTorch computes: convert_cases.py DIRECTORY

For each case NAME.pt2 (torch.export.save) and NAME.safetensors with the inputs (`in0`, ...) and outputs (`out0`, ...).
`tests/data/convert/cases.tar.gz` holds the directory; `tests/convert_cases.rs` converts the programs and runs them.
"""

import re
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

OUT = Path(sys.argv[1])
OUT.mkdir(parents=True, exist_ok=True)
CASES = {}


class Lambda(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


class Parts(nn.Module):
    """A function of modules, which have weights, and of inputs."""

    def __init__(self, function, *parts):
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.function = function

    def forward(self, *inputs):
        return self.function(*self.parts, *inputs)


def case(name, function, *inputs):
    assert name not in CASES, name
    module = function if isinstance(function, nn.Module) else Lambda(function)
    CASES[name] = (module.eval(), inputs)


def f(*shape):
    return torch.randn(*shape)


def positive(*shape):
    return torch.rand(*shape) + 0.1


def ints(high, *shape, low=0):
    return torch.randint(low, high, shape, dtype=torch.int32)


torch.manual_seed(0)
X = f(2, 3, 8, 10)

# Elementwise, one operand.
for name in """relu relu6 sigmoid tanh silu hardsigmoid hardswish mish softsign exp2 expm1 log1p erf sin cos tan atan asin
acos sinh cosh asinh atanh abs neg ceil floor round trunc sign frac square exp rsqrt sqrt log log2 log10 reciprocal
logsigmoid softplus selu elu celu gelu leaky_relu""".split():
    function = getattr(torch, name, None) or getattr(F, name)
    inputs = positive(3, 5) if name in "rsqrt sqrt log log2 log10 reciprocal log1p".split() else f(3, 5)
    if name in "asin acos atanh".split():
        inputs = torch.rand(3, 5) * 1.8 - 0.9
    case(name, function, inputs)
case("acosh", torch.acosh, positive(3, 5) + 1)
case("gelu_tanh", lambda x: F.gelu(x, approximate="tanh"), f(3, 5))
case("leaky_relu_slope", lambda x: F.leaky_relu(x, 0.2), f(3, 5))
case("elu_alpha", lambda x: F.elu(x, 0.3), f(3, 5))
case("celu_alpha", lambda x: F.celu(x, 0.5), f(3, 5))
case("softplus_beta", lambda x: F.softplus(x, 2.0, 3.0), f(3, 5) * 3)
case("hardtanh", lambda x: F.hardtanh(x, -0.4, 0.7), f(3, 5))
case("hardshrink", lambda x: F.hardshrink(x, 0.3), f(3, 5))
case("softshrink", lambda x: F.softshrink(x, 0.3), f(3, 5))
case("tanhshrink", F.tanhshrink, f(3, 5))
case("threshold", lambda x: F.threshold(x, 0.1, 20.0), f(3, 5))
case("glu", lambda x: F.glu(x, 1), f(3, 6))
case("prelu", nn.PReLU(3), f(2, 3, 4))
case("prelu_one", nn.PReLU(1), f(2, 3, 4))
case("clamp", lambda x: x.clamp(-0.5, 0.5), f(3, 5))
case("clamp_min", lambda x: x.clamp(min=-0.5), f(3, 5))
case("clamp_max", lambda x: x.clamp(max=0.2), f(3, 5))
case("clamp_int", lambda x: x.clamp(2, 5), ints(9, 3, 5))
case("round_decimals", lambda x: torch.round(x, decimals=2), f(3, 5))
case("nan_to_num", lambda x: torch.nan_to_num(x / x.relu()), f(3, 5))
case("logit", lambda x: torch.logit(x, eps=1e-3), torch.rand(3, 5))
case("sinc", torch.sinc, f(3, 5))

# Elementwise, two operands, with broadcasting, scalars and types.
A, B, C = f(2, 3, 4), f(3, 1), positive(2, 1, 4)
case("add", lambda a, b: a + b, A, B)
case("add_alpha", lambda a, b: torch.add(a, b, alpha=2.5), A, B)
case("add_scalar", lambda a: a + 1.5, A)
case("add_int_scalar", lambda a: a + 3, A)
case("add_int", lambda a, b: a + b, ints(9, 2, 3), ints(9, 3))
case("add_mixed", lambda a, b: a + b, A, ints(9, 3, 1))
case("sub", lambda a, b: a - b, A, B)
case("sub_alpha", lambda a, b: torch.sub(a, b, alpha=3), A, B)
case("rsub", lambda a: 2 - a, A)
case("rsub_alpha", lambda a, b: torch.rsub(a, b, alpha=2), A, B)
case("mul", lambda a, b: a * b, A, B)
case("mul_scalar", lambda a: a * 0.3, A)
case("mul_int_by_float", lambda a: a * 0.5, ints(9, 2, 3))
case("div", lambda a, b: a / b, A, C)
case("div_scalar", lambda a: a / 3, A)
case("div_int", lambda a, b: a / b, ints(9, 2, 3), ints(9, 2, 3, low=1))
case("div_floor", lambda a, b: torch.div(a, b, rounding_mode="floor"), A * 5, C)
case("div_trunc", lambda a, b: torch.div(a, b, rounding_mode="trunc"), A * 5, C)
case("div_floor_int", lambda a, b: torch.div(a, b, rounding_mode="floor"), ints(20, 4, 5, low=-20), ints(7, 4, 5, low=1))
case("div_trunc_int", lambda a, b: torch.div(a, b, rounding_mode="trunc"), ints(20, 4, 5, low=-20), ints(7, 4, 5, low=1))
case("floor_divide", lambda a: a // 3, ints(20, 4, 5, low=-20))
case("floor_divide_float", lambda a: a // 0.7, A * 5)
case("remainder", lambda a: torch.remainder(a, 3), ints(20, 4, 5, low=-20))
case("remainder_negative", lambda a: torch.remainder(a, -3), ints(20, 4, 5, low=-20))
case("remainder_float", lambda a, b: torch.remainder(a, b), A * 5, C)
case("fmod", lambda a, b: torch.fmod(a, b), A * 5, C)
case("pow_scalar", lambda a: a**2, A)
case("pow_three", lambda a: a**3, A)
case("pow_half", lambda a: a**0.5, C)
case("pow_minus", lambda a: a**-1.5, C)
case("pow_tensor", lambda a, b: a**b, C, A)
case("pow_base", lambda a: 2.0**a, A)
case("pow_int", lambda a: a**2, ints(9, 2, 3))
case("maximum", torch.maximum, A, B)
case("minimum", torch.minimum, A, B)
case("atan2", torch.atan2, A, B)
case("hypot", torch.hypot, A, B)
case("lerp", lambda a, b: torch.lerp(a, b, 0.3), A, B)
case("addcmul", lambda a, b, c: torch.addcmul(a, b, c, value=0.7), A, B, C)
case("addcdiv", lambda a, b, c: torch.addcdiv(a, b, c, value=0.7), A, B, C)
case("logaddexp", torch.logaddexp, A, B)
case("xlogy", torch.xlogy, A, C)
for name in "eq ne lt le gt ge".split():
    case(name, lambda a, b, op=getattr(torch, name): op(a, b).to(torch.int32), ints(4, 3, 5), ints(4, 3, 5))
    case(f"{name}_scalar", lambda a, op=getattr(torch, name): op(a, 0.25).float(), f(3, 5))
case("logical", lambda a, b: (torch.logical_and(a > 0, b > 0) | torch.logical_xor(a > 0, b > 0) & ~(a > 1)).int(), A, B)
case("logical_not", lambda a: torch.logical_not(a > 0).int(), A)
case("where", lambda a, b: torch.where(a > 0, a, b), A, B)
case("where_scalar", lambda a: torch.where(a > 0, a, 0.5), A)
case("where_scalars", lambda a: torch.where(a > 0, 1.0, -1.0), A)
case("masked_fill", lambda a: a.masked_fill(a > 0.5, float("-inf")).clamp(min=-5), A)
case("isnan", lambda a: torch.isnan(a / a.relu()).int(), A)
case("isinf", lambda a: torch.isinf(1 / a.relu()).int(), A)
case("bitwise_and_bool", lambda a: ((a > 0) & (a < 1)).float(), A)

# Casts.
case("to_int", lambda a: a.to(torch.int32), A * 5)
case("to_long", lambda a: a.to(torch.int64), A * 5)
case("to_bool", lambda a: a.to(torch.bool).int(), ints(3, 3, 5))
case("float_of_bool", lambda a: (a > 0).float() * 2, A)
case("type_as", lambda a, b: a.type_as(b), ints(9, 3), B)

# Reductions.
for keep in (False, True):
    suffix = "_keep" if keep else ""
    for name in "sum mean amax amin prod logsumexp".split():
        if name == "prod":
            case(name + suffix, lambda x, k=keep: x.prod(1, keepdim=k), f(2, 3, 4))
        else:
            op = getattr(torch, name)
            case(name + suffix, lambda x, op=op, k=keep: op(x, (1, -1), keepdim=k), f(2, 3, 4))
            case(name + suffix + "_one", lambda x, op=op, k=keep: op(x, -2, keepdim=k), f(2, 3, 4))
    case("max_dim" + suffix, lambda x, k=keep: torch.max(x, 1, keepdim=k), f(2, 3, 4))
    case("min_dim" + suffix, lambda x, k=keep: torch.min(x, -1, keepdim=k), f(2, 3, 4))
    case("argmax" + suffix, lambda x, k=keep: x.argmax(1, keepdim=k), f(2, 3, 4))
    case("argmin" + suffix, lambda x, k=keep: x.argmin(-1, keepdim=k), f(2, 3, 4))
    case("var" + suffix, lambda x, k=keep: x.var((1, 2), keepdim=k), f(2, 3, 4))
    case("std" + suffix, lambda x, k=keep: x.std(-1, keepdim=k, correction=0), f(2, 3, 4))
    case("norm" + suffix, lambda x, k=keep: x.norm(2, 1, keepdim=k), f(2, 3, 4))
    case("norm_one" + suffix, lambda x, k=keep: x.norm(1, 1, keepdim=k), f(2, 3, 4))
    case("vector_norm" + suffix, lambda x, k=keep: torch.linalg.vector_norm(x, 2, (1, 2), keepdim=k), f(2, 3, 4))
    case("any" + suffix, lambda x, k=keep: (x > 1).any(1, keepdim=k).int(), f(2, 3, 4))
    case("all" + suffix, lambda x, k=keep: (x > -1).all(-1, keepdim=k).int(), f(2, 3, 4))
case("sum_all", lambda x: x.sum(), f(2, 3))
case("mean_all", lambda x: x.mean(), f(2, 3))
case("max_all", lambda x: x.max(), f(2, 3))
case("min_all", lambda x: x.min(), f(2, 3))
case("argmax_all", lambda x: x.argmax(), f(2, 3))
case("sum_int", lambda x: x.sum(1), ints(9, 2, 3))
case("sum_bool", lambda x: (x > 0).sum(1), f(2, 3))
case("mean_dtype", lambda x: x.float().mean(1), ints(9, 2, 3))
case("cumsum", lambda x: x.cumsum(1), f(2, 3, 4))
case("cumsum_last", lambda x: x.cumsum(-1), f(2, 3, 4))
case("cumsum_int", lambda x: x.cumsum(-1), ints(9, 2, 3))
case("softmax", lambda x: x.softmax(-1), f(2, 3, 4))
case("softmax_first", lambda x: x.softmax(1), f(2, 3, 4))
case("log_softmax", lambda x: x.log_softmax(-1), f(2, 3, 4))
case("softmin", lambda x: F.softmin(x, 1), f(2, 3))
case("topk", lambda x: x.topk(2), f(3, 6))
case("topk_smallest", lambda x: x.topk(2, 0, largest=False), f(6, 3))
case("sort", lambda x: x.sort(-1), f(3, 6))
case("sort_descending", lambda x: x.sort(0, descending=True), f(6, 3))
case("argsort", lambda x: x.argsort(-1), f(3, 6))
case("normalize", lambda x: F.normalize(x, dim=1), f(2, 3, 4))
case("cosine_similarity", lambda a, b: F.cosine_similarity(a, b, dim=-1), f(3, 5), f(3, 5))

# Shapes.
case("reshape", lambda x: x.reshape(6, -1), f(2, 3, 4))
case("view", lambda x: x.view(2, 12), f(2, 3, 4))
case("flatten", lambda x: x.flatten(1), f(2, 3, 4))
case("flatten_middle", lambda x: x.flatten(1, 2), f(2, 3, 4, 5))
case("unflatten", lambda x: x.unflatten(1, (2, -1)), f(2, 6))
case("squeeze", lambda x: x.squeeze(), f(2, 1, 3, 1))
case("squeeze_one", lambda x: x.squeeze(-1), f(2, 1, 3, 1))
case("squeeze_none", lambda x: x.squeeze(0), f(2, 1, 3))
case("squeeze_some", lambda x: x.squeeze((1, 2)), f(2, 1, 3, 1))
case("unsqueeze", lambda x: x.unsqueeze(1), f(2, 3))
case("unsqueeze_last", lambda x: x.unsqueeze(-1), f(2, 3))
case("transpose", lambda x: x.transpose(0, -1), f(2, 3, 4))
case("t", lambda x: x.t(), f(2, 3))
case("mT", lambda x: x.mT, f(2, 3, 4))
case("permute", lambda x: x.permute(2, 0, -2), f(2, 3, 4))
case("movedim", lambda x: x.movedim(0, -1), f(2, 3, 4))
case("swapaxes", lambda x: x.swapaxes(0, 1), f(2, 3, 4))
case("expand", lambda x: x.expand(4, -1, 3), f(2, 1))
case("expand_as", lambda x, y: x.expand_as(y), f(1, 3), f(2, 3))
case("broadcast_to", lambda x: x.broadcast_to(2, 3, 4), f(3, 1))
case("repeat", lambda x: x.repeat(2, 1, 3), f(2, 3))
case("tile", lambda x: x.tile(2, 2), f(2, 3))
case("repeat_interleave", lambda x: x.repeat_interleave(3, 1), f(2, 3))
case("cat", lambda a, b: torch.cat([a, b], 1), f(2, 3), f(2, 4))
case("cat_last", lambda a, b: torch.cat([a, b, a], -1), f(2, 3), f(2, 4))
case("cat_mixed", lambda a, b: torch.cat([a, b], 0), f(2, 3), ints(9, 2, 3))
case("stack", lambda a, b: torch.stack([a, b], 1), f(2, 3), f(2, 3))
case("stack_last", lambda a, b: torch.stack([a, b], -1), f(2, 3), f(2, 3))
case("hstack", lambda a, b: torch.hstack([a, b]), f(2, 3), f(2, 4))
case("chunk", lambda x: x.chunk(3, 1), f(2, 7))
case("split", lambda x: x.split(3, 1), f(2, 7))
case("split_sizes", lambda x: x.split([1, 4, 2], -1), f(2, 7))
case("tensor_split", lambda x: x.tensor_split(3, 1), f(2, 7))
case("unbind", lambda x: x.unbind(1), f(2, 3, 4))
case("flip", lambda x: x.flip([0, -1]), f(2, 3, 4))
case("roll", lambda x: x.roll(2, 1), f(2, 5))
case("roll_two", lambda x: x.roll((1, -1), (0, 1)), f(3, 5))
case("roll_flat", lambda x: x.roll(2), f(3, 5))
case("rot90", lambda x: x.rot90(1, (1, 2)), f(2, 3, 4))
case("diagonal", lambda x: x.diagonal(0, 1, 2), f(2, 3, 3))
case("tril", lambda x: x.tril(), f(4, 5))
case("triu", lambda x: x.triu(1), f(4, 5))
case("tril_below", lambda x: x.tril(-1), f(2, 4, 5))
case("pixel_shuffle", lambda x: F.pixel_shuffle(x, 2), f(2, 8, 3, 5))
case("pixel_unshuffle", lambda x: F.pixel_unshuffle(x, 2), f(2, 3, 4, 6))
case("channel_shuffle", lambda x: F.channel_shuffle(x, 2), f(2, 6, 3, 4))
case("unfold_tensor", lambda x: x.unfold(1, 3, 2), f(2, 9))
case("meshgrid", lambda a, b: torch.meshgrid(a, b, indexing="ij"), f(3), f(4))
case("outer", torch.outer, f(3), f(4))
case("numel", lambda x: x * x.shape[1] / x.numel(), f(2, 3))

# Slices and indices.
case("slice", lambda x: x[:, 1:3], f(2, 5))
case("slice_step", lambda x: x[:, ::2], f(2, 7))
case("slice_step_from", lambda x: x[1:, 1:6:3], f(3, 7))
case("slice_negative", lambda x: x[:, -3:-1], f(2, 7))
case("slice_beyond", lambda x: x[:, 2:100], f(2, 7))
case("slice_many", lambda x: x[..., 1:, :2, None], f(2, 3, 4))
case("select", lambda x: x[:, 1], f(2, 3, 4))
case("select_last", lambda x: x[:, -1], f(2, 3, 4))
case("select_two", lambda x: x[0, :, 2], f(2, 3, 4))
case("narrow", lambda x: x.narrow(1, 1, 2), f(2, 4))
case("index_select", lambda x, i: x.index_select(1, i), f(2, 5, 3), ints(5, 4))
case("index_tensor", lambda x, i: x[i], f(5, 3), ints(5, 4))
case("index_tensor_grid", lambda x, i: x[i], f(5, 3), ints(5, 2, 4))
case("index_middle", lambda x, i: x[:, i], f(2, 5, 3), ints(5, 4))
case("index_two", lambda x, i, j: x[i, j], f(4, 5, 3), ints(4, 6), ints(5, 6))
case("index_constant", lambda x: x[:, [2, 0, 1]], f(2, 3))
case("gather", lambda x, i: x.gather(1, i.long()), f(3, 5), ints(5, 3, 2))
case("gather_first", lambda x, i: x.gather(0, i.long()), f(3, 5), ints(3, 2, 5))
case("take_along_dim", lambda x, i: x.take_along_dim(i.long(), 1), f(3, 5), ints(5, 3, 2))
case("scatter", lambda x, i, s: x.scatter(1, i.long(), s), f(3, 5), torch.tensor([[0, 2], [1, 4], [3, 0]], dtype=torch.int32), f(3, 2))
case("scatter_add", lambda x, i, s: x.scatter_add(1, i.long(), s), f(3, 5), ints(5, 3, 2), f(3, 2))
case("index_add", lambda x, i, s: x.index_add(0, i, s), f(5, 3), ints(5, 2), f(2, 3))
case("index_copy", lambda x, s: x.index_copy(0, torch.tensor([3, 1]), s), f(5, 3), f(2, 3))
case("slice_scatter", lambda x, s: x.slice_scatter(s, 1, 1, 3), f(2, 5), f(2, 2))
case("select_scatter", lambda x, s: x.select_scatter(s, 1, 2), f(2, 5), f(2))
case("one_hot", lambda i: F.one_hot(i.long(), 5), ints(5, 3))
case("embedding", Parts(lambda e, i: e(i), nn.Embedding(7, 4)), ints(7, 2, 3))
case("bucketize", lambda x: torch.bucketize(x, torch.tensor([-0.5, 0.0, 0.5])), f(3, 4))


def assigned(x):
    y = x.clone()
    y[:, 1:3] = 0
    y[:, 4] = y[:, 0] * 2
    return y


case("assigned", assigned, f(3, 6))

# Created in the program.
case("arange", lambda x: x + torch.arange(4), f(3, 4))
case("arange_step", lambda x: x + torch.arange(1.0, 9.0, 2.0), f(3, 4))
case("arange_of_shape", lambda x: x + torch.arange(x.shape[1]), f(3, 4))
case("zeros", lambda x: torch.cat([x, torch.zeros(2, 4)]), f(3, 4))
case("ones_like", lambda x: x + torch.ones_like(x), f(3, 4))
case("full", lambda x: x + torch.full((4,), 0.5), f(3, 4))
case("full_like", lambda x: x + torch.full_like(x, 2.5), f(3, 4))
case("new_zeros", lambda x: torch.cat([x, x.new_zeros(1, 4)]), f(3, 4))
case("linspace", lambda x: x + torch.linspace(0, 1, 4), f(3, 4))
case("eye", lambda x: x + torch.eye(4), f(4, 4))
case("scalar_tensor", lambda x: x + torch.tensor(1.5), f(3, 4))
case("tril_mask", lambda x: x.masked_fill(torch.ones(4, 4).tril() == 0, -9.0), f(4, 4))

# Matrix products.
case("matmul", torch.matmul, f(2, 3, 4), f(2, 4, 5))
case("matmul_broadcast", torch.matmul, f(2, 1, 3, 4), f(5, 4, 2))
case("matmul_vector", torch.matmul, f(3, 4), f(4))
case("matmul_vectors", torch.matmul, f(4), f(4))
case("vector_matmul", torch.matmul, f(4), f(4, 3))
case("mm", torch.mm, f(3, 4), f(4, 5))
case("mv", torch.mv, f(3, 4), f(4))
case("dot", torch.dot, f(4), f(4))
case("bmm", torch.bmm, f(2, 3, 4), f(2, 4, 5))
case("addmm", lambda c, a, b: torch.addmm(c, a, b, beta=0.5, alpha=2), f(5), f(3, 4), f(4, 5))
case("baddbmm", lambda c, a, b: torch.baddbmm(c, a, b, beta=0.5, alpha=2), f(2, 3, 5), f(2, 3, 4), f(2, 4, 5))
case("linear", nn.Linear(4, 5), f(2, 3, 4))
case("linear_plain", nn.Linear(4, 5, bias=False), f(3, 4))
case("linear_vector", nn.Linear(4, 5), f(4))
case("linear_of_input", lambda x, w, b: F.linear(x, w, b), f(3, 4), f(5, 4), f(5))
case("bilinear", nn.Bilinear(3, 4, 5), f(2, 3), f(2, 4))
case("einsum", lambda a, b: torch.einsum("bij,bjk->bik", a, b), f(2, 3, 4), f(2, 4, 5))
case("einsum_heads", lambda a, b: torch.einsum("bhid,bhjd->bhij", a, b), f(2, 2, 3, 4), f(2, 2, 5, 4))
case("einsum_sum", lambda a, b: torch.einsum("ij,kj->ik", a, b), f(3, 4), f(5, 4))
case("tensordot", lambda a, b: torch.tensordot(a, b, dims=2), f(2, 3, 4), f(3, 4, 5))

# Attention.
Q, K, V = f(2, 4, 5, 8), f(2, 4, 6, 8), f(2, 4, 6, 8)
sdpa = F.scaled_dot_product_attention
case("attention", lambda q, k, v: sdpa(q, k, v), Q, K, V)
case("attention_scale", lambda q, k, v: sdpa(q, k, v, scale=0.2), Q, K, V)
case("attention_causal", lambda q, k, v: sdpa(q, k, v, is_causal=True), f(2, 4, 6, 8), K, V)
case("attention_causal_oblong", lambda q, k, v: sdpa(q, k, v, is_causal=True), Q, K, V)
case("attention_mask", lambda q, k, v, m: sdpa(q, k, v, attn_mask=m), Q, K, V, f(5, 6))
case("attention_bool_mask", lambda q, k, v, m: sdpa(q, k, v, attn_mask=m > -1), Q, K, V, f(2, 1, 5, 6))
case("attention_grouped", lambda q, k, v: sdpa(q, k, v, enable_gqa=True), Q, f(2, 2, 6, 8), f(2, 2, 6, 8))
case("attention_three", lambda q, k, v: sdpa(q, k, v), f(4, 5, 8), f(4, 6, 8), f(4, 6, 8))
case("multihead", Parts(lambda m, x: m(x, x, x, need_weights=False)[0], nn.MultiheadAttention(8, 2, batch_first=True)), f(2, 5, 8))

# Convolutions.
case("conv1d", nn.Conv1d(3, 4, 3, padding=1), f(2, 3, 9))
case("conv1d_same", nn.Conv1d(3, 4, 4, padding="same"), f(2, 3, 9))
case("conv1d_valid", nn.Conv1d(3, 4, 4, padding="valid"), f(2, 3, 9))
case("conv2d", nn.Conv2d(3, 4, 3), X)
case("conv2d_stride", nn.Conv2d(3, 4, (3, 2), stride=(2, 1), padding=(1, 0)), X)
case("conv2d_dilated", nn.Conv2d(3, 4, 3, dilation=2, padding=2), X)
case("conv2d_groups", nn.Conv2d(6, 4, 3, groups=2), f(2, 6, 7, 7))
case("conv2d_depthwise", nn.Conv2d(6, 12, 3, groups=6, padding=1), f(2, 6, 7, 7))
case("conv2d_plain", nn.Conv2d(3, 4, 1, bias=False), X)
case("conv2d_same_dilated", nn.Conv2d(3, 4, (3, 4), padding="same", dilation=(2, 1)), X)
case("conv2d_reflect", nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), X)
case("conv2d_unbatched", nn.Conv2d(3, 4, 3), X[0])
case("conv2d_of_input", lambda x, w: F.conv2d(x, w, padding=1), X, f(4, 3, 3, 3))
case("conv3d", nn.Conv3d(2, 3, (2, 3, 1), padding=(1, 1, 0)), f(1, 2, 4, 5, 6))
case("conv_transpose1d", nn.ConvTranspose1d(3, 4, 3, stride=2), f(2, 3, 5))
case("conv_transpose2d", nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1), f(2, 3, 5, 6))
case("conv_transpose2d_output", nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1), f(2, 3, 5, 6))
case("conv_transpose2d_output_uneven", nn.ConvTranspose2d(3, 4, (3, 2), stride=(3, 2), output_padding=(2, 1)), f(2, 3, 5, 6))
case("conv_transpose2d_groups", nn.ConvTranspose2d(4, 6, 3, groups=2, dilation=2), f(2, 4, 5, 6))

# Pooling.
case("max_pool1d", lambda x: F.max_pool1d(x, 3, 2), f(2, 3, 9))
case("max_pool2d", lambda x: F.max_pool2d(x, 2), X)
case("max_pool2d_pad", lambda x: F.max_pool2d(x, 3, 2, 1), X)
case("max_pool2d_ceil", lambda x: F.max_pool2d(x, 3, 2, ceil_mode=True), f(2, 3, 8, 9))
case("max_pool2d_ceil_pad", lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True), f(2, 3, 8, 9))
case("max_pool2d_ceil_beyond", lambda x: F.max_pool2d(x, 2, 3, 1, ceil_mode=True), f(1, 1, 6, 7))
case("max_pool3d", lambda x: F.max_pool3d(x, 2), f(1, 2, 4, 4, 6))
case("avg_pool1d", lambda x: F.avg_pool1d(x, 3, 2, 1), f(2, 3, 9))
case("avg_pool2d", lambda x: F.avg_pool2d(x, 2), X)
case("avg_pool2d_pad", lambda x: F.avg_pool2d(x, 3, 2, 1), X)
case("avg_pool2d_pad_excluded", lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), X)
case("avg_pool2d_ceil", lambda x: F.avg_pool2d(x, 3, 2, ceil_mode=True), f(2, 3, 8, 9))
case("avg_pool2d_divisor", lambda x: F.avg_pool2d(x, 2, divisor_override=3), X)
case("adaptive_avg_pool2d", lambda x: F.adaptive_avg_pool2d(x, 1), X)
case("adaptive_avg_pool2d_even", lambda x: F.adaptive_avg_pool2d(x, (4, 5)), X)
case("adaptive_avg_pool2d_uneven", lambda x: F.adaptive_avg_pool2d(x, (3, 4)), X)
case("adaptive_avg_pool2d_none", lambda x: F.adaptive_avg_pool2d(x, (None, 5)), X)
case("adaptive_avg_pool1d", lambda x: F.adaptive_avg_pool1d(x, 3), f(2, 3, 9))
case("adaptive_max_pool2d", lambda x: F.adaptive_max_pool2d(x, 1), X)
case("adaptive_max_pool2d_even", lambda x: F.adaptive_max_pool2d(x, (4, 5)), X)
case("lp_pool2d", lambda x: F.lp_pool2d(x, 2, 2), X.abs())

# Normalization.
case("layer_norm", nn.LayerNorm(4), f(2, 3, 4))
case("layer_norm_two", nn.LayerNorm((3, 4)), f(2, 3, 4))
case("layer_norm_plain", nn.LayerNorm(4, elementwise_affine=False, eps=1e-3), f(2, 3, 4))
case("layer_norm_no_bias", nn.LayerNorm(4, bias=False), f(2, 3, 4))
case("rms_norm", nn.RMSNorm(4), f(2, 3, 4))
case("rms_norm_eps", nn.RMSNorm(4, eps=1e-2, elementwise_affine=False), f(2, 3, 4))
case("group_norm", nn.GroupNorm(2, 6), f(2, 6, 4, 5))
case("group_norm_three", nn.GroupNorm(3, 6), f(2, 6, 7))
case("group_norm_plain", nn.GroupNorm(2, 6, affine=False), f(2, 6, 4, 5))
case("instance_norm", nn.InstanceNorm2d(3), X)
case("instance_norm_affine", nn.InstanceNorm2d(3, affine=True), X)
case("instance_norm1d", nn.InstanceNorm1d(3), f(2, 3, 9))


def statistics(norm):
    norm.running_mean.uniform_(-1, 1)
    norm.running_var.uniform_(0.5, 2)
    if norm.affine:
        nn.init.uniform_(norm.weight, 0.5, 2)
        nn.init.uniform_(norm.bias, -1, 1)
    return norm


case("batch_norm1d", statistics(nn.BatchNorm1d(3)), f(2, 3, 5))
case("batch_norm1d_two", statistics(nn.BatchNorm1d(3)), f(4, 3))
case("batch_norm2d", statistics(nn.BatchNorm2d(3)), X)
case("batch_norm2d_plain", statistics(nn.BatchNorm2d(3, affine=False)), X)
case("conv_batch_norm", nn.Sequential(nn.Conv2d(3, 4, 3), statistics(nn.BatchNorm2d(4)), nn.ReLU()), X)
case("conv_transpose_batch_norm", nn.Sequential(nn.ConvTranspose2d(3, 4, 3), statistics(nn.BatchNorm2d(4))), X)
case("linear_batch_norm", nn.Sequential(nn.Linear(3, 4), statistics(nn.BatchNorm1d(4))), f(5, 3))
case("local_response_norm", nn.LocalResponseNorm(3), f(2, 6, 4, 4))

# Padding.
case("pad", lambda x: F.pad(x, (1, 2)), f(2, 3, 4))
case("pad_two", lambda x: F.pad(x, (1, 2, 3, 0), value=0.5), X)
case("pad_negative", lambda x: F.pad(x, (-1, 2)), f(2, 3, 4))
case("pad_first", lambda x: F.pad(x, (0, 0, 0, 0, 1, 0)), f(2, 3, 4))
case("pad_reflect", lambda x: F.pad(x, (1, 2, 3, 2), mode="reflect"), X)
case("pad_reflect_one", lambda x: F.pad(x, (3, 1), mode="reflect"), f(2, 3, 5))
case("pad_replicate", lambda x: F.pad(x, (1, 2, 3, 2), mode="replicate"), X)
case("pad_replicate_one", lambda x: F.pad(x, (3, 1), mode="replicate"), f(2, 3, 5))
case("pad_circular", lambda x: F.pad(x, (1, 2), mode="circular"), f(2, 3, 5))
case("reflection_pad2d", nn.ReflectionPad2d((1, 2, 0, 3)), X)
case("replication_pad2d", nn.ReplicationPad2d(2), X)
case("zero_pad2d", nn.ZeroPad2d((1, 0, 2, 1)), X)

# Images.
case("upsample_nearest", lambda x: F.interpolate(x, scale_factor=2), f(2, 3, 4, 5))
case("upsample_nearest_size", lambda x: F.interpolate(x, size=(8, 15)), f(2, 3, 4, 5))
case("upsample_nearest_uneven", lambda x: F.interpolate(x, size=(7, 9)), f(2, 3, 4, 5))
case("upsample_nearest_down", lambda x: F.interpolate(x, size=(3, 4)), f(2, 3, 7, 9))
case("upsample_nearest_part", lambda x: F.interpolate(x, scale_factor=1.5), f(2, 3, 4, 6))
case("upsample_nearest_exact", lambda x: F.interpolate(x, scale_factor=2, mode="nearest-exact"), f(2, 3, 4, 5))
case("upsample_nearest1d", lambda x: F.interpolate(x, scale_factor=3), f(2, 3, 4))
case("upsample_bilinear", lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), f(2, 3, 4, 5))
case("upsample_bilinear_corners", lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True), f(2, 3, 4, 5))
case("upsample_bilinear_size", lambda x: F.interpolate(x, size=(7, 9), mode="bilinear"), f(2, 3, 4, 5))
case("upsample_bilinear_size_corners", lambda x: F.interpolate(x, size=(7, 9), mode="bilinear", align_corners=True), f(2, 3, 4, 5))
case("upsample_bilinear_down", lambda x: F.interpolate(x, size=(3, 4), mode="bilinear"), f(2, 3, 7, 9))
case("upsample_bilinear_part", lambda x: F.interpolate(x, scale_factor=1.5, mode="bilinear"), f(2, 3, 4, 6))
case("upsample_bilinear_part_odd", lambda x: F.interpolate(x, scale_factor=1.7, mode="bilinear"), f(2, 3, 4, 6))
case("upsample_bilinear_recomputed", lambda x: F.interpolate(x, scale_factor=1.7, mode="bilinear", recompute_scale_factor=True), f(2, 3, 4, 6))
case("upsample_linear", lambda x: F.interpolate(x, scale_factor=2, mode="linear"), f(2, 3, 4))
case("upsample_bicubic", lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"), f(2, 3, 4, 5))
case("grid_sample", lambda x, g: F.grid_sample(x, g, align_corners=False), f(2, 3, 4, 5), torch.rand(2, 6, 7, 2) * 2 - 1)
case("grid_sample_corners", lambda x, g: F.grid_sample(x, g, align_corners=True), f(2, 3, 4, 5), torch.rand(2, 6, 7, 2) * 2 - 1)
case("grid_sample_border", lambda x, g: F.grid_sample(x, g, padding_mode="border", align_corners=False), f(2, 3, 4, 5), torch.rand(2, 6, 7, 2) * 3 - 1.5)
case("unfold", lambda x: F.unfold(x, 3, padding=1), f(2, 3, 5, 6))
case("fold", lambda x: F.fold(x, (4, 4), 2, stride=2), f(2, 12, 4))

# Recurrent layers.
case("lstm", Parts(lambda m, x: m(x)[0], nn.LSTM(3, 4, batch_first=True)), f(2, 5, 3))
case("gru", Parts(lambda m, x: m(x)[0], nn.GRU(3, 4, batch_first=True)), f(2, 5, 3))

# Put together as models do.
case("dropout", nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5)), f(2, 3))
case("identity", nn.Identity(), f(2, 3))
case("twice_one", lambda x: (x, x + 1, x), f(2, 3))


class Rotary(nn.Module):
    def __init__(self):
        super().__init__()
        frequencies = 1.0 / 10000 ** (torch.arange(0, 8, 2).float() / 8)
        angles = torch.outer(torch.arange(6).float(), frequencies)
        self.register_buffer("cos", torch.cat([angles.cos()] * 2, -1))
        self.register_buffer("sin", torch.cat([angles.sin()] * 2, -1))

    def forward(self, x):
        a, b = x.chunk(2, -1)
        return x * self.cos + torch.cat((-b, a), -1) * self.sin


case("rotary", Rotary(), f(2, 4, 6, 8))


class SqueezeExcite(nn.Module):
    def __init__(self):
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(6, 2, 1), nn.Conv2d(2, 6, 1)

    def forward(self, x):
        return x * self.expand(F.silu(self.reduce(x.mean((2, 3), keepdim=True)))).sigmoid()


case("squeeze_excite", SqueezeExcite(), f(2, 6, 5, 5))


def rand_norm(module):
    for one in module.modules():
        if isinstance(one, nn.modules.batchnorm._BatchNorm):
            statistics(one)
    return module


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.middle = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.SiLU())
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.last = nn.Conv2d(16, 2, 1)

    def forward(self, x):
        skip = self.down(x)
        up = self.up(self.middle(skip))
        return F.interpolate(self.last(torch.cat([skip, up], 1)), scale_factor=2, mode="bilinear")


case("unet", rand_norm(UNet()), f(1, 3, 16, 16))
case("encoder_layer", nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True), f(2, 5, 8))
case("encoder_layer_gelu", nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True), f(2, 5, 8))

# Elements put and taken by their numbers.
def put(x, *rest):
    y = x.clone()
    y[rest[:-1]] = rest[-1]
    return y


case("index_put_one", put, f(5, 3), ints(5, 4, low=-5), f(4, 3))
case("index_put_two", put, f(4, 5, 3), torch.tensor([0, 3, 1]), torch.tensor([4, -1, 2]), f(3, 3))
case("index_put_broadcast", put, f(4, 5), torch.tensor([[0], [2]]), torch.tensor([1, 3]), f(2, 1))
case("index_put_add", lambda x, i, s: x.index_put((i,), s, accumulate=True), f(5, 3), ints(5, 7), f(7, 3))
case("index_put_mask", lambda x: put(x, x > 0.3, torch.tensor(-7.0)), f(4, 5))
case("index_put_mask_rows", lambda x: put(x, x[:, 0] > 0, torch.tensor(2.0)), f(4, 5))
case("index_negative", lambda x, i: x[i], f(5, 3), ints(5, 6, low=-5))
case("index_grid", lambda x, i, j: x[i[:, None], j[None, :]], f(4, 5, 2), ints(4, 3), ints(5, 2))
case("index_apart", lambda x, i, j: x[i, :, j], f(4, 5, 6), ints(4, 3), ints(6, 3))
case("index_inner", lambda x, i, j: x[:, i, j], f(4, 5, 6), ints(5, 3), ints(6, 3))
case("index_bool_values", lambda x, i, j: (x > 0)[i, j].int(), f(4, 5), ints(4, 6), ints(5, 6))
case("index_fill", lambda x: x.index_fill(1, torch.tensor([0, 3]), 9.0), f(3, 5))
case("index_add_alpha", lambda x, i, s: x.index_add(1, i, s, alpha=2.0), f(3, 5), ints(5, 4), f(3, 4))
case("gather_part", lambda x, i: x.gather(1, i.long()), f(4, 5), ints(5, 2, 3))
case("gather_three", lambda x, i: x.gather(2, i.long()), f(2, 4, 5), ints(5, 2, 3, 6))
case("take_along_all", lambda x, i: x.take_along_dim(i.long()), f(3, 5), ints(15, 4))
case("take_along_wide", lambda x, i: x.take_along_dim(i.long(), 1), f(3, 5), ints(5, 1, 2))
case("scatter_value", lambda x, i: x.scatter(0, i.long(), 3.5), f(4, 5), ints(4, 1, 5))
case("scatter_part", lambda x, i, s: x.scatter(0, i.long(), s), f(4, 5), torch.tensor([[1, 0, 2]], dtype=torch.int32), f(3, 4))
case("scatter_add_part", lambda x, i, s: x.scatter_add(1, i.long(), s), f(4, 5), ints(5, 2, 3), f(2, 3))
case("scatter_reduce", lambda x, i, s: x.scatter(1, i.long(), s, reduce="multiply"), f(3, 5), torch.tensor([[0], [2], [4]], dtype=torch.int32), f(3, 1))
case("slice_scatter_step", lambda x, s: x.slice_scatter(s, 1, 0, 5, 2), f(2, 5), f(2, 3))
case("one_hot_float", lambda i: F.one_hot(i.long(), 4).float() * 2, ints(4, 2, 3))
case("diagonal_offset", lambda x: x.diagonal(1), f(4, 6))
case("diagonal_below", lambda x: x.diagonal(-2, -1, 0), f(4, 3, 6))
case("as_strided", lambda x: x.as_strided((2, 3), (3, 2), 1), f(4, 5))
case("argsort_descending", lambda x: x.argsort(0, descending=True), f(6, 3))
case("sort_int", lambda x: x.sort(-1), torch.randperm(12).int().view(3, 4))
case("bucketize_right", lambda x: torch.bucketize(x, torch.tensor([0, 2, 4]), right=True), ints(6, 3, 4))
case("searchsorted", lambda b, x: torch.searchsorted(b, x, side="right"), torch.arange(5.0), f(3, 4) * 3)

# What is changed in place, through views.
def changed(function):
    def run(x):
        y = x.clone()
        function(y)
        return y

    return run


case("put_slice", changed(lambda y: y[:, 1:4].fill_(2.0)), f(3, 6))
case("put_slice_step", changed(lambda y: y[1::2].mul_(3)), f(5, 4))
case("put_select", changed(lambda y: y.select(1, -1).zero_()), f(3, 4))
case("put_transposed", changed(lambda y: y.t()[1:3].add_(1)), f(3, 4))
case("put_view", changed(lambda y: y.view(2, 6)[1, 2:].neg_()), f(3, 4))
case("put_part", changed(lambda y: y.split([1, 3], 1)[1].relu_()), f(3, 4))
case("put_unbound", changed(lambda y: y.unbind(0)[1].copy_(y[0])), f(3, 4))
case("put_chunk", changed(lambda y: y.chunk(2, -1)[0].exp_()), f(3, 4))
case("put_permuted", changed(lambda y: y.permute(2, 0, 1)[0].clamp_(min=0)), f(2, 3, 4))
case("put_masked", changed(lambda y: y[0].masked_fill_(y[1] > 0, -1)), f(3, 4))
case("put_unsqueezed", changed(lambda y: y.unsqueeze(0)[:, 1].squeeze(0).sigmoid_()), f(3, 4))


def seen_later(x):
    y = x * 1
    rows, flat, turned = y[1:], y.view(-1), y.t()
    y.mul_(2)
    rows.add_(1)
    return y, rows, flat, turned


case("put_seen_later", seen_later, f(3, 4))


def windows(x):
    mask, count = x.new_zeros((6, 6)), 0
    for rows in (slice(0, -4), slice(-4, -2), slice(-2, None)):
        for columns in (slice(0, -4), slice(-4, -2), slice(-2, None)):
            mask[rows, columns] = count
            count += 1
    mask = mask.view(3, 2, 3, 2).permute(0, 2, 1, 3).reshape(9, 4)
    return x + (mask[:, None] - mask[:, :, None])


case("put_windows", windows, f(9, 4, 4))

# Shapes of more dimensions than Core ML has, and empty ones.
def partition(x):
    b, h, w, c = x.shape
    parts = x.view(b, h // 2, 2, w // 3, 3, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 6, c)
    whole = (parts + 1).view(b, h // 2, w // 3, 2, 3, c).permute(0, 1, 3, 2, 4, 5)
    return parts, whole.reshape(b, h, w, c)


case("six_dimensions", partition, f(2, 4, 6, 5))
case("six_with_ones", lambda x: x.view(1, 2, 3, 1, 4, 5).permute(5, 0, 2, 1, 4, 3).reshape(15, 8), f(6, 20))
case("empty_part", lambda x: torch.cat([x[..., :4] * 2, x[..., 4:]], -1), f(2, 4))
case("empty_split", lambda x: torch.cat([one * 2 for one in x.split([3, 0, 1], 1)], 1), f(2, 4))
case("repeat_interleave_all", lambda x: x.repeat_interleave(2), f(2, 3))
case("meshgrid_xy", lambda a, b: torch.meshgrid(a, b, indexing="xy"), f(3), f(4))
case("vstack", lambda a, b: torch.vstack([a, b]), f(3), f(2, 3))
case("dstack", lambda a, b: torch.dstack([a, b]), f(2, 3), f(2, 3))
case("tensor_split_at", lambda x: x.tensor_split([2, 5], 1), f(2, 7))
case("unfold_middle", lambda x: x.unfold(1, 2, 1), f(2, 5, 3))
case("rot90_three", lambda x: x.rot90(3), f(3, 4))
case("select_last_kept", lambda x: x[:, -1:], f(2, 3))

# Padding of other kinds.
case("pad_int", lambda x: F.pad(x, (1, 2), value=3), ints(9, 2, 3))
case("pad_cut_and_add", lambda x: F.pad(x, (-1, 2, 1, -1), value=0.5), f(2, 3, 4))
case("pad_circular_two", lambda x: F.pad(x, (1, 2, 2, 0), mode="circular"), X)
case("pad_reflect_three", lambda x: F.pad(x, (1, 2, 1, 0, 1, 1), mode="reflect"), f(1, 2, 3, 4, 5))
case("pad_replicate_three", lambda x: F.pad(x, (1, 2, 1, 0, 1, 1), mode="replicate"), f(1, 2, 3, 4, 5))

# Pooling and images in other ways.
case("avg_pool2d_ceil_pad", lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True), f(2, 3, 8, 10))
case("avg_pool2d_ceil_excluded", lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False), f(2, 3, 8, 10))
case("avg_pool2d_ceil_divisor", lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, divisor_override=5), f(2, 3, 8, 10))
case("avg_pool2d_ceil_even", lambda x: F.avg_pool2d(x, 2, 2, ceil_mode=True), X)
case("avg_pool1d_ceil", lambda x: F.avg_pool1d(x, 3, 2, ceil_mode=True), f(2, 3, 8))
case("max_pool2d_unbatched", lambda x: F.max_pool2d(x, 2), X[0])
case("adaptive_avg_pool1d_uneven", lambda x: F.adaptive_avg_pool1d(x, 4), f(2, 3, 9))
case("adaptive_max_pool2d_uneven", lambda x: F.adaptive_max_pool2d(x, (3, 4)), X)
case("adaptive_avg_pool3d_uneven", lambda x: F.adaptive_avg_pool3d(x, (2, 3, 2)), f(1, 2, 5, 4, 6))
case("upsample_nearest_exact_down", lambda x: F.interpolate(x, size=(3, 4), mode="nearest-exact"), f(2, 3, 7, 9))
case("upsample_nearest1d_size", lambda x: F.interpolate(x, size=7), f(2, 3, 4))
case("upsample_nearest3d", lambda x: F.interpolate(x, scale_factor=2), f(1, 2, 3, 4, 2))
case("upsample_linear_size", lambda x: F.interpolate(x, size=7, mode="linear"), f(2, 3, 4))
case("upsample_linear_corners", lambda x: F.interpolate(x, size=7, mode="linear", align_corners=True), f(2, 3, 4))
case("upsample_bicubic_size", lambda x: F.interpolate(x, size=(7, 9), mode="bicubic"), f(2, 3, 4, 5))
case("upsample_bicubic_down", lambda x: F.interpolate(x, size=(3, 4), mode="bicubic", align_corners=True), f(2, 3, 7, 9))
case("upsample_bilinear_smooth", lambda x: F.interpolate(x, size=(3, 4), mode="bilinear", antialias=True), f(2, 3, 7, 9))
case("upsample_bicubic_smooth", lambda x: F.interpolate(x, size=(9, 4), mode="bicubic", antialias=True), f(2, 3, 7, 9))
case("grid_sample_reflected", lambda x, g: F.grid_sample(x, g, padding_mode="reflection", align_corners=True), f(2, 3, 4, 5), torch.rand(2, 6, 7, 2) * 3 - 1.5)
case("grid_sample_mirrored", lambda x, g: F.grid_sample(x, g, padding_mode="reflection", align_corners=False), f(2, 3, 4, 5), torch.rand(2, 6, 7, 2) * 3 - 1.5)
case("grid_sample_nearest", lambda x, g: F.grid_sample(x, g, mode="nearest", align_corners=False), f(2, 3, 4, 5), torch.rand(2, 6, 7, 2) * 2 - 1)
case("unfold_dilated", lambda x: F.unfold(x, (2, 3), dilation=2, stride=2, padding=(1, 2)), f(2, 3, 7, 8))
case("fold_overlapping", lambda x: F.fold(x, (5, 6), 3, padding=1), f(2, 18, 30))

# Sums of products.
case("einsum_dots", lambda a, b: torch.einsum("...ij,...jk->...ik", a, b), f(2, 3, 4, 5), f(2, 3, 5, 2))
case("einsum_turned", lambda a, b: torch.einsum("bhwc,hkc->bhwk", a, b), f(2, 3, 4, 5), f(3, 6, 5))
case("einsum_three", lambda a, b, c: torch.einsum("ij,jk,kl->il", a, b, c), f(2, 3), f(3, 4), f(4, 5))
case("einsum_outer", lambda a, b: torch.einsum("i,j->ij", a, b), f(3), f(4))
case("einsum_dot", lambda a, b: torch.einsum("i,i", a, b), f(4), f(4))
case("einsum_groups", lambda a, b: torch.einsum("abcd,cdef->abef", a, b), f(2, 3, 2, 2), f(2, 2, 3, 4))
case("einsum_one", lambda a: torch.einsum("ijk->kj", a), f(2, 3, 4))
case("einsum_implied", lambda a, b: torch.einsum("bi,bj", a, b), f(2, 3), f(2, 4))
case("tensordot_axes", lambda a, b: torch.tensordot(a, b, dims=([1, 0], [0, 1])), f(2, 3, 4), f(3, 2, 5))
case("bilinear_many", nn.Bilinear(3, 4, 5), f(2, 6, 3), f(2, 6, 4))

# Recurrent layers with states, layers, directions; without biases.
lstm = nn.LSTM(3, 4, 2, bias=False)
case("lstm_states", Parts(lambda m, x, h, c: m(x, (h, c)), lstm), f(5, 2, 3), f(2, 2, 4), f(2, 2, 4))
case("lstm_both", Parts(lambda m, x: m(x), nn.LSTM(3, 4, bidirectional=True)), f(5, 2, 3))
case("gru_states", Parts(lambda m, x, h: m(x, h), nn.GRU(3, 4, 2, bias=False)), f(5, 2, 3), f(2, 2, 4))
case("gru_both", Parts(lambda m, x: m(x), nn.GRU(3, 4, bidirectional=True, batch_first=True)), f(2, 5, 3))
case("rnn_relu", Parts(lambda m, x: m(x), nn.RNN(3, 4, nonlinearity="relu", batch_first=True)), f(2, 5, 3))
case("rnn_both", Parts(lambda m, x: m(x), nn.RNN(3, 4, 2, bidirectional=True, bias=False)), f(5, 2, 3))

# More of the rest.
case("var_mean", lambda x: torch.var_mean(x, 1), f(2, 3, 4))
case("std_mean", lambda x: torch.std_mean(x, -1, correction=0, keepdim=True), f(2, 3, 4))
case("aminmax", lambda x: torch.aminmax(x, dim=1), f(2, 3, 4))
case("diff", lambda x: torch.diff(x, 2), f(3, 6))
case("diff_prepended", lambda x: torch.diff(x, dim=0, prepend=x[:1] * 2), ints(9, 4, 3))
case("diff_bool", lambda x: torch.diff(x > 0).int(), f(3, 6))
case("fmod_int", lambda a: torch.fmod(a, 3), ints(20, 4, 5, low=-20))
case("isfinite", lambda a: torch.isfinite(1 / a.relu()).int(), A)
case("where_small", lambda a, b: torch.where(b > 0, a[:, :1], 0.0), A, A)
case("nan_to_num_given", lambda x: torch.nan_to_num(x / x.relu(), 1.0, 2.0, -3.0), f(3, 5))
case("logit_plain", torch.logit, torch.rand(3, 5) * 0.8 + 0.1)
case("weight_norm", nn.utils.parametrizations.weight_norm(nn.Conv1d(3, 4, 3), dim=2), f(2, 3, 9))
case("linspace_odd", lambda x: x + torch.linspace(-1, 2.5, 7), f(3, 7))
case("eye_oblong", lambda x: x + torch.eye(4, 6), f(4, 6))
case("empty_filled", lambda x: x + torch.empty(4).fill_(0.25), f(3, 4))
case("mask_of_numbers", lambda x: x.masked_fill(torch.arange(4)[None, :] > torch.arange(3)[:, None], float("-inf")).softmax(-1), f(3, 4))

failed = 0
for name, (module, inputs) in CASES.items():
    if not module.state_dict():
        # A model has weights; what is computed needs none.
        module.register_parameter("unused", nn.Parameter(torch.zeros(1)))
    try:
        with torch.no_grad():
            outputs = module(*inputs)
            exported = torch.export.export(module, inputs)
        for node in exported.graph.nodes:
            # Where files lie on this machine is nobody's business.
            if trace := node.meta.get("stack_trace"):
                node.meta["stack_trace"] = re.sub(r'File "[^"]*/', 'File "', trace)
        torch.export.save(exported, OUT / f"{name}.pt2")
    except Exception as error:  # what PyTorch itself cannot export is no case
        failed += 1
        print(f"{name}: {type(error).__name__}: {str(error)[:200]}", file=sys.stderr)
        continue
    outputs = torch.utils._pytree.tree_flatten(outputs)[0]
    tensors = {f"in{i}": one.contiguous().clone() for i, one in enumerate(inputs)}
    tensors |= {f"out{i}": one.contiguous().clone() for i, one in enumerate(outputs)}
    save_file(tensors, OUT / f"{name}.safetensors")
print(f"{len(CASES) - failed} of {len(CASES)} cases")
