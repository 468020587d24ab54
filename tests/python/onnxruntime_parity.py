"""Scores rows with onnxruntime, the implementation of ONNX most models meet.

usage: onnxruntime_parity.py MODEL ROWS FEATURES SCORES

ROWS holds little-endian float32, FEATURES of them a row. SCORES receives the probability of class 1 for each
row, little-endian float32.
"""

import sys

import numpy
import onnxruntime


def main(model, rows, features, scores):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    table = numpy.fromfile(rows, dtype="<f4").reshape(-1, int(features))
    (probabilities,) = session.run(["probabilities"], {"features": table})
    assert probabilities.shape == (len(table), 2), probabilities.shape
    both = probabilities.sum(axis=1)
    assert abs(both - 1).max() < 1e-5, "the two classes must sum to 1"
    probabilities[:, 1].astype("<f4").tofile(scores)


if __name__ == "__main__":
    main(*sys.argv[1:])
