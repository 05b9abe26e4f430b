//! `put`: a file of this machine becomes an object.

use std::io::Read;
use std::path::Path;

use slipway_model::Digest;
use slipway_model::digest::Digester;

use crate::download::download;
use crate::location::Location;
use crate::step::StepError;
use crate::store::{Content, Put, Store};

/// Stores `file` at `to`; into a folder under its own name. Another object that is there already is never overwritten.
pub async fn put(store: &Store, file: &Path, to: &Location) -> Result<(), StepError> {
    let to = match (to.is_folder(), file.file_name()) {
        (true, Some(name)) => to.join(&name.to_string_lossy()),
        _ => to.clone(),
    };
    let (size, digest) = measure(file)?;
    match store.put_if_absent(&to, Content::File { path: file, size, digest }).await? {
        Put::Created => println!("stored {to}: {size} bytes, {digest}"),
        Put::Exists => {
            let copy = tempfile(file);
            let there = download(store, &store.head(&to).await?, &copy).await;
            // A copy that is not there any more needs no removing.
            let _ = std::fs::remove_file(&copy);
            if there? != digest {
                return Err(StepError::Data(format!("{to} is there with other bytes, and stays; choose another name")));
            }
            println!("{to} is there already, with the same bytes");
        }
    }
    Ok(())
}

fn tempfile(file: &Path) -> std::path::PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    std::env::temp_dir().join(format!("slipway-put-{}-{name}", std::process::id()))
}

fn measure(file: &Path) -> Result<(u64, Digest), StepError> {
    let mut reader = std::fs::File::open(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => StepError::NotFound(format!("{}: there is no such file", file.display())),
        _ => StepError::Io { path: file.to_owned(), source: error },
    })?;
    let (mut size, mut digester, mut buffer) = (0, Digester::default(), vec![0; 64 * 1024]);
    loop {
        match reader.read(&mut buffer).map_err(StepError::io(file))? {
            0 => return Ok((size, digester.finish())),
            read => {
                size += read as u64;
                digester.update(&buffer[..read]);
            }
        }
    }
}
