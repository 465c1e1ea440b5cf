//! An explanation for people: a tree with one line a span, then the sums.

use std::collections::HashSet;

use serde_json::Value;

use super::Asked;
use crate::cli::print_line;

pub(super) fn text(asked: &Asked) {
    for (at, run) in asked.runs.iter().enumerate() {
        if at > 0 {
            print_line("");
        }
        lines(run).iter().for_each(|line| print_line(line));
    }
    let orphans = asked.runs.first().filter(|_| asked.what != "session").map_or_else(Vec::new, orphans);
    orphans.iter().for_each(|line| print_line(line));
    let n_more = asked.n_runs.saturating_sub(asked.runs.len() as u64);
    if n_more > 0 {
        print_line(&format!("\n{} of the {} more: --runs {}", counted(n_more, "run", "runs"), asked.what, asked.n_runs));
    }
}

/// One run.
fn lines(run: &Value) -> Vec<String> {
    let explain = &run["explain"];
    let agent = text_of(&run["agent_name"]);
    let of = if agent.is_empty() { String::new() } else { format!(" of {agent}") };
    let session = run["session_id"].as_str().map_or_else(|| "of no session".into(), |id| format!("session {}", visible(id)));
    let mut lines = vec![format!("run {}{of}, {session}", run["id"])];
    let why: Vec<String> = [("it is ", &explain["why_run"]), ("", &explain["why_session"])]
        .iter()
        .filter_map(|(before, why)| Some(format!("{before}{}", why["words"].as_str()?)))
        .collect();
    match why.is_empty() {
        true => {
            lines.push("  nothing can be explained: its spans are no longer kept, or have just become another run (then ask again)".into())
        }
        false => lines.push(format!("  {}", why.join("; "))),
    }
    if run["trace_id"].as_str().is_some_and(|trace| !trace.is_empty()) {
        lines.push(format!("  {}", text_of(&explain["attributes_from"]["words"])));
    }
    let meant = meant(list(&explain["spans"]));
    lines.extend(list(&explain["spans"]).map(|span| line(span, &meant)));
    let n_more = explain["span_count"].as_u64().unwrap_or(0).saturating_sub(list(&explain["spans"]).count() as u64);
    if n_more > 0 {
        lines.push(format!("  … {} more: --spans", counted(n_more, "span", "spans")));
    }
    for call in list(&explain["reported_calls"]) {
        lines.push(format!("  call that the SDK reported, and no span: {}{}", named(&call["model"]), counting(call)));
    }
    if !why.is_empty() {
        lines.extend(sums(run));
    }
    if let Some(words) = explain["told_elsewhere"]["words"].as_str() {
        lines.push(format!("  perhaps twice: {} (run {})", visible(words), explain["told_elsewhere"]["run_id"]));
    }
    lines
}

/// The spans that others refer to: their ids are shown.
fn meant<'a>(spans: impl Iterator<Item = &'a Value>) -> HashSet<&'a str> {
    spans.flat_map(|span| ["told_by", "cost_from", "tokens_from"].map(|field| span[field].as_str())).flatten().collect()
}

fn sums(run: &Value) -> Vec<String> {
    let explain = &run["explain"];
    let sum = |of: &Value, is_counted: bool| {
        let calls = counted(of["llm_calls"].as_u64().unwrap_or(0), "call", "calls");
        let cost = if of["cost"].as_f64() == Some(0.0) && !is_counted { String::new() } else { format!(", ${}", dollars(&of["cost"])) };
        format!("{calls}, {} tokens{cost}", of["tokens"])
    };
    let mut lines = vec![format!("  counted    {}", sum(&explain["counted"], true))];
    for left_out in list(&explain["left_out"]) {
        lines.push(format!("  left out   {}: {}", sum(left_out, false), text_of(&left_out["words"])));
    }
    let n_unpriced = run["usage"]["unpriced_calls"].as_u64().unwrap_or(0);
    if n_unpriced > 0 {
        lines.push(format!("  unpriced   {}: the cost is at least what is shown", counted(n_unpriced, "call", "calls")));
    }
    if explain["adds_up"] == false {
        let shown = sum(&explain["shown"], true);
        lines.push(format!("  shown      {shown}: its spans or the prices have changed since it was folded"));
    }
    lines
}

