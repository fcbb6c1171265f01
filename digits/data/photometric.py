"""Photometric augmentation: colour, light, blur, noise, compression; boxes stay."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from digits.types import Target

# Loader workers are the parallelism; OpenCV's own threads on top of them only compete for cores.
cv2.setNumThreads(0)

Array = np.ndarray


def draw_generator() -> np.random.Generator:
    """A generator for one photo."""
    # Seeded from torch's stream, so that seeding torch (Lightning does, per worker) repeats a run.
    return np.random.default_rng(int(torch.randint(2**62, ())))


def to_array(image: Tensor) -> Array:
    """uint8 `(3, H, W)` to OpenCV's `(H, W, 3)`."""
    # Several times faster than a permuted copy.
    return np.asarray(cv2.merge([*image.contiguous().numpy()]))


def to_tensor(image: Array) -> Tensor:
    """The inverse of `to_array`."""
    return torch.from_numpy(np.stack(cv2.split(image)))


# RGB to luma and two colour differences: hue is a turn of the latter, saturation their length.
_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_RGB = np.linalg.inv(_YIQ)


@dataclass(frozen=True)
class Photometric:
    """Colour and light, then blur and resolution, then noise and JPEG; boxes stay.

    Blurs are measured in heights of the photo's smallest digit, so that it stays readable.
    """

    brightness: float = 0.2  # (fraction) spread of the factor
    contrast: float = 0.3  # (fraction) spread of the factor
    saturation: float = 0.5  # (fraction) spread of the factor
    hue: float = 0.1  # (turns) largest turn of the hue
    cast: float = 0.1  # (fraction) spread of each channel's gain
    gamma: float = 0.3  # (fraction) spread of the exponent
    gray_p: float = 0.1  # (probability) of no colour
    invert_p: float = 0.1  # (probability) of a negative
    light: float = 0.3  # (fraction) largest change of light from the centre to the edge
    light_p: float = 0.3  # (probability) of uneven light
    blur: float = 0.05  # (digit heights) largest sigma
    blur_p: float = 0.25  # (probability) of blur
    motion: float = 0.12  # (digit heights) longest track
    motion_p: float = 0.1  # (probability) of motion
    low_res: float = 12.0  # (px) fewest pixels that a digit's height keeps
    low_res_p: float = 0.25  # (probability) of a lower resolution
    noise: float = 10.0  # (grey levels) largest sigma
    noise_p: float = 0.3  # (probability) of noise
    jpeg: int = 35  # (JPEG quality) lowest
    jpeg_p: float = 0.3  # (probability) of JPEG artefacts

    def __call__(self, image: Tensor, target: Target) -> tuple[Tensor, Target]:
        rng = draw_generator()
        boxes = target["boxes"]
        digit = float((boxes[:, 3] - boxes[:, 1]).min()) if len(boxes) else image.shape[-2] / 2
        photo = self._sensor(self._lens(self._color(to_array(image), rng), digit, rng), rng)
        return to_tensor(photo), target

    def _color(self, photo: Array, rng: np.random.Generator) -> Array:
        gain, contrast, saturation = 1 + np.array(
            [self.brightness, self.contrast, self.saturation]
        ) * rng.uniform(-1, 1, 3)
        turn = 2 * math.pi * rng.uniform(-self.hue, self.hue)
        if rng.random() < self.gray_p:
            saturation = 0.0
        cos, sin = saturation * math.cos(turn), saturation * math.sin(turn)
        chroma = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
        mix = gain * contrast * (_RGB @ chroma @ _YIQ)
        mix *= 1 + rng.uniform(-self.cast, self.cast, (3, 1))
        offset = gain * (1 - contrast) * photo.mean()
        if rng.random() < self.invert_p:  # light digits on dark walls and the reverse both occur
            mix, offset = -mix, 255 - offset
        if rng.random() < self.light_p:
            height, width = photo.shape[:2]
            slope, angle = rng.uniform(0, self.light), rng.uniform(0, 2 * math.pi)
            x = np.linspace(-math.cos(angle), math.cos(angle), width, dtype=np.float32)
            y = np.linspace(-math.sin(angle), math.sin(angle), height, dtype=np.float32)
            photo = cv2.multiply(
                photo, cv2.merge([1 + slope * (x + y[:, None])] * 3), dtype=cv2.CV_8U
            )
        photo = cv2.transform(photo, np.column_stack([mix, np.full(3, offset)]))
        gamma = (1 + self.gamma) ** rng.uniform(-1, 1)
        table = (255 * np.linspace(0, 1, 256) ** gamma).round().astype(np.uint8)
        return cv2.LUT(photo, table)

    def _lens(self, photo: Array, digit: float, rng: np.random.Generator) -> Array:
        """digit: height of the smallest digit, pixels."""
        height, width = photo.shape[:2]
        if rng.random() < self.blur_p:
            photo = cv2.GaussianBlur(photo, (0, 0), 0.01 + digit * rng.uniform(0, self.blur))
        if rng.random() < self.motion_p:
            reach = digit * rng.uniform(0, self.motion) / 2
            kernel = np.zeros((2 * math.ceil(reach) + 3,) * 2, dtype=np.float32)
            angle, middle = rng.uniform(0, math.pi), len(kernel) // 2
            step = reach * np.array([math.cos(angle), math.sin(angle)])
            for end in (step, -step):
                x, y = (16 * (middle + end)).round().astype(int).tolist()
                cv2.line(kernel, (16 * middle,) * 2, (x, y), 1.0, 1, cv2.LINE_AA, shift=4)
            photo = cv2.filter2D(photo, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
        if rng.random() < self.low_res_p and digit > self.low_res:
            factor = (self.low_res / digit) ** rng.random()
            small = max(1, round(width * factor)), max(1, round(height * factor))
            photo = cv2.resize(photo, small, interpolation=cv2.INTER_AREA)
            way = (cv2.INTER_LINEAR, cv2.INTER_CUBIC)[rng.integers(2)]
            photo = cv2.resize(photo, (width, height), interpolation=way)
        return photo

    def _sensor(self, photo: Array, rng: np.random.Generator) -> Array:
        if rng.random() < self.noise_p:
            grain = rng.standard_normal(photo.shape, dtype=np.float32)
            grain *= rng.uniform(0, self.noise)
            photo = cv2.add(photo, grain, dtype=cv2.CV_8U)
        if rng.random() < self.jpeg_p:
            quality = int(rng.integers(self.jpeg, 96))
            # Red and blue are swapped both ways, so only the weights of the chroma differ.
            code = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
            photo = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR))
        return photo
