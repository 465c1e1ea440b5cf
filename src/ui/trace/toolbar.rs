//! What narrows the tree and walks through its errors: a form and links, which `trace.js` follows without a reload.

use maud::{Markup, html};

use super::address::Asked;
use super::filter::Kind;
use super::tree::Tree;
use crate::ui::visitor::PageContext;
use crate::ui::words;

/// `n_found` are the lines that the filter finds, where there is one.
pub(super) fn toolbar(context: &PageContext, asked: &Asked, tree: &Tree, chosen: Option<usize>, n_found: Option<usize>) -> Markup {
    html! {
        form.filters.spans role="search" method="get" action=(context.to(&asked.path())) data-swap aria-label="Filter the spans" {
            @for (name, value) in asked.parameters() {
                @if !matches!(name, "search" | "kind" | "offset") { input type="hidden" name=(name) value=(value); }
            }
            div.field.search {
                label for="span-search" { "Search in names and attributes" }
                input #span-search type="search" name="search" value=[asked.filter.text.as_deref()] autocomplete="off" spellcheck="false";
            }
            div.field {
                label for="span-kind" { "Kind" }
                select #span-kind name="kind" {
                    option value="" { "All spans" }
                    @for kind in Kind::ALL { option value=(kind.name()) selected[asked.filter.kind == Some(kind)] { (kind.words()) } }
                }
            }
            div.buttons {
                button type="submit" { "Apply" }
                @if !asked.filter.is_empty() { a.button.quiet href=(context.to(&asked.unfiltered().address())) data-swap="row" { "Clear" } }
            }
        }
        div.walk {
            @if let Some(n) = n_found {
                span data-say { (words::counted(n as u64, "span", "spans")) " of " (words::count(tree.rows.len() as u64)) @if n == 1 { " fits" } @else { " fit" } }
            }
            (errors(context, asked, tree, chosen))
            @if tree.rows.iter().any(|row| row.figures.is_critical) {
                span.quiet { span.mark {} " critical path: each time the child that ends last" }
            }
        }
    }
}

/// The ways to the errors before and behind what is chosen, in the order of the tree.
fn errors(context: &PageContext, asked: &Asked, tree: &Tree, chosen: Option<usize>) -> Markup {
    let errors: Vec<usize> = (0..tree.rows.len()).filter(|&at| tree.rows[at].has_failed).collect();
    let chosen = chosen.unwrap_or(0);
    let n_before = errors.partition_point(|&at| at < chosen);
    let this = errors.get(n_before).filter(|&&at| at == chosen).map(|_| n_before);
    let previous = n_before.checked_sub(1).and_then(|n| errors.get(n));
    let next = errors.get(this.map_or(n_before, |n| n + 1));
    let link = |at: usize, word: &str| {
        let span = tree.rows[at].span;
        let above: Vec<_> = tree.ancestors(at).map(|at| tree.rows[at].span).collect();
        let mut to = asked.at(span, None);
        // Nothing that was folded, or that a filter leaves out, hides it.
        to.folds = to.folds.without(&above);
        if asked.filter.kind.is_some_and(|kind| kind != Kind::Error) || asked.filter.text.is_some() {
            to = to.unfiltered();
        }
        html! { a href=(context.to(&format!("{}#r-{span}", to.address()))) data-swap="row" { (word) } }
    };
    html! {
        @if !errors.is_empty() {
            span.errors {
                @if let Some(n) = this { "Error " (words::count(n as u64 + 1)) " of " (words::count(errors.len() as u64)) }
                @else { (words::counted(errors.len() as u64, "error", "errors")) }
            }
            @if let Some(&at) = previous { (link(at, "Previous error")) }
            @if let Some(&at) = next { (link(at, "Next error")) }
        }
    }
}
