//! One claim a rule of `docs/conventions.md`.

use super::*;
use crate::model::ids::SESSION_ID_MAX_BYTES;
use crate::model::usage::{SPAN_COST_MAX, SPAN_TOKENS_MAX, ServiceTier};
use Value::{Bool, Double, Int, Str as Text};

// --- sessions

#[test]
fn a_decoy_is_never_a_session() {
    for key in [
        "waxell.tag.session_id",
        "mcp.session.id",
        "waxell.memory.session_id",
        "waxell.mcp.caller_session_id",
        "rollout.session_id",
        "session_id",
        "Session.Id",
        "waxell.session_id ",
        "service.name",
    ] {
        assert_eq!(fact(&[(key, Text("decoy"))]).labels, None, "{key}");
        assert_eq!(extract_from(plain_span(), &[], &[(key, Text("decoy"))]).unwrap().fact.labels, None, "{key}");
    }
    assert!(!fact(&[("waxell.agent.framework", Text("langchain"))]).is_framework);
}

#[test]
fn an_empty_session_id_is_none_and_a_blank_one_is_an_id() {
    assert_eq!(session(&[("waxell.session_id", Text(""))]), None);
    assert_eq!(session(&[("waxell.session_id", Text("")), ("session.id", Text("s"))]).as_deref(), Some("s"));
    assert_eq!(session(&[("waxell.session_id", Text(" "))]).as_deref(), Some(" "));
    assert_eq!(session(&[("waxell.session_id", Text("a/b?c#d ü"))]).as_deref(), Some("a/b?c#d ü"));
}

#[test]
fn a_session_id_of_another_type_is_its_digits_or_nothing() {
    assert_eq!(session(&[("session.id", Int(4711))]).as_deref(), Some("4711"));
    assert_eq!(session(&[("session.id", Int(i64::MIN))]).as_deref(), Some("-9223372036854775808"));
    assert_eq!(session(&[("session.id", Value::Empty)]), None);
    for value in [Bool(true), Double(1.5), Value::Bytes(b"s")] {
        let odd = vec![Oddity::SessionIdWrongType];
        let of_span = extracted(&[("session.id", value)]);
        assert_eq!((of_span.fact.session(), &of_span.oddities), (None, &odd), "{value:?}");
        let of_resource = extract_from(plain_span(), &[], &[("session.id", value)]).unwrap();
        assert_eq!((of_resource.fact.session(), &of_resource.oddities), (None, &odd), "{value:?}");
        // Another key may name it all the same.
        let other = extracted(&[("waxell.session_id", value), ("session.id", Text("s"))]);
        assert_eq!((other.fact.session().map(|id| id.as_str()), &other.oddities), (Some("s"), &odd), "{value:?}");
    }
}

#[test]
fn a_session_id_that_is_too_long_is_none_and_no_lesser_key_takes_its_place() {
    let longest = "x".repeat(SESSION_ID_MAX_BYTES);
    assert_eq!(session(&[("waxell.session_id", Text(&longest))]), Some(longest.clone()));
    let too_long = format!("{longest}y");
    let attributes = [("waxell.session_id", Text(&too_long)), ("session.id", Text("other"))];
    let extracted = extract_from(plain_span(), &attributes, &[("session.id", Text("of the process"))]).unwrap();
    assert_eq!((extracted.fact.session(), extracted.oddities), (None, vec![Oddity::SessionIdTooLong]));
}

#[test]
fn a_resource_is_the_last_resort_for_a_session() {
    let resource = [("service.name", Text("bot")), ("session.id", Text("lesser")), ("waxell.session_id", Text("of the process"))];
    let of = |span: Scalars<'_>, attributes: &[(&str, Value<'_>)]| {
        let fact = extract_from(span, attributes, &resource).unwrap().fact;
        let text = |id: Option<&SessionId>| id.map(|id| id.as_str().to_owned());
        (text(fact.session()), text(fact.resource_session()))
    };
    let process = Some("of the process".to_owned());
    // Which spans it holds for depends on those above them, so every span has it that names none.
    assert_eq!(of(plain_span(), &[]), (None, process.clone()));
    assert_eq!(of(Scalars { parent_span_id: &[3; 8], ..plain_span() }, &[]), (None, process));
    assert_eq!(of(plain_span(), &[("mlflow.trace.session", Text("own"))]), (Some("own".into()), None));
}

