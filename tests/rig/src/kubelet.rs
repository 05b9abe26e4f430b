//! Plays the pods of one namespace: writes into their status what a kubelet would, in the API server's real time.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};

use crate::api::Api;
use crate::history::History;
use crate::kind::POD;
use crate::play::{Cast, Scene, scenes};
use crate::recorder::Feed;

/// Plays for as long as it is not dropped.
#[derive(Debug)]
pub struct Kubelet(JoinHandle<()>);

impl Kubelet {
    /// Plays every pod that `feed` tells of.
    pub fn start(api: Api, namespace: &str, feed: Arc<Feed>, cast: Cast) -> Kubelet {
        let namespace = namespace.to_owned();
        Kubelet(tokio::spawn(async move {
            let (mut known, mut plays) = (HashSet::new(), JoinSet::new());
            let mut changes = feed.changes();
            loop {
                changes.borrow_and_update();
                for pod in feed.read(|history| unknown(history, &mut known)) {
                    let path = format!("{}/status", POD.path(&namespace, text(&pod, "name")));
                    plays.spawn(play(api.clone(), path, text(&pod, "uid").to_owned(), scenes(&pod, &cast)));
                }
                while plays.try_join_next().is_some() {}
                if changes.changed().await.is_err() {
                    return;
                }
            }
        }))
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn text<'a>(pod: &'a Value, field: &str) -> &'a str {
    pod["metadata"][field].as_str().unwrap_or_default()
}

/// The pods that have not been seen before.
fn unknown(history: &History, known: &mut HashSet<String>) -> Vec<Arc<Value>> {
    history.all(&POD).filter(|pod| known.insert(text(pod, "uid").to_owned())).cloned().collect()
}

/// To the end, or until the pod is gone.
async fn play(api: Api, path: String, uid: String, scenes: Vec<Scene>) {
    for scene in scenes {
        tokio::time::sleep(scene.after).await;
        // Whole seconds, as Kubernetes itself writes them.
        let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
        let change = json!({"metadata": {"uid": uid}, "status": scene.status(&now.to_string())});
        let written = api.call(hyper::Method::PATCH, &path, Some(&change)).await;
        match written.map(|answer| answer.status.as_u16()) {
            Ok(200..=299) => {}
            Ok(404 | 409) => return,
            refused => eprintln!("{path}: {refused:?}"),
        }
    }
}
