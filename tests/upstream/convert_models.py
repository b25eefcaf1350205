"""Models as they are built, made small, with what PyTorch computes: convert_models.py DIRECTORY

For each model NAME.pt2 (torch.export.save) and NAME.safetensors with inputs (`in0`, ...) and outputs (`out0`, ...), and
for those with open sizes the same for other sizes (`other_in0`, `other_out0`). NAME.core.pt2 is the same program after
`run_decompositions()`. `tests/data/convert/models.tar.gz` holds the directory; `tests/convert_cases.rs` converts the
models and runs them. Needs torchvision and transformers.
"""

import re
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
import transformers as hf
from safetensors.torch import save_file
from torch import nn
from torch.export import Dim
from torchvision.models import convnext, densenet, efficientnet, mobilenetv3, resnet, shufflenetv2, swin_transformer
from torchvision.models.vision_transformer import VisionTransformer

OUT = Path(sys.argv[1])
OUT.mkdir(parents=True, exist_ok=True)
MODELS = {}


def model(name, module, *inputs, dims=None, other=None, core=False):
    assert name not in MODELS, name
    MODELS[name] = (module.eval(), inputs, dims, other, core)


def settle(module):
    """Statistics that do something, and weights of few values, which pack well."""
    for one in module.modules():
        if isinstance(one, nn.modules.batchnorm._BatchNorm):
            one.running_mean.uniform_(-0.2, 0.2)
            one.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(one.weight, 0.5, 1.5)
            nn.init.uniform_(one.bias, -0.2, 0.2)
    with torch.no_grad():
        for weight in list(module.parameters()) + [b for b in module.buffers() if b.is_floating_point() and b.dim() == 1]:
            weight.copy_((weight * 32).round() / 32)
    return module


def image(size, batch=1):
    return (torch.randn(batch, 3, size, size) * 16).round() / 16


def words(batch=1, length=12, count=60):
    return torch.randint(0, count, (batch, length))


def mask(batch=1, length=12):
    all_ = torch.ones(batch, length, dtype=torch.long)
    all_[:, length - 3 :] = 0
    return all_


BATCH, LENGTH = Dim("batch", min=1, max=8), Dim("length", min=2, max=32)
torch.manual_seed(0)


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)

        def down(inputs, outputs, stride):
            return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

        self.layer1 = nn.Sequential(resnet.BasicBlock(8, 8), resnet.BasicBlock(8, 8))
        self.layer2 = nn.Sequential(resnet.BasicBlock(8, 16, 2, down(8, 16, 2)), resnet.BasicBlock(16, 16))
        self.layer3 = nn.Sequential(resnet.Bottleneck(16, 8, 2, down(16, 32, 2)), resnet.Bottleneck(32, 8))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(32, 10)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.fc(torch.flatten(self.avgpool(self.layer3(self.layer2(self.layer1(x)))), 1))


model("resnet", settle(ResNet()), image(32, 2), core=True)
sides = {2: 8 * Dim("height", min=2, max=16), 3: 8 * Dim("width", min=2, max=16)}
model("resnet_open", settle(ResNet()), image(32, 2), dims=({0: BATCH} | sides,), other=(image(48, 3)[..., :40],), core=True)


def mobilenet():
    def block(inputs, kernel, wide, outputs, excites, activation, stride):
        return mobilenetv3.InvertedResidualConfig(inputs, kernel, wide, outputs, excites, activation, stride, 1, 1)

    blocks = [block(8, 3, 16, 8, True, "RE", 2), block(8, 5, 24, 8, True, "HS", 1), block(8, 5, 24, 16, False, "HS", 2)]
    return mobilenetv3.MobileNetV3(blocks, 32, num_classes=10)


model("mobilenet_v3", settle(mobilenet()), image(32), core=True)


def efficient():
    block = efficientnet.MBConvConfig
    blocks = [block(1, 3, 1, 8, 8, 1), block(4, 3, 2, 8, 16, 2), block(4, 5, 2, 16, 24, 1)]
    return efficientnet.EfficientNet(blocks, 0.2, num_classes=10, last_channel=32)


