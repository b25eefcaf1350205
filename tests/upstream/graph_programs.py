#!/usr/bin/env python3
"""Writes small programs with coremltools, whose declared types are coremltools' own inference.

    graph_programs.py DIRECTORY

Each program uses one operator, or one family, in one operator set; `tests/graph_upstream.rs` checks that the types
which follow from our rules are the declared ones. Pack the directory as `tests/common/golden.rs` says.
"""

import json
import os
import sys

import coremltools as ct
import numpy as np
from coremltools.converters.mil.mil import Builder as mb
from coremltools.converters.mil.mil import types
from coremltools.converters.mil.mil import get_new_symbol
from coremltools.converters.mil.backend.mil.load import should_use_weight_file
from coremltools.optimize._utils import select_input_output_channel_axis

TARGETS = {
    "CoreML5": ct.target.iOS15,
    "CoreML6": ct.target.iOS16,
    "CoreML7": ct.target.iOS17,
    "CoreML8": ct.target.iOS18,
}
F32, F16, I32, BOOL = types.fp32, types.fp16, types.int32, types.bool
CASES = []


def case(*inputs, sets="CoreML5", name=None):
    """Registers a program: its inputs as (dtype, shape), the sets it is made for, and its body."""

    def register(body):
        for set_name in sets.split():
            CASES.append((f"{name or body.__name__}-{set_name}", set_name, inputs, body))
        return body

    return register


def unary(kind, *inputs, sets="CoreML5", **parameters):
    @case(*inputs, sets=sets, name=kind)
    def body(*xs):
        names = ["x", "y"]
        return getattr(mb, kind)(**dict(zip(names, xs)), **parameters)


ALL = "CoreML5 CoreML6 CoreML7 CoreML8"
for op in (
    "acos asin atan atanh ceil cos cosh erf exp floor inverse log round rsqrt sin sinh sqrt tan tanh "
    "relu relu6 sigmoid silu softplus softsign gelu softmax"
).split():
    unary(op, (F32, (2, 3, 4)))
for op in "abs exp2 sign square".split():
    unary(op, (I32, (2, 3)))
unary("logical_not", (BOOL, (2, 3)))
for op in "add sub mul real_div floor_div mod pow maximum minimum equal not_equal greater greater_equal less less_equal".split():
    unary(op, (F32, (2, 1, 4)), (F32, (3, 1)))
for op in "logical_and logical_or logical_xor".split():
    unary(op, (BOOL, (2, 1, 4)), (BOOL, (3, 1)))
X4 = (F32, (2, 6, 8, 8))
for op in "elu leaky_relu thresholded_relu".split():
    unary(op, X4, sets="CoreML5 CoreML7", alpha=np.float32(0.5))
for op in "clamped_relu linear_activation scaled_tanh sigmoid_hard clip".split():
    unary(op, X4, sets="CoreML5 CoreML7", alpha=np.float32(0.1), beta=np.float32(0.5))
unary("threshold", X4, alpha=np.float32(0.5))
unary("prelu", X4, sets="CoreML5 CoreML7", alpha=np.arange(6, dtype=np.float32))
unary("softplus_parametric", X4, alpha=np.ones(6, np.float32), beta=np.ones(6, np.float32))
unary("instance_norm", X4, sets="CoreML5 CoreML7", gamma=np.ones(6, np.float32), beta=np.ones(6, np.float32))
unary("l2_norm", X4)
unary("layer_norm", X4, axes=[-1, 2], gamma=np.ones((8, 8), np.float32))
unary("local_response_norm", X4, size=3)
unary("batch_norm", X4, sets="CoreML5 CoreML7", mean=np.zeros(6, np.float32), variance=np.ones(6, np.float32))
for op in (
    "reduce_l1_norm reduce_l2_norm reduce_log_sum reduce_log_sum_exp reduce_max reduce_mean reduce_min reduce_prod "
    "reduce_sum reduce_sum_square"
).split():
    unary(op, X4, axes=[1, -1], keep_dims=False)
for op in "reduce_argmax reduce_argmin".split():
    unary(op, X4, sets="CoreML5 CoreML7", axis=-2, keep_dims=True)


@case(X4)
def reduce_all(x):
    return mb.reduce_sum(x=x), mb.reduce_max(x=x, keep_dims=True), mb.reduce_mean(x=x, axes=[0], keep_dims=True)


