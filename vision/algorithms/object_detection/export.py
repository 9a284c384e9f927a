"""What an exported detector answers: raw heads, and in ONNX also the detections, found as ``predictions`` does it.

Legend: N batch, A anchors, K classes incl. background, D rows of detections.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from vision.algorithms.object_detection.box_coder import BoxCoder
from vision.algorithms.object_detection.network import SSD
from vision.algorithms.object_detection.predictions import SMALLEST_SIDE_UNIT, DetectionSettings
from vision.artifacts.export import BATCH, ExportHeads, HeadOutput, Heads

# Candidates are the best of all anchors by their best class; each stands in the row of its class for the operator
# NonMaxSuppression, which works class by class. Its comparisons are strict, ours are not: hence "just below".
_GRAPH = """
detections_of_ssd (float[batch, {anchors}, {classes}] class_logits, float[batch, {anchors}, 4] box_offsets,
                   float[{anchors}, 4] anchors) => (float[batch, {rows}, 6] detections)
<int64[1] first = {{1}}, int64[1] end = {{9223372036854775807}}, int64[1] last_axis = {{2}}, int64[1] rows = {{{rows}}},
 int64[1] four = {{4}}, int64[1] one_axis = {{1}}, int64 depth = {{{foreground}}}, int64[1] all_rows = {{{rows}}},
 int64[2] image_and_row = {{0, 2}}>
{{
    probabilities = Softmax <axis = -1> (class_logits)
    foreground = Slice (probabilities, first, end, last_axis)
    all_scores = ReduceMax <keepdims = 0> (foreground, last_axis)
    all_labels = ArgMax <axis = 2, keepdims = 0> (foreground)
    scores, candidates = TopK <axis = 1> (all_scores, rows)
    labels = GatherElements <axis = 1> (all_labels, candidates)
    candidates_shape = Shape (candidates)
    boxes_shape = Concat <axis = 0> (candidates_shape, four)
    candidate_column = Unsqueeze (candidates, last_axis)
    candidate_index = Expand (candidate_column, boxes_shape)
    offsets = GatherElements <axis = 1> (box_offsets, candidate_index)
    anchor = Gather <axis = 0> (anchors, candidates)
    low, high = Split <axis = 2, num_outputs = 2> (anchor)
    sum = Add (low, high)
    half = Constant <value = float {{0.5}}> ()
    centre = Mul (sum, half)
    size = Sub (high, low)
    shift, scale = Split <axis = 2, num_outputs = 2> (offsets)
    shift_varied = Mul (shift, centre_variances)
    shift_unit = Mul (shift_varied, size)
    box_centre = Add (shift_unit, centre)
    scale_varied = Mul (scale, size_variances)
    ratio = Exp (scale_varied)
    box_size = Mul (ratio, size)
    half_size = Mul (box_size, half)
    box_low = Sub (box_centre, half_size)
    box_high = Add (box_centre, half_size)
    any_boxes = Concat <axis = 2> (box_low, box_high)
    {clip}
    zero_one = Constant <value = float[2] {{0.0, 1.0}}> ()
    is_class = OneHot <axis = 1> ({suppressed_labels}, depth, zero_one)
    score_row = Unsqueeze (scores, one_axis)
    class_scores = Mul (is_class, score_row)
    selected = NonMaxSuppression (boxes, class_scores, all_rows, overlap_limit, score_limit)
    kept = Gather <axis = 1> (selected, image_and_row)
    none = ConstantOfShape <value = float[1] {{0.0}}> (candidates_shape)
    selected_shape = Shape (kept)
    zero_index = Constant <value = int64[1] {{0}}> ()
    kept_count = Gather <axis = 0> (selected_shape, zero_index)
    ones = ConstantOfShape <value = float[1] {{1.0}}> (kept_count)
    is_kept = ScatterND (none, kept, ones)
    is_kept_column = Unsqueeze (is_kept, last_axis)
    float_labels = Cast <to = 1> (labels)
    label_column = Unsqueeze (float_labels, last_axis)
    score_column = Unsqueeze (scores, last_axis)
    rows_of_all = Concat <axis = 2> (label_column, score_column, boxes)
    kept_low, kept_high = Split <axis = 2, num_outputs = 2> (boxes)
    sides = Sub (kept_high, kept_low)
    is_extended = Greater (sides, smallest_side)
    extended = Cast <to = 1> (is_extended)
    both_extended = ReduceMin (extended, last_axis)
    has_area = Cast <to = 9> (both_extended)
    is_selected = Cast <to = 9> (is_kept_column)
    is_row = And (is_selected, has_area)
    empty = Constant <value = float {{-1.0}}> ()
    detections = Where (is_row, rows_of_all, empty)
}}
"""
_CLIP = """zero = Constant <value = float {0.0}> ()
    unit = Constant <value = float {1.0}> ()
    boxes = Clip (any_boxes, zero, unit)"""
_ONE_CLASS = "no_class"


def export_heads(network: SSD, settings: DetectionSettings) -> ExportHeads:
    """Return the network with its outputs: logits, offsets and the anchors to which they belong."""
    anchors = network.anchors.boxes_xyxy_unit
    count, num_classes = len(anchors), network.architecture.num_classes + 1
    side = network.architecture.image_shape
    rows = min(settings.max_candidates or count, count)
    return ExportHeads(
        module=Heads(network, (anchors,)),
        image_shape=(3, side, side),
        outputs=(
            HeadOutput(
                "class_logits",
                (BATCH, count, num_classes),
                "float32; a softmax over the last axis makes probabilities of them; class 0 is background",
            ),
            HeadOutput(
                "box_offsets",
                (BATCH, count, 4),
                "float32; x, y, width and height from the anchor, divided by the variances 0.1, 0.1, 0.2, 0.2:"
                " centres in anchor sizes, sizes as logarithms of the ratio",
            ),
            HeadOutput("anchors", (count, 4), "float32; x_min, y_min, x_max, y_max as fractions of the image"),
        ),
        append_pipeline=partial(append_detections, settings=settings),
        pipeline_outputs=(
            HeadOutput(
                "detections",
                (BATCH, rows, 6),
                "float32 rows class, score, x_min, y_min, x_max, y_max (fractions of the image) by descending score;"
                " class is -1 in rows that hold nothing",
            ),
        ),
    )


def append_detections(model: Any, settings: DetectionSettings) -> Any:
    """Return an ONNX model with the one output ``detections`` float32 [N, D, 6], from one with the raw heads.

    Rows are class, score, x_min, y_min, x_max, y_max in unit coordinates, by descending score; -1 in rows that hold
    nothing.
    """
    import onnx
    from onnx import compose, helper, numpy_helper, parser

    shapes = {
        output.name: [dim.dim_value for dim in output.type.tensor_type.shape.dim] for output in model.graph.output
    }
    _, anchors, classes = shapes["class_logits"]
    rows = min(settings.max_candidates or anchors, anchors)
    graph = parser.parse_graph(
        _GRAPH.format(
            anchors=anchors,
            classes=classes,
            foreground=classes - 1,
            rows=rows,
            clip=_CLIP if settings.clip else "boxes = Identity (any_boxes)",
            suppressed_labels=_ONE_CLASS if settings.is_class_agnostic else "labels",
        )
    )
    if settings.is_class_agnostic:
        graph.node.insert(_index_of(graph, "OneHot"), helper.make_node("Sub", ["labels", "labels"], [_ONE_CLASS]))
    variances = BoxCoder().variances
    # Two detections never overlap more than entirely.
    overlap = 1.0 if settings.nms_threshold is None else _just_below(settings.nms_threshold)
    constants = {
        "centre_variances": np.array(variances[:2], np.float32),
        "size_variances": np.array(variances[2:], np.float32),
        "overlap_limit": np.array([overlap], np.float32),
        "score_limit": np.array([_just_below(settings.score_threshold)], np.float32),
        "smallest_side": np.array([SMALLEST_SIDE_UNIT], np.float32),
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    opset = next(item.version for item in model.opset_import if item.domain == "")
    last = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=model.ir_version)
    onnx.checker.check_model(last)
    names = [(name, name) for name in ("class_logits", "box_offsets", "anchors")]
    return compose.merge_models(
        model, compose.add_prefix(last, "ssd/", rename_inputs=False, rename_outputs=False), io_map=names
    )


def _index_of(graph: Any, op: str) -> int:
    return next(index for index, node in enumerate(graph.node) if node.op_type == op)


def _just_below(threshold: float) -> float:
    return float(np.nextafter(np.float32(threshold), np.float32(0)))
