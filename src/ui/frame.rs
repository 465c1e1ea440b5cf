//! What stands around every page.

use axum::response::Html;
use maud::{DOCTYPE, Markup, html};

use super::theme::Theme;
use super::visitor::PageContext;
use super::{assets, list, overview};
use crate::params::pairs;

/// The pages that all others lead to.
const MENU: [(&str, &str); 6] = [
    (overview::PATH, "Overview"),
    (list::PATH, "Sessions"),
    ("/users", "Users"),
    ("/agents", "Agents"),
    ("/models", "Models"),
    ("/tools", "Tools"),
];

/// A page.
pub(super) struct Frame<'a> {
    pub(super) context: &'a PageContext,
    /// In the browser's tab, before our name.
    pub(super) title: &'a str,
    /// Whether the page's parts are sent again when they change.
    pub(super) is_live: bool,
}

// === impl Frame ===

impl Frame<'_> {
    pub(super) fn around(&self, content: &Markup) -> Html<String> {
        let context = self.context;
        let page = html! {
            (DOCTYPE)
            html lang="en" data-theme=(context.theme.name()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · sessionfold" }
                    link rel="icon" href=(assets::path(context, "icon.svg")) type="image/svg+xml";
                    link rel="stylesheet" href=(assets::path(context, "ui.css"));
                    script src=(assets::path(context, "page.js")) defer {}
                    script src=(assets::path(context, "live.js")) defer {}
                }
                body {
                    a.skip href="#content" { "Skip to content" }
                    header.top {
                        a.home href=(context.to("/")) { "sessionfold" }
                        nav.rooms aria-label="Main" {
                            @for (to, name) in MENU { a href=(context.to(to)) aria-current=[context.is_at(to).then_some("page")] { (name) } }
                        }
                        span.live-state {
                            // Nothing of it is there without scripts: `live.js` shows it, and in which state it is.
                            @if self.is_live {
                                span data-live-word hidden { "Live" }
                                button.quiet type="button" data-live-switch aria-pressed="false" hidden { "Pause updates" }
                            }
                        }
                        (themes(context))
                        @if context.has_login {
                            form method="post" action=(context.to("/logout")) { button.quiet type="submit" { "Log out" } }
                        }
                    }
                    @if context.behind_seconds > 0 {
                        p.behind role="status" {
                            "What arrived in the last " (context.behind_seconds) " s is stored and does not show here yet: the index is catching up."
                        }
                    }
                    main #content tabindex="-1" data-live[self.is_live] { (content) }
                    footer {
                        p { span data-zone { "Times are UTC." } " " a href=(context.to("/api/")) { "API" } " " a href=(context.to("/status")) { "Status" } }
                    }
                    p.for-readers #said role="status" {}
                }
            }
        };
        Html(page.into_string())
    }
}

fn themes(context: &PageContext) -> Markup {
    let to = |theme: Theme| context.to(&format!("/theme?theme={}&next={}", theme.name(), pairs::encode(&context.here)));
    html! {
        nav.themes aria-label="Theme" {
            @for theme in Theme::ALL {
                a href=(to(theme)) aria-current=[(theme == context.theme).then_some("true")] rel="nofollow" { (word(theme)) }
            }
        }
    }
}

fn word(theme: Theme) -> &'static str {
    match theme {
        Theme::System => "Auto",
        Theme::Light => "Light",
        Theme::Dark => "Dark",
    }
}
