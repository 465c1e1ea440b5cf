//! The blob of a bucket: what the runs of a time come to.

use prost::Message;

use super::{UnreadableBlob, decode_total};
use crate::model::Str;
use crate::model::durations::Durations;
use crate::model::tally::Tally;
use crate::model::time::{Nanos, UnixNanos};
use crate::model::tool::{ToolCalls, ToolUsage};
use crate::model::usage::UsageTotal;
use crate::wire::format::proto::stored;

/// One agent of a bucket.
pub struct StoredAgentTally {
    pub name: Str,
    pub tally: Tally,
    pub last_run: UnixNanos,
    pub is_loose: bool,
    pub dearest: u64,
    pub slowest: u64,
    pub models: Vec<StoredModelTally>,
    pub tools: Vec<StoredTool>,
}

pub struct StoredTool {
    pub usage: ToolUsage,
    pub n_runs: u64,
    pub last_seen: UnixNanos,
}

pub struct StoredModelTally {
    pub name: Str,
    pub tally: Tally,
    /// Each with its number of runs.
    pub providers: Vec<(Str, u64, UsageTotal)>,
}

/// All agents of a bucket, and how long its runs lasted at most, and how long before their start they were active.
pub struct StoredBucket {
    pub agents: Vec<StoredAgentTally>,
    pub longest: u64,
    pub lead: u64,
}

pub fn encode_bucket(bucket: StoredBucket) -> Vec<u8> {
    let agents = bucket.agents.into_iter().map(|agent| stored::AgentTally {
        name: agent.name.as_ref().to_owned(),
        tally: Some(encode_tally(&agent.tally)),
        last_run: agent.last_run.0,
        is_loose: agent.is_loose,
        dearest: agent.dearest,
        slowest: agent.slowest,
        models: agent.models.into_iter().map(encode_model).collect(),
        tools: agent.tools.into_iter().map(encode_tool).collect(),
    });
    stored::Bucket { agents: agents.collect(), longest: bucket.longest, lead: bucket.lead }.encode_to_vec()
}

pub fn decode_bucket(blob: &[u8]) -> Result<StoredBucket, UnreadableBlob> {
    let bucket = stored::Bucket::decode(blob)?;
    let agent = |agent: stored::AgentTally| {
        Ok(StoredAgentTally {
            name: agent.name.into(),
            tally: decode_tally(agent.tally)?,
            last_run: UnixNanos(agent.last_run),
            is_loose: agent.is_loose,
            dearest: agent.dearest,
            slowest: agent.slowest,
            models: agent.models.into_iter().map(decode_model).collect::<Result<_, UnreadableBlob>>()?,
            tools: agent.tools.into_iter().map(decode_tool).collect::<Result<_, UnreadableBlob>>()?,
        })
    };
    let agents = bucket.agents.into_iter().map(agent).collect::<Result<_, UnreadableBlob>>()?;
    Ok(StoredBucket { agents, longest: bucket.longest, lead: bucket.lead })
}

fn encode_model(model: StoredModelTally) -> stored::ModelTally {
    let provider = |(name, n_runs, usage): (Str, u64, UsageTotal)| stored::ProviderTally {
        name: name.as_ref().to_owned(),
        n_runs,
        usage: Some(encode_total(&usage)),
    };
    stored::ModelTally {
        name: model.name.as_ref().to_owned(),
        tally: Some(encode_tally(&model.tally)),
        providers: model.providers.into_iter().map(provider).collect(),
    }
}

fn decode_model(model: stored::ModelTally) -> Result<StoredModelTally, UnreadableBlob> {
    let providers = model.providers.into_iter().map(|provider| (provider.name.into(), provider.n_runs, decode_total(provider.usage)));
    Ok(StoredModelTally { name: model.name.into(), tally: decode_tally(model.tally)?, providers: providers.collect() })
}

fn encode_tool(tool: StoredTool) -> stored::ToolUsage {
    let ToolUsage { tool: name, calls } = tool.usage;
    let (bins, counts) = encode_durations(&calls.durations);
    stored::ToolUsage {
        tool: name.as_ref().to_owned(),
        n_calls: calls.n_calls,
        n_errors: calls.n_errors,
        total: calls.total.0,
        bins,
        counts,
        n_runs: tool.n_runs,
        last_seen: tool.last_seen.0,
    }
}

fn decode_tool(tool: stored::ToolUsage) -> Result<StoredTool, UnreadableBlob> {
    let (n_runs, last_seen) = (tool.n_runs, UnixNanos(tool.last_seen));
    Ok(StoredTool { usage: decode_tool_usage(tool)?, n_runs, last_seen })
}

pub(super) fn decode_tool_usage(tool: stored::ToolUsage) -> Result<ToolUsage, UnreadableBlob> {
    let durations = decode_durations(&tool.bins, tool.counts)?;
    let calls = ToolCalls { n_calls: tool.n_calls, n_errors: tool.n_errors, total: Nanos(tool.total), durations };
    Ok(ToolUsage { tool: tool.tool.into(), calls })
}

fn encode_tally(tally: &Tally) -> stored::Tally {
    let (bins, counts) = encode_durations(&tally.durations);
    stored::Tally { n_by_status: tally.n_by_status.to_vec(), usage: Some(encode_total(&tally.usage)), bins, counts }
}

fn encode_durations(durations: &Durations) -> (Vec<u32>, Vec<u32>) {
    durations.bins().iter().map(|(bin, count)| (u32::from(*bin), *count)).unzip()
}

fn decode_durations(bins: &[u32], counts: Vec<u32>) -> Result<Durations, UnreadableBlob> {
    let bins = bins.iter().map(|bin| u8::try_from(*bin).map_err(|_| UnreadableBlob::Impossible("bin of lengths")));
    let bins = bins.zip(counts).map(|(bin, count)| Ok((bin?, count))).collect::<Result<_, UnreadableBlob>>()?;
    Durations::from_bins(bins).ok_or(UnreadableBlob::Impossible("order of lengths"))
}

fn decode_tally(tally: Option<stored::Tally>) -> Result<Tally, UnreadableBlob> {
    let tally = tally.unwrap_or_default();
    let durations = decode_durations(&tally.bins, tally.counts)?;
    Ok(Tally {
        n_by_status: tally.n_by_status.try_into().map_err(|_| UnreadableBlob::Impossible("number of statuses"))?,
        usage: decode_total(tally.usage),
        durations,
    })
}

fn encode_total(total: &UsageTotal) -> stored::UsageTotal {
    stored::UsageTotal {
        calls: total.calls,
        tokens: total.tokens,
        input_tokens: total.input_tokens,
        output_tokens: total.output_tokens,
        cache_read_tokens: total.cache_read_tokens,
        cache_write_tokens: total.cache_write_tokens,
        reasoning_tokens: total.reasoning_tokens,
        cost_nano_usd: total.cost.0,
        unpriced_calls: total.unpriced_calls,
        override_calls: total.override_calls,
        table_calls: total.table_calls,
        emitted_calls: total.emitted_calls,
    }
}
