"""MobileNetV2 as torchvision has it, at 224 x 224, with random weights: writes `mobilenet-v2-224.pt2` and samples into a
directory, for `cargo bench --bench export` with BITMILL_MODELS=DIRECTORY. Then tells how long PyTorch takes on two threads
for the same samples: the model in float, and prepared by PT2E with ExecuTorch's CoreMLQuantizer, where that is installed.

    python mobilenet.py DIRECTORY

Needs torch and torchvision; for the second figure torchao, coremltools and executorch.
"""

import re
import sys
import time
from pathlib import Path

import torch
import torchvision
from safetensors.torch import load_file, save_file

SAMPLES = 16


def make(root):
    torch.manual_seed(0)
    model = torchvision.models.mobilenet_v2(weights=None)
    with torch.no_grad():
        # Statistics as those of a trained model are: neither 0 nor 1.
        for _ in range(3):
            model(torch.randn(4, 3, 224, 224))
    model.eval()
    exported = torch.export.export(model, (torch.randn(1, 3, 224, 224),))
    for node in exported.graph.nodes:
        if trace := node.meta.get("stack_trace"):
            node.meta["stack_trace"] = re.sub(r'File "[^"]*/', 'File "', trace)
    torch.export.save(exported, root / "mobilenet-v2-224.pt2")
    save_file({"x": torch.randn(SAMPLES, 3, 224, 224)}, root / "mobilenet-v2-224.safetensors")


def seconds(model, samples):
    with torch.no_grad():
        model(samples[:1])
        begun = time.time()
        for sample in samples.split(1):
            model(sample)
        return time.time() - begun


def main():
    root = Path(sys.argv[1])
    if not (root / "mobilenet-v2-224.pt2").exists():
        make(root)
    torch.set_num_threads(2)
    samples = load_file(root / "mobilenet-v2-224.safetensors")["x"]
    program = torch.export.load(root / "mobilenet-v2-224.pt2")
    print(f"{SAMPLES} samples in float: {seconds(program.module(), samples):.3f} s", flush=True)
    try:
        from coremltools.optimize.torch.quantization.quantization_config import LinearQuantizerConfig
        from executorch.backends.apple.coreml.quantizer._coreml_quantizer import CoreMLQuantizer
        from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e
    except ImportError as error:
        print(f"PT2E is not measured: {error}")
        return
    config = {"quantization_scheme": "symmetric", "activation_dtype": torch.quint8, "weight_dtype": torch.qint8,
              "weight_per_channel": True}
    quantizer = CoreMLQuantizer(LinearQuantizerConfig.from_dict({"global_config": config}))
    begun = time.time()
    prepared = prepare_pt2e(program.module(), quantizer)
    print(f"prepared in {time.time() - begun:.1f} s")
    print(f"{SAMPLES} samples while calibrating: {seconds(prepared, samples):.3f} s")


if __name__ == "__main__":
    main()
