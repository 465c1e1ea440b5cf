//! Keys at the doors.

use sessionfold::auth::{Authenticator, KeyEntry, Keys, Right};
use sessionfold::ingest::Options;
use sessionfold::model::ids::Tenant;
use sessionfold::server::Limits;
use tonic::Code;

use super::harness::*;

async fn guarded() -> Door {
    let entry = |key: &str, tenant: &str, rights: &[Right]| KeyEntry {
        key: key.into(),
        tenant: Tenant::new(tenant).unwrap(),
        rights: rights.to_vec(),
    };
    let keys = vec![
        entry("ingest-blue", "blue", &[Right::Ingest]),
        entry("ingest-red", "red", &[Right::Ingest]),
        entry("read-only", "blue", &[Right::Read]),
    ];
    open_with(Authenticator::with_keys(Keys::new(keys).unwrap()), Options::default(), Limits::default()).await
}

#[tokio::test]
async fn the_key_decides_the_tenant_over_http_and_grpc() {
    let door = guarded().await;
    let body = encoded(vec![good(1)]);
    assert_eq!(door.post("/v1/traces", &[PROTOBUF, ("x-wax-key", "ingest-blue")], body.clone()).await.status, 200);
    assert_eq!(door.post("/v1/traces", &[PROTOBUF, ("authorization", "Bearer ingest-red")], body.clone()).await.status, 200);
    assert_eq!(door.call(TRACES, &[("x-wax-key", "ingest-red")], frame(0, &body)).await.grpc(), Code::Ok);
    assert_eq!(door.call(TRACES, &[("authorization", "bearer ingest-blue")], frame(0, &body)).await.grpc(), Code::Ok);
    let tenants: Vec<String> = door.store.accepted().iter().map(|(tenant, _)| tenant.as_str().to_owned()).collect();
    assert_eq!(tenants, ["blue", "red", "red", "blue"]);
}

#[tokio::test]
async fn without_a_valid_key_nothing_gets_in_and_the_answer_is_in_the_senders_language() {
    let door = guarded().await;
    let body = encoded(vec![good(1)]);
    for headers in [&[PROTOBUF][..], &[PROTOBUF, ("x-wax-key", "wrong-key")], &[PROTOBUF, ("cookie", "sessionid=ingest-blue-no")]] {
        let answer = door.post("/v1/traces", headers, body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.rpc_status().code), (401, 16));
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
    let answer = door.post("/v1/traces", &[JSON], "{}").await;
    assert_eq!((answer.status.as_u16(), answer.json()["code"].as_i64()), (401, Some(16)));
    assert_eq!(door.post("/v1/logs", &[PROTOBUF], "").await.status, 401);
    assert_eq!(door.post("/v1/traces", &[("content-type", "text/plain")], "").await.status, 401);
    assert_eq!(door.call(TRACES, &[], frame(0, &body)).await.grpc(), Code::Unauthenticated);
    assert!(door.store.accepted().is_empty());
}

#[tokio::test]
async fn a_key_without_the_right_to_send_is_forbidden() {
    let door = guarded().await;
    let body = encoded(vec![good(1)]);
    let answer = door.post("/v1/traces", &[PROTOBUF, ("x-wax-key", "read-only")], body.clone()).await;
    assert_eq!((answer.status.as_u16(), answer.rpc_status().code), (403, 7));
    assert_eq!(door.call(TRACES, &[("x-wax-key", "read-only")], frame(0, &body)).await.grpc(), Code::PermissionDenied);
    assert!(door.store.accepted().is_empty());
}

#[tokio::test]
async fn a_stray_cookie_or_key_never_spoils_a_valid_one() {
    let door = guarded().await;
    let headers = [PROTOBUF, ("cookie", "sessionid=of-some-django"), ("authorization", "Bearer wrong"), ("x-wax-key", "ingest-red")];
    assert_eq!(door.post("/v1/traces", &headers, encoded(vec![good(1)])).await.status, 200);
}

#[tokio::test]
async fn with_authentication_off_any_credential_is_ignored() {
    let door = open().await;
    let headers = [PROTOBUF, ("x-wax-key", "anything"), ("authorization", "Basic eDp5")];
    assert_eq!(door.post("/v1/traces", &headers, encoded(vec![good(1)])).await.status, 200);
    assert_eq!(door.store.accepted()[0].0, Tenant::default());
}