/// Spans of the trace that are of no run.
fn orphans(run: &Value) -> Vec<String> {
    let explain = &run["explain"];
    let n_orphans = explain["orphan_count"].as_u64().unwrap_or(0);
    if n_orphans == 0 {
        return Vec::new();
    }
    let mut lines =
        vec![format!("\n{} of the trace {} of no run", counted(n_orphans, "span", "spans"), if n_orphans == 1 { "is" } else { "are" })];
    let meant = meant(list(&explain["orphans"]));
    lines.extend(list(&explain["orphans"]).map(|span| line(span, &meant)));
    lines
}

/// One span.
fn line(span: &Value, meant: &HashSet<&str>) -> String {
    let indent = "  ".repeat(span["depth"].as_u64().unwrap_or(0).min(20) as usize + 1);
    let mut said = format!("{indent}{} {}", text_of(&span["kind"]), text_of(&span["name"]));
    if let Some(id) = span["span_id"].as_str().filter(|id| meant.contains(id)) {
        said.push_str(&format!(" ({id})"));
    }
    let mut by: Vec<String> = kind_by(span).into_iter().collect();
    if span["is_run"] == true {
        let overruled = span["why_session_overruled"]["words"].as_str();
        let named = |question: &'static str| {
            let overruled = overruled.filter(|_| question == "session").map_or_else(String::new, |why| format!(" (does not hold: {why})"));
            answers(span, question).map(move |(key, _)| format!("{question}: {key}{overruled}"))
        };
        by.extend(["session", "agent", "workflow", "user"].into_iter().flat_map(named));
    }
    if !by.is_empty() {
        said.push_str(&format!(" [{}]", by.join("; ")));
    }
    if span["is_run"] == true {
        said.push_str(": the run");
    }
    let mut parts = Vec::new();
    if span["is_run"] != true {
        parts.extend(span["why_run"]["words"].as_str().map(str::to_owned));
        let is_plain = matches!(span["why_owner"]["rule"].as_str(), Some("above" | "itself" | "one_run"));
        parts.extend(span["why_owner"]["words"].as_str().filter(|_| !is_plain).map(str::to_owned));
    }
    if span["why_not"]["rule"] != "no_call" {
        parts.push(format!("{}{}", named(&span["model"]), counting(span)));
    }
    parts.extend(list(&span["changes"]).map(text_of));
    parts.extend(list(&span["oddities"]).map(|oddity| format!("not believed: {}", text_of(oddity))));
    for part in parts {
        said.push_str(if said.ends_with(": the run") || said.contains("; ") { "; " } else { ": " });
        said.push_str(&part);
    }
    said
}

/// Which attribute says what the span is.
fn kind_by(span: &Value) -> Option<String> {
    let rule = span["why_kind"]["rule"].as_str()?;
    let keys: Vec<String> = answers(span, "kind").chain(answers(span, "repetition")).map(|(key, value)| format!("{key}={value}")).collect();
    match rule {
        "attribute" => Some(keys.join(", ")),
        "nothing" => None,
        _ => Some(
            [keys.join(", "), text_of(&span["why_kind"]["words"])]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(": "),
        ),
    }
}

