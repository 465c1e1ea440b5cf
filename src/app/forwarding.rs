//! The forwarder and what it is connected to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::wiring::{forward_options, position_path};
use super::{Forwarding, StartError, pages};
use crate::config::Config;
use crate::journal::{Journal, Position, PositionFile};
use crate::tempo::export::forwarder::Forwarder;
use crate::tempo::export::rewind::Rewinding;
use crate::tempo::export::source::JournalSource;
use crate::tempo::metrics::ForwardMetrics;

/// How long the forwarder waits for Tempo's answer to what it holds of a trace.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// `None` where there is no Tempo.
pub(super) async fn forwarder(
    config: &Config,
    journal: &Journal,
    addresses: &[SocketAddr],
    instance: &str,
) -> Result<Option<Forwarding>, StartError> {
    let forward = &config.forward;
    if forward.tempo.is_empty() {
        return Ok(None);
    }
    let mut position = PositionFile::open(&position_path(config))?;
    if position.get() > journal.end() {
        tracing::warn!(
            forwarded = position.get().0,
            journal_end = journal.end().0,
            "more was forwarded than the journal holds, so it was replaced or has lost its end: forwarding continues at its end"
        );
        // Positions grow from there anew, and must not be skipped after a crash because the old note is greater.
        position.set(journal.end())?;
    }
    let source = JournalSource::new(journal.reader(position.get()));
    let mut options = forward_options(config);
    options.instance_id = instance.to_owned();
    let mut sent = PositionFile::open(&config.server.data_dir.join("forwarding.position"))?;
    // Without a note nobody knows what was sent, so all that is there may have been.
    options.in_doubt_below = if sent.get() > Position(0) { sent.get().min(journal.end()) } else { journal.end() };
    options.own_addresses = addresses.to_vec();
    options.query = pages::patient_query_client(config, ASK_TIMEOUT).map_err(StartError::Config)?;
    let position = Arc::new(Mutex::new(position));
    // Five times a second without an fsync: losing the last note costs a repetition, never a span.
    let noted = position.clone();
    let save = Box::new(move |at| noted.lock().note(at).map_err(std::io::Error::other));
    let log_end = {
        let journal = journal.clone();
        Arc::new(move || journal.end())
    };
    let metrics = ForwardMetrics::default();
    let note = Box::new(move |at| sent.note(at).map_err(std::io::Error::other));
    let forwarder = Forwarder::new(options, source, save, log_end, metrics.clone()).await?.noting_sends(note);
    let forwarder = forwarder.rewinding(rewinding(config, journal)?);
    Ok(Some(Forwarding { forwarder, metrics, position }))
}

/// How the forwarder goes back over what a Tempo that was killed has lost.
fn rewinding(config: &Config, journal: &Journal) -> Result<Rewinding<JournalSource>, StartError> {
    let path = config.server.data_dir.join("stored.position");
    let mut stored = PositionFile::open(&path)?;
    let stored_at = std::fs::metadata(path.with_extension("position.note")).and_then(|note| note.modified()).ok();
    let position = if stored_at.is_some() { stored.get().max(journal.start()).min(journal.end()) } else { journal.end() };
    let journal = journal.clone();
    Ok(Rewinding {
        reopen: Box::new(move |from| JournalSource::new(journal.reader(from))),
        stored: position,
        stored_at,
        note: Box::new(move |at| stored.note(at).map_err(std::io::Error::other)),
    })
}
