"""Golden values for ResNet-50 of width 4, worked out in float64 by PyTorch, with batch normalisation as it stands.

    python tests/golden/resnet50_small.py      # needs torch and numpy; writes resnet50-small.safetensors beside it

The weights are no file: each tensor's values follow from its name by SplitMix64 (Steele, Lea, Flood 2014), in 16 bits and
scaled by powers of two, so that f32 holds them exactly. crates/vision/tests/resnet50.rs makes the same.
"""

import json
import math
import pathlib
import struct

import numpy as np
import torch
import torch.nn.functional as F

WIDTH, SIDE = 4, 64
MASK = (1 << 64) - 1


def uniform(name, count):
    """`count` multiples of 2^-16 in [0, 1)."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = ((state ^ byte) * 0x100000001B3) & MASK
    values = np.empty(count)
    for i in range(count):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        values[i] = ((z ^ (z >> 31)) >> 48) / 65536
    return values


def tensor(values, *shape):
    return torch.tensor(values, dtype=torch.float64).reshape(*shape)


def conv_norm(x, conv, norm, out, kernel, stride):
    fan_in = x.shape[1] * kernel * kernel
    scale = 2.0 ** round(math.log2(math.sqrt(6 / fan_in)) + 1)
    weight = (uniform(f"{conv}.weight", out * fan_in) - 0.5) * scale
    x = F.conv2d(x, tensor(weight, out, x.shape[1], kernel, kernel), stride=stride, padding=kernel // 2)
    return F.batch_norm(
        x,
        running_mean=tensor((uniform(f"{norm}.running_mean", out) - 0.5) * 0.25, out),
        running_var=tensor(uniform(f"{norm}.running_var", out) + 0.5, out),
        weight=tensor(uniform(f"{norm}.weight", out) * 0.5 + 0.75, out),
        bias=tensor((uniform(f"{norm}.bias", out) - 0.5) * 0.25, out),
        eps=1e-5,
    )


def bottleneck(x, key, inner, stride, first):
    y = F.relu(conv_norm(x, f"{key}.conv1", f"{key}.bn1", inner, 1, 1))
    y = F.relu(conv_norm(y, f"{key}.conv2", f"{key}.bn2", inner, 3, stride))
    y = conv_norm(y, f"{key}.conv3", f"{key}.bn3", 4 * inner, 1, 1)
    if first:
        x = conv_norm(x, f"{key}.downsample.0", f"{key}.downsample.1", 4 * inner, 1, stride)
    return F.relu(x + y)


x = tensor((uniform("input", 3 * SIDE * SIDE) - 0.5) * 4, 1, 3, SIDE, SIDE)
x = F.relu(conv_norm(x, "conv1", "bn1", WIDTH, 7, 2))
x = F.max_pool2d(x, 3, 2, 1)
stages = {}
for stage, count in enumerate([3, 4, 6, 3]):
    for i in range(count):
        stride = 2 if stage > 0 and i == 0 else 1
        x = bottleneck(x, f"layer{stage + 1}.{i}", WIDTH << stage, stride, i == 0)
    stages[f"stage{stage + 1}"] = x

header, body = {}, b""
for name in ["stage3", "stage4"]:
    data = stages[name].numpy().astype("<f4").tobytes()
    header[name] = {"dtype": "F32", "shape": list(stages[name].shape), "data_offsets": [len(body), len(body) + len(data)]}
    body += data
text = json.dumps(header, separators=(",", ":")).encode()
text += b" " * (-len(text) % 8)
path = pathlib.Path(__file__).with_name("resnet50-small.safetensors")
path.write_bytes(struct.pack("<Q", len(text)) + text + body)
for name in ["stage3", "stage4"]:
    t = stages[name]
    print(name, list(t.shape), f"mean {t.mean():.4f}, std {t.std():.4f}, zeros {(t == 0).double().mean():.2f}")
