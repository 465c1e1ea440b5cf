//! What the Waxell SDK posted of a turn, which goes before what spans say.

use serde_json::Value as Json;

use super::turn::{Called, Step, Turn};
use crate::model::ids::{RunId, Tenant};
use crate::model::report::TOOL_STEP;
use crate::store::view::RunView;
use crate::ui::Ui;
use crate::ui::messages::{self, Call, Message, Role};
use crate::ui::refusal::Refusal;

const USER_STEP: &str = "io:user_message";
const AGENT_STEP: &str = "io:agent_response";
/// Runs within one another that are looked up.
const DEPTH_MAX: usize = 4;

/// Adds it to a turn, and the runs that it started in other traces.
pub(super) fn add(ui: &Ui, tenant: &Tenant, turn: &mut Turn, depth: usize) -> Result<(), Refusal> {
    // It may have been deleted meanwhile.
    let Some(view) = ui.store.run(tenant, turn.run.id)? else { return Ok(()) };
    tell(turn, &view);
    let known: Vec<RunId> =
        turn.steps.iter().filter_map(|step| if let Step::Delegated(child) = step { Some(child.run.id) } else { None }).collect();
    for child in view.children.iter().filter(|child| !known.contains(&child.id) && depth < DEPTH_MAX) {
        let Some(child) = ui.store.run(tenant, child.id)? else { continue };
        let mut below = Turn::bare(child.run);
        add(ui, tenant, &mut below, depth + 1)?;
        let before_the_answer = turn.steps.len() - usize::from(matches!(turn.steps.last(), Some(Step::Said(_))));
        turn.steps.insert(before_the_answer, Step::Delegated(Box::new(below)));
    }
    Ok(())
}

fn tell(turn: &mut Turn, view: &RunView) {
    // A run asks its models several times: the first question is the user's, the last answer the agent's.
    let said = |name: &'static str| view.steps.iter().filter(move |step| &*step.name == name).filter_map(|step| step.output.as_deref());
    let is_something = |text: &&str| !matches!(*text, "{}" | "null" | "[]");
    let asked = said(USER_STEP).next().or(view.inputs.as_deref().filter(is_something));
    let asked = asked.map(|text| messages::reported(text, &Role::User)).filter(|asked| !asked.is_empty());
    turn.asked = asked.unwrap_or_else(|| std::mem::take(&mut turn.asked));
    if !turn.steps.iter().any(|step| matches!(step, Step::Called(_))) {
        let tools = view.steps.iter().filter_map(|step| Some((step.name.strip_prefix(TOOL_STEP)?, step)));
        let called = tools.map(|(name, step)| Called {
            call: Call { id: None, name: name.to_owned(), arguments: Json::Null },
            result: step.output.as_deref().map(messages::given),
            is_error: false,
            error: None,
            duration: None,
            span: None,
            tool: None,
        });
        turn.steps.splice(0..0, called.map(Step::Called));
    }
    let answered = said(AGENT_STEP).next_back().or(view.result.as_deref().filter(is_something));
    let answered = answered.map(|text| messages::reported(text, &Role::Assistant)).unwrap_or_default();
    let is_new = answered.iter().map(Message::said).any(|text| text.trim().is_empty() || !turn.says(&text));
    if is_new {
        turn.steps.extend(answered.into_iter().map(Step::Said));
    }
    // What is kept of spans their own words say better.
    let is_said_better = turn.error.is_some() && view.error.as_deref() == view.run.error.as_deref();
    if let Some(error) = view.error.as_deref().filter(|_| !is_said_better) {
        turn.error = Some(error.to_owned());
    }
}