model("efficientnet", settle(efficient()), image(32), core=True)
vit = dict(image_size=16, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=5)
model("vit", settle(VisionTransformer(**vit)), image(16), core=True)
model("vit_open", settle(VisionTransformer(**vit)), image(16, 2), dims=({0: BATCH},), other=(image(16, 3),), core=True)
setting = [convnext.CNBlockConfig(8, 16, 1), convnext.CNBlockConfig(16, None, 1)]
model("convnext", settle(convnext.ConvNeXt(setting, num_classes=5)), image(32), core=True)
swin = swin_transformer.SwinTransformer([4, 4], 8, [2, 2], [2, 2], [2, 2], num_classes=5)
model("swin", settle(swin), image(32), core=True)
model("shufflenet", settle(shufflenetv2.ShuffleNetV2([2, 1, 1], [8, 8, 16, 16, 32], num_classes=5)), image(32, 2))
model("densenet", settle(densenet.DenseNet(4, (2, 2), 8, num_classes=5)), image(32))


class Block(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
        )


class UNet(nn.Module):
    """Made larger by a transposed convolution, then by interpolation to the size of what is joined."""

    def __init__(self, width=6):
        super().__init__()
        self.outer, self.inner, self.middle = Block(3, width), Block(width, 2 * width), Block(2 * width, 4 * width)
        self.up = nn.ConvTranspose2d(4 * width, 2 * width, 2, 2)
        self.join_inner, self.join_outer = Block(4 * width, 2 * width), Block(3 * width, width)
        self.last = nn.Conv2d(width, 2, 1)

    def forward(self, x):
        outer = self.outer(x)
        inner = self.inner(F.max_pool2d(outer, 2))
        up = self.up(self.middle(F.max_pool2d(inner, 2)))
        rows, columns = inner.shape[2] - up.shape[2], inner.shape[3] - up.shape[3]
        up = self.join_inner(torch.cat([inner, F.pad(up, (0, columns, 0, rows))], 1))
        up = F.interpolate(up, size=outer.shape[-2:], mode="bilinear", align_corners=False)
        return self.last(self.join_outer(torch.cat([outer, up], 1)))


model("unet", settle(UNet()), image(32), core=True)
model("unet_odd", settle(UNet()), image(32)[..., :27, :30], core=True)


class Named(nn.Module):
    """Outputs of a model of transformers, by their names."""

    def __init__(self, inner, *names, **options):
        super().__init__()
        self.inner, self.names, self.options = inner, names, options

    def forward(self, ids, mask=None):
        found = self.inner(input_ids=ids, attention_mask=mask, return_dict=True, **self.options)
        return tuple(getattr(found, name) for name in self.names)


SIZES = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, vocab_size=60, max_position_embeddings=32)


def bert(attention):
    config = hf.BertConfig(**SIZES)
    config._attn_implementation = attention
    return settle(Named(hf.BertModel(config), "last_hidden_state", "pooler_output"))


model("bert", bert("sdpa"), words(), mask(), core=True)
model("bert_eager", bert("eager"), words(), mask())
both = {0: BATCH, 1: LENGTH}
model("bert_open", bert("sdpa"), words(2), mask(2), dims=(both, both), other=(words(3, 7), mask(3, 7)), core=True)


def llama(attention):
    config = hf.LlamaConfig(**SIZES, num_key_value_heads=2)
    config._attn_implementation = attention
    return settle(Named(hf.LlamaForCausalLM(config), "logits", use_cache=False))


model("llama", llama("sdpa"), words(), core=True)
model("llama_eager", llama("eager"), words(), core=True)
model("llama_mask", llama("sdpa"), words(), mask())
model("llama_open", llama("sdpa"), words(2), dims=(both, None), other=(words(3, 7),), core=True)