#[test]
fn a_resource_says_nothing_else() {
    let resource = [("user.id", Text("u")), ("gen_ai.agent.name", Text("a")), ("gen_ai.usage.input_tokens", Int(5)), ("model", Text("m"))];
    let fact = extract_from(plain_span(), &[], &resource).unwrap().fact;
    assert_eq!((fact.labels, fact.call), (None, None));
}

// --- other labels

#[test]
fn a_run_id_is_text_or_a_number_and_only_waxells() {
    assert_eq!(label(&[("waxell.run_id", Text("run_abc"))], |l| l.run_id).as_deref(), Some("run_abc"));
    assert_eq!(label(&[("waxell.run_id", Int(101))], |l| l.run_id).as_deref(), Some("101"));
    assert_eq!(label(&[("run_id", Int(101))], |l| l.run_id), None);
}

#[test]
fn a_traceloop_entity_is_an_agent_only_where_it_says_so() {
    let entity = ("traceloop.entity.name", Text("researcher"));
    assert_eq!(label(&[entity, ("traceloop.span.kind", Text("agent"))], |l| l.agent).as_deref(), Some("researcher"));
    assert_eq!(label(&[entity, ("traceloop.span.kind", Text("task"))], |l| l.agent), None);
    assert_eq!(label(&[entity], |l| l.agent), None);
    assert_eq!(label(&[entity, ("gen_ai.operation.name", Text("invoke_agent"))], |l| l.agent), None);
    let named = [entity, ("traceloop.span.kind", Text("agent")), ("crewai.agent.role", Text("writer"))];
    assert_eq!(label(&named, |l| l.agent).as_deref(), Some("writer"));
}

#[test]
fn long_names_are_cut_between_characters() {
    let long = "é".repeat(200);
    let span = Scalars { name: &long, ..plain_span() };
    let attributes = [("gen_ai.agent.name", Text(&long)), ("user.id", Text(&long)), ("gen_ai.request.model", Text(&long))];
    let fact = extract_from(span, &attributes, &[]).unwrap().fact;
    let labels = fact.labels.unwrap();
    for text in [fact.name, labels.agent.unwrap(), labels.user.unwrap(), fact.call.unwrap().model] {
        assert_eq!(*text, *"é".repeat(128));
    }
    let uneven = format!("x{long}");
    assert_eq!(label(&[("waxell.workflow_name", Text(&uneven))], |l| l.workflow).unwrap().len(), 255);
}

// --- usage

#[test]
fn what_waxell_says_twice_counts_once() {
    let both = [
        ("waxell.llm.input_tokens", Int(120)),
        ("waxell.llm.output_tokens", Int(30)),
        ("waxell.llm.total_tokens", Int(150)),
        ("waxell.llm.cost", Double(0.0006000000000000001)),
        ("gen_ai.usage.input_tokens", Int(120)),
        ("gen_ai.usage.output_tokens", Int(30)),
    ];
    let usage = usage(&both);
    assert_eq!((usage.tokens(), usage.cost), (150, nanos(600_000)));
}

#[test]
fn tokens_come_from_one_namespace_whole() {
    let mixed = [("llm.token_count.completion", Int(7)), ("gen_ai.usage.input_tokens", Int(100)), ("llm.token_count.prompt", Int(99))];
    let usage = usage(&mixed);
    assert_eq!((usage.input_tokens, usage.output_tokens), (Some(100), None));
}

#[test]
fn zeros_yield_to_a_later_namespace_with_numbers() {
    let mixed = [
        ("waxell.llm.input_tokens", Int(0)),
        ("waxell.llm.output_tokens", Int(0)),
        ("waxell.llm.cost", Double(0.0)),
        ("llm.token_count.prompt", Int(10)),
        ("llm.token_count.completion", Int(5)),
        ("llm.cost.total", Double(0.25)),
    ];
    let found = usage(&mixed);
    assert_eq!((found.input_tokens, found.output_tokens, found.cost), (Some(10), Some(5), nanos(250_000_000)));
    let zeros = usage(&mixed[..3]);
    assert_eq!((zeros.input_tokens, zeros.output_tokens, zeros.cost), (Some(0), Some(0), nanos(0)));
}

