"""The keywords of ``vision.fit`` and its neighbors, typed; written by python -m tests.settings_tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    import albumentations as A


class RunKeywords(TypedDict, total=False):
    """Run settings."""

    accumulate: int
    augmentation: str
    auto_augment: Literal["trivial", "rand"]
    backbone: str
    bad_boxes: Literal["clip", "drop", "fail"]
    balanced_sampling: bool
    base_rate_factor: float
    batch_norm_batches: int
    cache: Literal["auto", "memory", "disk", "none"]
    cache_folder: str | Path
    channels_last: bool
    checkpoint_every_steps: int
    class_names: Sequence[str] | str
    class_weights: str
    clip_gradient_norm: float
    compile: bool
    cutmix: float
    decay_weights_only: bool
    deterministic: bool
    device: str
    devices: int
    ema_decay: float
    enlarge_small_images: bool
    fit_memory: bool
    folds: int
    freeze: str
    freeze_batch_norm: bool
    freeze_epochs: int
    label_smoothing: float
    loader: Literal["standard", "dali"]
    log_every_steps: int
    loggers: Sequence[str] | str
    max_archive_gb: float
    max_broken: float
    mixup: float
    momentum_correction: bool
    new_head: bool
    objective: str
    output: str | Path
    patience: int
    precision: Literal["auto", "float32", "float16", "bfloat16"]
    progress: Literal["auto", "bar", "plain", "none"]
    random_erasing: float
    random_resized_crop: float
    report: bool
    resume: bool
    scaled_decode: bool
    schedule: Literal["auto", "constant", "step", "poly", "cosine"]
    seed: int
    stall_timeout_s: float
    validation_share: float
    warmup_epochs: float
    weights_folder: str | Path
    workers: int


class VideoKeywords(TypedDict, total=False):
    """Settings of vision.watch."""

    annotate: bool
    fps: float
    frames: int
    label: int
    output: str | Path
    score: float
    seconds: float
    track: bool


class TrainingKeywords(TypedDict, total=False):
    """What every training takes."""

    hyperparameters: Mapping[str, object] | None
    recipe: str | Path | None
    run: RunKeywords | Mapping[str, object] | None
    transform: A.BasicTransform | A.BaseCompose | None


class ImageClassificationKeywords(TrainingKeywords, total=False):
    """Hyperparameters of image_classification."""

    augmentation_type: Literal["crop", "crop_color", "crop_color_transform"]
    beta_1: float
    beta_2: float
    checkpoint_frequency: int
    early_stopping: bool
    early_stopping_min_epochs: int
    early_stopping_patience: int
    early_stopping_tolerance: float
    epochs: int
    eps: float
    gamma: float
    image_shape: tuple[int, int, int] | str
    kv_store: Literal["dist_sync", "dist_async"]
    learning_rate: float
    lr_scheduler_factor: float
    lr_scheduler_step: Sequence[int] | str
    mini_batch_size: int
    momentum: float
    multi_label: bool | Literal[0, 1]
    num_classes: int
    num_layers: Literal[18, 34, 50, 101, 152, 200, 20, 32, 44, 56, 110]
    num_training_samples: int
    optimizer: Literal["sgd", "adam", "rmsprop", "nag", "adamw"]
    precision_dtype: Literal["float32", "float16"]
    resize: int
    top_k: int
    use_pretrained_model: bool | Literal[0, 1]
    use_weighted_loss: bool | Literal[0, 1]
    weight_decay: float


class ObjectDetectionKeywords(TrainingKeywords, total=False):
    """Hyperparameters of object_detection."""

    base_network: Literal["vgg-16", "resnet-50", "resnet-18", "resnet-34"]
    early_stopping: bool
    early_stopping_min_epochs: int
    early_stopping_patience: int
    early_stopping_tolerance: float
    epochs: int
    freeze_layer_pattern: str
    image_shape: int
    kv_store: Literal["dist_sync", "dist_async"]
    label_width: int
    learning_rate: float
    lr_scheduler_factor: float
    lr_scheduler_step: Sequence[int] | str
    mini_batch_size: int
    momentum: float
    nms_threshold: float
    nms_topk: int
    num_classes: int
    num_training_samples: int
    optimizer: Literal["sgd", "adam", "rmsprop", "adadelta", "adamw"]
    overlap_threshold: float
    use_pretrained_model: bool | Literal[0, 1]
    weight_decay: float


class SemanticSegmentationKeywords(TrainingKeywords, total=False):
    """Hyperparameters of semantic_segmentation."""

    algorithm: Literal["fcn", "psp", "deeplab"]
    aux_loss: bool
    aux_weight: float
    backbone: Literal["resnet-50", "resnet-101", "resnet-18", "resnet-34"]
    base_size: int
    class_weights: str
    crop_size: int
    early_stopping: bool
    early_stopping_min_epochs: int
    early_stopping_patience: int
    early_stopping_tolerance: float
    epochs: int
    gamma1: float
    gamma2: float
    learning_rate: float
    lr_scheduler: Literal["poly", "cosine", "step"]
    lr_scheduler_factor: float
    lr_scheduler_step: Sequence[int] | str
    mini_batch_size: int
    momentum: float
    num_classes: int
    num_training_samples: int
    optimizer: Literal["sgd", "adam", "adagrad", "nag", "rmsprop", "adamw"]
    precision_dtype: Literal["float32", "float16"]
    pretrained_on: Literal["imagenet", "coco"]
    syncbn: bool
    use_pretrained_model: bool
    validation_mini_batch_size: int
    weight_decay: float


class AnyKeywords(TrainingKeywords, total=False):
    """Hyperparameters of all algorithms, for data that choose theirs."""

    algorithm: Literal["fcn", "psp", "deeplab"]
    augmentation_type: Literal["crop", "crop_color", "crop_color_transform"]
    aux_loss: bool
    aux_weight: float
    backbone: Literal["resnet-50", "resnet-101", "resnet-18", "resnet-34"]
    base_network: Literal["vgg-16", "resnet-50", "resnet-18", "resnet-34"]
    base_size: int
    beta_1: float
    beta_2: float
    checkpoint_frequency: int
    class_weights: str
    crop_size: int
    early_stopping: bool
    early_stopping_min_epochs: int
    early_stopping_patience: int
    early_stopping_tolerance: float
    epochs: int
    eps: float
    freeze_layer_pattern: str
    gamma: float
    gamma1: float
    gamma2: float
    image_shape: tuple[int, int, int] | str | int
    kv_store: Literal["dist_sync", "dist_async"]
    label_width: int
    learning_rate: float
    lr_scheduler: Literal["poly", "cosine", "step"]
    lr_scheduler_factor: float
    lr_scheduler_step: Sequence[int] | str
    mini_batch_size: int
    momentum: float
    multi_label: bool | Literal[0, 1]
    nms_threshold: float
    nms_topk: int
    num_classes: int
    num_layers: Literal[18, 34, 50, 101, 152, 200, 20, 32, 44, 56, 110]
    num_training_samples: int
    optimizer: Literal["sgd", "adam", "rmsprop", "nag", "adamw", "adadelta", "adagrad"]
    overlap_threshold: float
    precision_dtype: Literal["float32", "float16"]
    pretrained_on: Literal["imagenet", "coco"]
    resize: int
    syncbn: bool
    top_k: int
    use_pretrained_model: bool | Literal[0, 1]
    use_weighted_loss: bool | Literal[0, 1]
    validation_mini_batch_size: int
    weight_decay: float
