"""The graphs of MXNet's SSD: the training graph that SageMaker saves and the one for inference.

Legend: N batch, A anchors, K classes incl. background.
"""

from __future__ import annotations

from dataclasses import dataclass

from vision.algorithms.object_detection.architecture import Architecture, Level
from vision.algorithms.object_detection.box_coder import BoxCoder
from vision.interop.mxnet_builder import GraphBuilder, Value
from vision.interop.mxnet_node import Output
from vision.interop.mxnet_resnet_graph import preact_stages
from vision.interop.mxnet_symbol import Graph
from vision.nn.vgg import CONVOLUTIONS

AUTOMATIC_STEP = -1.0
VARIANCES = BoxCoder().variances


@dataclass(frozen=True)
class SSDOutputs:
    """``class_logits`` [N, K, A], ``box_offsets`` [N, 4 A] and ``anchors`` [1, A, 4] of a graph."""

    class_logits: Output
    box_offsets: Output
    anchors: Output


@dataclass(frozen=True)
class SuppressionSettings:
    """Of the operator that chooses among the detections."""

    nms_threshold: float = 0.45
    nms_topk: int = 400


def ssd_graph(plan: Architecture, settings: SuppressionSettings, *, training: bool) -> tuple[Graph, SSDOutputs]:
    """SSD on MXNet's base networks. The training graph has four heads, the other only the detections."""
    builder = GraphBuilder("SSD")
    scale = builder.variable("relu4_3_scale", __shape__=(1, plan.vgg_widths[3], 1, 1)) if plan.vgg_widths else None
    data = builder.variable("data")
    if scale is not None:
        maps = _vgg_maps(builder, data, scale, plan.vgg_widths)
    else:
        stages = preact_stages(builder, data, plan.preact_plan)
        maps = [(f"_plus{sum(plan.units[:3]) - 1}", stages[2], None), (f"_plus{sum(plan.units) - 1}", stages[3], None)]
    outputs = _heads(builder, plan, _all_maps(builder, plan, maps))
    label = builder.variable("label") if training else None
    return builder.graph(_outputs(builder, outputs, settings, label)), outputs


# Name, the map itself, and what the heads see instead of it.
Map = tuple[str, Output, Output | None]


def _vgg_maps(builder: GraphBuilder, data: Output, scale: Output, widths: tuple[int, ...]) -> list[Map]:
    x = data
    relu4_3 = data
    for block, count in enumerate(CONVOLUTIONS, start=1):
        for number in range(1, count + 1):
            name = f"{block}_{number}"
            x = builder.relu(builder.convolution(x, f"conv{name}", widths[block - 1], 3, bias=True), f"relu{name}")
        if block == 4:
            relu4_3 = x
        kernel, stride, pad = (3, 1, 1) if block == 5 else (2, 2, 0)
        x = builder.max_pool(x, f"pool{block}", kernel, stride, pad=pad, rounds_up=block == 3)
    x = builder.relu(builder.convolution(x, "fc6", widths[5], 3, pad=6, dilate=6, bias=True), "relu6")
    relu7 = builder.relu(builder.convolution(x, "fc7", widths[6], 1, bias=True), "relu7")
    norm = builder.add("L2Normalization", "relu4_3_norm", [relu4_3], mode="channel")
    scaled = builder.add("broadcast_mul", "broadcast_mul0", [scale, norm])
    return [("relu4_3", relu4_3, scaled), ("relu7", relu7, None)]


def _all_maps(builder: GraphBuilder, plan: Architecture, maps: list[Map]) -> list[Map]:
    x = maps[-1][1]
    for index, layer in enumerate(plan.extra_layers, start=len(maps)):
        name = f"multi_feat_{index}_conv"
        x = builder.convolution(x, f"{name}_1x1_conv", layer.width_1x1, 1, bias=True)
        x = builder.relu(x, f"{name}_1x1_relu")
        x = builder.convolution(
            x, f"{name}_3x3_conv", layer.width_3x3, 3, stride=layer.stride, pad=layer.padding, bias=True
        )
        x = builder.relu(x, f"{name}_3x3_relu")
        maps = [*maps, (f"{name}_3x3_relu", x, None)]
    return maps


