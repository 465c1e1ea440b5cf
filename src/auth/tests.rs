use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;

const READER: &str = "reader-key";
const WRITER: &str = "writer-key";

fn entry(key: &str, tenant: &str, rights: &[Right]) -> KeyEntry {
    KeyEntry { key: key.into(), tenant: Tenant::new(tenant).unwrap(), rights: rights.to_vec() }
}

fn authenticator() -> Authenticator {
    let entries = vec![
        entry(READER, "blue", &[Right::Read]),
        entry(WRITER, "blue", &[Right::Ingest]),
        entry("both-rights", "red", &[Right::Ingest, Right::Read]),
    ];
    Authenticator::with_keys(Keys::new(entries).unwrap())
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())).collect()
}

#[track_caller]
fn check(pairs: &[(&str, &str)], need: Right, expect: Result<&str, Denied>) {
    let found = authenticator().from_headers(&headers(pairs), None, need);
    assert_eq!(found.as_ref().map(Tenant::as_str).map_err(|denied| *denied), expect, "{pairs:?}");
}

#[test]
fn a_key_is_taken_from_either_header_with_its_tenant_and_rights() {
    check(&[("x-wax-key", WRITER)], Right::Ingest, Ok("blue"));
    check(&[("authorization", "Bearer both-rights")], Right::Ingest, Ok("red"));
    check(&[("authorization", "bearer   both-rights ")], Right::Read, Ok("red"));
    check(&[("x-wax-key", WRITER)], Right::Read, Err(Denied::WrongRight));
    check(&[("x-wax-key", READER)], Right::Ingest, Err(Denied::WrongRight));
}

/// `Basic` with this user and password.
fn basic(pair: &str) -> String {
    let encoded: String = match pair {
        "pk-lf-1:writer-key" => "cGstbGYtMTp3cml0ZXIta2V5",
        "writer-key:" => "d3JpdGVyLWtleTo=",
        "writer-key:both-rights" => "d3JpdGVyLWtleTpib3RoLXJpZ2h0cw==",
        "pk:reader-key" => "cGs6cmVhZGVyLWtleQ==",
        "pk:both-rights" => "cGs6Ym90aC1yaWdodHM=",
        "pk:no-such-key" => "cGs6bm8tc3VjaC1rZXk=",
        "writer-key" => "d3JpdGVyLWtleQ==",
        _ => panic!("{pair}"),
    }
    .into();
    format!("Basic {encoded}")
}

/// Langfuse's SDK sends its public key as the user and its secret key as the password.
#[test]
fn a_program_may_send_its_key_as_a_password_or_a_user() {
    for pair in ["pk-lf-1:writer-key", "writer-key:"] {
        check(&[("authorization", &basic(pair))], Right::Ingest, Ok("blue"));
        check(&[("authorization", &basic(pair).replace("Basic ", "basic  "))], Right::Ingest, Ok("blue"));
    }
    // Of two keys the password is the one.
    check(&[("authorization", &basic("writer-key:both-rights"))], Right::Ingest, Ok("red"));
    check(&[("authorization", &basic("pk:reader-key"))], Right::Ingest, Err(Denied::WrongRight));
    for value in [basic("pk:no-such-key"), basic("writer-key"), basic("writer-key:").replace(' ', ""), "Basic !".into(), "Basic".into()] {
        check(&[("authorization", &value)], Right::Ingest, Err(Denied::Missing));
    }
    let long = format!("Basic {}{}", "A".repeat(2_000), &basic("pk-lf-1:writer-key")[6..]);
    check(&[("authorization", &long)], Right::Ingest, Err(Denied::Missing));
}

/// Who once typed a name and a password for this host has a browser that sends them along with whatever any page makes it ask for.
#[test]
fn what_a_browser_sends_on_its_own_opens_nothing() {
    let known = basic("pk:both-rights");
    check(&[("authorization", &known)], Right::Ingest, Ok("red"));
    check(&[("authorization", &known)], Right::Read, Err(Denied::Missing));
    for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-origin")] {
        check(&[("authorization", &known), (name, value)], Right::Ingest, Err(Denied::Missing));
        check(&[("authorization", &known), (name, value), ("x-wax-key", WRITER)], Right::Ingest, Ok("blue"));
    }
}

