//! `/search`: a phrase in what was said, as far back as this server's journal goes, and Tempo where there is one.
//!
//! - One line for each run, the newest first, with the words around the phrase; it leads to the turn of the conversation.
//! - What is found is said only of runs that the index has: what belongs to a deleted session is not shown.
//! - Says how far it looked: the journal is no archive, and a look is bounded.

mod excerpt;
mod find;
mod in_tempo;
mod turns;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use maud::{Markup, html};

use self::excerpt::Excerpt;
use self::find::{Answer, Hit};
use self::in_tempo::{End, InTempo};
use super::frame::Frame;
use super::list::{self, to_session};
use super::refusal::Refusal;
use super::session::copyable;
use super::visitor::{PageContext, Visitor};
use super::{Effort, Ui, words};
use crate::model::ids::Tenant;
use crate::model::query::{SessionQuery, Sort, SortField};
use crate::model::time::{Nanos, UnixNanos};
use crate::params::explore;
use crate::params::pairs::Pairs;
use crate::store::said::Looked;

/// Shorter phrases are everywhere.
const PHRASE_MIN_CHARS: usize = 3;
const PHRASE_MAX_CHARS: usize = 200;
const DAY: Nanos = Nanos::from_secs(24 * 3_600);

pub(super) async fn show(State(ui): State<Arc<Ui>>, visitor: Visitor, uri: Uri) -> Result<Response, Refusal> {
    let pairs = Pairs::read(uri.query(), &["q"])?;
    let phrase = pairs.get("q").map(str::trim).unwrap_or_default().to_owned();
    let context = visitor.context;
    let n_chars = phrase.chars().count();
    let is_bad = n_chars > PHRASE_MAX_CHARS || (1..PHRASE_MIN_CHARS).contains(&n_chars);
    let part = match n_chars {
        0 => {
            html! { p.quiet { "Looks through what agents were asked, what they answered, and what their tools were given and gave back." } }
        }
        1..PHRASE_MIN_CHARS => problem("At least three characters, please: shorter texts are everywhere."),
        _ if n_chars > PHRASE_MAX_CHARS => problem("At most 200 characters, please."),
        _ => {
            let (tenant, asked) = (visitor.tenant, phrase.clone());
            let in_tempo = in_tempo(&ui, &tenant, &phrase).await?;
            let answer = ui.read(Effort::Trace, move |ui| find::find(ui, &tenant, &asked, in_tempo)).await?;
            found(&ui, &context, &phrase, &answer)
        }
    };
    let content = html! {
        nav.way aria-label="Way back" { a href=(context.to(list::PATH)) { "Sessions" } }
        h1 { "Search in what was said" }
        form.filters method="get" action=(context.to("/search")) role="search" {
            div.field.search {
                label for="q" { "Text" }
                input #q type="search" name="q" value=(phrase) autocomplete="off" maxlength=(PHRASE_MAX_CHARS) placeholder="a few words, as they were said";
            }
            div.buttons { button type="submit" { "Search" } }
        }
        (part)
    };
    let status = if is_bad { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok((status, Frame { context: &context, title: "Search in what was said", is_live: false }.around(&content)).into_response())
}

/// Runs are shown that the index has: what is older than all of them need not be looked at.
async fn in_tempo(ui: &Arc<Ui>, tenant: &Tenant, phrase: &str) -> Result<Option<InTempo>, Refusal> {
    let Some(tempo) = ui.tempo.clone() else { return Ok(None) };
    let (asked_by, now) = (tenant.clone(), ui.now());
    let first = Sort { field: SortField::FirstRun, descending: false };
    let query = SessionQuery { sort: first, limit: 1, ..SessionQuery::default() };
    let oldest =
        ui.read(Effort::Short, move |ui| Ok(ui.store.sessions(&asked_by, &query)?.items.first().map(|oldest| oldest.first_run))).await?;
    // Of runs without a session, the last day's.
    let oldest = oldest.unwrap_or(now).min(now.minus(DAY));
    Ok(Some(in_tempo::look(&*tempo, tenant, phrase, (oldest, now)).await))
}

fn problem(words: &str) -> Markup {
    html! { p.problem role="alert" { (words) } }
}

fn found(ui: &Ui, context: &PageContext, phrase: &str, answer: &Answer) -> Markup {
    let n_hits = answer.hits.len() as u64;
    html! {
        p.found {
            @if n_hits == 0 { "Nobody said that" } @else { (words::counted(n_hits, "run", "runs")) }
            ". " (looked(answer, ui.now().since(answer.looked.since.unwrap_or(ui.now()))))
        }
        @if let Some((since, end)) = &answer.in_tempo { p.found { (looked_in_tempo(*since, end, answer.is_full)) } }
        @if n_hits > 0 { ol.hits { @for hit in &answer.hits { (line(context, hit)) } } }
        @if ui.tempo.is_some() {
            p.source { "Tempo keeps the beginning of long texts (" code { "max_attribute_bytes" } "). To look further there, in Grafana:" }
            (copyable("traceql", "TraceQL", &explore::said(phrase)))
        }
    }
}

/// How far it looked in Tempo.
fn looked_in_tempo(since: Option<UnixNanos>, end: &End, is_full: bool) -> Markup {
    html! {
        @match since {
            Some(since) => {
                "Searched Tempo back to " (words::moment(since)) ": "
                @match end {
                    _ if is_full => "there may be more.",
                    End::All => "all that is known here.",
                    End::Full => "there may be more; a longer text finds less.",
                    End::Slow => "what lies before that would have taken too long.",
                    End::Failed(why) => { "then it could not be asked: " (why) "." },
                }
            }
            None => @match end {
                End::Failed(why) => { "Tempo could not be asked: " (why) "." }
                _ => "Tempo was asked, too, and did not answer in time.",
            }
        }
    }
}

/// How far it looked.
fn looked(answer: &Answer, ago: Nanos) -> Markup {
    let Looked { bytes, since, is_whole } = answer.looked;
    let Some(since) = since else { return html! { "There are no spans in this server's journal." } };
    html! {
        "Looked through " (words::length(ago)) ", " (bytesize::ByteSize(bytes)) " of spans and posts, back to " (words::moment(since)) ": "
        @if answer.is_full { "there may be more; a longer text finds less." }
        @else if is_whole { "all that this server's journal still holds." }
        @else { "what lies before that would have taken too long." }
    }
}

fn line(context: &PageContext, hit: &Hit) -> Markup {
    let Excerpt { before, phrase, after } = &hit.excerpt;
    html! {
        li {
            div.head {
                (words::moment(hit.at)) " "
                @match (&hit.session, hit.turn) {
                    (Some(session), Some(turn)) => a href=(context.to(&format!("{}{}", to_session(session.as_str()), turn.query()))) { (words::name(session.as_str())) },
                    (Some(session), None) => a href=(context.to(&format!("{}?view=conversation", to_session(session.as_str())))) { (words::name(session.as_str())) },
                    (None, _) => span.quiet { "no session" },
                }
                " · " (words::agent(&hit.agent)) " · " span.kind { (hit.speaker) }
                " · " a href=(context.to(&hit.to_span)) { @if hit.is_posted { "run" } @else { "span" } }
            }
            p.excerpt { bdi { (words::visible(before)) mark { (words::visible(phrase)) } (words::visible(after)) } }
        }
    }
}
