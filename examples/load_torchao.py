"""Loads a checkpoint that `bitmill run --format torchao` wrote: torchao's tensors, and codebooks.

    state = load("model-int4.safetensors")
    model.load_state_dict(state, assign=True)

torchao's own loader makes the integers; it does not cover codebooks, so those are made here.
"""

import json

import torch
from safetensors import safe_open
from torchao.prototype.quantization.codebook_coreml.codebook_quantized_tensor import CodebookQuantizedTensor
from torchao.prototype.safetensors.safetensors_support import unflatten_tensor_state_dict


def load(path):
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    state, rest = unflatten_tensor_state_dict(tensors, metadata)
    for name, facts in json.loads(metadata.get("bitmill.codebooks", "{}")).items():
        module, _, parameter = name.rpartition(".")
        prefix = f"{module}._{parameter}_" if module else f"_{parameter}_"
        codes, codebook = rest.pop(prefix + "codes"), rest.pop(prefix + "codebook")
        scale = rest.pop(prefix + "channel_scale", None)
        mask = rest.pop(prefix + "mask") if facts["masked"] else None
        if facts["vector"] == 1 and scale is None and mask is None and len(facts["shape"]) == 2:
            state[name] = CodebookQuantizedTensor(
                codes,
                codebook,
                getattr(torch, facts["code_dtype"]),
                facts["block_size"],
                torch.Size(facts["shape"]),
                dtype=getattr(torch, facts["dtype"]),
            )
        else:  # vectors, scales per channel, pruning and convolutions, which torchao has no tensor for
            state[name] = dequantize(codes, codebook, scale, mask, facts)
    return {**state, **rest}


def dequantize(codes, codebook, scale, mask, facts):
    """Palettized values as floats: entries of several values lie along `axis`."""
    axis, vector, shape = facts["axis"], facts["vector"], facts["shape"]
    index = []
    for dim, extent in enumerate(facts["block_size"]):
        # Along the axis of vectors there are fewer codes than values.
        extent = extent // vector if dim == axis else extent
        position = torch.arange(codes.shape[dim]) // extent
        index.append(position.view([-1 if d == dim else 1 for d in range(codes.dim())]))
    values = codebook[(*index, codes.long())]  # codes' shape and the values of an entry
    values = values.movedim(-1, axis + 1).reshape(shape)
    if scale is not None:
        # In binary32, whatever type the two have: rounded once, to the type of the weight.
        values = values.float() * scale.float().view([-1 if d == axis else 1 for d in range(len(shape))])
    if mask is not None:
        values = torch.where(mask, values, 0)
    return values.to(getattr(torch, facts["dtype"]))
