//! The server as its callers see it: every route and error, slow and hostile clients, start and stop.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test ends")]

mod browsers;
mod chromium;
mod combine;
mod compressed;
mod corpus;
mod documents;
mod endure;
mod fuzz;
mod grpc;
mod http;
mod infer;
mod page;
mod predict;
mod process;
mod routes;
mod sockets;
mod stream;
mod support;
mod tls;
mod wants;
