//! What an operator's settings change, and which are refused.

use super::*;
use Value::Str as Text;

#[derive(Default)]
struct Written {
    session_keys: Vec<&'static str>,
    user_keys: Vec<&'static str>,
    agent_keys: Vec<&'static str>,
    strong: Option<Vec<&'static str>>,
    weak: Option<Vec<&'static str>>,
    without_cache: Vec<&'static str>,
}

impl Written {
    fn read(&self) -> Result<Conventions, SettingsError> {
        let owned = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        let order = |keys: &Option<Vec<&str>>, weak| keys.as_ref().map_or_else(|| session_keys(weak), |keys| owned(keys));
        Conventions::new(&Settings {
            session_keys: &owned(&self.session_keys),
            user_keys: &owned(&self.user_keys),
            agent_keys: &owned(&self.agent_keys),
            strong_session_keys: &order(&self.strong, false),
            weak_session_keys: &order(&self.weak, true),
            input_without_cache: &owned(&self.without_cache),
            keep_questions: true,
        })
    }

    fn labels(&self, attributes: &[(&str, Value<'_>)]) -> Labels {
        let (conventions, mut strings) = (self.read().unwrap(), Strings::default());
        let scope = conventions.scope("a.scope", &mut strings);
        let attributes = attributes.iter().copied().map(attribute);
        let extracted = extract_with(plain_span(), attributes, &scope, &Resource::default(), NOW, &mut strings).unwrap();
        *extracted.fact.labels.unwrap_or_default()
    }

    fn refusal(&self) -> String {
        self.read().unwrap_err().to_string()
    }
}

#[test]
fn keys_of_ones_own_are_read_before_all_others() {
    let written =
        Written { session_keys: vec!["acme.chat"], user_keys: vec!["acme.who"], agent_keys: vec!["acme.bot"], ..Written::default() };
    let attributes =
        [("session.id", Text("s")), ("acme.chat", Text("c")), ("user.id", Text("u")), ("acme.who", Text("w")), ("agent.name", Text("a"))];
    let labels = written.labels(&attributes);
    assert_eq!((labels.session, labels.is_session_weak), (SessionId::new("c"), false));
    assert_eq!((labels.user.as_deref(), labels.agent.as_deref()), (Some("w"), Some("a")));
    assert_eq!(written.labels(&[("acme.bot", Text("b"))]).agent.as_deref(), Some("b"));
    assert!(written.read().unwrap().span_keys().any(|key| key == "acme.chat"), "a rebuild asks for it");
    assert!(written.read().unwrap().resource_keys().any(|key| key == "acme.chat"));
}

#[test]
fn which_session_keys_are_strong_and_which_stands_first_is_a_setting() {
    let both = [("session.id", Text("browser")), ("acme.chat", Text("c"))];
    let own_first =
        Written { session_keys: vec!["acme.chat"], strong: Some(vec!["acme.chat"]), weak: Some(vec!["session.id"]), ..Written::default() };
    assert_eq!(own_first.labels(&both).session, SessionId::new("c"));
    let labels = own_first.labels(&both[..1]);
    assert_eq!((labels.session, labels.is_session_weak), (SessionId::new("browser"), true));
    let last = Written { session_keys: vec!["acme.chat"], strong: Some(vec!["session.id", "acme.chat"]), ..Written::default() };
    assert_eq!(last.labels(&both).session, SessionId::new("browser"));
    // What no order names is not read.
    assert_eq!(last.labels(&[("waxell.session_id", Text("w"))]).session, None);
}

#[test]
fn what_cannot_be_meant_is_refused_by_setting_and_entry() {
    let own = |key| Written { session_keys: vec![key], ..Written::default() };
    assert_eq!(
        own("gen_ai.request.model").refusal(),
        "conventions.session_keys: \"gen_ai.request.model\" is read already: docs/conventions.md says as what"
    );
    assert!(own("").refusal().contains("is no attribute key"));
    let twice = Written { session_keys: vec!["a"], user_keys: vec!["a"], ..Written::default() };
    assert_eq!(twice.refusal(), "conventions.user_keys: \"a\" is given twice");
    let strange = Written { strong: Some(vec!["session.identifier"]), ..Written::default() };
    assert!(strange.refusal().starts_with("conventions.strong_session_keys: \"session.identifier\" is no session key"));
    let contradicting = Written { weak: Some(vec!["session.id"]), ..Written::default() };
    assert!(
        contradicting.refusal().starts_with("conventions.weak_session_keys: \"session.id\" is given twice"),
        "{}",
        contradicting.refusal()
    );
    assert!(Written { without_cache: vec![""], ..Written::default() }.refusal().contains("would be every scope"));
}

#[test]
fn input_of_a_scope_that_is_said_to_leave_out_the_cache_holds_it() {
    let input = |written: &Written| {
        let (conventions, mut strings) = (written.read().unwrap(), Strings::default());
        let scope = conventions.scope("acme.llm.v2", &mut strings);
        let attributes = [("gen_ai.usage.input_tokens", Value::Int(100)), ("gen_ai.usage.cache_read.input_tokens", Value::Int(40))];
        let attributes = attributes.into_iter().map(attribute);
        let extracted = extract_with(plain_span(), attributes, &scope, &Resource::default(), NOW, &mut strings).unwrap();
        extracted.fact.call.unwrap().usage.input_tokens
    };
    assert_eq!(input(&Written::default()), Some(100));
    assert_eq!(input(&Written { without_cache: vec!["acme.llm"], ..Written::default() }), Some(140));
}
