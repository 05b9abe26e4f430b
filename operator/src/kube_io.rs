//! Everything that talks to the API server, and nothing that decides.
//!
//! - [`Context`]: client, event recorder, metrics, clock and configuration, shared by all controllers.
//! - [`Watch`]: one watch of one kind, shared: a store to read from, and subscribers that turn a change into keys of a
//!   [`Queue`].
//! - [`run_controller`]: the loop around a [`Reconcile`]: concurrency, deadline, error classes, backoff, shutdown.
//! - [`Basis`]: the object that a pass works for, and whether it still is what it was when the pass began.
//! - [`Gatekeeper`]: lets writes out only while this operator holds the [`Candidate`]'s lease, counts them, and tells the API
//!   server's time.
//! - [`Applier`]: server-side apply without needless writes, create-once, delete, prune, status; none of them on old data.
//! - [`Classified`]: what to do after an error: [`Class::Invalid`] waits for a change, [`Class::Conflict`] tries again at
//!   once on newer data, [`Class::Transient`] backs off.

mod applier;
mod basis;
mod context;
mod controller;
mod election;
mod error;
mod gate;
mod lease;
mod watch;

pub use applier::{Applier, Created, Kind};
pub use basis::{Basis, Seen};
pub use context::{Clock, Context, Note};
pub use controller::{Reconcile, run_controller};
pub use error::{Class, Classified, IoError, within_deadline};
pub use gate::{Gate, Gatekeeper, ServerClock};
pub use lease::Candidate;
pub use watch::{Queue, Watch, owner};
