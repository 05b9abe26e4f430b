"""The scikit-learn side of `cargo xtask bench trainer`.

Reads requests from stdin, a JSON object a line, and answers each with a JSON object on stdout. Only `fit` is timed, by the
CPU seconds of this process; importing, reading and encoding are not.
"""

import inspect
import json
import pickle
import sys
import time
import traceback
import warnings

import numpy as np
import pandas as pd
import sklearn
from sklearn import dummy, ensemble, linear_model, metrics, naive_bayes, tree
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold, ParameterGrid
from sklearn.preprocessing import StandardScaler

MODULES = (tree, ensemble, linear_model, naive_bayes, dummy)


def estimator(name, task):
    """The class by Slipway's name, which is scikit-learn's without Regressor and Classifier."""
    kind = "Regressor" if task == "Regression" else "Classifier"
    for module in MODULES:
        for full in (name + kind, name):
            if hasattr(module, full):
                return getattr(module, full)
    raise ValueError(f"scikit-learn has no {name} for {task}")


class Tables:
    """The last table read, and its matrices by encoding: a million rows are not kept twice."""

    def __init__(self):
        self.path, self.frame, self.encoded = None, None, {}

    def get(self, request):
        table, how = request["table"], (request["encoding"], request["standardised"])
        if self.path != table["path"]:
            self.path, self.frame, self.encoded = table["path"], read(table), {}
        if how not in self.encoded:
            self.encoded[how] = encode(self.frame, table, *how)
        return self.encoded[how]


def read(table):
    texts = [f["name"] for f in table["features"] if f["kind"] == "Category"] + ["set"]
    numbers = [f["name"] for f in table["features"] if f["kind"] == "Number"]
    if table["task"] == "Classification":
        texts.append(table["target"])
    missing = {name: ["", "NA"] for name in numbers}
    return pd.read_csv(
        table["path"], dtype=dict.fromkeys(texts, str), keep_default_na=False, na_values=missing
    )


def encode(frame, table, encoding, standardised):
    """Training and test rows as matrices of 64-bit floats, rows after rows, and their targets."""
    train = (frame["set"] == "train").to_numpy()
    blocks = []
    for feature in table["features"]:
        column = frame[feature["name"]]
        if feature["kind"] == "Number":
            values = column.to_numpy(float)
            values = np.where(np.isnan(values), np.nanmedian(values[train]), values)[:, None]
            if standardised:
                values = StandardScaler().fit(values[train]).transform(values)
        else:
            labels, codes = np.unique(column.to_numpy(object), return_inverse=True)
            values = np.eye(len(labels))[codes] if encoding == "OneHot" else codes.astype(float)[:, None]
        blocks.append(values)
    x = np.ascontiguousarray(np.hstack(blocks))
    y = frame[table["target"]].to_numpy()
    if table["task"] == "Classification":
        y = np.unique(y.astype(object), return_inverse=True)[1]
    return x[train], y[train], x[~train], y[~train]


def accepted(kind, parameters):
    """The parameters that the class takes, with None where Slipway writes it as text."""
    known = inspect.signature(kind).parameters
    return {k: (None if v == "None" else v) for k, v in parameters.items() if k in known or k != "random_state"}


def score(model, x, y, task):
    if task == "Regression":
        return {"r2": metrics.r2_score(y, model.predict(x))}
    probabilities = model.predict_proba(x)
    classes = probabilities.shape[1]
    chosen = {"y_score": probabilities[:, 1]} if classes == 2 else {"y_score": probabilities, "multi_class": "ovr"}
    return {"roc_auc": metrics.roc_auc_score(y, **chosen), "accuracy": metrics.accuracy_score(y, model.predict(x))}


def timed(fit):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        started = time.process_time()
        fit()
        seconds = time.process_time() - started
    unfinished = any(issubclass(w.category, ConvergenceWarning) for w in caught)
    return {"cpu_seconds": seconds, "converged": not unfinished}


def fit(tables, request):
    table = request["table"]
    x, y, xt, yt = tables.get(request)
    kind = estimator(request["estimator"], table["task"])
    model = kind(**accepted(kind, request["parameters"]))
    answer = timed(lambda: model.fit(x, y))
    answer["metrics"] = score(model, xt, yt, table["task"])
    if request.get("examine"):
        answer["pickle_bytes"] = len(pickle.dumps(model, protocol=5))
        answer["one_row_seconds"] = one_row(model, xt[:1])
    return answer


def one_row(model, row):
    predict = getattr(model, "predict_proba", model.predict)
    seconds = []
    for _ in range(30):
        started = time.process_time()
        predict(row)
        seconds.append(time.process_time() - started)
    return float(np.median(seconds))


def search(tables, request):
    """A grid search; with `sample`, over so many points chosen at random, the time scaled to the whole grid."""
    table = request["table"]
    x, y, xt, yt = tables.get(request)
    kind = estimator(request["estimator"], table["task"])
    grid = {k: [None if v == "None" else v for v in values] for k, values in request["grid"].items()}
    points = list(ParameterGrid(grid))
    sample = min(request.get("sample") or len(points), len(points))
    chosen = [points[i] for i in sorted(np.random.default_rng(0).choice(len(points), sample, replace=False))]
    fixed = kind(**accepted(kind, request["parameters"]))
    found = GridSearchCV(fixed, [{k: [v] for k, v in p.items()} for p in chosen], cv=KFold(5), scoring="r2")
    answer = timed(lambda: found.fit(x, y))
    answer["cpu_seconds"] *= len(points) / sample
    return {**answer, "points": len(points), "measured_points": sample, "best_score": found.best_score_,
            "metrics": score(found, xt, yt, table["task"])}


def main():
    tables = Tables()
    answers = {"fit": fit, "search": search}
    print(json.dumps({"scikit_learn": sklearn.__version__, "numpy": np.__version__}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = answers[request["what"]](tables, request)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
