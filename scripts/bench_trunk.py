"""Takes turns among the contestants of scripts/bench-trunk."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

BLOCKS = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]
WEIGHTS = "checkpoints/vgg16-imagenet-f16.safetensors"


class Ours:
    """The example program, which stays loaded between rounds."""

    def __init__(self, size):
        command = [os.environ.get("CARGO_TARGET_DIR", "target") + "/debug/examples/trunk", WEIGHTS, str(size)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.name = self.process.stdout.readline().strip()

    def seconds(self, who, batch):
        self.process.stdin.write(f"{who} {batch}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def pytorch(size, threads):
    """The name, and a function from a batch to seconds; None where there is no PyTorch."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(threads)
    layers, channels = [], 3
    for out, convolutions in BLOCKS:
        for _ in range(convolutions):
            layers += [torch.nn.Conv2d(channels, out, 3, padding=1), torch.nn.ReLU(inplace=True)]
            channels = out
        layers.append(torch.nn.MaxPool2d(2))
    network = torch.nn.Sequential(*layers).eval()
    formats = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}

    def seconds(batch, layout):
        x = (torch.rand(batch, 3, size, size) * 255 - 117).to(memory_format=formats[layout])
        network.to(memory_format=formats[layout])
        with torch.inference_mode():
            start = time.perf_counter()
            network(x)
            return time.perf_counter() - start

    # Whichever layout is faster here.
    best = {}

    def run(batch):
        if batch not in best:
            best[batch] = min(formats, key=lambda f: min(seconds(batch, f) for _ in range(3)))
        return seconds(batch, best[batch])

    return f"PyTorch {torch.__version__}, {threads} threads", run


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main():
    parser = argparse.ArgumentParser(prog="bench-trunk")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", default="1,8")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    # Here, so that who asks for help or mistypes an option waits for no build.
    built = subprocess.call(["cargo", "build", "--quiet", "--workspace", "--example", "trunk"])
    if built != 0:
        sys.exit(built)
    threads = int(os.environ.get("RAYON_NUM_THREADS") or len(os.sched_getaffinity(0)))
    ours, torch = Ours(args.size), pytorch(args.size, threads)
    results = []
    for batch in map(int, args.batch.split(",")):
        runs = {"ours": lambda: ours.seconds("ours", batch), "flex": lambda: ours.seconds("flex", batch)}
        if torch:
            runs["pytorch"] = lambda: torch[1](batch)
        for run in runs.values():
            run()
        rounds = [{name: batch / run() for name, run in runs.items()} for _ in range(args.rounds)]
        results.append({"size": args.size, "batch": batch, "rounds": rounds})
        if args.json:
            continue
        print(f"{args.size} px, batch {batch}, {args.rounds} rounds: images a second, median (least to most)")
        names = {"ours": f"ours ({ours.name})", "flex": "Burn flex", "pytorch": torch[0] if torch else ""}
        for name in runs:
            print(f"  {names[name]:<40} {spread([r[name] for r in rounds])}")
        for name in list(runs)[1:]:
            print(f"  ours / {name:<33} {spread([r['ours'] / r[name] for r in rounds])}")
    if args.json:
        print(json.dumps({"ours": ours.name, "pytorch": torch[0] if torch else None, "results": results}))


if __name__ == "__main__":
    main()
