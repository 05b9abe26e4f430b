//! Threads with an event loop each, among which connections are shared out.
//!
//! A connection stays on its thread: whatever comes is answered where it is read, and no other thread is woken for it. On few
//! connections that halves the time a request takes of the processors, as waking is most of it.

use std::future::{Future, pending};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::net::TcpStream;
use tokio::runtime::{self, Handle};

/// Event loops, which run until the process ends.
#[derive(Clone, Debug)]
pub struct Loops(Arc<[Arc<Loop>]>);

#[derive(Debug)]
struct Loop {
    runtime: Handle,
    /// Connections that are here.
    connections: AtomicUsize,
}

/// A connection that is counted where it is.
struct Here(Arc<Loop>);

impl Drop for Here {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Loops {
    /// Starts so many threads; for what blocks, each loop has as many more.
    pub fn start(threads: usize) -> io::Result<Loops> {
        let start = |number: usize| {
            let runtime =
                runtime::Builder::new_current_thread().enable_all().max_blocking_threads(threads + 1).build()?;
            let handle = runtime.handle().clone();
            let run = move || runtime.block_on(pending::<()>());
            thread::Builder::new().name(format!("loop-{number}")).spawn(run)?;
            Ok(Arc::new(Loop { runtime: handle, connections: AtomicUsize::new(0) }))
        };
        (0..threads.max(1)).map(start).collect::<io::Result<Vec<_>>>().map(|loops| Loops(loops.into()))
    }

    /// Has a connection served where there are the fewest.
    pub fn spawn<F>(&self, stream: TcpStream, serve: impl FnOnce(TcpStream) -> F + Send + 'static) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let fewest = self.0.iter().min_by_key(|place| place.connections.load(Ordering::Relaxed));
        let Some(place) = fewest else { return Ok(()) };
        let stream = stream.into_std()?;
        place.connections.fetch_add(1, Ordering::Relaxed);
        let here = Here(place.clone());
        place.runtime.spawn(async move {
            let _here = here;
            match TcpStream::from_std(stream) {
                Ok(stream) => serve(stream).await,
                Err(error) => tracing::warn!(%error, "cannot take up a connection"),
            }
        });
        Ok(())
    }
}