/// What was reported, by which attributes, and what becomes of it.
fn counting(of: &Value) -> String {
    let number = |field: &str, question: &str, word: &str| {
        let number = of[field].as_u64()?;
        let keys: Vec<String> = answers(of, question).map(|(key, _)| key).collect();
        Some(format!("{number} {word}{}", if keys.is_empty() { String::new() } else { format!(" ({})", keys.join(" + ")) }))
    };
    match of["counting"].as_str() {
        Some("counted") => {
            let tokens = [number("input_tokens", "input tokens", "input"), number("output_tokens", "output tokens", "output")];
            let mut tokens: Vec<String> = tokens.into_iter().flatten().collect();
            if tokens.is_empty() {
                tokens.extend(number("tokens", "total tokens", "tokens"));
            }
            let parts = [
                ("cached_tokens", "cached tokens", "cached"),
                ("cache_write_tokens", "cache writes", "written to the cache"),
                ("cache_write_1h_tokens", "one-hour cache writes", "written for an hour"),
            ];
            let parts = parts.into_iter().filter(|(field, ..)| of[*field].as_u64().is_some_and(|part| part > 0));
            let parts: Vec<String> = parts.filter_map(|(field, question, word)| number(field, question, word)).collect();
            let parts = if parts.is_empty() { String::new() } else { format!(", of that {}", parts.join(" and ")) };
            let cost = of["cost"].as_number().map_or_else(String::new, |cost| format!("${}: ", dollars(&cost.clone().into())));
            let keys: Vec<String> = answers(of, "cost").map(|(key, _)| key).filter(|_| of["why_cost"]["rule"] == "stated").collect();
            let keys = if keys.is_empty() { String::new() } else { format!(" ({})", keys.join(" + ")) };
            let by = of["cost_from"].as_str().map_or_else(String::new, |span| format!(" ({span})"));
            let of_parts = of["tokens_from"].as_str().map_or_else(String::new, |span| format!(" (parts by {span})"));
            let rates: String = list(&of["price_rates"]).map(|rates| format!(", at the price {}", text_of(&rates["words"]))).collect();
            format!("{}{parts}{of_parts}, {cost}{}{rates}{keys}{by}", tokens.join(" + "), text_of(&of["why_cost"]["words"]))
        }
        Some("left_out") => {
            let by = of["told_by"].as_str().map_or_else(String::new, |span| format!(" ({span})"));
            format!("not counted, {} tokens: {}{by}", of["tokens"], text_of(&of["why_not"]["words"]))
        }
        _ => format!("nothing to count: {}", text_of(&of["why_not"]["words"])),
    }
}

/// The attributes that answered a question, with their values.
fn answers<'a>(span: &'a Value, question: &'a str) -> impl Iterator<Item = (String, String)> + 'a {
    let answers = list(&span["attributes"]).filter(move |answer| answer["question"] == question);
    answers.map(|answer| (text_of(&answer["key"]), text_of(&answer["value"])))
}

fn list(of: &Value) -> impl Iterator<Item = &Value> {
    of.as_array().into_iter().flatten()
}

/// Digit by digit: a number of dollars has nine places at most.
fn dollars(cost: &Value) -> String {
    let text = format!("{:.9}", cost.as_f64().unwrap_or_default());
    let (whole, places) = text.split_once('.').unwrap_or((&text, ""));
    let places = places.trim_end_matches('0');
    if places.is_empty() { whole.to_owned() } else { format!("{whole}.{places}") }
}

/// A model's name before what follows it.
fn named(model: &Value) -> String {
    let model = text_of(model);
    if model.is_empty() { model } else { format!("{model}: ") }
}

fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn text_of(text: &Value) -> String {
    visible(text.as_str().unwrap_or_default())
}

/// What others named could move the cursor otherwise.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn money_is_shown_digit_by_digit() {
        for (number, text) in
            [(json!(5.6e-7), "0.00000056"), (json!(0.0), "0"), (json!(12.5), "12.5"), (json!(1234567.000000001), "1234567.000000001")]
        {
            assert_eq!(dollars(&number), text);
        }
    }

    #[test]
    fn a_name_moves_no_cursor() {
        let span = json!({ "depth": 1, "kind": "tool", "name": "a\u{1b}[2Jb\n", "why_not": { "rule": "no_call" } });
        assert_eq!(line(&span, &HashSet::new()), "    tool a\u{fffd}[2Jb\u{fffd}");
    }

    #[test]
    fn a_run_whose_spans_are_gone_says_so_and_shows_no_sums() {
        let run = json!({ "id": 7, "agent_name": "bot", "session_id": "s", "trace_id": "", "explain": { "why_run": null } });
        assert_eq!(
            lines(&run),
            [
                "run 7 of bot, session s",
                "  nothing can be explained: its spans are no longer kept, or have just become another run (then ask again)"
            ]
        );
    }
}
