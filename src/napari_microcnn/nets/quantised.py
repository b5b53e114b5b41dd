"""A U-Net that computes with bytes: twice as fast as with bfloat16 on processors that multiply them (VNNI).

How large values become is not measured on pictures but told by the batch normalisation, which gives every channel a
known mean and spread (after Nagel et al., "Data-free quantization through weight equalization and bias correction",
2019). Every channel has a step of its own; the convolutions before and after take it into their weights, so that the
kernels see steps of 1.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napari_microcnn.nets.folding import folded
from napari_microcnn.nets.unet import Region, UNet, cut, decoder_fields

_LARGEST = 255
_ZERO, _PARTS = _LARGEST // 2, 16
_SPREADS, _SUM_SPREADS, _DEEP_SUM_SPREADS = 6.0, 10.0, 20.0
"""Standard deviations from the mean that bytes reach: of values, and of sums computed as if of independent ones, which
are less so at the bottleneck."""
_BRIGHTEST = 6.0
"""Normalised grey values that bytes reach, and that `normalise` cuts them at."""


@dataclass(frozen=True, eq=False)
class _Levels:
    """What the bytes of each channel mean, value = (byte - zero) * step, and what values are expected."""

    step: Tensor
    zero: Tensor
    mean: Tensor
    variance: Tensor


class QuantisedUNet(nn.Module):
    """A U-Net for inference whose convolutions take and give bytes; logits are bfloat16.

    Parameters
    ----------
    net : UNet
        Trained, on the CPU; stays as it is.
    """

    @torch.no_grad()
    def __init__(self, net: UNet) -> None:
        super().__init__()
        self.config = net.config
        plain = folded(net)
        levels = _grey_levels(net.config.channels)
        first = plain.encoder[0][0]  # type: ignore[index]
        first.weight.data = first.weight.data.repeat(1, 2, 1, 1)  # whole steps and what they leave over
        self._encoder, skips = [], []
        for block, normed in zip(plain.encoder, net.encoder, strict=True):
            pair, levels = _pair(block, normed, levels)
            self._encoder.append(pair)
            skips.append(levels)
        self._bottleneck, levels = _pair(plain.bottleneck, net.bottleneck, levels)
        self._up, self._decoder = [], []
        for index, (up, block, normed) in enumerate(zip(plain.up, plain.decoder, net.decoder, strict=True)):
            spreads = _SUM_SPREADS if index else _DEEP_SUM_SPREADS
            grown, above = _upsampling(up, levels, spreads)  # type: ignore[arg-type]
            last = index == net.config.depth - 1
            pair, levels = _pair(block, normed, _joined(above, skips.pop()), last=last)
            self._up.append(grown)
            self._decoder.append(pair)
        self.head = plain.head.to(torch.bfloat16)

    def forward(self, x: Tensor, core: Region | None = None) -> Tensor:
        """Return the logits, (N, K, H, W) bfloat16, of normalised images (N, C, H, W), or of a part; see `UNet`."""
        x = _bytes(x)
        skips: list[Tensor] = []
        for first, second in self._encoder:
            x = second(first(x))
            skips.append(x)
            x = _pooled(x)
        first, second = self._bottleneck
        x = second(first(x))
        fields = decoder_fields(core, tuple(x.shape[2:]), self.config.depth) if core is not None else None
        for level, up, (first, second) in zip(reversed(range(self.config.depth)), self._up, self._decoder, strict=True):
            skip = skips.pop()
            if fields is not None:
                half = tuple(slice(part.start // 2, part.stop // 2) for part in fields[level])
                x, skip = cut(x, half, fields[level + 1]), cut(skip, fields[level])
            x = second(first(up(x, skip)))
        logits: Tensor = self.head(x if fields is None or core is None else cut(x, core, fields[0]))
        return logits


class _Convolution:
    """A convolution of bytes, and ReLU."""

    def __init__(
        self, weight: Tensor, bias: Tensor, taken: _Levels, made: _Levels | None, padding: int, then: str = "relu"
    ) -> None:
        weight = weight.double() * taken.step.double()[:, None, None]
        bias = bias.double() - _sums(weight, taken.zero)
        if made is not None:
            weight = weight / made.step.double()[:, None, None, None]
            bias = bias / made.step.double() + made.zero.double()
        scale = (weight.abs().amax(dim=(1, 2, 3)) / 127).clamp_min(1e-12)
        rounded = (weight / scale[:, None, None, None]).round().to(torch.int8)
        # What rounding the weights changes on average is known, and taken back.
        bias = bias + _sums(weight - rounded * scale[:, None, None, None], taken.mean / taken.step + taken.zero)
        self._then, self._dtype = then, torch.bfloat16 if made is None else torch.uint8
        self._sides = [1, 1], [padding, padding], [1, 1], 1
        self._scale, self._bias = scale.float(), bias.float()
        self._zeros = torch.zeros(len(bias), dtype=torch.int32)
        self._weight = torch.ops.onednn.qconv_prepack(rounded, self._scale, 1.0, 0, *self._sides, None)

    def __call__(self, x: Tensor) -> Tensor:
        made: Tensor = torch.ops.onednn.qconv2d_pointwise(
            x, 1.0, 0, self._weight, self._scale, self._zeros, self._bias, *self._sides, 1.0, 0, self._dtype,
            self._then, [], "",
        )  # fmt: skip
        return made


class _Upsampling:
    """A transposed convolution of 2 x 2 pixels, joined with what skips the levels below.

    The result is one pixel larger on all sides: there are the bytes that mean 0, other ones in every channel.
    """

    def __init__(self, up: nn.ConvTranspose2d, taken: _Levels, made: _Levels) -> None:
        wide, narrow = up.weight.shape[:2]
        weight = up.weight.permute(2, 3, 1, 0).reshape(4 * narrow, wide, 1, 1)
        four = _Levels(*(value.repeat(4) for value in (made.step, made.zero, made.mean, made.variance)))
        self._conv = _Convolution(weight, _bias(up).repeat(4), taken, four, padding=0, then="none")
        self._zero = made.zero.to(torch.uint8)

    def __call__(self, x: Tensor, skip: Tensor) -> Tensor:
        count, narrow, height, width = skip.shape
        found = self._conv(x.contiguous(memory_format=torch.channels_last))
        joined = torch.empty(count, height + 2, width + 2, 2 * narrow, dtype=torch.uint8).permute(0, 3, 1, 2)
        zero = torch.cat([self._zero, torch.zeros_like(self._zero)])[:, None]
        for edge in (joined[:, :, 0], joined[:, :, -1], joined[..., 0], joined[..., -1]):
            edge[:] = zero
        inner = joined[:, :, 1:-1, 1:-1]
        for index in range(4):
            inner[:, :narrow, index // 2 :: 2, index % 2 :: 2] = found[:, index * narrow : (index + 1) * narrow]
        inner[:, narrow:] = skip
        return joined


def prepared(net: UNet, device: torch.device, precision: torch.dtype) -> nn.Module:
    """Return a copy of a network for inference; see `device.inference_precision`."""
    if precision == torch.int8:
        here = all(parameter.device.type == "cpu" for parameter in net.parameters())
        return QuantisedUNet(net if here else copy.deepcopy(net).cpu())
    result: nn.Module = folded(net).to(device=device, dtype=precision)
    return result.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _pair(
    block: nn.Module, normed: nn.Module, taken: _Levels, last: bool = False
) -> tuple[tuple[_Convolution, _Convolution], _Levels]:
    """Return two convolutions and what the bytes of the second mean; of the last one come numbers instead."""
    first, second = ((layer.weight, _bias(layer)) for layer in block.children() if isinstance(layer, nn.Conv2d))
    between, after = (_rectified(layer) for layer in normed.children() if isinstance(layer, nn.BatchNorm2d))
    lead = 1 if int(taken.zero.max()) == 0 else 0  # else the bytes around it were put there
    return (
        _Convolution(*first, taken, between, lead),
        _Convolution(*second, between, None if last else after, 1),
    ), after


def _rectified(norm: nn.BatchNorm2d) -> _Levels:
    """Return what is known of normal values of which the negative ones become 0."""
    mean, spread = norm.bias.double(), norm.weight.double().abs().clamp_min(1e-9)
    top = mean + _SPREADS * spread
    top = top.clamp_min(1e-4 * float(top.max()))
    above = torch.special.ndtr(mean / spread)
    density = (-((mean / spread) ** 2) / 2).exp() / math.sqrt(2 * math.pi)
    centre = mean * above + spread * density
    variance = (mean**2 + spread**2) * above + mean * spread * density - centre**2
    return _Levels(top / _LARGEST, torch.zeros_like(top), centre, variance.clamp_min(0))


def _upsampling(up: nn.ConvTranspose2d, taken: _Levels, spreads: float) -> tuple[_Upsampling, _Levels]:
    weight = up.weight.double()  # (wide, narrow, 2, 2)
    mean = (weight * taken.mean[:, None, None, None]).sum(0) + _bias(up).double()[:, None, None]
    spread = (weight**2 * taken.variance[:, None, None, None]).sum(0).sqrt()
    low = (mean - spreads * spread).amin(dim=(1, 2)).clamp_max(0)
    high = (mean + spreads * spread).amax(dim=(1, 2)).clamp_min(0)
    step = ((high - low) / _LARGEST).clamp_min(1e-9)
    levels = _Levels(step, (-low / step).round(), mean.mean(dim=(1, 2)), (spread**2).mean(dim=(1, 2)))
    return _Upsampling(up, taken, levels), levels


def _bias(layer: nn.Conv2d | nn.ConvTranspose2d) -> Tensor:
    return torch.zeros(layer.out_channels) if layer.bias is None else layer.bias


def _sums(weight: Tensor, values: Tensor) -> Tensor:
    """Return what a convolution makes of an image whose channels have the same value everywhere."""
    return (weight * values.double()[:, None, None]).sum(dim=(1, 2, 3))


def _joined(one: _Levels, other: _Levels) -> _Levels:
    names = ("step", "zero", "mean", "variance")
    return _Levels(*(torch.cat([getattr(one, name), getattr(other, name)]) for name in names))


def _grey_levels(channels: int) -> _Levels:
    """Return what the bytes mean that grey values become: whole steps, then the sixteenths that they leave over."""
    whole = 2 * _BRIGHTEST / (_LARGEST - 1)
    step = torch.tensor([whole, whole / _PARTS]).repeat_interleave(channels)
    zero = torch.tensor([float(_ZERO), float(_PARTS)]).repeat_interleave(channels)
    return _Levels(step, zero, torch.zeros_like(step), torch.ones_like(step))


def _bytes(images: Tensor) -> Tensor:
    """Return normalised images, (N, C, H, W), as bytes, (N, 2 C, H + 2, W + 2), with what means 0 around them."""
    count, channels, height, width = images.shape
    scaled = images.float() * ((_LARGEST - 1) / (2 * _BRIGHTEST))
    whole = scaled.round()
    shape = (count, height + 2, width + 2, 2 * channels)
    found = torch.empty(shape, dtype=torch.uint8).permute(0, 3, 1, 2)
    for part, values, zero in ((0, whole, _ZERO), (1, (scaled - whole).mul_(_PARTS).round_(), _PARTS)):
        outer = found[:, part * channels : (part + 1) * channels]
        outer.fill_(zero)
        outer[:, :, 1:-1, 1:-1] = (values + zero).clamp_(0, _LARGEST)
    return found


def _pooled(x: Tensor) -> Tensor:
    """Return the largest of 2 x 2 pixels: in a twentieth of the time that torch's pooling of bytes takes."""
    rows = torch.maximum(x[:, :, ::2], x[:, :, 1::2])
    return torch.maximum(rows[..., ::2], rows[..., 1::2])
