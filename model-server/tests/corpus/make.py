"""Makes the files beside it: python make.py SLIPWAY-TRAINER.

What callers and files have got wrong elsewhere, one fault a file. The folder says where a body goes, the name begins with what
must come of it: the code of HTTP or, in grpc, that of gRPC. Bodies are for the model in artefact/good, which wants `colour` and
can do without `size`. In infer/*.bin the first line is the JSON of the request. Of artefact/, each file takes the place of one
of the good ones: manifest-*.json, model-*.json, trees-*.bin.
"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
ROW = {"size": 3, "colour": "red"}


def write(name, content):
    path = HERE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if not isinstance(content, (str, bytes)):
        content = json.dumps(content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def predict():
    texts = {
        "200-a-row": ROW,
        "200-a-row-without-what-may-be-missing": {"colour": "blue"},
        "200-null": {"size": None, "colour": "blue"},
        "200-a-number-as-text": {"size": " 3e0 ", "colour": "blue"},
        "200-an-integer-of-many-digits": '{"size": ' + "9" * 300 + ', "colour": "blue"}',
        "200-escapes": r'{"s\u0069ze": 3, "colour": "r\u0065d", "\ud83d\ude00": "\ud83d\ude00"}',
        "200-fields-that-nobody-knows": {**ROW, "size ": 1, "": {"a": [[[]]]}, "__proto__": None},
        "200-a-list-with-rows-of-all-kinds": [ROW, {}, None, [], 1, "x", {"size": [], "colour": {}}],
        "200-instances": {"instances": [ROW, ROW]},
        "200-no-rows": [],
        "200-all-choices": {"combine": [[{"size": 1, "id": "a"}, {"size": {}}], [{"colour": "red"}, {"size": 2}]]},
        "400-nothing": "",
        "400-blanks": " \n\t",
        "400-a-byte-order-mark": "\ufeff" + json.dumps(ROW),
        "400-not-utf-8": b'{"size": 3, "colour": "\xff\xfe"}',
        "400-nan": '{"size": NaN, "colour": "red"}',
        "400-infinity": '{"size": -Infinity, "colour": "red"}',
        "400-a-comma-too-many": '{"size": 3, "colour": "red",}',
        "400-cut-off": '{"size": 3, "colour": "re',
        "400-something-behind": '{"size": 3, "colour": "red"} {}',
        "400-half-of-a-surrogate-pair": r'{"size": 3, "colour": "\ud83d"}',
        "400-a-bare-control-character": '{"size": 3, "colour": "r\x00d"}',
        "400-a-text": '"red"',
        "400-a-number": "3",
        "400-leading-zeros": '{"size": 03, "colour": "red"}',
        "400-deep-lists": "[" * 10_000,
        "400-deep-objects": '{"a":' * 10_000,
        "400-a-list-deep-in-a-field": '{"x": ' + "[" * 300 + "]" * 300 + ', "colour": "red"}',
        "400-a-key-twice": '{"size": 3, "size": 4, "colour": "red"}',
        "400-one-list-to-choose-from": {"combine": [[ROW]]},
        "413-more-choices-than-rows-may-be": {"combine": [[{}] * 400, [{}] * 400]},
        "422-a-category-that-nobody-knows": {"size": 3, "colour": "RED"},
        "422-a-text-where-a-number-belongs": {"size": "three", "colour": "red"},
        "422-a-truth-where-a-number-belongs": {"size": True, "colour": "red"},
        "422-a-list-where-a-number-belongs": {"size": [3], "colour": "red"},
        "400-a-number-beyond-all": '{"size": 1e999, "colour": "red"}',
        "422-nothing-that-is-wanted": {},
        "422-null-where-something-is-wanted": {"colour": None},
        "422-nan-as-text": {"size": "NaN", "colour": "red"},
    }
    for name, content in texts.items():
        write(f"predict/{name}.json", content)
    tables = {
        "200-a-table": "size,colour\n3,red\n,blue\n",
        "200-lines-end-as-on-other-systems": "size,colour\r\n3,red\r4,blue\r\n",
        "200-quotes": 'size,colour,"a ""b"", c"\n3,"red","\n"\n',
        "200-a-byte-order-mark": "\ufeffsize,colour\n3,red\n",
        "200-rows-of-other-lengths": "size,colour\n3\n3,red,4\n\n,,,,,,,\n",
        "200-an-open-quote": 'size,colour\n3,"red\n3,red\n',
        "200-not-utf-8": b"size,colour\n3,r\xffd\n3,red\n",
        "200-zeros": b"size,colour\n\x00,red\n3,\x00\n",
        "200-numbers-that-are-none": "size,colour\nNaN,red\ninf,red\n1e999,red\n0x3,red\n1_000,red\n",
        "200-only-a-header": "size,colour",
        "400-nothing": "",
        "422-a-column-is-missing": "size\n3\n",
        "400-a-column-twice": "size,size,colour\n3,3,red\n",
    }
    for name, content in tables.items():
        write(f"predict/{name}.csv", content)
    write("predict/200-a-table-packed-in-bytes-of-nothing.csv", b"size,colour\n" + b"\x00" * 4_000)
    lines = {
        "200-lines": '{"size": 3, "colour": "red"}\n\n{"colour": "blue"}',
        "200-lines-that-are-no-rows": '[]\n1\n"x"\nnull\n{"size": 3, "colour"\n}\n{}{}\n\xff\n',
        "200-a-deep-line": "[" * 10_000 + "\n" + '{"colour": "blue"}\n',
        "200-nothing": "",
    }
    for name, content in lines.items():
        write(f"predict/{name}.ndjson", content)


def v1():
    for name, content in {
        "200-instances": {"instances": [ROW]},
        "200-no-instances": {"instances": []},
        "400-a-list": [ROW],
        "400-inputs": {"inputs": [ROW]},
        "400-instances-twice": '{"instances": [], "instances": []}',
        "400-instances-that-are-none": {"instances": ROW},
        "422-a-bad-row": {"instances": [ROW, {"size": "x"}]},
        "422-rows-as-lists": {"instances": [[3, "red"]]},
    }.items():
        write(f"v1/{name}.json", content)


def infer():
    size = {"name": "size", "shape": [2], "datatype": "FP64", "data": [3, 4]}
    colour = {"name": "colour", "shape": [2], "datatype": "BYTES", "data": ["red", "blue"]}
    inputs = lambda *tensors, **more: {"inputs": list(tensors), **more}
    for name, content in {
        "200-tensors": inputs(size, colour),
        "200-columns": inputs({**size, "shape": [2, 1], "data": [[3], [4]]}, {**colour, "shape": [2, 1]}),
        "200-null": inputs({**size, "data": [None, 4]}, colour),
        "200-only-what-is-wanted": inputs(colour),
        "200-no-rows": inputs({**size, "shape": [0], "data": []}, {**colour, "shape": [0], "data": []}),
        "400-no-inputs": {},
        "400-empty-inputs": inputs(),
        "400-inputs-that-are-none": {"inputs": {"size": 3}},
        "400-fewer-values-than-the-shape-says": inputs({**size, "data": [3]}, colour),
        "400-more-values-than-the-shape-says": inputs({**size, "data": [3, 4, 5]}, colour),
        "400-a-shape-beyond-all-numbers": inputs({**size, "shape": [2**63, 2**63]}, colour),
        "400-a-shape-that-wraps-around": inputs({**size, "shape": [2**32, 2**32]}, colour),
        "400-a-shape-below-nothing": inputs({**size, "shape": [-1]}, colour),
        "400-a-shape-of-fractions": inputs({**size, "shape": [2.5]}, colour),
        "400-no-shape": inputs({**size, "shape": []}, colour),
        "400-shapes-that-differ": inputs({**size, "shape": [1], "data": [3]}, colour),
        "400-a-text-in-a-tensor-of-numbers": inputs({**size, "data": ["three", 4]}, colour),
        "400-a-list-uneven": inputs({**size, "data": [[3], [4, 5]]}, colour),
        "400-a-deep-list": '{"inputs": [{"name": "size", "shape": [1], "datatype": "FP64", "data": ' + "[" * 5_000,
        "400-no-such-datatype": inputs({**size, "datatype": "FP65"}, colour),
        "400-a-matrix-where-fields-are-texts": inputs({"name": "m", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}),
        "400-a-tensor-twice": inputs(size, size, colour),
        "400-no-name": inputs({key: size[key] for key in ("shape", "datatype", "data")}, colour),
        "400-no-data": inputs({key: size[key] for key in ("shape", "datatype", "name")}, colour),
        "400-an-output-that-nobody-knows": inputs(size, colour, outputs=[{"name": "logits"}]),
        "400-an-id-that-is-no-text": inputs(size, colour, id=7),
        "400-a-threshold-without-classes": inputs(size, colour, parameters={"threshold": 0.5}),
    }.items():
        write(f"infer/{name}.json", content)

    def binary(name, sizes, content, **more):
        tensors = [
            {"name": "size", "shape": [2], "datatype": "FP64", **more, "parameters": {"binary_data_size": sizes[0]}},
            {"name": "colour", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": sizes[1]}},
        ]
        write(f"infer/{name}.bin", json.dumps(inputs(*tensors)).encode() + b"\n" + content)

    texts = lambda *values: b"".join(struct.pack("<I", len(value)) + value for value in values)
    numbers, colours = struct.pack("<2d", 3, 4), texts(b"red", b"blue")
    binary("200-bytes", (16, 15), numbers + colours)
    binary("200-not-a-number", (16, 15), struct.pack("<2d", float("nan"), 4) + colours)
    binary("400-infinite", (16, 15), struct.pack("<2d", float("inf"), 4) + colours)
    binary("400-halves-of-numbers", (15, 15), numbers[:15] + colours)
    binary("400-fewer-bytes", (16, 15), numbers + colours[:9])
    binary("400-more-bytes", (16, 15), numbers + colours + b"x")
    binary("400-a-text-of-four-gigabytes", (16, 15), numbers + b"\xff\xff\xff\xff" + colours[4:])
    binary("400-sizes-that-wrap-around", (2**64 - 1, 17), numbers + colours)
    binary("400-a-size-below-nothing", (-16, 15), numbers + colours)
    binary("413-a-shape-of-absurd-size", (16, 15), numbers + colours, shape=[2**60])
    binary("400-not-utf-8", (16, 15), numbers + texts(b"r\xffd", b"blue"))
    binary("400-bytes-and-data", (16, 15), numbers + colours, data=[3, 4])


def field(number, content):
    """A field of a message whose value has a length."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def grpc():
    def tensor(name, datatype, shape, contents=b""):
        packed = b"".join(varint(number & (1 << 64) - 1) for number in shape)
        fields = field(1, name.encode()) + field(2, datatype.encode()) + field(3, packed)
        return field(5, fields + (field(5, contents) if contents else b""))

    doubles = lambda *values: field(7, struct.pack(f"<{len(values)}d", *values))
    model, colour = field(1, b"prices"), tensor("colour", "BYTES", [1], field(8, b"red"))
    size = tensor("size", "FP64", [1], doubles(3))
    for name, content in {
        "0-a-message": model + size + colour,
        "0-fields-that-nobody-knows": model + size + colour + field(99, b"x") + varint(98 << 3) + varint(7),
        "0-raw": model + tensor("size", "FP64", [1]) + field(7, struct.pack("<d", 3)) + tensor("colour", "BYTES", [1])
        + field(7, struct.pack("<I", 3) + b"red"),
        "3-no-inputs": model,
        "3-cut-off": (model + size + colour)[:-2],
        "3-a-length-beyond-the-end": model + varint(5 << 3 | 2) + varint(2**40),
        "3-a-length-that-wraps-around": model + varint(5 << 3 | 2) + b"\xff" * 9 + b"\x01",
        "3-a-number-of-eleven-bytes": b"\x08" + b"\xff" * 11,
        "3-a-group": model + varint(5 << 3 | 3) * 1_000,
        "3-field-nought": b"\x00\x00",
        "3-a-name-that-is-not-utf-8": field(1, b"\xff"),
        "3-a-shape-below-nothing": model + tensor("size", "FP64", [-1], doubles(3)) + colour,
        "3-a-shape-that-wraps-around": model + tensor("size", "FP64", [2**32, 2**32], doubles(3)) + colour,
        "3-another-datatype": model + tensor("size", "INT64", [1], doubles(3)) + colour,
        "3-raw-beside-contents": model + size + colour + field(7, struct.pack("<d", 3)),
        "3-raw-of-another-length": model + tensor("size", "FP64", [1]) + field(7, b"\x00" * 7) + tensor("colour", "BYTES", [1])
        + field(7, struct.pack("<I", 3) + b"red"),
        "3-a-raw-text-of-four-gigabytes": model + tensor("colour", "BYTES", [1]) + field(7, b"\xff\xff\xff\xffred"),
        "3-infinite": model + tensor("size", "FP64", [1], doubles(float("inf"))) + colour,
        "5-another-model": field(1, b"prizes") + size + colour,
    }.items():
        write(f"grpc/{name}.bin", content)


