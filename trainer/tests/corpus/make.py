"""Makes the files beside it: python make.py (pyarrow 26, pandas, and the program zstd)."""

import datetime
import decimal
import gzip
import json
import pathlib
import subprocess

import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
ROWS = 12


def orders(row):
    """One row that every text format can hold."""
    return {
        "id": f"{row:03d}",
        "amount": None if row == 4 else row * 2.5,
        "count": row * 1_000_003,
        "colour": ["red", "green", "blue"][row % 3],
        "active": row % 2 == 0,
        "day": f"2024-05-{row + 1:02d}",
        "y": row * 3 + row % 2,
    }


def text(value):
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


rows = [orders(row) for row in range(ROWS)]
names = list(rows[0])
csv = ",".join(names) + "\n" + "".join(",".join(text(row[name]) for name in names) + "\n" for row in rows)
lines = "".join(json.dumps({name: value for name, value in row.items() if value is not None}) + "\n" for row in rows)
(HERE / "orders.csv").write_text(csv)
(HERE / "orders.jsonl").write_text(lines)
(HERE / "orders.csv.gz").write_bytes(gzip.compress(csv.encode(), mtime=0))
half = len(csv) // 2
(HERE / "orders.parts.gz").write_bytes(b"".join(gzip.compress(part.encode(), mtime=0) for part in (csv[:half], csv[half:])))
pack = lambda data: subprocess.run(["zstd", "-19", "-c"], input=data.encode(), capture_output=True, check=True).stdout
try:
    (HERE / "orders.jsonl.zst").write_bytes(pack(lines))
    (HERE / "orders.parts.zst").write_bytes(pack(csv[:half]) + pack(csv[half:]))
except FileNotFoundError:
    codec = pa.Codec("zstd")
    (HERE / "orders.jsonl.zst").write_bytes(codec.compress(lines.encode(), asbytes=True))
    parts = (csv[:half], csv[half:])
    (HERE / "orders.parts.zst").write_bytes(b"".join(codec.compress(part.encode(), asbytes=True) for part in parts))

columns = {name: [row[name] for row in rows] for name in names}
columns["day"] = [datetime.date.fromisoformat(day) for day in columns["day"]]
table = pa.table(columns)
for codec, version in [("snappy", "1.0"), ("zstd", "2.0"), ("gzip", "1.0"), ("lz4", "2.0"), ("none", "1.0")]:
    pq.write_table(table, HERE / f"orders.{codec}.parquet", compression=codec, data_page_version=version, row_group_size=5)

utc = datetime.timezone.utc
moment = datetime.datetime(2024, 5, 1, 6, 30, 0, 125000, tzinfo=utc)


def column(values, type_):
    return pa.array([*values, None], type_)


types = pa.table({
    "int8": column([-1, 2], pa.int8()),
    "uint8": column([1, 255], pa.uint8()),
    "uint32": column([1, 2**32 - 1], pa.uint32()),
    "int64": column([-(2**40), 2**40], pa.int64()),
    "uint64": column([1, 2**63], pa.uint64()),
    "half": pa.array([1.5, -0.25, None], pa.float16()),
    "float": column([1.5, 0.5], pa.float32()),
    "double": column([1.5, float("inf")], pa.float64()),
    "decimal": column([decimal.Decimal("1.25"), decimal.Decimal("-2.50")], pa.decimal128(5, 2)),
    "wide": column([decimal.Decimal("12345678901234567.5"), decimal.Decimal("-1.5")], pa.decimal128(30, 1)),
    "bool": column([True, False], pa.bool_()),
    "text": column(["a", " b "], pa.string()),
    "large": column(["x", ""], pa.large_string()),
    "dictionary": pa.array(["u", "v", None]).dictionary_encode(),
    "binary": column([b"p", b"q"], pa.binary()),
    "date": column([datetime.date(2024, 5, 1), datetime.date(1969, 12, 31)], pa.date32()),
    "millis": column([moment, moment], pa.timestamp("ms", tz="UTC")),
    "nanos": column([moment, moment], pa.timestamp("ns")),
    "time": column([datetime.time(1, 0, 0, 500000), datetime.time(0)], pa.time64("us")),
    "nothing": pa.nulls(3),
})
pq.write_table(types, HERE / "types.parquet")
pq.write_table(types, HERE / "types.int96.parquet", use_deprecated_int96_timestamps=True, version="1.0")
encodings = pa.table({
    "delta": pa.array(range(1000, 1100), pa.int64()),
    "split": pa.array([x / 4 for x in range(100)], pa.float64()),
    "strings": pa.array([f"name {x:04d}" for x in range(100)]),
})
pq.write_table(
    encodings,
    HERE / "encodings.parquet",
    use_dictionary=False,
    column_encoding={"delta": "DELTA_BINARY_PACKED", "split": "BYTE_STREAM_SPLIT", "strings": "DELTA_BYTE_ARRAY"},
)
pq.write_table(pa.table({"a": [1, 2], "b": [[1], [2, 3]]}), HERE / "list.parquet")
pq.write_table(pa.table({"a": [1, 2], "b": [{"c": 1}, {"c": 2}]}), HERE / "struct.parquet")
pq.write_table(pa.table({"a": pa.array([], pa.int64())}), HERE / "empty.parquet")
# A long run of one value takes a few bytes.
pq.write_table(pa.table({"a": pa.array([0.0]).take(pa.array([0] * 4_000_000))}), HERE / "run.parquet", write_statistics=False)