@case(X4, sets="CoreML7")
def reduce_argmax_uint16(x):
    return mb.cast(x=mb.reduce_argmax(x=x, axis=1, output_dtype="uint16"), dtype="int32")


def weights(*shape):
    return np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)


@case((F32, (2, 6, 17, 13)), sets="CoreML5 CoreML6 CoreML7")
def conv(x):
    w = weights(4, 3, 3, 2)
    yield mb.conv(x=x, weight=w, groups=2)
    yield mb.conv(x=x, weight=w, groups=2, strides=[2, 3], dilations=[2, 1], bias=np.zeros(4, np.float32))
    yield mb.conv(x=x, weight=w, groups=2, pad_type="same", strides=[3, 2])
    yield mb.conv(x=x, weight=w, groups=2, pad_type="custom", pad=[1, 0, 2, 3], strides=[2, 2])


@case((F32, (2, 6, 17)), (F32, (1, 3, 5, 6, 7)))
def conv_1d_3d(x, y):
    yield mb.conv(x=x, weight=weights(4, 6, 3), strides=[2])
    yield mb.conv(x=y, weight=weights(2, 3, 2, 3, 3), pad_type="same", strides=[1, 2, 3])


@case((F32, (2, 6, 17, 13)), sets="CoreML6")
def conv_same_lower(x):
    return mb.conv(x=x, weight=weights(4, 6, 4, 4), pad_type="same_lower", strides=[2, 5])


@case((F32, (2, 6, 7, 9)), sets="CoreML5 CoreML7")
def conv_transpose(x):
    w = weights(6, 2, 3, 3)
    yield mb.conv_transpose(x=x, weight=w)
    yield mb.conv_transpose(x=x, weight=w, groups=2, strides=[2, 3])
    yield mb.conv_transpose(x=x, weight=w, groups=2, strides=[2, 2], pad_type="same")
    yield mb.conv_transpose(x=x, weight=w, strides=[2, 2], pad_type="custom", pad=[1, 1, 0, 1], dilations=[2, 1])
    yield mb.conv_transpose(x=x, weight=w, strides=[2, 2], output_shape=[2, 2, 14, 18], pad_type="custom", pad=[1, 0, 1, 0])


@case((F32, (1, 4, 11, 14)), sets="CoreML5 CoreML6")
def pooling(x):
    for pool in (mb.max_pool, mb.avg_pool, mb.l2_pool):
        yield pool(x=x, kernel_sizes=[3, 2], strides=[2, 3], pad_type="valid")
        yield pool(x=x, kernel_sizes=[3, 2], strides=[2, 3], pad_type="same")
        yield pool(x=x, kernel_sizes=[3, 4], strides=[2, 2], pad_type="custom", pad=[1, 1, 2, 2], ceil_mode=True)
        yield pool(x=x, kernel_sizes=[2, 2], strides=[4, 4], pad_type="custom", pad=[1, 1, 1, 1], ceil_mode=True)
        yield pool(x=x, kernel_sizes=[2, 2], pad_type="custom", pad=[0, 1, 1, 0])


@case((F32, (5, 7)), (F32, (2, 1, 4, 3)), (F32, (5, 3, 6)), (F32, (4,)), sets="CoreML5 CoreML7")
def products(a, x, y, v):
    yield mb.linear(x=a, weight=weights(3, 7), bias=np.zeros(3, np.float32))
    yield mb.matmul(x=x, y=y)
    yield mb.matmul(x=x, y=weights(5, 4, 2), transpose_x=True)
    yield mb.matmul(x=weights(2, 3), y=y)
    yield mb.matmul(x=v, y=weights(4, 3))
    yield mb.matmul(x=x, y=weights(8, 3), transpose_y=True)


@case((F32, (2, 3, 4, 5)), (F32, (2, 5, 4, 6)), (F32, (3, 4, 5)), (F32, (5, 4, 6)))
def einsum(x, y, a, b):
    yield mb.einsum(values=[x, y], equation="nchw,nwhr->nchr")
    yield mb.einsum(values=[a, b], equation="abc,cbd->abd")


RNN = ((F32, (5, 2, 3)), (F32, (2, 4)), (F32, (2, 8)))


