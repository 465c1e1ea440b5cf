//! Keys: made, hashed, exchanged while the server runs, and guessed.

use std::io::Write;
use std::process::{Command, Stdio};

use super::{Answer, Ask, EXPORT, JSON, LIST, START, metric};
use crate::support::server::{Place, until};

const OLD: &str = "wax_sk_old_0123456789abcdef";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// The output of `sessionfold key ...`, if it succeeds.
fn key(args: &[&str], input: &str) -> Result<String, String> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sessionfold"))
        .arg("key")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// A new key, and the entry that belongs to it.
fn new_key(args: &[&str]) -> (String, String) {
    let printed = key(&[&["new"], args].concat(), "").unwrap();
    let lines: Vec<&str> = printed.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines.len(), 2, "{printed}");
    (lines[0].to_owned(), lines[1].to_owned())
}

async fn reads(server: &crate::support::server::Server, key: &str) -> u16 {
    Ask { headers: &[("x-wax-key", key)], ..Ask::default() }.of(server.http).await.status.as_u16()
}

#[test]
fn keys_are_made_and_hashed_on_the_command_line() {
    let (new, entry) = new_key(&["--tenant", "acme", "--rights", "read"]);
    assert!(entry.contains("tenant = \"acme\", rights = [\"read\"]") && !entry.contains(&new), "{entry}");
    let hashed = key(&["hash", "--tenant", "acme", "--rights", "read"], &format!("{new}\n")).unwrap();
    assert_eq!(hashed.trim_end(), entry);
    let refused = key(&["hash"], "too-short\n").unwrap_err();
    assert!(refused.contains("could guess it") && !refused.contains("too-short"), "{refused}");
}

#[tokio::test]
async fn a_key_is_exchanged_without_a_restart_and_logins_with_the_old_one_end() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys.toml");
    let old = key(&["hash"], OLD).unwrap();
    std::fs::write(&file, format!("keys = [\n{old}]\n")).unwrap();
    let place = Place::new().set("auth.keys_file", file.to_str().unwrap());
    let server = place.start().await;
    assert_eq!((reads(&server, OLD).await, reads(&server, "nobody-knows-this").await), (200, 401));
    let login = Ask { method: "POST", path: "/login", headers: &[FORM], body: &format!("key={OLD}"), ..Ask::default() };
    let cookie = login.of(server.http).await.header("set-cookie").split(';').next().unwrap().to_owned();
    let with_cookie = async || Ask { headers: &[("cookie", &cookie)], ..Ask::default() }.of(server.http).await.status.as_u16();
    assert_eq!(with_cookie().await, 200);

    // A file that cannot be read changes nothing, and says so once.
    std::fs::write(&file, "keys = [\n").unwrap();
    until("the bad file was seen", async || place.log().contains("the old ones are still used")).await;
    assert_eq!((reads(&server, OLD).await, with_cookie().await), (200, 200));
    assert!(place.log().contains("keys.toml"), "{}", place.log());

    let (new, entry) = new_key(&[]);
    std::fs::write(&file, format!("keys = [\n{entry},\n{old}]\n")).unwrap();
    until("both keys hold", async || reads(&server, &new).await == 200).await;
    assert_eq!((reads(&server, OLD).await, with_cookie().await), (200, 200));
    std::fs::write(&file, format!("keys = [{entry}]\n")).unwrap();
    until("the old key is gone", async || reads(&server, OLD).await != 200).await;
    assert_eq!((reads(&server, &new).await, with_cookie().await), (200, 401));

    std::fs::write(&file, "keys = []\n").unwrap();
    until("an empty file was seen", async || place.log().contains("the list of keys is empty")).await;
    assert_eq!(reads(&server, &new).await, 200);
    let counted = metric(server.http, &[("x-wax-key", &new)], "sessionfold_server_reloads_total{what=\"keys\",outcome=\"done\"}").await;
    assert_eq!(counted, 2);
    let log = place.log();
    assert!(!log.contains("sha256:") && !log.contains(OLD) && !log.contains(&new), "{log}");
}

