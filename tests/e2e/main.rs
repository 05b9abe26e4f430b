//! The road from a CSV in object storage to a served prediction, and everything that can go wrong on it.
