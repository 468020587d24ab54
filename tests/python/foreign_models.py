"""Trains models with other libraries and exports them as ONNX.

usage: foreign_models.py good|bad DIRECTORY NAMES

NAMES is a comma-separated list of feature names. DIRECTORY receives NAME.onnx for each model. For `good` ones it
also receives `rows`, little-endian float32, a row of all features after the other, and NAME.scores, what the
library itself says of each row: the probability of class 1, little-endian float32.
"""

import pathlib
import sys
import warnings

import lightgbm
import numpy
import onnxmltools
import xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType as Column
from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, RobustScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier

ROWS = 2_000
SEED = 7


def table(random, count, width):
    """Shares, counts and logarithms, half of the rows on a grid as shares of small counts are."""
    rows = random.random((count, width))
    rows[:, 3] *= 1_000
    rows[:, 5] = rows[:, 5] * 20 - 10
    rows[::2, :12] = numpy.round(rows[::2, :12] * 16) / 16
    return rows.astype(numpy.float32)


def answers(random, rows):
    odds = rows[:, 0] * rows[:, 1] + rows[:, 3] / 2_000 + (rows[:, 5] > 2) * rows[:, 7]
    return (odds + 0.3 * random.random(len(rows)) > 1).astype(int)


def sklearn_models():
    yield "boosting", GradientBoostingClassifier(n_estimators=50, random_state=SEED)
    yield "boosting_scaled", make_pipeline(StandardScaler(), GradientBoostingClassifier(n_estimators=20, random_state=SEED))
    yield "forest", RandomForestClassifier(n_estimators=40, max_depth=8, random_state=SEED)
    yield "extra_trees", ExtraTreesClassifier(n_estimators=20, max_depth=8, random_state=SEED)
    yield "tree", DecisionTreeClassifier(max_depth=6, random_state=SEED)
    yield "logistic", LogisticRegression(max_iter=1_000)
    yield "logistic_scaled", make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    yield "logistic_ranged", make_pipeline(SimpleImputer(), MinMaxScaler(), LogisticRegression(max_iter=1_000))
    yield "logistic_robust", make_pipeline(RobustScaler(), LogisticRegression(max_iter=1_000))
    for activation in ("relu", "tanh", "logistic"):
        network = MLPClassifier((32, 16), activation=activation, max_iter=30, random_state=SEED)
        yield f"network_{activation}", make_pipeline(StandardScaler(), network)


def column_inputs(names):
    return [(name, Column([None, 1])) for name in names]


def good(out, names):
    random = numpy.random.default_rng(SEED)
    known, unseen = table(random, 4_000, len(names)), table(random, ROWS, len(names))
    classes = answers(random, known)
    unseen.astype("<f4").tofile(out / "rows")

    def keep(name, model, scores):
        (out / f"{name}.onnx").write_bytes(model.SerializeToString())
        numpy.asarray(scores).astype("<f4").tofile(out / f"{name}.scores")

    for name, model in sklearn_models():
        model.fit(known, classes)
        scores = model.predict_proba(unseen)[:, 1]
        keep(name, to_onnx(model, known[:1], options={"zipmap": False}), scores)
        if name in ("boosting", "forest", "logistic", "network_tanh"):
            keep(f"{name}_zipmap", to_onnx(model, known[:1], target_opset={"": 15, "ai.onnx.ml": 3}), scores)
        if name in ("boosting", "forest", "network_tanh"):
            keep(f"{name}_double", to_onnx(model, known[:1].astype(numpy.float64)), scores)
        if name in ("boosting_scaled", "logistic_scaled"):
            keep(f"{name}_columns", to_onnx(model, initial_types=column_inputs(names)), scores)

    inputs = [("input", FloatTensorType([None, len(names)]))]
    light = lightgbm.LGBMClassifier(n_estimators=60, max_depth=12, verbose=-1, random_state=SEED, n_jobs=1)
    light.fit(known, classes)
    scores = light.predict_proba(unseen)[:, 1]
    for zipmap in (True, False):
        model = onnxmltools.convert_lightgbm(light, initial_types=inputs, zipmap=zipmap)
        keep(f"lightgbm{'_zipmap' if zipmap else ''}", model, scores)
    booster = lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1, "seed": SEED}, lightgbm.Dataset(known, classes), 20
    )
    keep("lightgbm_booster", onnxmltools.convert_lightgbm(booster, initial_types=inputs), booster.predict(unseen))
    extreme = xgboost.XGBClassifier(n_estimators=60, max_depth=5, random_state=SEED, n_jobs=1).fit(known, classes)
    keep("xgboost", onnxmltools.convert_xgboost(extreme, initial_types=inputs), extreme.predict_proba(unseen)[:, 1])
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 4, "nthread": 1}, xgboost.DMatrix(known, classes), 20
    )
    keep(
        "xgboost_booster",
        onnxmltools.convert_xgboost(booster, initial_types=inputs),
        booster.predict(xgboost.DMatrix(unseen)),
    )


def bad(out, names):
    random = numpy.random.default_rng(SEED)
    known = table(random, 1_000, len(names))
    classes = answers(random, known)

    def keep(name, model):
        (out / f"{name}.onnx").write_bytes(model.SerializeToString())

    def plain(model, rows=known, labels=classes):
        return to_onnx(model.fit(rows, labels), rows[:1], options={"zipmap": False})

    three = classes + (known[:, 2] > 0.5)
    keep("three_classes", plain(RandomForestClassifier(3, max_depth=3), labels=three))
    keep("three_classes_network", plain(MLPClassifier((4,), max_iter=5), labels=three))
    keep("text_classes", plain(LogisticRegression(max_iter=9), labels=numpy.where(classes, "bot", "human")))
    keep("too_wide", plain(LogisticRegression(max_iter=9), rows=table(random, 1_000, len(names) + 1)))
    keep("too_narrow", plain(LogisticRegression(max_iter=9), rows=known[:, 1:]))
    keep("normalizer", plain(make_pipeline(Normalizer(), LogisticRegression())))
    keep("too_deep", plain(DecisionTreeClassifier(random_state=SEED), labels=random.integers(0, 2, len(known))))
    keep("too_many_trees", plain(GradientBoostingClassifier(n_estimators=600, max_depth=1)))
    inputs = [("input", FloatTensorType([None, len(names)]))]
    regressor = xgboost.XGBRegressor(n_estimators=5, max_depth=3, n_jobs=1).fit(known, known[:, 3])
    keep("regressor", onnxmltools.convert_xgboost(regressor, initial_types=inputs))
    grouped = known.copy()
    grouped[:, 0] = numpy.round(grouped[:, 0] * 9)
    light = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1, min_data_per_group=5)
    light.fit(grouped, (grouped[:, 0] % 3 == 0).astype(int), categorical_feature=[0])
    keep("categories", onnxmltools.convert_lightgbm(light, initial_types=inputs, zipmap=False))


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    kind, directory, features = sys.argv[1:]
    {"good": good, "bad": bad}[kind](pathlib.Path(directory), features.split(","))
