"""Options of prediction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from digits.recognition.recognizer import Recognizer


@dataclass(frozen=True)
class InferenceOptions:
    """How photos are put through a detector.

    Attributes:
        device: where it runs.
        batch_size: photos at once.
        num_workers: processes beside this one (`digits.inference.detect.process_count`); `None`:
            as many as help, 0: none.
        overrides: arguments of the detector to replace (`digits.models.detector.build_detector`).
        recognizers: read the rows of what the detector finds, on the same device.
        precision: `32-true`, or `bf16-mixed`: both networks under bfloat16 autocast.
        trust: modules whose functions checkpoints may name as backbones (`digits.own_code`).
    """

    device: torch.device
    batch_size: int = 32
    num_workers: int | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    recognizers: Sequence[Recognizer] = ()
    precision: str = "32-true"
    trust: Sequence[str] = ()

    @property
    def bf16(self) -> bool:
        """Whether networks run under bfloat16 autocast."""
        return self.precision == "bf16-mixed"

    @property
    def recognizer_digests(self) -> list[str]:
        """What tells the recognisers from others."""
        return [recognizer.digest for recognizer in self.recognizers]


@dataclass(frozen=True)
class SubmissionOptions:
    """What a submission holds, and where it goes.

    Attributes:
        folder: for the outputs.
        refine: whether boxes are refined; `auto`: as valid decided.
        alternatives: whether pred.json holds alternatives of its boxes
            (`digits.reading.alternatives`).
        min_confidence: numbers at least this sure are accepted; None: as fitted
            (`digits.reading.acceptance`).
        pictures: which photos are drawn (`digits.inference.photo_pictures`).
        json: whether stdout gets a JSON object per photo.
        map_backend: of `digits.evaluation.evaluator.Evaluator`.
        settings: all of them, for config.yaml.
        command: that was typed, for run.json.
    """

    folder: Path
    refine: bool | str = "auto"
    alternatives: bool = True
    min_confidence: float | None = None
    pictures: str = "all"
    json: bool = False
    map_backend: str = "faster_coco_eval"
    settings: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""

    def refines(self, decided: bool) -> bool:
        """Whether boxes are refined, given what valid decided."""
        return decided if self.refine == "auto" else bool(self.refine)
