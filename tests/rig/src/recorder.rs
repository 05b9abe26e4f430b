//! Writes down what becomes of every object, and lets tests wait for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::{Buf, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api::Api;
use crate::history::{Event, History, What};
use crate::kind::{self, Kind};

/// One watch a kind of all namespaces, for as long as it is not dropped.
#[derive(Debug)]
pub struct Recorder {
    feeds: Arc<Feeds>,
    _watches: JoinSet<()>,
}

type Feeds = Mutex<HashMap<String, Arc<Feed>>>;

/// What happens in one namespace.
#[derive(Debug)]
pub struct Feed {
    history: Mutex<History>,
    changes: watch::Sender<usize>,
}

impl Recorder {
    /// Begins to record.
    pub async fn start(api: &Api) -> Result<Recorder> {
        let feeds = Arc::<Feeds>::default();
        let mut watches = JoinSet::new();
        for kind in kind::ALL {
            let list = api.get(&kind.path("", "")).await?.ok().context(kind.plural)?;
            let version = list["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
            watches.spawn(follow(api.clone(), kind, version, feeds.clone()));
        }
        Ok(Recorder { feeds, _watches: watches })
    }

    /// What happens from now on in a namespace.
    pub fn record(&self, namespace: &str) -> Arc<Feed> {
        let feed = Arc::new(Feed { history: Mutex::default(), changes: watch::Sender::new(0) });
        lock(&self.feeds).insert(namespace.to_owned(), feed.clone());
        feed
    }

    /// Ends that, and lets go of the memory.
    pub fn forget(&self, namespace: &str) {
        lock(&self.feeds).remove(namespace);
    }
}

impl Feed {
    /// Reads what is known by now.
    pub fn read<T>(&self, read: impl FnOnce(&History) -> T) -> T {
        read(&lock(&self.history))
    }

    /// A receiver that is told of each change.
    pub fn changes(&self) -> watch::Receiver<usize> {
        self.changes.subscribe()
    }

    /// Waits until `look` finds something.
    pub async fn until<T>(&self, what: &str, patience: Duration, look: impl Fn(&History) -> Option<T>) -> Result<T> {
        let mut changes = self.changes();
        let search = async {
            loop {
                changes.borrow_and_update();
                if let Some(found) = self.read(&look) {
                    return Ok(found);
                }
                changes.changed().await?;
            }
        };
        match tokio::time::timeout(patience, search).await {
            Ok(found) => found,
            Err(_) => bail!("waited {} s for {what}", patience.as_secs()),
        }
    }

    fn push(&self, event: Event) {
        let mut history = lock(&self.history);
        history.push(event);
        let count = history.len();
        drop(history);
        self.changes.send_replace(count);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Watches a kind from a version on; where the server ends the watch, from where it ended.
async fn follow(api: Api, kind: Kind, mut version: String, feeds: Arc<Feeds>) {
    loop {
        if let Err(error) = read_watch(&api, &kind, &mut version, &feeds).await {
            // What is waited for will not be seen: the test that waits fails, and this says why.
            eprintln!("the record of {} is interrupted: {error:#}", kind.plural);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn read_watch(api: &Api, kind: &Kind, version: &mut String, feeds: &Feeds) -> Result<()> {
    let path = format!("{}?watch=true&allowWatchBookmarks=true&resourceVersion={version}", kind.path("", ""));
    let response = api.send(Request::get(path).body(Full::default())?).await?;
    if !response.status().is_success() {
        bail!("{}", response.status());
    }
    let mut body = response.into_body();
    let mut lines = Lines::default();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        lines.push(&data);
        while let Some(line) = lines.pop() {
            take(kind, &line, version, feeds)?;
        }
    }
    Ok(())
}

fn take(kind: &Kind, line: &[u8], version: &mut String, feeds: &Feeds) -> Result<()> {
    let mut message: Value = serde_json::from_slice(line)?;
    let mut object = message["object"].take();
    let metadata = &mut object["metadata"];
    let what = match message["type"].as_str() {
        Some("ADDED") => What::Added,
        Some("MODIFIED") => What::Modified,
        Some("DELETED") => What::Deleted,
        Some("BOOKMARK") => {
            metadata["resourceVersion"].as_str().unwrap_or_default().clone_into(version);
            return Ok(());
        }
        _ => bail!("{object}"),
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    *version = text(&metadata["resourceVersion"]);
    let feed = lock(feeds).get(&text(&metadata["namespace"])).cloned();
    if let Some(feed) = feed {
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.remove("managedFields");
        }
        let name = text(&metadata["name"]);
        let version = version.parse().context("a version that is no number")?;
        feed.push(Event { version, what, kind: kind.name, name, object: Arc::new(object) });
    }
    Ok(())
}

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
pub struct Lines(BytesMut);

impl Lines {
    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next whole line, without its end.
    pub fn pop(&mut self) -> Option<Bytes> {
        let end = self.0.iter().position(|byte| *byte == b'\n')?;
        let line = self.0.split_to(end).freeze();
        self.0.advance(1);
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_may_come_in_pieces() {
        let mut lines = Lines::default();
        lines.push(b"{\"a\"");
        assert_eq!(lines.pop(), None);
        lines.push(b": 1}\n{}\n{");
        assert_eq!(lines.pop().as_deref(), Some(&b"{\"a\": 1}"[..]));
        assert_eq!(lines.pop().as_deref(), Some(&b"{}"[..]));
        assert_eq!(lines.pop(), None);
    }

    #[tokio::test]
    async fn each_namespace_has_its_own_record() {
        let feeds = Feeds::default();
        let feed = Arc::new(Feed { history: Mutex::default(), changes: watch::Sender::new(0) });
        lock(&feeds).insert("mine".to_owned(), feed.clone());
        let mut version = "1".to_owned();
        for (namespace, version_of) in [("theirs", 7), ("mine", 8)] {
            let line = format!(
                r#"{{"type": "ADDED", "object": {{"metadata": {{"name": "p", "namespace": "{namespace}", "resourceVersion": "{version_of}", "managedFields": []}}}}}}"#
            );
            take(&kind::POD, line.as_bytes(), &mut version, &feeds).unwrap();
        }
        assert_eq!(version, "8");
        let look = |history: &History| history.object(&kind::POD, "p").cloned();
        let pod = feed.until("the pod", Duration::from_secs(1), look).await.unwrap();
        assert!(pod["metadata"].get("managedFields").is_none());
        assert_eq!(feed.read(History::len), 1);
        let error = feed.until("nothing", Duration::from_millis(1), |_| None::<()>).await.unwrap_err();
        assert_eq!(error.to_string(), "waited 0 s for nothing");
    }
}