#[test]
fn wrong_passwords_are_slowed_as_wrong_keys_are_and_those_of_readers_are_nobodys_business() {
    let authenticator = authenticator();
    let (now, office) = (Instant::now(), "192.0.2.7".parse().ok());
    let guess = headers(&[("authorization", &basic("pk:no-such-key"))]);
    for _ in 0..50 {
        assert_eq!(authenticator.from_headers_at(&guess, office, Right::Read, now), Err(Denied::Missing));
    }
    for _ in 0..10 {
        assert_eq!(authenticator.from_headers_at(&guess, office, Right::Ingest, now), Err(Denied::Missing));
    }
    assert!(matches!(authenticator.from_headers_at(&guess, office, Right::Ingest, now), Err(Denied::Slowed(_))));
}

#[test]
fn nothing_unknown_lets_anyone_in() {
    check(&[], Right::Read, Err(Denied::Missing));
    for key in ["", " ", "reader-ke", "reader-key1", "READER-KEY", "reader-key,writer-key"] {
        check(&[("x-wax-key", key)], Right::Read, Err(Denied::Missing));
    }
    check(&[("x-wax-key", &"x".repeat(KEY_MAX_BYTES + 1))], Right::Read, Err(Denied::Missing));
    for value in ["Basic both-rights", "Bearer", "Bearerboth-rights", "both-rights", ""] {
        check(&[("authorization", value)], Right::Read, Err(Denied::Missing));
    }
}

#[test]
fn an_unknown_credential_never_spoils_a_valid_one() {
    check(&[("cookie", "sessionid=a1b2c3"), ("x-wax-key", READER)], Right::Read, Ok("blue"));
    check(&[("x-wax-key", "nobody-knows"), ("authorization", "Bearer both-rights")], Right::Read, Ok("red"));
    check(&[("x-wax-key", WRITER), ("authorization", "Bearer both-rights")], Right::Read, Ok("red"));
    check(&[("x-wax-key", "first"), ("x-wax-key", READER)], Right::Read, Ok("blue"));
}

#[test]
fn a_cookie_may_hold_a_read_key_and_never_writes() {
    check(&[("cookie", "theme=dark; sessionid=reader-key")], Right::Read, Ok("blue"));
    check(&[("cookie", "sessionfold_session=\"reader-key\"")], Right::Read, Ok("blue"));
    check(&[("cookie", "other=reader-key; sessionid")], Right::Read, Err(Denied::Missing));
    check(&[("cookie", "sessionid=both-rights")], Right::Ingest, Err(Denied::WrongRight));
}

#[test]
fn a_request_cannot_buy_endless_comparisons() {
    let mut pairs = vec![("x-wax-key", "unknown-key"); CREDENTIALS_MAX];
    pairs.push(("x-wax-key", READER));
    check(&pairs, Right::Read, Err(Denied::Missing));
}

#[test]
fn with_authentication_off_every_credential_is_ignored() {
    let off = Authenticator::off();
    let tenant = off.from_headers(&headers(&[("x-wax-key", "whatever")]), None, Right::Ingest);
    assert_eq!(tenant, Ok(Tenant::default()));
}

#[test]
fn a_login_lasts_its_time_or_until_it_is_revoked() {
    let authenticator = authenticator();
    let login = authenticator.login(READER, None).unwrap();
    assert_eq!(authenticator.login(WRITER, None), Err(Denied::WrongRight));
    assert_eq!(authenticator.login("nobody-knows", None), Err(Denied::Missing));

    let token = authenticator.issue(login).unwrap();
    let now = Instant::now();
    for name in SESSION_COOKIES {
        let cookie = headers(&[("cookie", &format!("{name}={token}"))]);
        assert_eq!(authenticator.from_headers_at(&cookie, None, Right::Read, now).unwrap().as_str(), "blue");
        assert_eq!(authenticator.from_headers_at(&cookie, None, Right::Ingest, now), Err(Denied::Missing));
        let later = now + SESSION_TTL + Duration::from_secs(1);
        assert_eq!(authenticator.from_headers_at(&cookie, None, Right::Read, later), Err(Denied::Missing));
    }
    // The token is no key: only a cookie carries it.
    let as_key = headers(&[("x-wax-key", &token)]);
    assert_eq!(authenticator.from_headers_at(&as_key, None, Right::Read, now), Err(Denied::Missing));

    let cookie = headers(&[("cookie", &format!("sessionid={token}"))]);
    let forged = format!("{}{}", &token[..32], "0".repeat(32));
    authenticator.revoke(&forged);
    assert!(authenticator.from_headers_at(&cookie, None, Right::Read, now).is_ok());
    let forged = headers(&[("cookie", &format!("sessionid={forged}"))]);
    assert_eq!(authenticator.from_headers_at(&forged, None, Right::Read, now), Err(Denied::Missing));
    authenticator.revoke(&token);
    assert_eq!(authenticator.from_headers_at(&cookie, None, Right::Read, now), Err(Denied::Missing));
}