class Attention(nn.Module):
    """Grouped queries, positions rotated in pairs, causal."""

    def __init__(self, size=32, heads=4, groups=2):
        super().__init__()
        self.heads, self.groups, self.depth = heads, groups, size // heads
        self.q, self.o = nn.Linear(size, size, bias=False), nn.Linear(size, size, bias=False)
        self.k, self.v = (nn.Linear(size, groups * self.depth, bias=False) for _ in range(2))
        angles = torch.outer(torch.arange(32.0), 10000 ** -(torch.arange(0, self.depth, 2) / self.depth))
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def rotated(self, x):
        cos, sin = self.cos[: x.shape[2]], self.sin[: x.shape[2]]
        a, b = x[..., 0::2], x[..., 1::2]
        return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)

    def forward(self, x):
        batch, length, size = x.shape
        split = lambda x, heads: x.view(batch, length, heads, self.depth).transpose(1, 2)
        q, k, v = split(self.q(x), self.heads), split(self.k(x), self.groups), split(self.v(x), self.groups)
        mixed = F.scaled_dot_product_attention(self.rotated(q), self.rotated(k), v, is_causal=True, enable_gqa=True)
        return self.o(mixed.transpose(1, 2).reshape(batch, length, size))


class Decoder(nn.Module):
    def __init__(self, size=32, count=60):
        super().__init__()
        self.embed = nn.Embedding(count, size)
        self.norm, self.attention, self.after, self.last = nn.RMSNorm(size), Attention(size), nn.RMSNorm(size), nn.RMSNorm(size)
        self.gate, self.up, self.down = nn.Linear(size, 48, bias=False), nn.Linear(size, 48, bias=False), nn.Linear(48, size, bias=False)
        self.head = nn.Linear(size, count, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids):
        x = self.embed(ids)
        x = x + self.attention(self.norm(x))
        y = self.after(x)
        x = x + self.down(F.silu(self.gate(y)) * self.up(y))
        return self.head(self.last(x))


model("decoder", settle(Decoder()), words(2), core=True)
model("decoder_open", settle(Decoder()), words(2), dims=(both,), other=(words(3, 7),), core=True)


class Tagger(nn.Module):
    def __init__(self, kind, both_ways, layers=2):
        super().__init__()
        self.embed = nn.Embedding(60, 8)
        self.layers = kind(8, 12, layers, batch_first=True, bidirectional=both_ways)
        self.out = nn.Linear(24 if both_ways else 12, 5)

    def forward(self, ids):
        found, states = self.layers(self.embed(ids))
        return self.out(found), states


model("lstm", settle(Tagger(nn.LSTM, True)), words(2))
model("lstm_open", settle(Tagger(nn.LSTM, False)), words(2), dims=({0: BATCH},), other=(words(3),))
model("lstm_steps", settle(Tagger(nn.LSTM, False, 1)), words(2, 4), core=True)
model("gru", settle(Tagger(nn.GRU, True)), words(2, 5))
model("rnn", settle(Tagger(nn.RNN, True)), words(2, 5))


def flat(outputs):
    return [one for one in torch.utils._pytree.tree_flatten(outputs)[0] if isinstance(one, torch.Tensor)]


def stored(prefix, inputs, outputs):
    narrow = lambda one: one.to(torch.int32) if one.dtype == torch.int64 else one
    named = [(f"{prefix}in{i}", one) for i, one in enumerate(inputs)] + [(f"{prefix}out{i}", one) for i, one in enumerate(flat(outputs))]
    return {name: narrow(one).detach().contiguous().clone() for name, one in named}


for name, (module, inputs, dims, other, core) in MODELS.items():
    with torch.no_grad():
        shapes = tuple(dims)[: len(inputs)] if dims else None
        if shapes and isinstance(module, Named):
            shapes = {key: value for key, value in zip(["ids", "mask"], shapes)}
        exported = torch.export.export(module, inputs, dynamic_shapes=shapes, strict=False)
        tensors = stored("", inputs, module(*inputs))
        if other:
            tensors |= stored("other_", other, module(*other))
        for suffix, program in [("", exported)] + ([(".core", exported.run_decompositions())] if core else []):
            for node in program.graph.nodes:
                # Where files lie on this machine is nobody's business.
                if trace := node.meta.get("stack_trace"):
                    node.meta["stack_trace"] = re.sub(r'File "[^"]*/', 'File "', trace)
            torch.export.save(program, OUT / f"{name}{suffix}.pt2")
        save_file(tensors, OUT / f"{name}.safetensors")
print(f"{len(MODELS)} models")