@case(*RNN, sets="CoreML5 CoreML7")
def recurrent(x, h, h2):
    for sequence in (False, True):
        yield from mb.rnn(x=x, initial_h=h, weight_ih=weights(4, 3), weight_hh=weights(4, 4), output_sequence=sequence)
        yield from mb.gru(x=x, initial_h=h, weight_ih=weights(12, 3), weight_hh=weights(12, 4), output_sequence=sequence)
        lstm = dict(x=x, weight_ih=weights(16, 3), weight_hh=weights(16, 4), output_sequence=sequence)
        yield from mb.lstm(initial_h=h, initial_c=h, direction="reverse", **lstm)
        back = dict(weight_ih_back=weights(16, 3), weight_hh_back=weights(16, 4), bias=np.zeros(16, np.float32))
        yield from mb.lstm(initial_h=h2, initial_c=h2, direction="bidirectional", bias_back=np.zeros(16, np.float32), **lstm, **back)


@case((F32, (4, 5, 6)), (I32, (2, 3)), (I32, (1,)), sets="CoreML5 CoreML6 CoreML7")
def gathers(x, i, s):
    s = mb.squeeze(x=s)
    yield mb.gather(x=x, indices=i, axis=1)
    yield mb.gather(x=x, indices=i, axis=-1)
    yield mb.gather(x=x, indices=s, axis=0)
    yield mb.gather_nd(x=x, indices=i)
    yield mb.gather_nd(x=x, indices=np.zeros((7, 2), np.int32))
    yield mb.gather_along_axis(x=x, indices=np.zeros((4, 2, 6), np.int32), axis=1)


@case((F32, (4, 5, 6)), (I32, (4, 3)), sets="CoreML6 CoreML7")
def gathers_batched(x, i):
    yield mb.gather(x=x, indices=i, axis=1, batch_dims=1)
    yield mb.gather_nd(x=x, indices=np.zeros((4, 3, 1), np.int32), batch_dims=1)


@case((F32, (4, 5, 6)), (F32, (4, 2, 6)), (F32, (3, 6)), sets="CoreML5 CoreML7")
def scatters(x, u, n):
    yield mb.scatter(data=x, indices=np.array([1, 3], np.int32), updates=u, axis=1)
    yield mb.scatter_along_axis(data=x, indices=np.zeros((4, 2, 6), np.int32), updates=u, axis=1, mode="update")
    yield mb.scatter_nd(data=x, indices=np.zeros((3, 2), np.int32), updates=n, mode="max")


@case((F32, (2, 3, 4)), (I32, (3,)), sets="CoreML5 CoreML7")
def reshapes(x, s):
    yield mb.reshape(x=x, shape=[4, -1])
    yield mb.reshape(x=x, shape=[0, -1, 2])
    yield mb.reshape(x=x, shape=s)
    yield mb.transpose(x=x, perm=[2, 0, -2])
    yield mb.expand_dims(x=x, axes=[-1, 2])
    yield mb.squeeze(x=mb.expand_dims(x=x, axes=[0, 2]), axes=[0])
    yield mb.squeeze(x=mb.expand_dims(x=x, axes=[0, 2]))
    yield mb.flatten2d(x=x, axis=2)
    yield mb.flatten2d(x=x, axis=-1)
    yield mb.reverse(x=x, axes=[1])
    yield mb.reverse_sequence(x=x, lengths=np.array([1, 2, 3], np.int32), seq_axis=2, batch_axis=1)
    yield mb.sliding_windows(x=x, axis=-1, size=2, stride=2)


@case((F32, (2, 3, 4)), sets="CoreML7")
def reshape_zero_from_the_back(x):
    return mb.reshape(x=x, shape=[2, 1, 0, 0]), mb.reshape(x=x, shape=[0, 0, 0, -1])


@case((F32, (2, 3, 4)), (F32, (6, 1)), (F32, (9, 4)), sets="CoreML6 CoreML7")
def reshape_like(x, a, b):
    return mb.reshape_like(x=x, ref_tensors=(a, b), begins=(0, 1), ends=(1, 0), end_masks=(False, True))


