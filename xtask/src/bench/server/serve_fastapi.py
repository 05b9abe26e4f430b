"""A model behind FastAPI, as short as its documentation has it: scikit-learn's own, or one for ONNX Runtime."""

import sys

import numpy
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Rows(BaseModel):
    rows: list[list[float]]


def loaded(path):
    if path.endswith(".onnx"):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda rows: session.run(None, {name: numpy.array(rows, dtype=numpy.float32)})[0].ravel()
    import joblib

    model = joblib.load(path)
    return lambda rows: model.predict(numpy.array(rows))


predict = loaded(sys.argv[1])
app = FastAPI()


@app.post("/predict")
async def answer(request: Rows):
    return {"predictions": predict(request.rows).tolist()}


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False)
