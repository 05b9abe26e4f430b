//! Bringing an object to this machine, however often the connection breaks.

use std::path::Path;
use std::time::Duration;

use slipway_model::Digest;
use slipway_model::digest::Digester;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::error::StoreError;
use crate::policy::Patience;
use crate::store::{Object, Store};

/// How often a long download says how far it is.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// Writes `object` to the file `to`, whole or not at all, and returns the digest of its bytes.
///
/// After a cut connection it goes on where it stopped. The object must stay the one that was asked for.
pub async fn download(store: &Store, object: &Object, to: &Path) -> Result<Digest, StoreError> {
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    let io_error = |source| StoreError::Io { path: to.to_owned(), source };
    let mut progress = Progress {
        object: object.clone(),
        file: File::create(partial).await.map_err(io_error)?,
        path: to,
        digester: Digester::default(),
        done: 0,
        reported: Instant::now(),
    };
    let mut patience = Patience::new(store.policy());
    while progress.done < object.size {
        let before = progress.done;
        match progress.proceed(store).await {
            Ok(()) => {}
            Err(error) if error.is_transient() => {
                if progress.done > before {
                    patience.renew();
                }
                patience.wait(error).await?;
            }
            Err(error) => return Err(error),
        }
    }
    progress.file.flush().await.map_err(io_error)?;
    progress.file.sync_all().await.map_err(io_error)?;
    tokio::fs::rename(partial, to).await.map_err(io_error)?;
    Ok(progress.digester.finish())
}

struct Progress<'a> {
    object: Object,
    file: File,
    path: &'a Path,
    digester: Digester,
    /// Bytes that are written.
    done: u64,
    reported: Instant,
}

impl Progress<'_> {
    /// Reads on until the end of the object or of the connection.
    async fn proceed(&mut self, store: &Store) -> Result<(), StoreError> {
        let mut reading = store.read(&self.object, self.done).await?;
        // Whatever is read later must be the same object.
        self.object.etag = self.object.etag.take().or(reading.etag.take());
        let Object { location, size, .. } = &self.object;
        let changed = |reason: String| StoreError::Changed { location: location.clone(), reason };
        if reading.size != *size {
            return Err(changed(format!("it is {} bytes, expected {size}", reading.size)));
        }
        while let Some(piece) = reading.next().await? {
            if self.done + piece.len() as u64 > *size {
                return Err(changed(format!("more than {size} bytes came")));
            }
            let written = self.file.write_all(&piece).await;
            written.map_err(|source| StoreError::Io { path: self.path.to_owned(), source })?;
            self.digester.update(&piece);
            self.done += piece.len() as u64;
            if self.reported.elapsed() > REPORT_EVERY {
                self.reported = Instant::now();
                eprintln!("{location}: {} of {} MiB", self.done >> 20, size >> 20);
            }
        }
        if self.done < *size {
            let reason = format!("the connection ended after {} of {size} bytes", self.done);
            return Err(StoreError::Unreachable { location: location.clone(), reason });
        }
        Ok(())
    }
}
