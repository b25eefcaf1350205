"""Models quantized by PyTorch's PT2E with ExecuTorch's CoreMLQuantizer, to be compared with: writes
tests/data/pt2e/more.tar.gz, each model as an export with its samples, and what came of each setting.

Needs torch, torchao, coremltools and executorch. Preparing a model takes about a minute.
"""

import io
import json
import re
import tarfile
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from coremltools.optimize.torch.quantization.quantization_config import LinearQuantizerConfig
from executorch.backends.apple.coreml.quantizer._coreml_quantizer import CoreMLQuantizer
from safetensors.torch import save_file
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

OUT = Path(__file__).parent.parent / "data/pt2e/more.tar.gz"


class Normalized(nn.Module):
    """Batch normalization behind linear layers, with and without a bias."""

    def __init__(self):
        super().__init__()
        self.a, self.b1 = nn.Linear(16, 24), nn.BatchNorm1d(24)
        self.c, self.b2 = nn.Linear(24, 24, bias=False), nn.BatchNorm1d(24)
        self.d = nn.Linear(24, 8)

    def forward(self, x):
        x = F.relu(self.b1(self.a(x)))
        return self.d(self.b2(self.c(x)))


class Sequence(nn.Module):
    """Convolutions along one dimension, functions in place, modules of pooling and Flatten."""

    def __init__(self):
        super().__init__()
        self.seq = nn.Sequential(
            nn.Conv1d(4, 8, 3, padding=1), nn.BatchNorm1d(8), nn.SiLU(inplace=True), nn.MaxPool1d(2),
            nn.Conv1d(8, 8, 3, padding=1, groups=2), nn.ReLU(inplace=True), nn.AvgPool1d(2), nn.Flatten(),
            nn.Linear(32, 10),
        )

    def forward(self, x):
        return self.seq(x)


class Branches(nn.Module):
    """A sum with a function, a gate, pooling by modules and by functions, two outputs."""

    def __init__(self):
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1)
        self.c3, self.pool = nn.Conv2d(8, 8, 3, padding=1), nn.MaxPool2d(2)
        self.fc, self.act = nn.Linear(8, 6), nn.Hardswish()

    def forward(self, x):
        a = self.act(self.c1(x))
        y = self.pool(F.relu(a + self.c2(a)))
        y = y * torch.sigmoid(self.c3(y))
        y = self.pool(F.max_pool2d(y, 2))
        y = self.fc(y.mean((2, 3)))
        return torch.tanh(y), y * 2.0


class Constants(nn.Module):
    """Operators that take stored tensors: parameters and buffers, a scalar, one for two, one that is computed."""

    def __init__(self):
        super().__init__()
        self.fc, self.left, self.right = nn.Linear(16, 16), nn.Parameter(torch.randn(4, 4)), nn.Parameter(torch.randn(16, 16))
        self.gain, self.scale = nn.Parameter(torch.randn(1, 16)), nn.Parameter(torch.tensor(0.5))
        for name in ("offset", "other"):
            self.register_buffer(name, torch.randn(16))
        self.register_buffer("table", torch.randn(4, 16).abs())

    def forward(self, x):
        x = (self.fc(x) + self.offset) * self.gain
        x = torch.matmul(F.relu(x + self.table), self.right)
        x = torch.matmul(self.left, x) * self.scale + 2.0
        return (x + self.offset * self.other) * self.offset


MODELS = {"normalized": (Normalized, (4, 16)), "sequence": (Sequence, (1, 4, 16)), "branches": (Branches, (1, 3, 16, 16)),
          "constants": (Constants, (4, 16))}
SETTINGS = {"static-8bit": "symmetric", "affine": "affine"}


def quantizers(graph):
    """Every quantize and dequantize node, as the golden data of the other models has them."""
    nodes = []
    for node in graph.nodes:
        if node.op != "call_function" or "quantize_per" not in node.name:
            continue
        producer = node.args[0]
        while producer.op == "call_function" and "quantize_per" in producer.name:
            producer = producer.args[0]
        target = "get_attr" if producer.op == "get_attr" else str(producer.target)
        one = {"node": node.name, "op": node.name.split("_default")[0], "input": node.args[0].name,
               "producer": producer.name, "producer_target": target, "consumers": [user.name for user in node.users]}
        if "per_tensor" in node.name:
            one |= {"scale": float(node.args[1]), "zero_point": int(node.args[2])}
        nodes.append(one)
    return nodes


def constants(model):
    """What operators take of stored tensors, weights left out: the codes, and who takes them."""
    buffers, found = dict(model.named_buffers()), []
    for node in model.graph.nodes:
        if node.op == "call_function" and "dequantize_per_tensor" in node.name and node.args[0].op == "get_attr":
            found.append({"consumers": [user.name for user in node.users], "scale": float(node.args[1]),
                          "zero_point": int(node.args[2]), "codes": buffers[node.args[0].target].flatten().tolist()})
    return found


def main():
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        (root / "models").mkdir()
        (root / "pt2e").mkdir()
        for name, (make, shape) in MODELS.items():
            model = make().eval()
            for norm in (one for one in model.modules() if isinstance(one, nn.BatchNorm1d)):
                norm.running_mean.uniform_(-0.3, 0.3)
                norm.running_var.uniform_(0.5, 2)
                norm.weight.data.uniform_(0.5, 1.5)
                norm.bias.data.uniform_(-0.3, 0.3)
            x, batches = torch.randn(*shape), [torch.randn(*shape) for _ in range(4)]
            exported = torch.export.export(model, (x,))
            for node in exported.graph.nodes:
                # Where files lie on this machine is nobody's business.
                if trace := node.meta.get("stack_trace"):
                    node.meta["stack_trace"] = re.sub(r'File "[^"]*/', 'File "', trace)
            torch.export.save(exported, root / f"models/{name}.pt2")
            torch.export.save(exported.run_decompositions(), root / f"models/{name}-core.pt2")
            first = lambda found: (found[0] if isinstance(found, (tuple, list)) else found).detach().contiguous()
            samples = {f"calibration.{number}": batch for number, batch in enumerate(batches)}
            save_file(samples | {"input": x, "output": first(model(x))}, root / f"models/{name}.safetensors")
            for setting, scheme in SETTINGS.items():
                config = {"quantization_scheme": scheme, "activation_dtype": torch.quint8,
                          "weight_dtype": torch.qint8, "weight_per_channel": True}
                quantizer = CoreMLQuantizer(LinearQuantizerConfig.from_dict({"global_config": config}))
                prepared = prepare_pt2e(torch.export.export(model, (x,)).module(), quantizer)
                for batch in batches:
                    prepared(batch)
                converted = convert_pt2e(prepared)
                config |= {"activation_dtype": "quint8", "weight_dtype": "qint8"}
                golden = {"recipe": {"global": config}, "calibration_batches": len(batches),
                          "nodes": quantizers(converted.graph), "constants": constants(converted)}
                (root / f"pt2e/{name}--{setting}.json").write_text(json.dumps(golden))
                save_file({"output": first(converted(x))}, root / f"pt2e/{name}--{setting}.safetensors")
        with tarfile.open(OUT, "w:gz") as archive:
            for path in sorted(root.rglob("*.*")):
                info = tarfile.TarInfo(str(path.relative_to(root)))
                info.size = path.stat().st_size
                archive.addfile(info, io.BytesIO(path.read_bytes()))


if __name__ == "__main__":
    main()
