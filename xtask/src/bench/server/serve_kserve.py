"""A scikit-learn model behind the KServe SDK, as its documentation has it."""

import sys
import uuid

import joblib
from kserve import InferOutput, InferResponse, Model, ModelServer


class Estimator(Model):
    def __init__(self, name, path):
        super().__init__(name)
        self.path = path
        self.load()

    def load(self):
        self.model = joblib.load(self.path)
        self.ready = True
        return self.ready

    def predict(self, payload, headers=None, response_headers=None):
        predictions = self.model.predict(payload.inputs[0].as_numpy())
        output = InferOutput(name="predict", shape=list(predictions.shape), datatype="FP64")
        output.set_data_from_numpy(predictions, binary_data=False)
        return InferResponse(response_id=payload.id or str(uuid.uuid4()), model_name=self.name, infer_outputs=[output])


server = ModelServer(http_port=int(sys.argv[2]), enable_grpc=False, workers=1, access_log_format=None)
server.start([Estimator("bench", sys.argv[1])])
