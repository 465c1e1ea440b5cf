//! Three reasons for an empty list are told apart.

use super::{Visitor, place, run, send, shows};
use crate::support::server::until;
use crate::support::spans::{Tell, agent, request};

#[tokio::test]
async fn nothing_received_says_how_to_send_the_first_span() {
    let place = place();
    let server = place.start().await;
    let page = Visitor::of(&server).get("/sessions").await;
    page.says("Nothing received yet");
    page.says(&format!("export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{}", server.otlp_http.port()));
}

#[tokio::test]
async fn spans_without_a_session_id_are_counted_and_named_also_after_a_restart() {
    let place = place();
    let server = place.start().await;
    let mut sent = opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest::default();
    for trace in 1..=3 {
        let bytes = request([agent(trace, 1, 0, "lonely")]);
        let one: opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest = prost::Message::decode(bytes).unwrap();
        sent.resource_spans.extend(one.resource_spans);
    }
    let named = agent(9, 1, 0, "x").with("service.name", "billing <b>");
    for resource_spans in &mut sent.resource_spans {
        let attributes = named.attributes.iter().filter(|attribute| attribute.key == "service.name").cloned().collect();
        resource_spans.resource = Some(opentelemetry_proto::tonic::resource::v1::Resource { attributes, ..Default::default() });
    }
    server.send(prost::Message::encode_to_vec(&sent).into()).await.unwrap();
    let visitor = Visitor::of(&server);
    until("the spans are counted", async || visitor.get("/sessions").await.text.contains("3 spans came, with 3 runs")).await;
    let page = visitor.get("/sessions").await;
    page.says("Spans, but no session");
    page.says("billing &lt;b&gt;");
    page.says("gen_ai.conversation.id");
    server.terminate().await;

    let server = place.start().await;
    let visitor = Visitor::of(&server);
    visitor.get("/sessions").await.says("3 spans came, with 3 runs");
    send(&server, run(7, "conv", "planner", 0)).await;
    shows(&server, 1).await;
    visitor.get("/sessions").await.says("3 runs without a session id are in no session.");
    server.kill().await;

    let server = place.start().await;
    let page = Visitor::of(&server).get("/sessions?search=zzz").await;
    page.says("No session fits");
    page.says("the id contains");
    Visitor::of(&server).get("/sessions").await.says("3 runs without a session id are in no session.");
}