#[tokio::test]
async fn sighup_reads_the_keys_of_the_configuration_file_again() {
    let config = |key: &str| format!("[auth]\nkeys = [{{ key = \"{key}\" }}]\n");
    let place = Place::new().config(&config(OLD));
    let server = place.start().await;
    assert_eq!(reads(&server, OLD).await, 200);
    let place = place.config(&config("wax_sk_new_0123456789abcdef"));
    hang_up(server.id());
    until("the new key holds", async || reads(&server, "wax_sk_new_0123456789abcdef").await == 200).await;
    assert_eq!(reads(&server, OLD).await, 401);
    assert!(place.log().contains("SIGHUP"), "{}", place.log());
    assert_eq!(server.terminate().await.code, Some(0));

    // Without keys, certificates or a file a SIGHUP ends nothing either.
    let place = Place::new();
    let server = place.start().await;
    hang_up(server.id());
    until("it was heard", async || place.log().contains("SIGHUP")).await;
    assert_eq!(server.get(LIST).await.status, 200);
}

pub fn hang_up(process: u32) {
    assert!(Command::new("/bin/sh").args(["-c", &format!("kill -HUP {process}")]).status().unwrap().success());
}

/// A thousand guesses at one door are a thousand at all of them.
#[tokio::test]
async fn wrong_keys_are_slowed_on_every_door_and_right_ones_never() {
    let place = Place::new().set("auth.keys", &format!("[{{ key = \"{OLD}\" }}]"));
    let server = place.start().await;
    let wrong = [("x-wax-key", "wax_sk_wrong_0123456789"), JSON];
    let grpc = [("x-wax-key", "wax_sk_wrong_0123456789"), ("content-type", "application/grpc")];
    for _ in 0..10 {
        assert_eq!(Ask { headers: &wrong, ..Ask::default() }.of(server.http).await.status, 401);
    }
    let slowed = |answer: &Answer| {
        let seconds: u64 = answer.header("retry-after").parse().unwrap();
        assert_eq!(answer.status, 429, "{}", answer.text);
        assert!((1..=7).contains(&seconds), "{seconds}");
    };
    slowed(&Ask { headers: &wrong, ..Ask::default() }.of(server.http).await);
    slowed(&Ask { headers: &wrong, path: "/", ..Ask::default() }.of(server.http).await);
    let sdk = Ask { method: "POST", path: START, headers: &wrong, body: "{}", ..Ask::default() }.of(server.http).await;
    slowed(&sdk);
    assert!(sdk.text.contains("WAXELL_API_KEY"), "{}", sdk.text);
    for address in [server.http, server.otlp_http, server.otlp_grpc] {
        slowed(&Ask { method: "POST", path: "/v1/traces", headers: &wrong, body: "{}", ..Ask::default() }.of(address).await);
        let answer =
            Ask { method: "POST", path: EXPORT, headers: &grpc, body: "\0\0\0\0\0", http2: true, ..Ask::default() }.of(address).await;
        assert_eq!(answer.grpc().0, "8", "RESOURCE_EXHAUSTED");
        assert!(!answer.header("grpc-status-details-bin").is_empty(), "it says when to come again");
    }
    slowed(
        &Ask { method: "POST", path: "/login", headers: &[FORM], body: "key=wax_sk_wrong_0123456789", ..Ask::default() }
            .of(server.http)
            .await,
    );

    let right = [("x-wax-key", OLD), JSON];
    for _ in 0..30 {
        assert_eq!(Ask { headers: &right, ..Ask::default() }.of(server.http).await.status, 200);
        assert_eq!(
            Ask { method: "POST", path: "/v1/traces", headers: &right, body: "{}", ..Ask::default() }.of(server.otlp_http).await.status,
            200
        );
    }
    let login =
        Ask { method: "POST", path: "/login", headers: &[FORM], body: &format!("key={OLD}"), ..Ask::default() }.of(server.http).await;
    assert_eq!(login.status, 303);
    assert!(metric(server.http, &right, "sessionfold_auth_wrong_keys_total{answer=\"slowed\"}").await >= 10);
    assert!(place.log().contains("wrong keys keep coming") && !place.log().contains("wax_sk_wrong"), "{}", place.log());
}
