//! Markdown as HTML that does nothing.
//!
//! - The parser's events are drawn one by one, from an allow-list: what is not on it cannot be in a page. Raw HTML is text.
//! - No attribute holds anything of the text but a link's address, which is `http`, `https` or `mailto`, and an image's checked `data:`.
//!   Nothing is loaded: an image that stands elsewhere is a link.
//! - Headings are bold lines, so that no text takes part in the page's outline.
//! - Of limited depth, and no larger than some times its text: what would be is shown as it came.

use maud::{Escaper, Markup, PreEscaped, Render, html};
use pulldown_cmark::{Alignment, CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::image::Image;
use crate::ui::words;

/// Elements within one another that are drawn; what is deeper is drawn in the last of them.
const DEPTH_MAX: usize = 24;
/// Markup may be so many times as long as the text, and so much longer still.
const GROWTH_MAX: usize = 24;
const GROWTH_FREE: usize = 4_096;

/// `image` shows an image, or says why it does not.
pub(super) fn html(text: &str, image: &dyn Fn(&Image) -> Markup) -> Markup {
    let room = text.len() * GROWTH_MAX + GROWTH_FREE;
    let mut writer = Writer { out: String::with_capacity(text.len() * 2), open: Vec::new(), is_head: false, image: None, draw: image };
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    for event in Parser::new_ext(text, options) {
        writer.event(event);
        if writer.out.len() > room {
            return html! { p { (words::visible_lines(text)) } };
        }
    }
    writer.close_all();
    PreEscaped(writer.out)
}

/// Where a link may lead.
fn address(url: &str) -> Option<&str> {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase())?;
    let is_clean = !url.chars().any(|c| c.is_control() || c.is_whitespace());
    (is_clean && ["http", "https", "mailto"].contains(&&*scheme)).then_some(url)
}

/// A link that tells the other side nothing.
pub(super) fn link(url: &str, content: &Markup) -> Markup {
    html! {
        @match address(url) {
            Some(url) => a href=(url) title=(url) rel="noopener noreferrer nofollow" { (content) },
            None => { (content) },
        }
    }
}

struct Writer<'a> {
    out: String,
    /// The ends of what is open, `""` for what was too deep or is not drawn.
    open: Vec<&'static str>,
    is_head: bool,
    /// The image that is being described, with what was said of it so far.
    image: Option<(Image, String)>,
    draw: &'a dyn Fn(&Image) -> Markup,
}

// === impl Writer ===

