//! `/compare?a=…&b=…`: two sessions side by side: figures, runs by agent, calls by model.
//!
//! Without scripts the boxes of a list send `a` twice; the address that both lead to names one `a` and one `b`.
//! An address that names one session offers the others.

mod choose;
mod table;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::Uri;
use maud::html;

use super::frame::Frame;
use super::refusal::Refusal;
use super::session::{Digest, digest_of};
use super::visitor::{PageContext, Visitor};
use super::{Effort, Ui, list, words};
use crate::model::ids::{SessionId, Tenant};
use crate::params::BadParam;
use crate::params::pairs::{self, Pairs};

const PATH: &str = "/compare";

/// The sessions that an address names, in their order.
#[derive(Debug)]
enum Chosen {
    One(SessionId),
    Two([SessionId; 2]),
}

pub(super) async fn show(State(ui): State<Arc<Ui>>, visitor: Visitor, uri: Uri) -> Result<Response, Refusal> {
    let Visitor { tenant, context, .. } = visitor;
    let ids = match Chosen::read(uri.query())? {
        Chosen::One(id) => {
            let search = list::searched(uri.query())?;
            return ui.read(Effort::Short, move |ui| choose::page(ui, &tenant, &context, &id, search.as_deref())).await;
        }
        Chosen::Two(ids) => ids,
    };
    if uri.query().is_some_and(|query| query.split('&').filter(|pair| pair.starts_with("a=")).count() > 1) {
        return Ok(Redirect::to(&context.to(&address(ids[0].as_str(), ids[1].as_str()))).into_response());
    }
    // All runs of both are gone through, as on their own pages.
    ui.read(Effort::Long, move |ui| page(ui, &tenant, &context, ids)).await
}

/// Where a session is compared with one that is still to be chosen.
pub(super) fn to_choice(a: &str) -> String {
    format!("{PATH}?a={}", pairs::encode(a))
}

fn address(a: &str, b: &str) -> String {
    format!("{}&b={}", to_choice(a), pairs::encode(b))
}

// === impl Chosen ===

impl Chosen {
    fn read(query: Option<&str>) -> Result<Self, Refusal> {
        let mut ids = Vec::new();
        for pair in query.unwrap_or_default().split('&') {
            let pairs = Pairs::read(Some(pair), &["a", "b"])?;
            for name in ["a", "b"] {
                let Some(text) = pairs.get(name) else { continue };
                ids.push(SessionId::new(text).ok_or_else(|| Refusal::from(BadParam::new(name, text, "the id of a session")))?);
            }
        }
        let mut named = ids.iter().cloned();
        match (named.next(), named.next(), named.next()) {
            (Some(id), None, None) => Ok(Self::One(id)),
            (Some(first), Some(second), None) => Ok(Self::Two([first, second])),
            _ => Err(Refusal::BadParam(format!(
                "Two sessions are compared, and {} were chosen: tick the boxes of two in the list.",
                ids.len()
            ))),
        }
    }
}

fn page(ui: &Ui, tenant: &Tenant, context: &PageContext, ids: [SessionId; 2]) -> Result<Response, Refusal> {
    let [a, b] = [digest(ui, tenant, &ids[0])?, digest(ui, tenant, &ids[1])?];
    let content = html! {
        nav.way aria-label="Way back" { a href=(context.to(list::PATH)) { "Sessions" } }
        h1 { "Two sessions compared" }
        (table::figures(context, &a, &b))
        (table::agents(&a, &b))
        (table::models(&a, &b))
        p {
            a href=(context.to(&address(ids[1].as_str(), ids[0].as_str()))) { "The other way round" }
        }
    };
    let title = words::visible(&format!("{} and {}", ids[0].as_str(), ids[1].as_str()));
    Ok(Frame { context, title: &title, is_live: false }.around(&content).into_response())
}

fn digest(ui: &Ui, tenant: &Tenant, id: &SessionId) -> Result<Digest, Refusal> {
    digest_of(ui, tenant, id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_session_or_two_are_named_in_either_form_and_no_other_number() {
        let ids = |query: &str| match Chosen::read(Some(query)) {
            Ok(Chosen::One(id)) => Ok(vec![id.as_str().to_owned()]),
            Ok(Chosen::Two(ids)) => Ok(ids.map(|id| id.as_str().to_owned()).to_vec()),
            Err(refusal) => Err(refusal),
        };
        let both = Ok(vec!["x,1".to_owned(), "y&2".to_owned()]);
        assert_eq!(ids("a=x%2C1&b=y%262"), both);
        assert_eq!(ids("a=x%2C1&a=y%262"), both);
        for query in ["a=x", "b=x", "a=x&b=", "search=y&a=x"] {
            assert_eq!(ids(query), Ok(vec!["x".to_owned()]), "{query}");
        }
        for (query, words) in [("", "0 were"), ("search=x", "0 were"), ("a=x&a=y&a=z", "3 were"), ("a=x&a=y&b=z", "3 were")] {
            assert!(matches!(ids(query), Err(Refusal::BadParam(detail)) if detail.contains(words)), "{query}");
        }
    }

    #[test]
    fn an_address_of_ours_names_what_it_was_made_of() {
        let (a, b) = ("a&b=c", "\"<%2F #");
        let query = |address: &str| address.strip_prefix("/compare?").unwrap().to_owned();
        assert!(matches!(Chosen::read(Some(&query(&to_choice(a)))), Ok(Chosen::One(id)) if id.as_str() == a));
        let Ok(Chosen::Two(ids)) = Chosen::read(Some(&query(&address(a, b)))) else { panic!("two are named") };
        assert_eq!(ids.map(|id| id.as_str().to_owned()), [a, b]);
    }
}
