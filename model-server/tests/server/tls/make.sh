#!/bin/sh
# Makes the certificates of the tests: two for the same name, each its own authority, good for a hundred years.
# The keys guard nothing.
set -eu
cd "$(dirname "$0")"
for name in one two; do
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 36500 -subj "/CN=$name" \
        -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
        -keyout "$name.key" -out "$name.pem"
done
