//! Sums over time on disk: written by each checkpoint as they are at its moment, and read at start if they still are of the index's.
//!
//! A checkpoint writes the buckets that have changed, whole. Beside them it notes its own time under a key of the tenant; only where that
//! is the time of the last checkpoint of all do they hold. So what an older version wrote meanwhile, which knows nothing of them, makes
//! them begin anew, and so does whatever else could go wrong with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::Str;
use crate::model::time::UnixNanos;
use crate::model::tool::ToolUsage;
use crate::store::local::disk::load::{self, StoredSeries};
use crate::store::local::disk::rows::TenantNo;
use crate::store::local::state::buckets::Buckets;
use crate::store::local::state::cells::{AgentCell, Bucket, ModelCell, ProviderCell, ToolCell};
use crate::store::local::state::kept::Kept;
use crate::store::local::state::tenant::TenantCell;
use crate::store::local::state::tool_names::UnsavedNames;
use crate::wire::format::stored::tallies::{StoredAgentTally, StoredBucket, StoredModelTally, StoredTool, encode_bucket};

/// What a checkpoint writes of one tenant's sums.
#[derive(Default)]
pub(in crate::store::local) struct ChangedBuckets {
    /// Whatever buckets there are go first.
    pub(in crate::store::local) is_all: bool,
    /// Begin, length and what it holds; `None`: it is empty now.
    pub(in crate::store::local) rows: Vec<(u64, u64, Option<Vec<u8>>)>,
    /// Names of tools that are new in them.
    pub(in crate::store::local) tools: UnsavedNames,
}

/// What has changed since the last call; `None` if no sums are kept at the moment.
pub(super) fn changed_buckets(cell: &TenantCell) -> Option<ChangedBuckets> {
    let state = cell.read();
    let mut kept = state.sums.lock();
    let Kept::On(buckets) = &mut *kept else { return None };
    let tools = buckets.take_unsaved_tools();
    let (is_all, rows) = buckets.take_unsaved();
    let rows = rows.into_iter().map(|(begin, length, bucket)| (begin, length, bucket.map(|bucket| encode_bucket(stored(bucket)))));
    Some(ChangedBuckets { is_all, rows: rows.collect(), tools })
}

/// Goes on with the sums of those tenants whose are of the moment of the last checkpoint.
pub(super) fn restore(
    db: &rusqlite::Connection,
    cells: &FxHashMap<TenantNo, Arc<TenantCell>>,
    last_checkpoint: UnixNanos,
) -> rusqlite::Result<()> {
    let StoredSeries { written_at, buckets, tools } = load::series(db)?;
    let mut by_tenant: FxHashMap<TenantNo, Vec<(u64, u64, Bucket)>> = FxHashMap::default();
    let mut names = Names::default();
    let mut tools_of: FxHashMap<TenantNo, Vec<Str>> = FxHashMap::default();
    for (tenant, name) in tools {
        tools_of.entry(tenant).or_default().push(names.shared(name));
    }
    for (tenant, begin, length, bucket) in buckets {
        by_tenant.entry(tenant).or_default().push((begin, length, restored(bucket, &mut names)));
    }
    for (tenant, at) in written_at {
        let Some(cell) = cells.get(&tenant).filter(|_| at == last_checkpoint) else { continue };
        if let Some(buckets) =
            Buckets::restored(by_tenant.remove(&tenant).unwrap_or_default(), tools_of.remove(&tenant).unwrap_or_default())
        {
            *cell.write().sums.get_mut() = Kept::On(buckets);
        }
    }
    Ok(())
}

fn stored(bucket: &Bucket) -> StoredBucket {
    let model = |(name, cell): (&Str, &ModelCell)| StoredModelTally {
        name: name.clone(),
        tally: cell.tally.clone(),
        providers: cell.providers.iter().map(|provider| (provider.name.clone(), provider.n_runs, provider.usage)).collect(),
    };
    let tool = |(name, cell): (&Str, &ToolCell)| StoredTool {
        usage: ToolUsage { tool: name.clone(), calls: cell.calls.clone() },
        n_runs: cell.n_runs,
        last_seen: cell.last_seen,
    };
    let agents = bucket.agents.iter().map(|(name, cell)| StoredAgentTally {
        name: name.clone(),
        tally: cell.tally.clone(),
        last_run: cell.last_run,
        is_loose: cell.is_loose,
        dearest: cell.dearest,
        slowest: cell.slowest,
        models: cell.models.iter().map(model).collect(),
        tools: cell.tools.iter().map(tool).collect(),
    });
    StoredBucket { agents: agents.collect(), longest: bucket.longest, lead: bucket.lead }
}

fn restored(bucket: StoredBucket, names: &mut Names) -> Bucket {
    let mut agents = BTreeMap::new();
    for agent in bucket.agents {
        let mut models = BTreeMap::new();
        for model in agent.models {
            let mut providers = Vec::with_capacity(model.providers.len());
            for (name, n_runs, usage) in model.providers {
                providers.push(ProviderCell { name: names.shared(name), n_runs, usage });
            }
            models.insert(names.shared(model.name), ModelCell { tally: model.tally, providers });
        }
        let mut tools = BTreeMap::new();
        for StoredTool { usage: ToolUsage { tool, calls }, n_runs, last_seen } in agent.tools {
            tools.insert(names.shared(tool), ToolCell { calls, n_runs, last_seen });
        }
        let StoredAgentTally { name, tally, last_run, is_loose, dearest, slowest, .. } = agent;
        agents.insert(names.shared(name), AgentCell { tally, last_run, is_loose, dearest, slowest, models, tools });
    }
    Bucket { longest: bucket.longest, lead: bucket.lead, agents }
}

/// Names stand in every bucket, and once in memory.
#[derive(Default)]
struct Names(FxHashSet<Str>);

impl Names {
    fn shared(&mut self, name: Str) -> Str {
        if let Some(known) = self.0.get(&name) {
            return known.clone();
        }
        self.0.insert(name.clone());
        name
    }
}
