//! What the end-to-end tests share: the cluster they run on, a namespace for each, and the programs that act as users,
//! callers and faults. Tests speak to the cluster as users do: YAML in, status out.

pub mod environment;
pub mod load;
pub mod object;
pub mod s3;
pub mod space;

pub use environment::Environment;
pub use load::Load;
pub use object::{condition, has_condition, text};
pub use space::Space;