def _heads(builder: GraphBuilder, plan: Architecture, maps: list[Map]) -> SSDOutputs:
    classes: list[Output] = []
    boxes: list[Output] = []
    anchors: list[Output] = []
    for (name, plain, seen), level in zip(maps, plan.levels, strict=True):
        x = plain if seen is None else seen
        per_cell = level.as_anchor_level().per_cell
        for kind, values, flat in (("loc", 4, boxes), ("cls", plan.num_classes + 1, classes)):
            head = builder.convolution(x, f"{name}_{kind}_pred_conv", per_cell * values, 3, bias=True)
            head = builder.add("transpose", f"{name}_{kind}_pred_transpose", [head], axes=(0, 2, 3, 1))
            flat.append(builder.add("Flatten", f"{name}_{kind}_pred_flatten", [head]))
        prior = builder.add("_contrib_MultiBoxPrior", f"{name}_anchors", [x], **_prior_attributes(level))
        anchors.append(builder.add("Flatten", f"{name}_anchors_flatten", [prior]))
    count = len(maps)
    logits = builder.add("Concat", "multibox_cls_pred_concat", classes, dim=1, num_args=count)
    logits = builder.add("Reshape", "multibox_cls_pred_reshape", [logits], shape=(0, -1, plan.num_classes + 1))
    return SSDOutputs(
        class_logits=builder.add("transpose", "multibox_cls_pred", [logits], axes=(0, 2, 1)),
        box_offsets=builder.add("Concat", "multibox_loc_pred", boxes, dim=1, num_args=count),
        anchors=builder.add(
            "Reshape",
            "multibox_anchors",
            [builder.add("Concat", "multibox_anchors_concat", anchors, dim=1, num_args=count)],
            shape=(0, -1, 4),
        ),
    )


def _prior_attributes(level: Level) -> dict[str, tuple[float, ...] | bool]:
    step = AUTOMATIC_STEP if level.step_unit is None else level.step_unit
    return {"sizes": level.sizes, "ratios": level.ratios, "clip": False, "steps": (step, step)}


def _outputs(
    builder: GraphBuilder, outputs: SSDOutputs, settings: SuppressionSettings, label: Output | None
) -> list[Output]:
    """The heads of the graph, as ``symbol_builder.py`` of MXNet's example makes them."""
    suppression: dict[str, Value] = {
        "nms_threshold": settings.nms_threshold,
        "force_suppress": False,
        "nms_topk": settings.nms_topk,
        "variances": VARIANCES,
    }
    if label is None:
        scores = builder.add("softmax", "cls_prob", [outputs.class_logits], axis=1)
        inputs = [scores, outputs.box_offsets, outputs.anchors]
        return [builder.add("_contrib_MultiBoxDetection", "detection", inputs, **suppression)]
    target = builder.add(
        "_contrib_MultiBoxTarget",
        "multibox_target",
        [outputs.anchors, label, outputs.class_logits],
        overlap_threshold=0.5,
        ignore_label=-1,
        negative_mining_ratio=3,
        negative_mining_thresh=0.5,
        minimum_negative_samples=0,
        variances=VARIANCES,
    )
    box_target, box_mask, class_target = (target._replace(output=number) for number in range(3))
    scores = builder.add(
        "SoftmaxOutput",
        "cls_prob",
        [outputs.class_logits, class_target],
        ignore_label=-1,
        use_ignore=True,
        grad_scale=1.0,
        multi_output=True,
        normalization="valid",
    )
    difference = builder.add("elemwise_sub", "_minus0", [outputs.box_offsets, box_target])
    masked = builder.add("elemwise_mul", "_mul0", [box_mask, difference])
    loss = builder.add("smooth_l1", "loc_loss_", [masked], scalar=1.0)
    loss = builder.add("MakeLoss", "loc_loss", [loss], grad_scale=1.0, normalization="valid")
    class_label = builder.add("MakeLoss", "cls_label", [class_target], grad_scale=0)
    inputs = [scores, outputs.box_offsets, outputs.anchors]
    detection = builder.add("_contrib_MultiBoxDetection", "detection", inputs, **suppression)
    return [scores, loss, class_label, builder.add("MakeLoss", "det_out", [detection], grad_scale=0)]
