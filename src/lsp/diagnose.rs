//! One worker that makes findings and publishes them to clients that do not ask for them themselves, and that
//! notices files which change on the disk.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::protocol::{Client, Uri};
use super::state::State;
use crate::ide::Analysis;

/// How long after a change the work begins: a burst of changes is one. What comes later ends the work that it makes
/// stale, so that this need not be long.
const PAUSE: Duration = Duration::from_millis(1);

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// What the client has time for.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Works until the connection ends.
pub async fn work(state: Arc<State>, client: Client) {
    let mut published: HashMap<PathBuf, Published> = HashMap::new();
    let mut stamps = Stamps::new();
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = state.changed.notified() => {
                tokio::time::sleep(PAUSE).await;
                publish(&state, &client, &mut published).await;
            }
            _ = look.tick() => stamps = look_at(&state, &client, stamps).await,
        }
    }
}

/// What the client was told of a document.
struct Published {
    uri: Uri,
    version: i32,
    analysis: Arc<Analysis>,
}

/// Publishes the findings that are new, and none for documents that are closed.
async fn publish(state: &Arc<State>, client: &Client, published: &mut HashMap<PathBuf, Published>) {
    if state.abilities().pulls {
        return;
    }
    let documents = state.documents();
    let closed: Vec<PathBuf> = published.keys().filter(|path| !documents.contains_key(*path)).cloned().collect();
    for path in closed {
        if let Some(Published { uri, .. }) = published.remove(&path) {
            send(client, uri, Vec::new(), None).await;
        }
    }
    let mut paths: Vec<&PathBuf> = documents.keys().collect();
    // What was edited comes before what only may depend on it.
    let is_told = |path: &PathBuf| {
        let version = documents.get(path).map(|(_, version)| *version);
        published.get(path).is_some_and(|told| Some(told.version) == version)
    };
    paths.sort_by_key(|path| (is_told(path), *path));
    for path in paths {
        let Some((uri, version)) = documents.get(path).cloned() else { continue };
        let known = published.get(path).map(|told| Arc::clone(&told.analysis));
        let found = state.ask(&uri, move |view| {
            let is_known = known.is_some_and(|known| Arc::ptr_eq(&known, &view.analysis));
            Ok((Arc::clone(&view.analysis), (!is_known).then(|| view.diagnostics())))
        });
        // An error is a text that has changed again, whose turn comes.
        let Ok((analysis, diagnostics)) = found.await else { continue };
        published.insert(path.clone(), Published { uri: uri.clone(), version, analysis });
        if let Some(diagnostics) = diagnostics {
            send(client, uri, diagnostics, Some(version)).await;
        }
    }
}

async fn send(client: &Client, uri: Uri, diagnostics: Vec<super::protocol::Diagnostic>, version: Option<i32>) {
    tokio::time::timeout(PATIENCE, client.publish_diagnostics(uri, diagnostics, version)).await.ok();
}

type Stamps = HashMap<PathBuf, Option<(SystemTime, u64)>>;

/// Looks at the files on which open documents depend, and tells of those that have changed.
async fn look_at(state: &Arc<State>, client: &Client, before: Stamps) -> Stamps {
    let documents = state.documents();
    let found = state.ask_all(move |asked| {
        let mut now = Stamps::new();
        for path in documents.keys() {
            let Ok(view) = asked.view(path) else { continue };
            for file in view.analysis.files() {
                let stamp = std::fs::metadata(&file).ok().and_then(|found| Some((found.modified().ok()?, found.len())));
                now.insert(file, stamp);
            }
        }
        Ok(now)
    });
    let Ok(now) = found.await else { return before };
    // A file that was not looked at before may have changed since the analysis that read it.
    let is_new = |(path, stamp): &(&PathBuf, &_)| before.get(*path) != Some(*stamp);
    let changed: Vec<PathBuf> = now.iter().filter(is_new).map(|(path, _)| path.clone()).collect();
    if !changed.is_empty() {
        state.changed_on_disk(&changed);
        refresh(state, client).await;
    }
    now
}

/// Tells the client to ask again for what does not follow from the text alone.
pub async fn refresh(state: &State, client: &Client) {
    let [diagnostics, hints, lenses, tokens] = state.abilities().refreshes;
    let all = async {
        if diagnostics {
            client.workspace_diagnostic_refresh().await.ok();
        }
        if hints {
            client.inlay_hint_refresh().await.ok();
        }
        if lenses {
            client.code_lens_refresh().await.ok();
        }
        if tokens {
            client.semantic_tokens_refresh().await.ok();
        }
    };
    tokio::time::timeout(PATIENCE, all).await.ok();
}
