#!/usr/bin/env python3
"""Measures in PyTorch what benches/exec.rs measures: the convolutions of MobileNetV2, batch norms folded, one image.

    exec_speed.py [THREADS]
"""

import statistics
import sys
import time

import torch
from torch import nn

STAGES = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride, expansion):
        super().__init__()
        wide = inputs * expansion
        layers = [nn.Conv2d(inputs, wide, 1), nn.ReLU6()] if expansion > 1 else []
        layers += [nn.Conv2d(wide, wide, 3, stride, 1, groups=wide), nn.ReLU6(), nn.Conv2d(wide, outputs, 1)]
        self.layers, self.residual = nn.Sequential(*layers), stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.layers(x) if self.residual else self.layers(x)


def main():
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
    layers, channels = [nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU6()], 32
    for expansion, outputs, count, stride in STAGES:
        for i in range(count):
            layers.append(Block(channels, outputs, stride if i == 0 else 1, expansion))
            channels = outputs
    layers += [nn.Conv2d(320, 1280, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000)]
    model, image = nn.Sequential(*layers).eval(), torch.randn(1, 3, 224, 224)
    times = []
    with torch.inference_mode():
        for _ in range(40):
            begin = time.perf_counter()
            model(image)
            times.append(time.perf_counter() - begin)
    times = times[10:]
    print(f"median {1000 * statistics.median(times):.1f} ms, least {1000 * min(times):.1f} ms")


if __name__ == "__main__":
    main()
