"""Trains the models that every server gets, and writes them in each server's form."""

import csv
import json
import sys
from pathlib import Path

import joblib
import numpy
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor

FEATURES = ["longitude", "latitude", "housing_median_age", "total_rooms", "population", "households", "median_income"]
TARGET = "median_house_value"
MODELS = {
    "tree": DecisionTreeRegressor(max_depth=6, random_state=0),
    "forest": RandomForestRegressor(n_estimators=100, random_state=0),
}
MOST_ROWS = 5_000


def main(table, folder):
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    x = numpy.array([[float(row[name]) for name in FEATURES] for row in rows])
    y = numpy.array([float(row[TARGET]) for row in rows])
    tested = numpy.arange(len(y)) % 5 == 0
    with open(folder / "table.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*FEATURES, TARGET, "set"])
        for values, target, test in zip(x.tolist(), y.tolist(), tested.tolist()):
            writer.writerow([*values, target, "test" if test else "train"])
    sent = numpy.resize(x[tested], (MOST_ROWS, len(FEATURES)))
    predictions = {}
    for name, model in MODELS.items():
        model.fit(x[~tested], y[~tested])
        (folder / name).mkdir(exist_ok=True)
        joblib.dump(model, folder / name / "model.joblib")
        onnx = to_onnx(model, sent[:1].astype(numpy.float32), target_opset=17)
        (folder / name / "model.onnx").write_bytes(onnx.SerializeToString())
        predictions[name] = model.predict(sent).tolist()
    sent = {"features": FEATURES, "target": TARGET, "rows": sent.tolist(), "predictions": predictions}
    (folder / "sent.json").write_text(json.dumps(sent))


main(sys.argv[1], Path(sys.argv[2]))
