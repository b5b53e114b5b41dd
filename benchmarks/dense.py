"""Five minutes with the complete mask of one image, judged on the others, against a forest and MONAI's BasicUNet."""

from __future__ import annotations

import time
from statistics import fmean

import numpy as np
import torch
from torch.nn import functional

from benchmarks.common import Table
from benchmarks.few_shot import iou_changed, unchanged
from benchmarks.micrographs import MISSING, Fold, Picture, Predict, folds, mean_iou, train_forest, train_unet
from napari_microcnn.config import TrainConfig

MINUTES = 5.0
_PATCH, _BATCH = 128, 8


def run() -> Table:
    """Train all three for the same time."""
    table = Table(
        "Dense mask of one image, five minutes, mean IoU on the other images",
        ("image", "U-Net", "BasicUNet", "forest", "U-Net, images changed", "BasicUNet, images changed"),
    )
    ahead: dict[str, list[float]] = {}
    lost: list[tuple[float, float]] = []
    for fold in folds():
        truth = fold.train[1]
        unet = train_unet(fold, truth, TrainConfig(dense=True, minutes=MINUTES))
        basic = _train_basic_unet(fold)
        forest = train_forest(fold, truth, dense=True)
        ours, *peers = (mean_iou(peer, fold, unchanged) for peer in (unet, basic, forest))
        changed = [iou_changed(peer, fold) for peer in (unet, basic)]
        table.add(fold.name, ours, *peers, *changed)
        ahead.setdefault(fold.folder, []).append(ours - max(peers))
        lost.append((ours - changed[0], peers[0] - changed[1]))
        print(table.rows[-1], flush=True)
    for folder, differences in ahead.items():
        table.at_least(f"mean IoU above the best peer, {folder}", fmean(differences), 0.02)
    if lost:
        mine, theirs = (fmean(losses) for losses in zip(*lost, strict=True))
        table.at_most("loss of mean IoU on changed images, masks, beyond half of BasicUNet's", mine - theirs / 2, 0.0)
    else:
        table.note = MISSING
    return table


def _train_basic_unet(fold: Fold) -> Predict:
    """Train as its users do: random patches, flips and turns, cross-entropy and Dice; fast as this CPU can."""
    from monai.losses import DiceCELoss
    from monai.networks.nets import BasicUNet

    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    image, truth = (torch.from_numpy(np.ascontiguousarray(one)) for one in fold.train)
    scaled = _scaled(image.numpy())
    net = BasicUNet(spatial_dims=2, in_channels=1, out_channels=fold.classes).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3)
    loss, end = DiceCELoss(to_onehot_y=True, softmax=True), time.monotonic() + 60 * MINUTES
    while time.monotonic() < end:
        pairs = []
        for _ in range(_BATCH):
            top, left = (int(rng.integers(length - _PATCH + 1)) for length in image.shape)
            window = np.s_[top : top + _PATCH, left : left + _PATCH]
            pair = torch.stack([scaled[window], truth[window].float()])
            pair = torch.rot90(pair, int(rng.integers(4)), (1, 2))
            pairs.append(pair.flip(2) if rng.random() < 0.5 else pair)
        batch = torch.stack(pairs)
        with torch.autocast("cpu", torch.bfloat16):
            scores = net(batch[:, :1].contiguous(memory_format=torch.channels_last))
        value = loss(scores.float(), batch[:, 1:])
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    net.eval()

    def predict(picture: Picture) -> Picture:
        height, width = picture.shape
        padded = functional.pad(_scaled(picture)[None, None], (0, -width % 16, 0, -height % 16), mode="reflect")
        with torch.inference_mode():
            return np.asarray(net(padded)[0, :, :height, :width].argmax(dim=0))

    return predict


def _scaled(picture: Picture) -> torch.Tensor:
    """Return the image with mean 0 and standard deviation 1."""
    values = torch.from_numpy(np.ascontiguousarray(picture)).float()
    return (values - values.mean()) / values.std()
