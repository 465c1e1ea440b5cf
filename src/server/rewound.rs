//! A connection whose first bytes were read to see what it speaks, and are read again. Its end is read when nobody waits for an answer.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::ingest::Peer;

/// What an HTTP/2 client says first (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The type of a TLS record that begins a handshake (RFC 8446, section 5.1). No method of HTTP begins so.
const TLS_HANDSHAKE: u8 = 0x16;

/// The connection as it was before anything was read of it.
pub(super) struct Rewound<S> {
    io: S,
    head: [u8; HTTP2_PREFACE.len()],
    /// What of `head` was read already, and how much of it there is.
    n_read: usize,
    n_head: usize,
    peer: Peer,
}

// === impl Rewound ===

impl<S: AsyncRead + Unpin> Rewound<S> {
    /// Waits until the peer has said enough to know its protocol; `None` if it left before. hyper's own detection has no time limit, so
    /// the caller sets one.
    pub(super) async fn hear(mut io: S) -> Option<Self> {
        let mut head = [0; HTTP2_PREFACE.len()];
        let mut n_head = 0;
        while n_head < head.len() && head[..n_head] == HTTP2_PREFACE[..n_head] {
            match io.read(&mut head[n_head..]).await {
                Ok(0) | Err(_) => return None,
                Ok(n) => n_head += n,
            }
        }
        Some(Self { io, head, n_read: 0, n_head, peer: Peer::default() })
    }

    /// Who is at the other end; whoever answers them says so there.
    pub(super) fn peer(&self) -> Peer {
        self.peer.clone()
    }

    pub(super) fn is_tls(&self) -> bool {
        self.head[0] == TLS_HANDSHAKE
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.n_read < this.n_head {
            let rest = &this.head[this.n_read..this.n_head];
            let n = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..n]);
            this.n_read += n;
            return Poll::Ready(Ok(()));
        }
        let room = buffer.remaining();
        let read = Pin::new(&mut this.io).poll_read(context, buffer);
        let is_end = matches!(read, Poll::Ready(Ok(()))) && room > 0 && buffer.remaining() == room;
        if is_end && this.peer.holds_end(context) { Poll::Pending } else { read }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_heard_is_read_again_and_the_rest_after_it() {
        for said in
            [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nframes"[..], b"PRI * HTTP/1.1\r\n", b"GET / HTTP/1.1\r\n\r\n", b"P\0", b"\x16\x03\x01"]
        {
            for part in [1, 3, 100] {
                let (mut peer, io) = tokio::io::duplex(part);
                let task = tokio::spawn(async move {
                    tokio::io::AsyncWriteExt::write_all(&mut peer, said).await.unwrap();
                });
                let mut heard = Rewound::hear(io).await.unwrap();
                assert_eq!(heard.is_tls(), said[0] == 0x16);
                let mut read = Vec::new();
                heard.read_to_end(&mut read).await.unwrap();
                assert_eq!(read, said);
                task.await.unwrap();
            }
        }
        assert!(Rewound::hear(&b"PRI"[..]).await.is_none());
    }
}