#[test]
fn a_present_name_comes_before_a_deprecated_one_field_by_field_unless_it_is_zero() {
    let mixed =
        [("gen_ai.usage.prompt_tokens", Int(1)), ("gen_ai.usage.input_tokens", Int(100)), ("gen_ai.usage.completion_tokens", Int(20))];
    assert_eq!((usage(&mixed).input_tokens, usage(&mixed).output_tokens), (Some(100), Some(20)));
    let zero = [("gen_ai.usage.input_tokens", Int(0)), ("gen_ai.usage.prompt_tokens", Int(9))];
    assert_eq!(usage(&zero).input_tokens, Some(9));
    assert_eq!(usage(&[zero[1], zero[0]]).input_tokens, Some(9));
}

#[test]
fn a_cost_of_another_namespace_stands_where_the_first_has_none() {
    let tokens = [("gen_ai.usage.input_tokens", Int(10)), ("gen_ai.usage.output_tokens", Int(5))];
    for (key, value) in [
        ("operation.cost", Double(0.5)),
        ("llm.cost.total", Text("0.5")),
        ("langfuse.observation.cost_details", Text(r#"{"total":0.5}"#)),
        ("langfuse.observation.cost_details.total", Double(0.5)),
        ("gen_ai.cost.total_cost", Double(0.5)),
        ("gen_ai.usage.output_cost", Double(0.5)),
    ] {
        let found = usage(&[tokens[0], tokens[1], (key, value)]);
        assert_eq!((found.tokens(), found.cost), (15, nanos(500_000_000)), "{key}");
        let own = usage(&[tokens[0], tokens[1], (key, value), ("gen_ai.usage.cost", Double(0.25))]);
        assert_eq!(own.cost, nanos(250_000_000), "{key}");
        let unpriced = usage(&[tokens[0], tokens[1], (key, value), ("gen_ai.usage.cost", Double(0.0))]);
        assert_eq!(unpriced.cost, nanos(500_000_000), "{key}");
    }
    let cost_first = usage(&[("waxell.llm.cost", Double(0.5)), tokens[0], tokens[1]]);
    assert_eq!((cost_first.tokens(), cost_first.cost), (15, nanos(500_000_000)));
}

#[test]
fn halves_of_a_cost_add_up_where_no_whole_is_there() {
    let halves = [("gen_ai.usage.input_cost", Double(0.1)), ("gen_ai.usage.output_cost", Text("0.2"))];
    assert_eq!(usage(&halves).cost, nanos(300_000_000));
    assert_eq!(usage(&halves[..1]).cost, nanos(100_000_000));
    let whole = [("llm.cost.prompt", Double(0.1)), ("llm.cost.completion", Double(0.1)), ("llm.cost.total", Double(0.7))];
    assert_eq!(usage(&whole).cost, nanos(700_000_000));
}

#[test]
fn cached_and_reasoning_tokens_are_never_added() {
    let found = usage(&[
        ("gen_ai.usage.input_tokens", Int(1000)),
        ("gen_ai.usage.output_tokens", Int(100)),
        ("gen_ai.usage.cache_read.input_tokens", Int(900)),
        ("gen_ai.usage.cache_creation.input_tokens", Int(50)),
        ("gen_ai.usage.reasoning.output_tokens", Int(60)),
    ]);
    assert_eq!(found.tokens(), 1100);
    assert_eq!((found.cache_read_tokens, found.cache_write_tokens, found.reasoning_tokens), (Some(900), Some(50), Some(60)));
}

#[test]
fn cache_writes_for_an_hour_are_a_part_of_the_cache_writes_and_all_of_them_where_only_they_are_told() {
    let anthropic = ("anthropic.usage.cache_creation.ephemeral_1h_input_tokens", Int(40));
    let told = |attributes: &[(&str, Value<'_>)]| {
        let found = usage(attributes);
        (found.cache_write_tokens, found.cache_write_1h_tokens)
    };
    assert_eq!(told(&[("gen_ai.usage.cache_creation.input_tokens", Int(50)), anthropic]), (Some(50), 40));
    assert_eq!(told(&[("llm.token_count.prompt_details.cache_write", Int(50)), anthropic]), (Some(50), 40));
    assert_eq!(told(&[("gen_ai.usage.cache_creation.input_tokens", Int(0)), anthropic]), (Some(40), 40));
    assert_eq!(told(&[("gen_ai.usage.cache_write_1h.input_tokens", Int(30)), anthropic]), (Some(30), 30));
    assert_eq!(told(&[("gen_ai.usage.cache_write_1h.input_tokens", Int(0))]), (None, 0));
}

#[test]
fn a_tier_is_what_the_answer_says_before_what_was_asked_for_and_a_word_that_nobody_knows_says_nothing() {
    let told = |attributes: &[(&str, Value<'_>)]| {
        let attributes: Vec<_> = [("gen_ai.request.model", Text("gpt-5.4"))].into_iter().chain(attributes.iter().copied()).collect();
        fact(&attributes).call.unwrap().tier
    };
    let (asked, answered) = ("gen_ai.openai.request.service_tier", "openai.response.service_tier");
    assert_eq!(told(&[]), None);
    assert_eq!(told(&[(asked, Text("priority"))]), Some(ServiceTier::Priority));
    assert_eq!(told(&[(asked, Text("priority")), (answered, Text("default"))]), Some(ServiceTier::Standard));
    assert_eq!(told(&[(asked, Text("Flex")), (answered, Text("auto"))]), Some(ServiceTier::Flex));
    assert_eq!(told(&[("langfuse.observation.metadata.service_tier", Text("\"flex\""))]), Some(ServiceTier::Flex));
    assert_eq!(told(&[(asked, Text("fastest")), (answered, Int(1))]), None);
    assert_eq!(told(&[("speed", Text("fast"))]), None);
    // A tier alone is no call.
    assert_eq!(fact(&[(answered, Text("priority"))]).call, None);
}

#[test]
fn a_detail_that_only_another_namespace_tells_is_told() {
    let found =
        usage(&[("gen_ai.usage.input_tokens", Int(100)), ("ai.usage.cachedInputTokens", Int(90)), ("llm.usage.reasoning_tokens", Int(3))]);
    assert_eq!((found.tokens(), found.cache_read_tokens, found.reasoning_tokens), (100, Some(90), Some(3)));
}

#[test]
fn an_emitted_total_stands_only_without_a_split() {
    assert_eq!(usage(&[("llm.usage.total_tokens", Int(40))]).tokens(), 40);
    let zeros = [("gen_ai.usage.input_tokens", Int(0)), ("gen_ai.usage.output_tokens", Int(0)), ("gen_ai.usage.total_tokens", Int(40))];
    assert_eq!(usage(&zeros).tokens(), 40);
    let split = [("gen_ai.usage.input_tokens", Int(8)), ("gen_ai.usage.output_tokens", Int(1)), ("gen_ai.usage.total_tokens", Int(40))];
    assert_eq!(usage(&split).tokens(), 9);
}

#[test]
fn aggregated_and_bare_keys_are_not_usage() {
    for key in [
        "gen_ai.aggregated_usage.input_tokens",
        "gen_ai.aggregated_usage.output_tokens",
        "input_tokens",
        "tokens_in",
        "total_tokens",
        "cost",
        "session.total_tokens",
        "session.total_cost_usd",
        "cache_read_input_tokens",
    ] {
        assert_eq!(fact(&[(key, Int(5))]).call, None, "{key}");
    }
}

#[test]
fn numbers_that_cannot_be_true_are_counted_and_spoil_nothing_else() {
    for (key, value, oddity) in [
        ("gen_ai.usage.input_tokens", Int(-5), Oddity::TokensInvalid),
        ("gen_ai.usage.input_tokens", Double(f64::NAN), Oddity::TokensInvalid),
        ("gen_ai.usage.input_tokens", Int(SPAN_TOKENS_MAX as i64 + 1), Oddity::TokensInvalid),
        ("gen_ai.usage.input_tokens", Text("lots"), Oddity::TokensInvalid),
        ("gen_ai.usage.cost", Double(-0.1), Oddity::CostInvalid),
        ("gen_ai.usage.cost", Double(f64::INFINITY), Oddity::CostInvalid),
        ("gen_ai.usage.cost", Double(SPAN_COST_MAX.0 as f64), Oddity::CostInvalid),
        ("gen_ai.usage.cost", Text("free"), Oddity::CostInvalid),
        ("langfuse.observation.usage_details", Text("{"), Oddity::TokensInvalid),
        ("langfuse.observation.cost_details", Text(r#"{"total":-1}"#), Oddity::CostInvalid),
    ] {
        let attributes =
            [(key, value), ("gen_ai.usage.output_tokens", Int(7)), ("gen_ai.request.model", Text("m")), ("session.id", Text("s"))];
        let extracted = extracted(&attributes);
        assert_eq!(extracted.oddities, [oddity], "{key} {value:?}");
        let call = extracted.fact.call.as_deref().unwrap();
        assert_eq!((call.usage.input_tokens, call.usage.output_tokens, call.usage.cost), (None, Some(7), None), "{key} {value:?}");
        assert_eq!((&*call.model, extracted.fact.session().map(|id| id.as_str())), ("m", Some("s")));
    }
}

#[test]
fn a_number_that_is_not_believed_yields_to_the_next_key() {
    let extracted = extracted(&[("gen_ai.usage.input_tokens", Int(-1)), ("gen_ai.usage.prompt_tokens", Text("12.0"))]);
    assert_eq!(extracted.fact.call.unwrap().usage.input_tokens, Some(12));
    assert_eq!(extracted.oddities, [Oddity::TokensInvalid]);
}

#[test]
fn a_boolean_or_bytes_are_no_number_and_nothing_odd() {
    let found = fact(&[("gen_ai.usage.input_tokens", Bool(true)), ("gen_ai.usage.cost", Value::Bytes(b"5"))]);
    assert_eq!(found.call, None);
}

#[test]
fn halves_of_a_cost_that_are_absurd_together_are_not_believed() {
    let extracted = extracted(&[("gen_ai.usage.input_cost", Int(900_000)), ("gen_ai.usage.output_cost", Int(900_000))]);
    assert_eq!((extracted.fact.call, extracted.oddities), (None, vec![Oddity::CostInvalid]));
}

// --- kinds

#[test]
fn where_kinds_disagree_the_first_key_that_says_something_stands() {
    let kind = |attributes: &[(&str, Value<'_>)]| fact(attributes).kind;
    let oi_chain = ("openinference.span.kind", Text("CHAIN"));
    assert_eq!(kind(&[oi_chain, ("waxell.span_type", Text("llm_call"))]), SpanKind::Llm);
    assert_eq!(kind(&[oi_chain, ("gen_ai.operation.name", Text("invoke_agent"))]), SpanKind::Agent);
    assert_eq!(kind(&[oi_chain, ("waxell.span_type", Text("of tomorrow"))]), SpanKind::Step);
    assert_eq!(kind(&[oi_chain, ("waxell.span_type", Int(1))]), SpanKind::Step);
    let strands = [("langfuse.observation.type", Text("span")), ("gen_ai.operation.name", Text("invoke_agent"))];
    assert_eq!(kind(&strands), SpanKind::Agent);
}

#[test]
fn a_model_with_usage_is_a_call_unless_it_is_a_container() {
    let (model, tokens) = (("gen_ai.response.model", Text("m")), ("gen_ai.usage.input_tokens", Int(5)));
    assert_eq!(fact(&[model, tokens]).kind, SpanKind::Llm);
    assert_eq!(fact(&[model]).kind, SpanKind::Other);
    assert_eq!(fact(&[tokens]).kind, SpanKind::Other);
    assert_eq!(fact(&[model, tokens, ("gen_ai.operation.name", Text("invoke_agent"))]).kind, SpanKind::Agent);
    assert_eq!(fact(&[model, tokens, ("openinference.span.kind", Text("CHAIN"))]).kind, SpanKind::Step);
}

#[test]
fn a_bare_model_attribute_counts_only_beside_usage_or_on_a_model_span() {
    let model = ("model", Text("Fiat 500"));
    assert_eq!(fact(&[model]).call, None);
    assert_eq!(&*fact(&[model, ("operation.cost", Double(0.1))]).call.unwrap().model, "Fiat 500");
    assert_eq!(&*fact(&[model, ("openinference.span.kind", Text("LLM"))]).call.unwrap().model, "Fiat 500");
}

#[test]
fn the_marks_of_echo_and_wrapper_spans_are_kept() {
    let echo = fact(&[("waxell.llm.model", Text("m")), ("gen_ai.request.model", Text("m"))]);
    assert!(!echo.has_response_model && !echo.is_framework);
    assert!(fact(&[("gen_ai.response.model", Text("m"))]).has_response_model);
    assert!(!fact(&[("gen_ai.response.model", Text(""))]).has_response_model);
    assert!(fact(&[("waxell.framework", Text("langchain"))]).is_framework);
}

// --- scalars

#[test]
fn scalars_are_kept_as_they_came() {
    let outcome = Outcome { status: SpanStatus::Error, ..Outcome::default() };
    let span = Scalars { parent_span_id: &[3; 8], outcome, name: "chat gpt-4o", ..plain_span() };
    let found = extract_from(span, &[], &[]).unwrap();
    assert_eq!(found.trace, TraceId::from_bytes(&[1; 16]).unwrap());
    assert_eq!(found.fact.span, SpanId::from_bytes(&[2; 8]).unwrap());
    assert_eq!(found.fact.parent, SpanId::from_bytes(&[3; 8]));
    assert_eq!((found.fact.status, &*found.fact.name, &*found.fact.scope), (SpanStatus::Error, "chat gpt-4o", "a.scope"));
    assert_eq!((found.fact.duration(), found.fact.is_future), (Nanos::from_secs(1), false));
    assert_eq!((found.fact.labels, found.fact.call, found.oddities), (None, None, vec![]));
}

#[test]
fn a_span_without_valid_ids_is_none() {
    assert_eq!(extract_from(Scalars { trace_id: &[0; 16], ..plain_span() }, &[], &[]), None);
    assert_eq!(extract_from(Scalars { trace_id: &[1; 15], ..plain_span() }, &[], &[]), None);
    assert_eq!(extract_from(Scalars { span_id: &[], ..plain_span() }, &[], &[]), None);
}

#[test]
fn odd_times_are_kept_and_counted() {
    let day = FUTURE_SLACK.0;
    for (start, end, is_future, oddities) in [
        (NOW.0, NOW.0 + 1, false, vec![]),
        (NOW.0, 0, false, vec![]),
        (0, NOW.0, false, vec![Oddity::NoStart]),
        (0, 0, false, vec![Oddity::NoStart]),
        (NOW.0, NOW.0 - 1, false, vec![Oddity::EndBeforeStart]),
        (NOW.0 + day, NOW.0 + day, false, vec![]),
        (NOW.0, NOW.0 + day + 1, true, vec![Oddity::FarFuture]),
        (NOW.0 + day + 1, 0, true, vec![Oddity::FarFuture]),
        (u64::MAX, 1, true, vec![Oddity::FarFuture, Oddity::EndBeforeStart]),
    ] {
        let span = Scalars { start: UnixNanos(start), end: UnixNanos(end), ..plain_span() };
        let found = extract_from(span, &[], &[]).unwrap();
        assert_eq!((found.fact.start.0, found.fact.end.0), (start, end));
        assert_eq!((found.fact.is_future, found.oddities), (is_future, oddities), "{start} {end}");
    }
}

#[test]
fn a_span_of_our_own_that_comes_back_is_no_span() {
    let cost = [attribute(("sessionfold.cost", Double(1.0)))];
    let read = |name, scope| {
        let span = Scalars { name, ..plain_span() };
        extract_with(span, cost.into_iter(), &super::scope(scope), &Resource::default(), NOW, &mut Strings::default()).is_some()
    };
    assert!(!read("sessionfold.correction", "sessionfold") && !read("sessionfold.run", "sessionfold"));
    assert!(read("sessionfold.correction", "somebody.else") && read("sessionfold.other", "sessionfold"));
}
