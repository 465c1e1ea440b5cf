//! What is new in a window of time: the agents, models and tools that nothing was heard of in the window before.

use super::series::Series;
use crate::model::Str;

/// Names, in the order in which the overview lists them; those without one are nothing new.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct News<'a> {
    /// The most expensive first.
    pub agents: Vec<&'a Str>,
    /// The most expensive first.
    pub models: Vec<&'a Str>,
    /// Those that took most time first; `None` where a model is asked for, as in [`Series::tools`].
    pub tools: Option<Vec<&'a Str>>,
}

// === impl News ===

impl<'a> News<'a> {
    /// `None` where there were no runs before: then all would be new.
    pub fn of(series: &'a Series, before: &Series) -> Option<Self> {
        if before.total.n_runs() == 0 {
            return None;
        }
        let agents = series.agents_by_cost().into_iter().map(|(name, _)| name);
        let models = series.models_by_cost().into_iter().map(|(name, _)| name);
        let tools = series.tools_by_time().into_iter().map(|(name, _)| name);
        let was_called = |name: &Str| before.tools.as_ref().is_some_and(|tools| tools.contains_key(name));
        Some(Self {
            agents: agents.filter(|name| !name.is_empty() && !before.agents.contains_key(*name)).collect(),
            models: models.filter(|name| !name.is_empty() && !before.models.contains_key(*name)).collect(),
            tools: series.tools.as_ref().map(|_| tools.filter(|name| !name.is_empty() && !was_called(name)).collect()),
        })
    }
}
