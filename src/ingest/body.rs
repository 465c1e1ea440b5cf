//! Reading a request's body under limits of size, memory and time.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::admission::{Admission, Permit};
use super::refusal::Refusal;

/// A body in memory, and the bytes in flight that it pays for.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) bytes: Bytes,
    pub(super) permit: Permit,
}

/// How long a refused sender may go on talking before it is cut off, so that it gets to read its refusal.
const LINGER: Duration = Duration::from_secs(2);

/// Reads a whole body of at most `max_bytes` within `time`. A declared length is paid for before the first byte is read.
/// One chunk is passed on without a copy.
pub(super) async fn read(body: &mut Body, max_bytes: usize, admission: &Admission, time: Duration) -> Result<Held, Refusal> {
    let too_large = Refusal::TooLarge { limit_bytes: max_bytes, decompressed: false };
    let Some(declared) = usize::try_from(body.size_hint().lower()).ok().filter(|declared| *declared <= max_bytes) else {
        return Err(too_large);
    };
    let deadline = Instant::now() + time;
    let mut permit = admission.admit(declared)?;
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    let mut n_read = 0;
    loop {
        let frame = timeout_at(deadline, body.frame()).await.map_err(|_| Refusal::Slow)?;
        let Some(frame) = frame else { break };
        let Ok(chunk) = frame.map_err(|_| Refusal::Interrupted)?.into_data() else { continue };
        n_read += chunk.len();
        if n_read > max_bytes {
            return Err(too_large);
        }
        permit.grow(n_read.saturating_sub(declared).min(chunk.len()))?;
        if joined.is_empty() && first.is_empty() {
            first = chunk;
            continue;
        }
        if joined.is_empty() {
            joined.reserve(declared.max(n_read));
            joined.extend_from_slice(&std::mem::take(&mut first));
        }
        joined.extend_from_slice(&chunk);
    }
    let bytes = if joined.is_empty() { first } else { joined.freeze() };
    Ok(Held { bytes, permit })
}

/// Throws away what a refused HTTP/1 sender is still sending, for a moment.
///
/// Closing a socket with unread bytes resets it, and a sender that only reads after it has written would see a broken pipe, not its
/// refusal.
pub(super) async fn linger(body: &mut Body) {
    let deadline = Instant::now() + LINGER;
    while let Ok(Some(Ok(_))) = timeout_at(deadline, body.frame()).await {}
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn chunks(parts: Vec<&'static [u8]>) -> Body {
        Body::from_stream(stream::iter(parts.into_iter().map(|part| Ok::<_, std::io::Error>(Bytes::from_static(part)))))
    }

    #[tokio::test]
    async fn chunks_are_joined_and_paid_for() {
        let admission = Admission::new(100);
        for parts in [vec![], vec![&b"abcdef"[..]], vec![b"", b"abc", b"", b"d", b"ef"]] {
            let whole = parts.concat();
            let held = read(&mut chunks(parts), 10, &admission, LINGER).await.unwrap();
            assert_eq!((&held.bytes[..], held.permit.bytes()), (&whole[..], whole.len() as u64));
        }
        let held = read(&mut Body::from("declared"), 10, &admission, LINGER).await.unwrap();
        assert_eq!((&held.bytes[..], held.permit.bytes()), (&b"declared"[..], 8));
        drop(held);
        assert_eq!(admission.inflight_bytes(), 0);
    }

    #[tokio::test]
    async fn too_much_is_refused_with_nothing_left_in_flight() {
        let (admission, full) = (Admission::new(100), Admission::new(5));
        let too_large = Refusal::TooLarge { limit_bytes: 5, decompressed: false };
        for body in [|| chunks(vec![b"abc", b"def"]), || Body::from("abcdef")] {
            assert_eq!(read(&mut body(), 5, &admission, LINGER).await.unwrap_err(), too_large);
            assert_eq!(read(&mut body(), 6, &full, LINGER).await.unwrap_err(), Refusal::Overloaded);
        }
        assert_eq!((admission.inflight_bytes(), full.inflight_bytes()), (0, 0));
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let mut body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        assert_eq!(read(&mut body, 5, &Admission::new(100), Duration::from_millis(20)).await.unwrap_err(), Refusal::Slow);
    }
}
