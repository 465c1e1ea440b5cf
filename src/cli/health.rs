//! `sessionfold health`: is the server on `--http` ready? For containers without a shell.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use super::{fail, print_line, reachable};
use crate::config::Config;

const TIMEOUT: Duration = Duration::from_secs(3);
/// An answer to `/readyz` is a line; more than this is not ours.
const ANSWER_MAX_BYTES: u64 = 16 * 1024;

pub fn run(config: Config) -> ExitCode {
    let address = reachable(config.server.http);
    match ask(address) {
        // Both kinds mean that the time is up; the system's own words for it are "resource temporarily unavailable".
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            fail(&format!("no answer from http://{address}/readyz within {} s", TIMEOUT.as_secs()))
        }
        Err(error) => fail(&format!("no answer from http://{address}/readyz: {error}")),
        Ok((200, _)) => {
            print_line("ready");
            ExitCode::SUCCESS
        }
        Ok((status, body)) => fail(&format!("not ready ({status}): {}", body.trim())),
    }
}

fn ask(address: SocketAddr) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX_BYTES).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.map(|status| (status, body.to_owned())).ok_or_else(|| std::io::Error::other("the answer is not HTTP"))
}
