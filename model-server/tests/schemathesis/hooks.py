"""What schemathesis must be told to test the model server: a header to leave out, and how lines and tables are sent and read."""

import schemathesis

# HTTP has servers ignore headers that they do not know (RFC 9110, section 5.1); schemathesis wants them refused.
UNKNOWN_HEADER = "x-schemathesis-unknown-property"
# Bodies of these are texts, whatever they are made from: there are none of a wrong type.
TEXTS = ("application/x-ndjson", "text/csv")


@schemathesis.hook
def filter_case(context, case):
    if case.media_type in TEXTS and not isinstance(case.body, str):
        return False
    return UNKNOWN_HEADER not in {name.lower() for name in case.headers or {}}


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    return value.encode("utf-8", "surrogatepass")


@schemathesis.deserializer(*TEXTS)
def text(context, response):
    return response.content.decode()
