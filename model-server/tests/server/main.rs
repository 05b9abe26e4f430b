//! The server as its callers see it: every route and error, slow and hostile clients, start and stop.

mod documents;
mod fuzz;
mod http;
mod infer;
mod predict;
mod process;
mod routes;
mod sockets;
mod support;
