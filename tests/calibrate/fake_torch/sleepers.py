"""Models for the fake torch: so many kernels of so many ms."""

import torch

from nvinx.calibration import ProfileTarget


def model(name, kernels, ms):
    matrix = torch.rand(1000 * ms, 1000 * ms, device="cuda")

    def infer(count):
        for _ in range(count):
            matrix @ matrix

    return ProfileTarget(name, infer, kernels)


def small():
    return model("small", 4, 1)


def middle():
    return model("middle", 3, 2)


def large():
    return model("large", 2, 4)


NOT_A_LOADER = 3
