//! What the address of a tree of spans asks for, and the addresses that its links lead to.

use super::filter::{Filter, Kind};
use crate::model::ids::{RunId, SpanId, TraceId};
use crate::params::pairs::{self, Pairs};
use crate::params::{self, BadParam};
use crate::ui::folds::Folds;

const KNOWN: &[&str] = &["run", "span", "search", "kind", "open", "fold", "offset"];

/// The page that the tree stands on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::ui) enum Page {
    Trace(TraceId),
    /// Of the run alone.
    Run(RunId),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::ui) struct Asked {
    pub(super) page: Page,
    /// On the page of a trace, the run that it is opened at.
    pub(super) run: Option<RunId>,
    pub(super) span: Option<SpanId>,
    pub(super) filter: Filter,
    pub(super) folds: Folds<SpanId>,
    /// Lines to pass over; else the page that has what is chosen.
    pub(super) offset: Option<u64>,
}

// === impl Asked ===

impl Asked {
    pub(in crate::ui) fn read(page: Page, query: Option<&str>) -> Result<Self, BadParam> {
        let pairs = Pairs::read(query, KNOWN)?;
        let offset = pairs.get("offset").map(|_| params::offset(&pairs)).transpose()?;
        let run = match pairs.get("run") {
            Some(number) => Some(number.parse().ok().and_then(RunId::new).ok_or_else(|| BadParam::new("run", number, "a run's number"))?),
            None => None,
        };
        let span = match pairs.get("span") {
            Some(hex) => Some(SpanId::from_hex(hex).ok_or_else(|| BadParam::new("span", hex, "16 hexadecimal digits"))?),
            None => None,
        };
        let kind = match pairs.get("kind") {
            Some(name) => Some(Kind::from_name(name).ok_or_else(|| BadParam::new("kind", name, "agent, model, tool or error"))?),
            None => None,
        };
        let text = pairs.get("search").map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let folds = Folds::read(&pairs, "span ids of 16 hexadecimal digits, separated by commas", SpanId::from_hex)?;
        Ok(Self { page, run, span, filter: Filter { text, kind }, folds, offset })
    }

    /// The page without what is asked of it.
    pub(super) fn path(&self) -> String {
        match self.page {
            Page::Trace(trace) => format!("/traces/{trace}"),
            Page::Run(run) => format!("/runs/{}", run.get()),
        }
    }

    /// The same page with another span chosen; the list stays where it is.
    pub(super) fn at(&self, span: SpanId, offset: Option<u64>) -> Self {
        Self { span: Some(span), offset, ..self.clone() }
    }

    /// The same page with one branch opened or folded.
    pub(super) fn folding(&self, span: SpanId, is_open: bool, offset: Option<u64>) -> Self {
        Self { folds: self.folds.with(span, is_open), offset, ..self.clone() }
    }

    pub(super) fn paged(&self, offset: u64) -> Self {
        Self { offset: Some(offset), ..self.clone() }
    }

    /// The same page with all lines, and what is chosen among them.
    pub(super) fn unfiltered(&self) -> Self {
        Self { filter: Filter::default(), offset: None, ..self.clone() }
    }

    /// Name and value of each parameter, in the order of links.
    pub(super) fn parameters(&self) -> Vec<(&'static str, String)> {
        let run = self.run.filter(|_| matches!(self.page, Page::Trace(_)));
        let mut all: Vec<(&'static str, String)> = Vec::new();
        all.extend(run.map(|run| ("run", run.get().to_string())));
        all.extend(self.span.map(|span| ("span", span.to_string())));
        all.extend(self.filter.text.clone().map(|text| ("search", text)));
        all.extend(self.filter.kind.map(|kind| ("kind", kind.name().to_owned())));
        all.extend(self.folds.parameters());
        all.extend(self.offset.map(|offset| ("offset", offset.to_string())));
        all
    }

    pub(super) fn address(&self) -> String {
        let mut address = self.path();
        for (n, (name, value)) in self.parameters().iter().enumerate() {
            address.push(if n == 0 { '?' } else { '&' });
            let value = if matches!(*name, "open" | "fold") { value.clone() } else { pairs::encode(value) };
            address.extend([*name, "=", &value]);
        }
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Asked, BadParam> {
        Asked::read(Page::Trace(TraceId::from_bytes(&[1; 16]).unwrap()), Some(query))
    }

    #[test]
    fn an_address_says_all_that_was_asked() {
        let all = "run=7&span=0000000000000002&search=a%26b%20%3C&kind=model&open=0000000000000003,0000000000000004&fold=0000000000000005&offset=200";
        let asked = read(all).unwrap();
        assert_eq!(asked.address(), format!("/traces/01010101010101010101010101010101?{all}"));
        assert_eq!(read("search=+&kind=").unwrap().address(), "/traces/01010101010101010101010101010101");
        assert_eq!(
            Asked { page: Page::Run(RunId::new(7).unwrap()), ..read("span=0000000000000002").unwrap() }.address(),
            "/runs/7?span=0000000000000002"
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_its_name() {
        for (query, name) in [
            ("run=0", "run"),
            ("span=x", "span"),
            ("kind=models", "kind"),
            ("open=1", "open"),
            ("fold=,z", "fold"),
            ("offset=-1", "offset"),
        ] {
            assert_eq!(read(query).unwrap_err().parameter, name, "{query}");
        }
    }
}
