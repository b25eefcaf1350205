"""Makes tests/data/pt2/open-sizes.pt2: an export with a size that two inputs share, and what it gives for some of them.

    python tests/upstream/open_sizes.py tests/data/pt2
"""

import io
import json
import re
import sys
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save_file


class Tagger(torch.nn.Module):
    """Attention over tokens, those that count."""

    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(32, 16)
        self.query, self.key, self.value = (torch.nn.Linear(16, 16) for _ in range(3))
        self.head = torch.nn.Linear(16, 8)

    def forward(self, tokens, mask):
        x = self.embed(tokens)
        scores = self.query(x) @ self.key(x).transpose(1, 2) * 0.25 + (mask.unsqueeze(1) - 1) * 100
        x = x + scores.softmax(-1) @ self.value(x)
        length = x.shape[1]
        return self.head(x).reshape(length, 8)


def stripped(archive: bytes) -> bytes:
    """The archive without the paths of the machine that made it, and without sample inputs."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            if "sample_inputs" in info.filename:
                continue
            if info.filename.endswith("models/model.json"):
                program = json.dumps(json.loads(content))
                content = re.sub(r'File \\"[^"]*/', r'File \\"', program).encode()
            entry = zipfile.ZipInfo(info.filename, (1980, 1, 1, 0, 0, 0))
            entry.extra = info.extra
            new.writestr(entry, content)
    return out.getvalue()


def main():
    directory = Path(sys.argv[1])
    torch.manual_seed(0)
    model = Tagger().eval()
    length = torch.export.Dim("length", min=2, max=64)

    def sample(count):
        mask = torch.ones(1, count)
        mask[0, count * 3 // 4 :] = 0
        return torch.randint(0, 32, (1, count), dtype=torch.int32), mask

    program = torch.export.export(model, sample(24), dynamic_shapes={"tokens": {1: length}, "mask": {1: length}})
    saved = io.BytesIO()
    torch.export.save(program, saved)
    (directory / "open-sizes.pt2").write_bytes(stripped(saved.getvalue()))
    values = {}
    for count in (16, 32):
        tokens, mask = sample(count)
        values |= {f"tokens.{count}": tokens, f"mask.{count}": mask, f"out.{count}": model(tokens, mask).detach()}
    save_file(values, directory / "open-sizes.safetensors")


main()