@case((F32, (6, 7, 8, 1)), (I32, (4,)), sets="CoreML5 CoreML7 CoreML8")
def slices(x, p):
    yield mb.slice_by_index(x=x, begin=[1, 0, 2, 0], end=[5, 7, 3, 1])
    yield mb.slice_by_index(x=x, begin=[-4, 0, 6, 0], end=[-1, 7, 1, 1], stride=[2, 3, -2, 1])
    yield mb.slice_by_index(x=x, begin=[0, 2, 7, 0], end=[0, 0, 0, 0], stride=[1, 2, -1, 1], begin_mask=[True, False, False, True], end_mask=[True, True, True, True])
    yield mb.slice_by_index(x=x, begin=[1, 0, 2, 0], end=[9, 99, 3, 1], squeeze_mask=[True, False, True, False])
    yield mb.slice_by_index(x=x, begin=p, end=[5, 7, 3, 1])
    yield mb.slice_by_index(x=x, begin=p, end=p, end_mask=[True, True, False, True], begin_mask=[True, False, False, True])
    yield mb.slice_by_size(x=x, begin=[1, 2, 3, 0], size=[2, -1, 4, 1])
    yield mb.slice_by_size(x=x, begin=p, size=[2, 3, 4, 1])
    yield mb.slice_by_size(x=x, begin=p, size=[2, -1, 4, 1])


@case((F32, (6, 7, 8)), (F32, (2, 7, 8)), sets="CoreML8")
def slice_update(x, u):
    return mb.slice_update(x=x, update=u, begin=[1, 0, 0], end=[5, 7, 8], stride=[2, 1, 1])


@case((F32, (2, 3, 4)), (F32, (2, 5, 4)), (I32, (3,)))
def combining(x, y, s):
    yield mb.concat(values=[x, y, x], axis=-2)
    yield mb.concat(values=[x, x], axis=1, interleave=True)
    yield mb.stack(values=[x, x, x], axis=-1)
    yield from mb.split(x=x, num_splits=2, axis=-1)
    yield from mb.split(x=y, split_sizes=[1, 4], axis=1)
    yield mb.tile(x=x, reps=[2, 1, 3])
    yield mb.tile(x=x, reps=s)
    yield mb.pad(x=x, pad=[1, 2, 3, 4])
    yield mb.pad(x=x, pad=[1, 2, 0, 0, 3, 4], mode="reflect")
    yield mb.fill(shape=[2, 5], value=1.5)
    yield mb.fill(shape=s, value=3)
    yield mb.cumsum(x=x, axis=1)
    yield mb.band_part(x=x, lower=1)
    yield mb.argsort(x=x, axis=1)
    yield mb.shape(x=x)
    yield mb.one_hot(indices=s, one_hot_vector_size=7, axis=-1)
    yield mb.one_hot(indices=s, one_hot_vector_size=7, axis=0, on_value=2.0, off_value=0.0)
    yield mb.range_1d(start=0, end=10, step=3)
    yield mb.range_1d(start=1.5, end=4.0, step=0.5)
    yield mb.non_zero(x=x)
    yield mb.select(cond=mb.greater(x=x, y=0.0), a=x, b=mb.mul(x=x, y=0.1))
    yield mb.identity(x=x)


@case((F32, (2, 3, 4)), sets="CoreML6")
def fill_like(x):
    return mb.fill_like(ref_tensor=x, value=2)


@case((F32, (2, 3, 9)), sets="CoreML5 CoreML6 CoreML7")
def topk(x):
    yield from mb.topk(x=x, k=4, axis=-1)
    yield from mb.topk(x=x, axis=1, ascending=True)


@case((F32, (2, 3, 9)), sets="CoreML6 CoreML7")
def topk_values_only(x):
    return mb.topk(x=x, k=4, axis=-1, return_indices=False)


@case((F32, (2, 3, 9)), sets="CoreML7")
def topk_uint16(x):
    values, indices = mb.topk(x=x, k=4, axis=-1, output_indices_dtype="uint16")
    return values, mb.cast(x=indices, dtype="int32")


@case((F32, (2, 10, 4)), (F32, (2, 10, 3)), sets="CoreML5 CoreML6")
def suppression(b, s):
    yield from mb.non_maximum_suppression(boxes=b, scores=s, iou_threshold=0.5, score_threshold=0.1, max_boxes=5)


@case((F32, (2, 4, 10)), (F32, (2, 3, 10)), sets="CoreML7")
def suppression_7(b, s):
    yield from mb.non_maximum_suppression(boxes=b, scores=s, iou_threshold=0.5, max_boxes=5)