def artefact(trainer):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        rows = [(row % 10 if row % 11 else "", ["blue", "green", "red"][row % 3]) for row in range(40)]
        cost = lambda size, colour: 2 * (size or 0) + 5 * (colour == "red")
        lines = [f"{size},{colour},{cost(size, colour)}" for size, colour in rows]
        (folder / "rows.csv").write_text("\n".join(["size,colour,price", *lines]) + "\n")
        run = {"modelName": "prices", "target": "price", "train": {"builtin": {"estimator": "DecisionTree", "parameters": {"max_depth": 3}}}}
        (folder / "run.yaml").write_text(json.dumps(run))
        command = [trainer, "--run", "run.yaml", "--data", "rows.csv", "--output", "out"]
        subprocess.run(command, cwd=folder, check=True)
        for name in ("manifest.json", "model.json", "trees.bin"):
            write(f"artefact/good/{name}", (folder / "out" / name).read_bytes())
    good = lambda name: (HERE / "artefact/good" / name).read_bytes()
    manifest, model, trees = (good(name) for name in ("manifest.json", "model.json", "trees.bin"))

    def changed(content, change):
        content = json.loads(content)
        change(content)
        return content

    file = lambda place, **to: changed(manifest, lambda content: content["files"][place].update(to))
    write("artefact/manifest-a-file-outside.json", file(0, name="../model.json"))
    write("artefact/manifest-a-file-by-its-whole-path.json", file(0, name="/etc/passwd"))
    write("artefact/manifest-a-file-of-absurd-size.json", file(1, size=2**63))
    write("artefact/manifest-a-file-twice.json", changed(manifest, lambda content: content["files"].append(content["files"][0])))
    write("artefact/manifest-too-many-files.json", changed(manifest, lambda content: content.update(files=content["files"] * 50)))
    write("artefact/manifest-of-another-format.json", changed(manifest, lambda content: content.update(formatVersion=2)))
    write("artefact/manifest-deep.json", "[" * 10_000)
    write("artefact/manifest-cut-off.json", manifest[: len(manifest) // 2])
    golden = lambda content: content["golden"]["rows"][0]
    write("artefact/manifest-another-golden-answer.json", changed(manifest, lambda content: golden(content).update(expected=[1e9])))
    write("artefact/manifest-no-fields.json", changed(manifest, lambda content: content["input"].update(fields=[])))

    block = lambda **to: changed(model, lambda content: content["encoder"]["blocks"][0].update(to))
    write("artefact/model-a-field-that-is-not-there.json", block(source={"kind": "Field", "field": 4_000_000_000}))
    write("artefact/model-columns-beyond-memory.json", block(form={"kind": "OneHot", "columns": 2**62}))
    write("artefact/model-a-form-that-nobody-knows.json", block(form={"kind": "Pickle", "code": "import os"}))
    write("artefact/model-deep.json", '{"encoder":' * 5_000)
    write("artefact/model-no-columns.json", {"encoder": {"blocks": []}})
    write("artefact/model-nothing.json", "")

    def at(place, *words):
        packed = struct.pack(f"<{len(words)}I", *words)
        return trees[:place] + packed + trees[place + len(packed):]

    # Sums, trees, columns, numbers in a leaf, different leaves, nodes stand from byte 16 on.
    word = lambda place: struct.unpack_from("<I", trees, place)[0]
    first_table = shape = 40 + 8 * word(32)
    for _ in range(word(24) + 1):
        # The thresholds of a column, and after the last one the sets.
        shape += 4 + 4 * word(shape)
    write("artefact/trees-of-something-else.bin", b"PK\x03\x04" + trees[4:])
    write("artefact/trees-of-a-later-format.bin", at(8, 99))
    write("artefact/trees-beyond-memory.bin", at(20, 2**28, 2, 1, 2**31, 2**28))
    write("artefact/trees-columns-beyond-memory.bin", at(24, 2**32 - 1))
    write("artefact/trees-leaves-beyond-memory.bin", at(28, 2**32 - 1, 2**32 - 1))
    write("artefact/trees-thresholds-beyond-the-end.bin", at(first_table, 2**32 - 1))
    write("artefact/trees-a-threshold-that-is-no-number.bin", at(first_table + 4, 0x7FC00000))
    write("artefact/trees-a-leaf-that-is-no-number.bin", at(40, 0, 0x7FF80000))
    write("artefact/trees-splits-without-end.bin", trees[:shape] + b"\xff\xff" + trees[shape + 2 :])
    write("artefact/trees-cut-off.bin", trees[:-30])
    write("artefact/trees-a-byte-more.bin", trees + b"\0")


predict()
v1()
infer()
grpc()
artefact(str(pathlib.Path(sys.argv[1]).resolve()))
