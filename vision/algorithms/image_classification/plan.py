"""Settings of image classification that suit some data and a machine, by a quick look at both."""

from __future__ import annotations

from collections.abc import Mapping

from vision.algorithms.image_classification.advice import rare_class_advice
from vision.algorithms.image_classification.hyperparameters import SMALL_HEIGHT_PX
from vision.algorithms.plan import Plan, Recommendation, Start, batch_size, epochs_within, side_px, start_of
from vision.data.look import DataLook
from vision.settings.counted import counted
from vision.settings.device import Machine
from vision.settings.run import OWN_LIBRARY

# The work of a forward pass at 224 pixels, by depth; that of 20 is a network for small images.
_GFLOPS_AT_224, _DEEP_GFLOPS = {20: 2.0, 18: 1.8, 34: 3.6, 50: 4.1}, 11.0
# From scratch, a deeper network wants more images than this.
_MANY = 20_000
# Pixels to which the sides of an input are rounded down, and its bounds.
_STEP_PX, _LEAST_PX, _LIGHT_PX, _MOST_PX = 16, 48, 128, 224
# Rates of AdamW: for networks with batch normalization, trained before or not, and for those without, whose trained
# weights it would spoil; the latter by the beginnings of timm's names.
_RATE, _CAREFUL_RATE = 0.003, 0.0003
_WITHOUT_BATCH_NORM = ("beit", "cait", "coat", "convnext", "deit", "eva", "hiera", "maxvit", "mixer", "swin", "vit")


def plan(look: DataLook, machine: Machine, given: Mapping[str, str]) -> Plan:
    """Return settings for training on what was looked at, by the network and at the size that a user names, if any."""
    backbone, asked = given.get("run.backbone"), side_px(given, "hp.image_shape")
    if backbone is not None:
        # How much work a library's network is, only the library knows, and it loads torch.
        start = Start(True, f"from the trained weights of {backbone}")
        if backbone.startswith(f"{OWN_LIBRARY}:"):
            start = Start(False, "your network begins with the weights that it has")
        settings, gflops = _settings(look, machine, given, start, _MOST_PX, _GFLOPS_AT_224[50])
        return Plan(settings, start.is_pretrained, gflops, rare_class_advice(look))
    small = 0 < (asked or max(look.median_px)) <= SMALL_HEIGHT_PX
    layers = given.get("hp.num_layers", "")
    named = (int(layers),) if layers.isdecimal() else ()
    published = named or (() if small else (50, 18) if machine.has_gpu else (18,))
    starts = {depth: start_of(f"resnet{depth}", machine, given) for depth in published}
    pretrained = next((depth for depth, start in starts.items() if start.is_pretrained), None)
    start = starts[pretrained or published[-1]] if published else start_of("resnet20", machine, given)
    # Many epochs of a light network on reduced images teach random weights more than few of a large one.
    light = not pretrained and not machine.has_gpu and not asked and 0 < min(look.median_px) <= _LIGHT_PX
    if not named and (small or light):
        depth, side = 20, min(look.median_px) if small else SMALL_HEIGHT_PX
    else:
        many = machine.has_gpu and look.num_images > _MANY
        depth = pretrained or (named[0] if named else 34 if many else 18)
        side = _side_px(look, machine, start.is_pretrained)
    kind = "small images" if small else "a GPU" if machine.has_gpu else "a CPU"
    why = f"a network for {kind}" if small or not light else "a light one, which learns most on a CPU in the same time"
    # A depth of the user's may be one that is not listed: deep.
    further, gflops = _settings(look, machine, given, start, side, _GFLOPS_AT_224.get(depth, _DEEP_GFLOPS))
    settings = (Recommendation("hp.num_layers", str(depth), why), *further)
    return Plan(settings, start.is_pretrained, gflops, (*(() if small else start.advice), *rare_class_advice(look)))


def _settings(
    look: DataLook, machine: Machine, given: Mapping[str, str], start: Start, side: int, gflops_at_224: float
) -> tuple[tuple[Recommendation, ...], float]:
    """Return all but the network, whose input has ``side`` pixels unless the user says another, and its work."""
    asked, resize = side_px(given, "hp.image_shape"), side_px(given, "hp.resize")
    # An image that is scaled to less than the input would be too small for it.
    side = asked or min(side, resize or side)
    gflops_per_image = gflops_at_224 * (side / 224) ** 2
    batch = batch_size(look.num_images)
    least, most = (5, 20) if start.is_pretrained else (10, 100)
    seconds = 1800.0 if machine.has_gpu else 600.0
    epochs, why = epochs_within(seconds, look.num_images, gflops_per_image, machine, least, most)
    _, _, network = given.get("run.backbone", "").partition(":")
    rate = _CAREFUL_RATE if network.startswith(_WITHOUT_BATCH_NORM) else _RATE
    seen = "half of the images have at most {}x{} pixels".format(*look.median_px)
    if side < min(look.median_px):
        seen = "reduced, for speed: " + seen
    stated = given.get("hp.epochs", "")
    length = int(stated) if stated.isdecimal() else epochs
    whole = "so that the whole shorter side is seen, and smaller images serve, too"
    found = [
        Recommendation("hp.use_pretrained_model", str(int(start.is_pretrained)), start.reason),
        Recommendation("hp.image_shape", f"3,{side},{side}", seen),
        Recommendation("hp.resize", str(side), whole),
        Recommendation("hp.mini_batch_size", str(batch), f"for {counted(look.num_images, 'image')}"),
        Recommendation("hp.learning_rate", f"{rate:g}", "for AdamW"),
        Recommendation("hp.epochs", str(epochs), why),
        # The falling rate of the last epochs helps most: a third of the epochs without gain is no reason to miss them.
        Recommendation("run.patience", str(max(length // 2, 10)), "ends training that no longer helps"),
    ]
    if look.task == "multi":
        found += [
            Recommendation("hp.multi_label", "1", "images have several classes or none"),
            Recommendation("run.objective", "mAP", "accuracy is high as well where nothing is found"),
        ]
    return tuple(found), gflops_per_image


def _side_px(look: DataLook, machine: Machine, is_pretrained: bool) -> int:
    """Return the side of the network's input: that of the images, as far as the machine is fast enough.

    Published weights know images of 224 pixels, to which smaller ones are enlarged.
    """
    if is_pretrained:
        return _MOST_PX
    shorter = min(look.median_px) or _MOST_PX
    return max(min(shorter // _STEP_PX * _STEP_PX, _MOST_PX if machine.has_gpu else _LIGHT_PX), _LEAST_PX)
