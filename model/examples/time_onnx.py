"""How long ONNX Runtime takes for what `time_kernels` draws: 500 trees of depth 6 on 30 columns, a row alone and in batches of
5,000, in microseconds of a processor, as JSON. Needs numpy, onnx and onnxruntime."""

import json
import time

import numpy as np
import onnx
from onnx import TensorProto, helper
import onnxruntime

TREES, DEPTH, COLUMNS, ROWS, SPANS = 500, 6, 30, 5_000, 5


def drawn(rng):
    splits = 2**DEPTH - 1
    nodes = 2 * splits + 1
    ids = np.tile(np.arange(nodes), TREES)
    is_split = ids < splits
    count = TREES * nodes
    leaves = np.flatnonzero(~is_split)
    node = helper.make_node(
        "TreeEnsembleRegressor", ["rows"], ["sums"], domain="ai.onnx.ml", n_targets=1, post_transform="NONE",
        nodes_treeids=np.repeat(np.arange(TREES), nodes).tolist(),
        nodes_nodeids=ids.tolist(),
        nodes_featureids=np.where(is_split, rng.integers(0, COLUMNS, count), 0).tolist(),
        nodes_values=np.where(is_split, rng.random(count), 0.0).tolist(),
        nodes_modes=["BRANCH_LEQ" if split else "LEAF" for split in is_split],
        nodes_truenodeids=np.where(is_split, 2 * ids + 1, 0).tolist(),
        nodes_falsenodeids=np.where(is_split, 2 * ids + 2, 0).tolist(),
        nodes_missing_value_tracks_true=np.where(is_split, rng.integers(0, 2, count), 0).tolist(),
        target_treeids=np.repeat(np.arange(TREES), splits + 1).tolist(),
        target_nodeids=ids[leaves].tolist(),
        target_ids=[0] * len(leaves),
        target_weights=(rng.random(len(leaves)) - 0.5).tolist(),
    )
    graph = helper.make_graph(
        [node], "trees",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, COLUMNS])],
        [helper.make_tensor_value_info("sums", TensorProto.FLOAT, [None, 1])],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


def least(work, count):
    """Microseconds for each of `count` rows, the least of some spans: other programs only ever slow a machine down."""
    spans = []
    for _ in range(SPANS):
        started, times = time.thread_time(), 0
        while time.thread_time() - started < 0.1:
            work()
            times += 1
        spans.append((time.thread_time() - started) / times / count * 1e6)
    return round(min(spans), 2)


rng = np.random.default_rng(1)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(drawn(rng), options, providers=["CPUExecutionProvider"])
rows = rng.random((ROWS, COLUMNS), dtype=np.float32)
one = rows[:1]
print(json.dumps({
    "engine": f"onnxruntime {onnxruntime.__version__}",
    "row": least(lambda: session.run(None, {"rows": one}), 1),
    "batch": least(lambda: session.run(None, {"rows": rows}), ROWS),
}))
