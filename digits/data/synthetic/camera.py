"""Light and camera: shadows, blur, noise, exposure, compression.

Pictures are float32 (H, W, 3), RGB in 0..1; photos are uint8.
"""

import cv2
import numpy as np

from digits.data.synthetic.walls import grain


def light(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Uneven light, hard shadows, glare."""
    height, width = picture.shape[:2]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    fall = rng.normal(0, 0.12, 2).astype(np.float32)
    factor = 1 + fall[0] * x + fall[1] * y
    if rng.random() < 0.2:  # the edge of a roof's or a tree's shadow
        angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.7, 0.7)
        side = (np.cos(angle) * x + np.sin(angle) * y - offset) * rng.uniform(2, 30)
        factor = factor * (1 - rng.uniform(0.2, 0.6) / (1 + np.exp(-np.clip(side, -30, 30))))
    picture = picture * factor[..., None].astype(np.float32)
    if rng.random() < 0.06:
        cx, cy = rng.uniform(-1, 1, 2)
        spot = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / rng.uniform(0.05, 0.5))
        picture = picture + np.float32(rng.uniform(0.1, 0.4)) * spot[..., None]
    return picture


def blur(rng: np.random.Generator, picture: np.ndarray, unit: float) -> np.ndarray:
    """Defocus, motion, and detail lost to a low resolution that was scaled up again."""
    height, width = picture.shape[:2]
    sigma = unit * rng.choice([rng.uniform(0.008, 0.03), rng.uniform(0.02, 0.08)])
    if rng.random() < 0.15:
        length = max(3, int(unit * rng.uniform(0.08, 0.25)) | 1)
        kernel = np.zeros((length, length), np.float32)
        middle, angle = length // 2, rng.uniform(0, np.pi)
        dx, dy = round(middle * np.cos(angle)), round(middle * np.sin(angle))
        cv2.line(kernel, (middle - dx, middle - dy), (middle + dx, middle + dy), (1.0,))
        picture = cv2.filter2D(picture, -1, kernel / kernel.sum())
    picture = cv2.GaussianBlur(picture, (0, 0), max(0.3, sigma))
    if rng.random() < 0.5:
        ratio = rng.uniform(10, 22) / unit
        if ratio < 1:
            small = (max(8, round(width * ratio)), max(6, round(height * ratio)))
            picture = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
            picture = sensor(rng, picture)
            if rng.random() < 0.5:  # stored small: colours bleed over several final pixels
                stored = compress(rng, np.clip(picture * 255, 0, 255).astype(np.uint8))
                picture = stored.astype(np.float32) / 255
            way = rng.choice([cv2.INTER_CUBIC, cv2.INTER_LINEAR, cv2.INTER_LANCZOS4])
            picture = cv2.resize(picture, (width, height), interpolation=int(way))
    if rng.random() < 0.3:  # sharpened in the camera: halos
        soft = cv2.GaussianBlur(picture, (0, 0), max(0.6, unit * 0.06))
        picture = picture + np.float32(rng.uniform(0.3, 0.9)) * (picture - soft)
    return picture


def sensor(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Luminance and colour noise."""
    level = np.float32(rng.exponential(0.005))
    grains = grain(rng, *picture.shape[:2])
    return np.asarray(picture + level * (grains[..., :3] + grains[..., 3:]))


def expose(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Contrast, white balance and brightness; float32 RGB in 0..1 to uint8 (H, W, 3)."""
    mean = float(picture.mean())
    gain = rng.uniform(0.75, 1.15) * 255 * np.exp(rng.normal(0, 0.12)) * rng.normal(1, 0.02, 3)
    # Metered on the whole: bright and dark scenes keep some detail.
    target = 255 * np.clip(mean, 0.1, 0.75) * np.exp(rng.normal(0, 0.1))
    shift = (target - gain * mean).astype(np.float32)
    exposed: np.ndarray = np.clip(picture * gain.astype(np.float32) + shift, 0, 255)
    return exposed.astype(np.uint8)


def compress(rng: np.random.Generator, photo: np.ndarray) -> np.ndarray:
    """JPEG artefacts, on three photos in four."""
    if rng.random() < 0.25:
        return photo
    options = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 96))]
    encoded = cv2.imencode(".jpg", photo[..., ::-1], options)[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB))
