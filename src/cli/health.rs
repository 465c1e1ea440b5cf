//! `sessionfold health`: is the server on `--http` ready? For containers without a shell.
//!
//! - Over TLS its certificate is not checked: it is asked on this machine, under an address that stands in no certificate, and is told
//!   nothing that is secret.
//! - Where the server wants to know its clients, it is shown its own certificate.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

use super::{fail, own_identity, print_line, reach};
use crate::config::Config;
use crate::tempo::tls::Trust;

const TIMEOUT: Duration = Duration::from_secs(3);
/// An answer to `/readyz` is a line; more than this is not ours.
const ANSWER_MAX_BYTES: u64 = 16 * 1024;

pub fn run(config: Config) -> ExitCode {
    match ready(&config, TIMEOUT) {
        Ok(()) => {
            print_line("ready");
            ExitCode::SUCCESS
        }
        Err(problem) => fail(&problem),
    }
}

/// Asks the server on `--http`; an error says why it is not ready.
pub(super) fn ready(config: &Config, timeout: Duration) -> Result<(), String> {
    let listen = &config.server.http;
    let address = reach(listen).map_err(|error| format!("cannot find the address of {listen}: {error}"))?;
    let is_tls = !config.server.tls_cert.as_os_str().is_empty();
    let url = format!("{}://{address}/readyz", if is_tls { "https" } else { "http" });
    let stream = connect(address, timeout);
    let answer = stream.and_then(|stream| if is_tls { ask_securely(stream, address, config) } else { ask(stream, address) });
    match answer {
        // Both kinds mean that the time is up; the system's own words for it are "resource temporarily unavailable".
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Err(format!("no answer from {url} within {} s", timeout.as_secs()))
        }
        Err(error) => Err(format!("no answer from {url}: {error}")),
        Ok((200, _)) => Ok(()),
        Ok((status, body)) => Err(format!("not ready ({status}): {}", body.trim())),
    }
}

fn connect(address: SocketAddr, timeout: Duration) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    Ok(stream)
}

fn ask_securely(stream: TcpStream, address: SocketAddr, config: &Config) -> std::io::Result<(u16, String)> {
    let tls = Trust::Anybody.client_config(own_identity(config).as_ref()).map_err(std::io::Error::other)?;
    let name = ServerName::from(address.ip());
    let connection = ClientConnection::new(Arc::new(tls), name).map_err(std::io::Error::other)?;
    ask(StreamOwned::new(connection, stream), address)
}

fn ask(mut stream: impl Read + Write, address: SocketAddr) -> std::io::Result<(u16, String)> {
    stream.write_all(format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    match stream.take(ANSWER_MAX_BYTES).read_to_end(&mut answer) {
        // A peer that closes without the goodbye of TLS has still said all that it had to say.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof && !answer.is_empty() => {}
        other => drop(other?),
    }
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.map(|status| (status, body.to_owned())).ok_or_else(|| std::io::Error::other("the answer is not HTTP"))
}