@case((F32, (2, 3, 9)), (I32, (2,)))
def random(x, s):
    yield mb.random_bernoulli(shape=[2, 3], prob=0.3)
    yield mb.random_normal(shape=s, mean=0.0, stddev=1.0)
    yield mb.random_uniform(shape=[4], low=0.0, high=2.0)
    yield mb.random_categorical(x=x, size=5)


@case((F32, (1, 3, 8, 6)), (F32, (2, 1, 4, 1, 1)), sets="CoreML5 CoreML6")
def images(x, roi):
    yield mb.upsample_nearest_neighbor(x=x, scale_factor_height=2, scale_factor_width=3)
    yield mb.upsample_bilinear(x=x, scale_factor_height=1.3, scale_factor_width=2.49)
    yield mb.resize_bilinear(x=x, target_size_height=5, target_size_width=7, sampling_mode="OFFSET_CORNERS")
    yield mb.resize_nearest_neighbor(x=x, target_size_height=5, target_size_width=7)
    yield mb.crop(x=x, crop_height=[1, 2], crop_width=[0, 3])
    yield mb.crop_resize(x=x, roi=roi, target_height=4, target_width=5)
    sampling = dict(sampling_mode="bilinear", padding_mode="constant", padding_value=0.0, coordinates_mode="normalized_minus_one_to_one", align_corners=False)
    yield mb.affine(x=x, transform_matrix=np.zeros((1, 6), np.float32), output_height=9, output_width=4, **sampling)
    yield mb.resample(x=x, coordinates=np.zeros((1, 5, 4, 2), np.float32), **sampling)


@case((F32, (2, 3, 8, 6)), (F32, (5, 4)), (I32, (2,)), sets="CoreML7")
def images_7(x, boxes, s):
    yield mb.crop_resize(x=x, boxes=boxes, box_indices=np.array([0, 1, 1, 0, 0], np.int32), target_height=4, target_width=5)
    yield mb.resize(x=x, shape=np.array([9, 0], np.int32), resized_dims=np.uint32(2))
    yield mb.resize(x=x, shape=s, resized_dims=np.uint32(1), interpolation_mode="NEAREST_NEIGHBOR")


@case((F32, (4, 12, 6, 4)), sets="CoreML5")
def blocks(x):
    yield mb.depth_to_space(x=x, block_size=2)
    yield mb.space_to_depth(x=x, block_size=2)
    yield mb.pixel_shuffle(x=x, upscale_factor=2)
    yield mb.batch_to_space(x=x, block_shape=[2, 2], crops=[[1, 0], [0, 2]])
    yield mb.space_to_batch(x=x, block_shape=[2, 2], paddings=[[1, 1], [0, 2]])


@case((F32, (4, 12, 6, 4)), sets="CoreML6")
def pixel_unshuffle(x):
    return mb.pixel_unshuffle(x=x, downscale_factor=np.uint32(2))


@case((F32, (2, 4, 5, 8)), (F32, (2, 4, 7, 8)), (F32, (2, 4, 7, 3)), (BOOL, (5, 7)), (F32, (1, 4, 5, 7)), sets="CoreML8")
def attention(q, k, v, m, f):
    yield mb.scaled_dot_product_attention(query=q, key=k, value=v)
    yield mb.scaled_dot_product_attention(query=q, key=k, value=v, attn_mask=m)
    yield mb.scaled_dot_product_attention(query=q, key=k, value=v, attn_mask=f)


@case((F32, (5, 2, 3)), (F32, (2, 4)), sets="CoreML8")
def gru_reset_after(x, h):
    yield from mb.gru(x=x, initial_h=h, weight_ih=weights(12, 3), weight_hh=weights(12, 4), reset_after=True)


@case((F32, (1, 3)), sets="CoreML5 CoreML7")
def classify(x):
    return mb.softmax(x=x, name="probabilities")


@case((F32, (2, 3)), (BOOL, (1,)))
def control_flow(x, p):
    pred = mb.squeeze(x=p)
    yield mb.cond(pred=pred, _true_fn=lambda: mb.add(x=x, y=1.0), _false_fn=lambda: mb.mul(x=x, y=2.0))
    yield from mb.while_loop(
        _cond=lambda a, i: mb.less(x=i, y=3),
        _body=lambda a, i: (mb.add(x=a, y=1.0), mb.add(x=i, y=1)),
        loop_vars=(x, 0),
    )