#[test]
fn the_number_of_logins_is_bounded_and_the_oldest_makes_room() {
    let sessions = sessions::Sessions::default();
    let start = Instant::now();
    let login = || authenticator().login(READER, None).unwrap();
    let first = sessions.issue(login(), start).unwrap();
    for i in 1..=SESSIONS_MAX {
        sessions.issue(login(), start + Duration::from_millis(i as u64)).unwrap();
    }
    assert_eq!(sessions.tenant(first.as_bytes(), start), None);
}

#[test]
fn keys_that_cannot_work_are_refused_by_place_and_never_shown() {
    let refuse = |entries: Vec<KeyEntry>| Keys::new(entries).unwrap_err();
    let good = || entry("good-enough", "t", &[Right::Read]);
    assert_eq!(refuse(vec![]), InvalidKey::Empty);
    for bad in ["", "short", "with space in it", "tab\tin-the-key", "schlüssel-ä", &"x".repeat(KEY_MAX_BYTES + 1)] {
        assert_eq!(refuse(vec![good(), entry(bad, "t", &[Right::Read])]), InvalidKey::Malformed(2));
    }
    assert_eq!(refuse(vec![entry("good-enough", "t", &[])]), InvalidKey::NoRights(1));
    assert_eq!(refuse(vec![good(), entry("another-one", "t", &[Right::Read]), good()]), InvalidKey::Duplicate(3, 1));
    let hashed = |hash: &str| KeyEntry { key: Secret::Hashed(hash.into()), ..good() };
    assert!(matches!(refuse(vec![good(), hashed("sha256:0")]), InvalidKey::Hash(2, _)));
    let same = hash::KeyHash::of(b"good-enough").to_string();
    assert_eq!(refuse(vec![good(), hashed(&same)]), InvalidKey::Duplicate(2, 1));
    let shown = format!("{:?} {:?} {:?}", Keys::new(vec![good()]).unwrap(), good(), hashed(&same));
    assert!(!shown.contains("good-enough") && !shown.contains("sha256:"), "{shown}");
}

#[test]
fn a_key_is_known_by_its_hash_alone() {
    let key = hash::new_key().unwrap();
    let hashed = Secret::Hashed(hash::KeyHash::of(key.as_bytes()).to_string());
    let keys = Keys::new(vec![KeyEntry { key: hashed, ..entry("", "blue", &[Right::Read]) }]).unwrap();
    let authenticator = Authenticator::with_keys(keys);
    let read = |key: &str| authenticator.from_headers(&headers(&[("x-wax-key", key)]), None, Right::Read);
    assert_eq!(read(&key).unwrap().as_str(), "blue");
    assert_eq!(read(&hash::KeyHash::of(key.as_bytes()).to_string()), Err(Denied::Missing), "the hash is no key");
}