impl Writer<'_> {
    fn event(&mut self, event: Event<'_>) {
        if let Some((_, said)) = &mut self.image {
            match event {
                Event::Text(text) | Event::Code(text) => said.push_str(&text),
                Event::End(TagEnd::Image) => self.end_image(),
                _ => {}
            }
            return;
        }
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(end) => self.end(end),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::Code(code) => self.draw_in("<code>", &code, "</code>"),
            Event::SoftBreak => self.out.push('\n'),
            Event::HardBreak => self.out.push_str("<br>"),
            Event::Rule => self.out.push_str("<hr>"),
            Event::TaskListMarker(is_done) => self.out.push_str(if is_done { "☑ " } else { "☐ " }),
            // Not asked of the parser.
            Event::FootnoteReference(text) | Event::InlineMath(text) | Event::DisplayMath(text) => self.text(&text),
        }
    }

    fn text(&mut self, text: &str) {
        use std::fmt::Write as _;
        // Here and not before the text is parsed, since `&#1;` is a control character afterwards.
        let _ = Escaper::new(&mut self.out).write_str(&words::visible_lines(text));
    }

    fn draw_in(&mut self, open: &str, text: &str, close: &str) {
        self.out.push_str(open);
        self.text(text);
        self.out.push_str(close);
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.open("<p>", "</p>"),
            Tag::Heading { .. } => self.open("<p class=\"heading\">", "</p>"),
            Tag::BlockQuote(_) => self.open("<blockquote>", "</blockquote>"),
            Tag::CodeBlock(kind) => {
                let language = match &kind {
                    CodeBlockKind::Fenced(info) => info.split([' ', ',', '{']).next().unwrap_or_default(),
                    CodeBlockKind::Indented => "",
                };
                if !language.is_empty() && self.open.len() < DEPTH_MAX {
                    self.draw_in("<p class=\"language\">", language, "</p>");
                }
                self.open("<pre><code>", "</code></pre>");
            }
            Tag::List(Some(first)) => {
                self.open("<ol start=\"", "</ol>");
                if self.open.len() <= DEPTH_MAX {
                    self.out.push_str(&first.min(999_999_999).to_string());
                    self.out.push_str("\">");
                }
            }
            Tag::List(None) => self.open("<ul>", "</ul>"),
            Tag::Item => self.open("<li>", "</li>"),
            Tag::Table(alignments) => {
                let is_wide = alignments.len() > 64;
                let _: Vec<Alignment> = alignments;
                self.open(if is_wide { "<table class=\"wide\">" } else { "<table>" }, "</table>");
            }
            Tag::TableHead => {
                self.is_head = true;
                self.open("<thead><tr>", "</tr></thead>");
            }
            Tag::TableRow => self.open("<tr>", "</tr>"),
            Tag::TableCell => match self.is_head {
                true => self.open("<th scope=\"col\">", "</th>"),
                false => self.open("<td>", "</td>"),
            },
            Tag::Emphasis => self.open("<em>", "</em>"),
            Tag::Strong => self.open("<strong>", "</strong>"),
            Tag::Strikethrough => self.open("<del>", "</del>"),
            Tag::Link { dest_url, .. } => match address(&dest_url) {
                Some(url) if self.open.len() < DEPTH_MAX => {
                    let link = link(url, &html! {}).into_string();
                    self.out.push_str(link.strip_suffix("</a>").unwrap_or(&link));
                    self.open.push("</a>");
                }
                _ => self.open("", ""),
            },
            Tag::Image { dest_url, .. } => self.image = Some((Image::of(&dest_url, None), String::new())),
            _ => self.open("", ""),
        }
    }

    fn open(&mut self, tag: &str, end: &'static str) {
        let is_drawn = self.open.len() < DEPTH_MAX;
        self.out.push_str(if is_drawn { tag } else { "" });
        self.open.push(if is_drawn { end } else { "" });
    }

    fn end(&mut self, end: TagEnd) {
        if end == TagEnd::TableHead {
            self.is_head = false;
        }
        let close = self.open.pop().unwrap_or_default();
        // A paragraph of raw HTML, or a block of code, ends with the end of its last line.
        if matches!(end, TagEnd::HtmlBlock | TagEnd::CodeBlock) && self.out.ends_with('\n') {
            self.out.pop();
        }
        self.out.push_str(close);
    }

    fn end_image(&mut self) {
        let Some((image, said)) = self.image.take() else { return };
        let mut drawn = String::new();
        (self.draw)(&image).render_to(&mut drawn);
        self.out.push_str(&drawn);
        if !said.is_empty() {
            self.draw_in(" <em>", &said, "</em>");
        }
    }

    fn close_all(&mut self) {
        while let Some(close) = self.open.pop() {
            self.out.push_str(close);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str) -> String {
        html(text, &|image| html! { "[" (format!("{image:?}").chars().take(12).collect::<String>()) "]" }).into_string()
    }

    #[test]
    fn what_agents_write_is_drawn() {
        for (text, html) in [
            ("a **b** `c<d`", "<p>a <strong>b</strong> <code>c&lt;d</code></p>"),
            ("# A\n\ntwo\nlines", "<p class=\"heading\">A</p><p>two\nlines</p>"),
            ("```rust\nfn a() {}\n```", "<p class=\"language\">rust</p><pre><code>fn a() {}</code></pre>"),
            ("- a\n- [x] b\n\n3. c", "<ul><li>a</li><li>☑ b</li></ul><ol start=\"3\"><li>c</li></ol>"),
            (
                "|a|b|\n|-|-|\n|1|2|",
                "<table><thead><tr><th scope=\"col\">a</th><th scope=\"col\">b</th></tr></thead><tr><td>1</td><td>2</td></tr></table>",
            ),
            (
                "[x](https://example.org/?a&b)",
                "<p><a href=\"https://example.org/?a&amp;b\" title=\"https://example.org/?a&amp;b\" rel=\"noopener noreferrer nofollow\">x</a></p>",
            ),
        ] {
            assert_eq!(drawn(text), html, "{text}");
        }
    }

    #[test]
    fn nothing_hostile_comes_through() {
        for text in [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "[a](javascript:alert(1)) [b](JaVaScRiPt:x) [c](data:text/html,x) [d](/logout) [e](vbscript:x)",
            "[a](<java\nscript:alert(1)>)",
            "<javascript:alert(1)>",
            "[a]: javascript:alert(1)\n\n[a]",
            "```\"><script>\nx\n```",
            "<style>*{display:none}</style>",
            "&lt;script&gt; &#60;script&#62;",
        ] {
            let html = drawn(text);
            for bad in ["<script", "<img", "<style", "href=\"j", "href=\"J", "href=\"d", "href=\"/", "href=\"v"] {
                assert!(!html.contains(bad), "{text}: {html}");
            }
        }
        assert!(!drawn("![t](https://tracker.example/x.png)").contains("<img"));
    }

    /// Written as they are, or by their numbers, which the parser makes out.
    #[test]
    fn control_characters_are_drawn_as_pictures() {
        for (text, html) in [
            ("a\u{1}b\u{7f}&#1;c", "<p>a␁b␡␁c</p>"),
            ("`&#1;` &#13; &#x80;", "<p><code>&amp;#1;</code> ␍ \u{fffd}</p>"),
            ("```a&#2;b\r\nc\u{3}\r\nd\r\n```", "<p class=\"language\">a␂b</p><pre><code>c␃\nd</code></pre>"),
            ("[a&#4;](https://example.org/&#5;)", "<p>a␄</p>"),
            ("a\r\nb", "<p>a\nb</p>"),
        ] {
            assert_eq!(drawn(text), html, "{text:?}");
        }
        assert!(!drawn("![a&#6;b](x&#7;y)").contains(char::is_control));
    }

    /// Quadratic tables and nesting without end are the known ways to make a renderer work.
    #[test]
    fn no_text_makes_it_work_or_nest_without_end() {
        let n = 20_000;
        for text in [
            ">".repeat(n),
            "- ".repeat(n / 2),
            "*a ".repeat(n / 3),
            "[".repeat(n),
            "![".repeat(n / 2),
            "`".repeat(n),
            format!("{}\n{}\n{}", "|a".repeat(n / 6), "|-".repeat(n / 6), "|\n".repeat(n / 3)),
            "_*".repeat(n / 2),
            "<a ".repeat(n / 3),
        ] {
            let started = std::time::Instant::now();
            let html = drawn(&text);
            assert!(html.len() <= n * (GROWTH_MAX + 6) + GROWTH_FREE, "{} bytes of {:?}", html.len(), &text[..8]);
            assert!(started.elapsed().as_secs() < 5, "{:?} took {:?}", &text[..8], started.elapsed());
            assert!(html.matches("<blockquote>").count() <= DEPTH_MAX);
        }
    }
}