@case((F32, (2, 3)))
def nested_control_flow(x):
    def body(a, i):
        inner = mb.while_loop(_cond=lambda b, j: mb.less(x=j, y=i), _body=lambda b, j: (mb.mul(x=b, y=2.0), mb.add(x=j, y=1)), loop_vars=(a, 0))
        return inner[0], mb.add(x=i, y=1)

    yield from mb.while_loop(_cond=lambda a, i: mb.less(x=i, y=3), _body=body, loop_vars=(x, 0))


@case((F32, (2, 3)), (F32, (5, 2, 3)))
def lists(x, many):
    ls = mb.make_list(init_length=5, dynamic_length=False, elem_shape=(2, 3), dtype="fp32")
    ls = mb.list_write(ls=ls, index=1, value=x)
    ls = mb.list_scatter(ls=ls, indices=np.arange(5, dtype=np.int32), value=many)
    yield mb.list_read(ls=ls, index=0)
    yield mb.list_gather(ls=ls, indices=np.array([0, 2], np.int32))
    yield mb.list_length(ls=ls)
    grows = mb.make_list(init_length=1, elem_shape=(2, 3), dtype="fp32")
    yield mb.list_read(ls=mb.list_write(ls=grows, index=0, value=x), index=0)


@case((F32, (2, 3)), sets="CoreML5 CoreML7")
def cast(x):
    yield mb.cast(x=x, dtype="int32")
    yield mb.cast(x=mb.cast(x=x, dtype="bool"), dtype="fp32")
    yield mb.cast(x=mb.cast(x=x, dtype="fp16"), dtype="fp32")


@case((F32, ("a", 3, 8, "b")), (F32, ("a", 3)), sets="CoreML5 CoreML7")
def unknown_sizes(x, y):
    yield mb.relu(x=x)
    yield mb.conv(x=x, weight=weights(4, 3, 3, 3), pad_type="same", strides=[2, 2])
    yield mb.max_pool(x=x, kernel_sizes=[2, 2], pad_type="valid")
    yield mb.reduce_mean(x=x, axes=[0, 2])
    yield mb.linear(x=y, weight=weights(5, 3))
    yield mb.matmul(x=y, y=weights(3, 2))
    yield mb.add(x=x, y=weights(8, 1))
    yield mb.concat(values=[y, y], axis=0)
    yield mb.transpose(x=x, perm=[3, 2, 1, 0])
    yield mb.reshape(x=y, shape=[-1, 1, 3])
    yield mb.reshape(x=x, shape=mb.concat(values=[mb.shape(x=y), np.array([-1], np.int32)], axis=0))
    yield mb.expand_dims(x=y, axes=[1])
    yield mb.slice_by_index(x=x, begin=[0, 1, 0, 0], end=[0, 3, 1, 1], begin_mask=[True, False, True, True], end_mask=[True, False, False, True])
    yield mb.gather(x=y, indices=np.array([0, 1], np.int32), axis=1)
    yield mb.pad(x=y, pad=[0, 1, 1, 0])
    yield mb.upsample_nearest_neighbor(x=x, scale_factor_height=2, scale_factor_width=2)
    yield from mb.split(x=y, num_splits=3, axis=1)
    yield mb.stack(values=[y, y], axis=0)
    yield mb.batch_norm(x=x, mean=np.zeros(3, np.float32), variance=np.ones(3, np.float32))
    yield from mb.topk(x=y, k=2, axis=1)