#[test]
fn wrong_keys_are_slowed_at_every_door_and_right_ones_never() {
    let authenticator = authenticator();
    let (now, office) = (Instant::now(), "192.0.2.7".parse().ok());
    let ask = |key: &str, peer, need| authenticator.from_headers_at(&headers(&[("x-wax-key", key)]), peer, need, now);
    for n in 0..10 {
        let need = if n % 2 == 0 { Right::Read } else { Right::Ingest };
        assert_eq!(ask(&format!("guess-{n}"), office, need), Err(Denied::Missing));
    }
    for need in [Right::Read, Right::Ingest] {
        let denied = ask("another-guess", office, need).unwrap_err();
        assert_eq!((denied.status().as_u16(), denied.retry_after_seconds()), (429, Some(6)));
    }
    assert!(matches!(authenticator.login("another-guess", office), Err(Denied::Slowed(_))));
    // Whoever has a right one, or none at all, is not concerned, though they share the address.
    assert_eq!(ask(READER, office, Right::Read).unwrap().as_str(), "blue");
    assert!(authenticator.login(READER, office).is_ok());
    assert_eq!(ask(READER, office, Right::Ingest), Err(Denied::WrongRight));
    assert_eq!(authenticator.from_headers_at(&headers(&[]), office, Right::Read, now), Err(Denied::Missing));
    let foreign = headers(&[("cookie", "sessionid=of-some-django")]);
    assert_eq!(authenticator.from_headers_at(&foreign, office, Right::Read, now), Err(Denied::Missing));
    let both = headers(&[("x-wax-key", "another-guess"), ("authorization", "Bearer both-rights")]);
    assert_eq!(authenticator.from_headers_at(&both, office, Right::Read, now).unwrap().as_str(), "red");
    assert_eq!(ask("another-guess", "192.0.2.8".parse().ok(), Right::Read), Err(Denied::Missing));
}

#[test]
fn keys_are_exchanged_and_logins_end_with_theirs() {
    let authenticator = authenticator();
    let [reader, both] = [READER, "both-rights"].map(|key| authenticator.issue(authenticator.login(key, None).unwrap()).unwrap());
    let read =
        |name: &str, value: &str| authenticator.from_headers(&headers(&[(name, value)]), None, Right::Read).map(|t| t.as_str().to_owned());
    let cookie = |token: &str| read("cookie", &format!("sessionid={token}"));
    assert_eq!((cookie(&reader), cookie(&both)), (Ok("blue".into()), Ok("red".into())));

    let kept = vec![entry(READER, "blue", &[Right::Read]), entry("new-key-of-red", "red", &[Right::Read])];
    assert_eq!(authenticator.replace(Keys::new(kept).unwrap()), 1);
    assert_eq!((cookie(&reader), cookie(&both)), (Ok("blue".into()), Err(Denied::Missing)));
    assert_eq!((read("x-wax-key", "both-rights"), read("x-wax-key", "new-key-of-red")), (Err(Denied::Missing), Ok("red".into())));

    // The same key with another tenant, or without the right to read, is not what was logged in with.
    for changed in [entry(READER, "green", &[Right::Read]), entry(READER, "blue", &[Right::Ingest])] {
        let again = authenticator.issue(authenticator.login(READER, None).unwrap()).unwrap();
        assert!(authenticator.replace(Keys::new(vec![changed]).unwrap()) >= 1);
        assert_eq!(cookie(&again), Err(Denied::Missing));
        authenticator.replace(Keys::new(vec![entry(READER, "blue", &[Right::Read])]).unwrap());
    }
}

/// What the status page shows to whom hangs on it, and keys change while the server runs.
#[test]
fn whether_all_are_of_one_tenant_follows_the_keys_that_hold() {
    assert!(Authenticator::off().has_one_tenant());
    let authenticator = authenticator();
    assert!(!authenticator.has_one_tenant());
    authenticator
        .replace(Keys::new(vec![entry(READER, "blue", &[Right::Read]), entry("another-of-blue", "blue", &[Right::Ingest])]).unwrap());
    assert!(authenticator.has_one_tenant());
    authenticator
        .replace(Keys::new(vec![entry(READER, "blue", &[Right::Read]), entry("key-of-green", "green", &[Right::Ingest])]).unwrap());
    assert!(!authenticator.has_one_tenant());
}

#[test]
fn listening_beyond_loopback_needs_keys_or_a_word() {
    let at = |text: &str| text.parse().unwrap();
    let local = [at("127.0.0.1:4317"), at("127.8.8.8:1"), at("[::1]:4318"), at("[::ffff:127.0.0.1]:80")];
    assert_eq!(exposure_error(&local, false, false), None);
    for open in ["0.0.0.0:4317", "[::]:4317", "192.168.1.5:8080", "[::ffff:10.0.0.1]:80"] {
        let text = exposure_error(&[at("127.0.0.1:1"), at(open)], false, false).unwrap();
        assert!(text.contains(open) && text.contains("--allow-anonymous") && !text.contains("127.0.0.1:1,"), "{text}");
        assert_eq!(exposure_error(&[at(open)], true, false), None);
        assert_eq!(exposure_error(&[at(open)], false, true), None);
    }
}
