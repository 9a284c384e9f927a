"""Settings of image classification that suit some data and a machine, by a quick look at both."""

from __future__ import annotations

from vision.algorithms.image_classification.advice import rare_class_advice
from vision.algorithms.image_classification.hyperparameters import SMALL_HEIGHT_PX
from vision.algorithms.plan import Plan, Recommendation, Start, batch_size, epochs_within, start_of
from vision.data.look import DataLook
from vision.settings.counted import counted
from vision.settings.device import Machine

# The work of a forward pass at 224 pixels, by depth; that of 20 is a network for small images.
_GFLOPS_AT_224 = {20: 2.0, 18: 1.8, 34: 3.6, 50: 4.1}
# From scratch, a deeper network wants more images than this.
_MANY = 20_000
# Pixels to which the sides of an input are rounded down, and its bounds.
_STEP_PX, _LEAST_PX, _LIGHT_PX, _MOST_PX = 16, 48, 128, 224
# Rates of AdamW.
_RATE, _FINE_TUNING_RATE = 0.003, 0.0003


def plan(look: DataLook, machine: Machine, backbone: str | None = None) -> Plan:
    """Return settings for training on what was looked at, by a network of ours or the trained one that a user names."""
    if backbone is not None:
        return _fine_tuning(look, machine, backbone)
    small = 0 < max(look.median_px) <= SMALL_HEIGHT_PX
    published = () if small else (50, 18) if machine.has_gpu else (18,)
    starts = {depth: start_of(f"resnet{depth}", machine) for depth in published}
    pretrained = next((depth for depth, start in starts.items() if start.is_pretrained), None)
    start = starts[pretrained or 18] if published else start_of("resnet20", machine)
    # Many epochs of a light network on reduced images teach random weights more than few of a large one.
    light = not pretrained and not machine.has_gpu and 0 < min(look.median_px) <= _LIGHT_PX
    if small or light:
        depth, side = 20, min(look.median_px) if small else SMALL_HEIGHT_PX
    else:
        depth = pretrained or (34 if machine.has_gpu and look.num_images > _MANY else 18)
        side = _side_px(look, machine, start.is_pretrained)
    gflops = _GFLOPS_AT_224[depth] * (side / 224) ** 2
    kind = "small images" if small else "a GPU" if machine.has_gpu else "a CPU"
    why = f"a network for {kind}" if small or not light else "a light one, which learns most on a CPU in the same time"
    network = Recommendation("hp.num_layers", str(depth), why)
    settings = (network, *_settings(look, machine, start, side, gflops))
    return Plan(settings, start.is_pretrained, gflops, (*(() if small else start.advice), *rare_class_advice(look)))


def _fine_tuning(look: DataLook, machine: Machine, backbone: str) -> Plan:
    # How much work a library's network is, only the library knows, and it loads torch.
    start, gflops = Start(True, f"from the trained weights of {backbone}"), _GFLOPS_AT_224[50]
    return Plan(_settings(look, machine, start, _MOST_PX, gflops), True, gflops, rare_class_advice(look))


def _settings(
    look: DataLook, machine: Machine, start: Start, side_px: int, gflops_per_image: float
) -> tuple[Recommendation, ...]:
    """Return all but the network, whose input has sides of ``side_px``."""
    batch = batch_size(look.num_images)
    least, most = (5, 20) if start.is_pretrained else (10, 100)
    seconds = 1800.0 if machine.has_gpu else 600.0
    epochs, why = epochs_within(seconds, look.num_images, gflops_per_image, machine, least, most)
    rate = _FINE_TUNING_RATE if start.is_pretrained else _RATE
    seen = "half of the images have at most {}x{} pixels".format(*look.median_px)
    whole = "so that the whole shorter side is seen, and smaller images serve, too"
    found = [
        Recommendation("hp.use_pretrained_model", str(int(start.is_pretrained)), start.reason),
        Recommendation("hp.image_shape", f"3,{side_px},{side_px}", seen),
        Recommendation("hp.resize", str(side_px), whole),
        Recommendation("hp.mini_batch_size", str(batch), f"for {counted(look.num_images, 'image')}"),
        Recommendation("hp.learning_rate", f"{rate:g}", "for AdamW"),
        Recommendation("hp.epochs", str(epochs), why),
        Recommendation("run.patience", str(max(epochs // 3, 5)), "ends training that no longer helps"),
    ]
    if look.task == "multi":
        found += [
            Recommendation("hp.multi_label", "1", "images have several classes or none"),
            Recommendation("run.objective", "mAP", "accuracy is high as well where nothing is found"),
        ]
    return tuple(found)


def _side_px(look: DataLook, machine: Machine, is_pretrained: bool) -> int:
    """Return the side of the network's input: that of the images, as far as the machine is fast enough.

    Published weights know images of 224 pixels, to which smaller ones are enlarged.
    """
    if is_pretrained:
        return _MOST_PX
    shorter = min(look.median_px) or _MOST_PX
    return max(min(shorter // _STEP_PX * _STEP_PX, _MOST_PX if machine.has_gpu else _LIGHT_PX), _LEAST_PX)
