"""Settings of `trainer`, `optimizer`, `scheduler`, `callbacks` and `logger`."""

from typing import Annotated, Any, Literal, TypedDict

from msgspec import Meta

from digits.options.types import (
    DURATION,
    Batches,
    Count,
    File,
    Group,
    Index,
    Nothing,
    NotNegative,
    Share,
)

_Duration = Annotated[str, Meta(title=DURATION)]
_OrNone = Annotated[int, Meta(ge=-1, le=1 << 53)]  # -1: no bound
_Devices = Annotated[int, Meta(ge=-1, le=9999)]
_Limit = Index | Share
_TestBatches = Annotated[
    None, Meta(title="null: train.py does not read test photos, predict.py does")
]


class Trainer(TypedDict, total=False):
    """Arguments of Lightning's Trainer, without `callbacks` and `logger`."""

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"]
    strategy: Literal[
        "auto", "ddp", "ddp_find_unused_parameters_false", "ddp_find_unused_parameters_true",
    ] | Group  # fmt: skip
    devices: _Devices | str | list[Index]
    num_nodes: Annotated[int, Meta(ge=1, le=9999)]
    precision: Literal[
        "32-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true", "64-true",
        "transformer-engine", "transformer-engine-float16", 16, 32, 64, "16", "32", "64", "bf16",
    ] | None  # fmt: skip
    fast_dev_run: bool | Index
    max_epochs: _OrNone | None
    min_epochs: Index | None
    max_steps: _OrNone
    min_steps: Index | None
    max_time: _Duration | dict[str, Index] | None
    limit_train_batches: Batches | None
    limit_val_batches: _Limit | None
    overfit_batches: _Limit
    val_check_interval: Batches | str | dict[str, Index] | None
    check_val_every_n_epoch: Count | None
    num_sanity_val_steps: _OrNone | None
    log_every_n_steps: Index | None
    enable_checkpointing: bool | None
    enable_progress_bar: bool | None
    enable_model_summary: bool | None
    accumulate_grad_batches: Count
    gradient_clip_val: NotNegative | None
    gradient_clip_algorithm: Literal["norm", "value"] | None
    deterministic: bool | Literal["warn"] | None
    benchmark: bool | None
    use_distributed_sampler: bool
    profiler: Literal["simple", "advanced", "pytorch"] | Group | None
    detect_anomaly: bool
    barebones: bool
    plugins: Any
    sync_batchnorm: bool
    reload_dataloaders_every_n_epochs: Index
    default_root_dir: File | None
    # Without effect; the titles say why.
    limit_test_batches: _TestBatches
    limit_predict_batches: _TestBatches
    inference_mode: Annotated[
        Literal[True], Meta(title="true: Lightning validates during a training without it")
    ]
    enable_autolog_hparams: Annotated[
        Literal[True], Meta(title="true: callbacks.settings tells loggers the settings")
    ]
    model_registry: Annotated[
        None, Meta(title="null: checkpoints are written by callbacks.best and callbacks.last")
    ]


class AdamW(TypedDict, total=False):
    lr: NotNegative
    betas: Annotated[list[Annotated[float, Meta(ge=0, lt=1)]], Meta(min_length=2, max_length=2)]
    eps: NotNegative
    weight_decay: NotNegative
    amsgrad: bool
    maximize: bool
    foreach: bool | None
    capturable: Literal[False]  # the others need a training of another kind
    differentiable: Literal[False]
    fused: bool | None


class SGD(TypedDict, total=False):
    lr: NotNegative
    momentum: NotNegative
    dampening: NotNegative
    weight_decay: NotNegative
    nesterov: bool
    maximize: bool
    foreach: bool | None
    differentiable: Literal[False]
    fused: bool | None


class Step(TypedDict, total=False):
    every: Count
    gamma: NotNegative


class Cosine(TypedDict, total=False):
    warmup: Annotated[float, Meta(ge=0, lt=1)]
    start: NotNegative
    final: NotNegative


class OneCycle(TypedDict, total=False):
    rise: Annotated[float, Meta(ge=0, lt=1)]
    start: NotNegative
    final: NotNegative


class ModelCheckpoint(TypedDict, total=False):
    dirpath: File | None
    filename: str | None
    monitor: str | None
    verbose: bool
    save_last: bool | Literal["link"] | None
    save_top_k: _OrNone
    save_weights_only: bool
    mode: Literal["min", "max"]
    auto_insert_metric_name: bool
    every_n_train_steps: Index | None
    train_time_interval: None  # a timedelta, which cannot be said on a command line
    every_n_epochs: Index | None
    save_on_train_epoch_end: bool | None
    enable_version_counter: bool
    save_on_exception: bool


class Average(TypedDict, total=False):
    device: str | None
    use_buffers: bool
    decay: Share
    update_every_n_steps: Count
    update_starting_at_step: Index | None
    update_starting_at_epoch: Index | None


class AugmentedPictures(TypedDict, total=False):
    folder: File
    photos: Index


class TensorBoardLog(TypedDict, total=False):
    save_dir: File
    name: str | None
    version: int | str | None
    log_graph: bool
    default_hp_metric: bool
    prefix: str
    sub_dir: File | None


class CsvLog(TypedDict, total=False):
    folder: File


class Pictures(TypedDict, total=False):
    photos: Index


TARGETS = {
    "lightning.Trainer": Trainer,
    "torch.optim.AdamW": AdamW,
    "torch.optim.SGD": SGD,
    "digits.training.schedules.constant": Nothing,
    "digits.training.schedules.cosine": Cosine,
    "digits.training.schedules.onecycle": OneCycle,
    "digits.training.schedules.step": Step,
    "lightning.pytorch.callbacks.ModelCheckpoint": ModelCheckpoint,
    "lightning.pytorch.callbacks.EMAWeightAveraging": Average,
    "digits.training.progress.EpochLine": Nothing,
    "digits.training.loggers.CsvLog": CsvLog,
    "digits.training.progress.LiveBar": Nothing,
    "digits.training.tensorboard.AugmentedPictures": AugmentedPictures,
    "digits.training.tensorboard.LogSettings": Nothing,
    "digits.training.tensorboard.TensorBoardLog": TensorBoardLog,
    "digits.training.callbacks.ReadingPictures": Pictures,
}