@case((F16, (2, 64)), sets="CoreML6 CoreML7")
def compressed_6(x):
    codes = np.zeros((64, 64), np.int8)
    yield mb.linear(x=x, weight=mb.constexpr_affine_dequantize(quantized_data=codes, zero_point=np.zeros(64, np.int8), scale=np.ones(64, np.float16), axis=0))
    yield mb.linear(x=x, weight=mb.constexpr_affine_dequantize(quantized_data=codes.astype(np.uint8), zero_point=np.uint8(3), scale=np.float16(1), axis=1))
    yield mb.linear(x=x, weight=mb.constexpr_lut_to_dense(indices=np.zeros(64 * 64 * 6 // 8, np.uint8), lut=np.arange(64, dtype=np.float16), shape=np.array([64, 64], np.uint32)))
    mask = np.zeros(64 * 64 // 8, np.uint8)
    mask[5] = 7
    yield mb.linear(x=x, weight=mb.constexpr_sparse_to_dense(nonzero_data=np.ones(3, np.float16), mask=mask, shape=np.array([64, 64], np.uint32)))


@case((F32, (2, 64)), sets="CoreML6 CoreML8")
def compressed_cast(x):
    return mb.linear(x=x, weight=mb.constexpr_cast(source_val=np.ones((5, 64), np.float16), output_dtype="fp32"))


@case((F16, (2, 64)), sets="CoreML8")
def compressed_8(x):
    def dtype(name):
        return types.nptype_from_builtin(types.string_to_builtin(name))

    for name in "int4 uint4 int8 uint8".split():
        codes = np.zeros((32, 64)).astype(dtype(name))
        yield mb.linear(x=x, weight=mb.constexpr_blockwise_shift_scale(data=codes, scale=np.ones((32, 4), np.float16)))
        yield mb.linear(x=x, weight=mb.constexpr_blockwise_shift_scale(data=codes, scale=np.ones((1, 1), np.float16), offset=np.zeros((1, 1)).astype(dtype(name))))
    for bits in (1, 2, 3, 4, 6, 8):
        indices = np.zeros((32, 64)).astype(dtype(f"uint{bits}"))
        yield mb.linear(x=x, weight=mb.constexpr_lut_to_dense(indices=indices, lut=np.ones((4, 1, 2**bits, 1), np.float16)))
    indices = np.zeros((16, 64)).astype(dtype("uint4"))
    yield mb.linear(x=x, weight=mb.constexpr_lut_to_dense(indices=indices, lut=np.ones((2, 1, 16, 4), np.float16), vector_axis=np.int32(0)))
    mask = np.zeros((32, 64)).astype(dtype("uint1"))
    mask[3, :5] = 1
    yield mb.linear(x=x, weight=mb.constexpr_sparse_to_dense(nonzero_data=np.ones(5, np.float16), mask=mask))
    sparse = mb.constexpr_lut_to_sparse(indices_mask=mask, indices_nonzero_data=np.zeros(5).astype(dtype("uint4")), lut=np.ones((1, 1, 16, 1), np.float16))
    yield mb.linear(x=x, weight=mb.constexpr_sparse_to_dense(nonzero_data=sparse[1], mask=sparse[0]))
    sparse = mb.constexpr_lut_to_sparse(indices_mask=mask, indices_nonzero_data=np.zeros(5).astype(dtype("uint2")), lut=np.ones((1, 1, 4, 2), np.float16), vector_axis=np.int32(-2))
    yield mb.linear(x=x, weight=mb.constexpr_sparse_to_dense(nonzero_data=sparse[1], mask=sparse[0]))
    sparse = mb.constexpr_sparse_blockwise_shift_scale(data_mask=mask, nonzero_data=np.zeros(5, np.int8), scale=np.ones((32, 1), np.float16))
    yield mb.linear(x=x, weight=mb.constexpr_sparse_to_dense(nonzero_data=sparse[1], mask=sparse[0]))
    table = mb.constexpr_blockwise_shift_scale(data=np.zeros((1, 1, 16, 1), np.int8), scale=np.ones((1, 1, 1, 1), np.float16))
    yield mb.linear(x=x, weight=mb.constexpr_lut_to_dense(indices=np.zeros((32, 64)).astype(dtype("uint4")), lut=table))


@case((F32, (2, 3, 4)), sets="CoreML7")
def activations(x):
    for parameters in (
        dict(scale=np.float32(0.1), output_dtype="int8"),
        dict(scale=np.float32(0.1), zero_point=np.uint8(128), output_dtype="uint8"),
        dict(scale=np.full(3, 0.1, np.float32), zero_point=np.zeros(3, np.int8), axis=1, output_dtype="int8"),
    ):
        q = mb.quantize(input=x, **parameters)
        del parameters["output_dtype"]
        yield mb.dequantize(input=q, **parameters)


@case((F32, (5, 16)), (F32, (2, 5, 16)), (F32, (16,)), (F32, (1, 16, 9, 9)), sets="CoreML5 CoreML7")
def constants(x, y, v, image):
    shared = mb.const(val=weights(16, 16), name="shared")
    yield mb.linear(x=x, weight=shared, name="first")
    yield mb.linear(x=x, weight=shared, name="second")
    tied = mb.const(val=weights(40, 16), name="tied")
    yield mb.gather(x=tied, indices=np.array([1, 2, 3], np.int32), axis=0)
    yield mb.linear(x=x, weight=tied)
    conflict = mb.const(val=weights(16, 16), name="conflict")
    yield mb.matmul(x=x, y=conflict)
    yield mb.matmul(x=x, y=conflict, transpose_y=True)
    yield mb.matmul(x=weights(7, 5), y=x)
    yield mb.matmul(x=weights(5, 7), y=x, transpose_x=True)
    yield mb.matmul(x=y, y=weights(2, 16, 3))
    yield mb.conv(x=image, weight=weights(8, 4, 3, 3), groups=4, bias=np.zeros(8, np.float32))
    yield mb.conv_transpose(x=image, weight=weights(16, 2, 3, 3), groups=2)
    yield mb.add(x=y, y=weights(5, 16))
    yield mb.layer_norm(x=x, axes=[-1], gamma=np.ones(16, np.float32), beta=np.ones(16, np.float32))
    yield mb.gather(x=weights(16, 5), indices=np.array([1, 2], np.int32), axis=1)


def state_program():
    @mb.program(
        input_specs=[mb.TensorSpec((2, 3), dtype=F16), mb.StateTensorSpec((2, 3), dtype=F16)],
        opset_version=ct.target.iOS18,
    )
    def prog(x, state):
        old = mb.read_state(input=state)
        return mb.coreml_update_state(state=state, value=mb.add(x=old, y=x))

    return prog


def large_constants(block):
    """What coremltools' compression looks at: constants that go to the file of weights, and their channel axes."""
    found = []
    for op in block.operations:
        for inner in op.blocks:
            found += large_constants(inner)
        if op.op_type != "const" or not should_use_weight_file(op.outputs[0].val):
            continue
        users = op.outputs[0].child_ops
        if any(user.op_type.startswith("constexpr_") for user in users):
            continue
        axes = select_input_output_channel_axis(op)
        found.append(
            {
                "name": op.name,
                "shape": list(op.outputs[0].shape),
                "input_axis": axes[0],
                "output_axis": axes[1],
                "users": sorted(user.op_type for user in users),
            }
        )
    return found


def program(set_name, inputs, body):
    symbols = {}

    def dim(size):
        if isinstance(size, str):
            return symbols.setdefault(size, get_new_symbol())
        return size

    specs = [mb.TensorSpec(tuple(map(dim, shape)), dtype=dtype) if shape else mb.TensorSpec((), dtype=dtype) for dtype, shape in inputs]
    # mb.program looks at the names of the parameters.
    names = [f"in{i}" for i in range(len(specs))]
    scope = {"body": body}
    exec(f"def main({', '.join(names)}):\n    out = body({', '.join(names)})\n    return list(out) if not hasattr(out, 'dtype') else out", scope)
    return mb.program(input_specs=specs, opset_version=TARGETS[set_name])(scope["main"])


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    programs = [(name, set_name, lambda s=set_name, i=inputs, b=body: program(s, i, b)) for name, set_name, inputs, body in CASES]
    programs.append(("state-CoreML8", "CoreML8", state_program))
    failed = 0
    for name, set_name, make in programs:
        try:
            prog = make()
            constants = large_constants(prog.functions["main"])
            model = ct.convert(
                prog,
                source="milinternal",
                convert_to="mlprogram",
                minimum_deployment_target=TARGETS[set_name],
                compute_precision=ct.precision.FLOAT32,
                pass_pipeline=ct.PassPipeline.EMPTY,
                classifier_config=ct.ClassifierConfig(["a", "b", "c"]) if name.startswith("classify") else None,
                skip_model_load=True,
            )
            spec = model.get_spec()
            # Where it was made, and by which version, is not what the tests are about.
            spec.description.metadata.Clear()
            spec.mlProgram.attributes.clear()
            with open(os.path.join(out, name + ".mlmodel"), "wb") as file:
                file.write(spec.SerializeToString(deterministic=True))
            with open(os.path.join(out, name + ".weights.json"), "w") as file:
                json.dump(constants, file)
        except Exception as error:
            failed += 1
            print(f"{name}: {type(error).__name__}: {str(error)[:300]}", file=sys.stderr)
    print(f"{len(programs) - failed} programs, {failed} failed")


if __name__ == "__main__":
    main()
