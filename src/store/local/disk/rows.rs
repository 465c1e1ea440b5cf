//! Rows of the database to and from the model. Unsigned numbers are stored with the same bits.

use rusqlite::types::Type;
use rusqlite::{Row, Statement, params};

use crate::index::{AgentNames, AgentShare, RestoredSession, SessionNo, SessionRow};
use crate::model::ids::{RunId, RunKey, SessionId, SpanId, TraceId};
use crate::model::run::{Run, RunStatus};
use crate::model::session::SessionSummary;
use crate::model::time::{Nanos, UnixNanos};
use crate::model::usage::NanoUsd;
use crate::store::local::state::recent::RunOrder;
use crate::wire::format::stored::{self, AgentPart};

/// The number of a tenant in the database.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TenantNo(pub u32);

/// The number of a trace in the database, given in the order that traces come, so that what is new lies together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TraceNo(pub u64);

impl TraceNo {
    pub const FIRST: Self = Self(1);
}

/// The session number of runs that have none.
pub const NO_SESSION: SessionNo = SessionNo(0);

pub fn write_run(upsert: &mut Statement<'_>, tenant: TenantNo, session: SessionNo, run: &Run) -> rusqlite::Result<()> {
    upsert.execute(params![
        tenant.0,
        session.0,
        signed(run.started_at.0),
        signed(run.id.get()),
        run.key.trace.as_bytes(),
        signed(run.key.span.to_u64()),
        &*run.agent,
        &*run.workflow,
        run.user.as_deref(),
        run.status as u8,
        run.completed_at.map(|at| signed(at.0)),
        signed(run.last_activity.0),
        signed(run.usage.cost.0),
        signed(run.usage.tokens),
        stored::encode_run_detail(run),
        run.is_untraced,
    ])?;
    Ok(())
}

/// How many rows that were.
pub fn delete_run(delete: &mut Statement<'_>, tenant: TenantNo, session: SessionNo, order: &RunOrder) -> rusqlite::Result<usize> {
    let RunOrder { started_at, id, key } = order;
    let values = params![tenant.0, session.0, signed(started_at.0), signed(id.get()), key.trace.as_bytes(), signed(key.span.to_u64())];
    delete.execute(values)
}

/// Reads the columns of a run, as the statements select them.
pub fn read_run(row: &Row<'_>, session: Option<&SessionId>) -> rusqlite::Result<Run> {
    let trace: [u8; 16] = row.get(2)?;
    let trace = TraceId::from_bytes(&trace).ok_or_else(|| impossible(2, "trace id"))?;
    let span = SpanId::from_u64(unsigned(row.get(3)?)).ok_or_else(|| impossible(3, "span id"))?;
    let detail = read_detail(row, 10)?;
    let text = |column| -> rusqlite::Result<crate::model::Str> { Ok(row.get_ref(column)?.as_str()?.into()) };
    Ok(Run {
        key: RunKey { trace, span },
        id: RunId::new(unsigned(row.get(1)?)).ok_or_else(|| impossible(1, "run id"))?,
        session: session.cloned(),
        agent: text(4)?,
        workflow: text(5)?,
        user: row.get_ref(6)?.as_str_or_null()?.map(Into::into),
        user_group: detail.user_group,
        error: detail.error,
        tool_errors: detail.tool_errors,
        parent: detail.parent.or_else(|| detail.parent_span.map(|span| RunId::derive(RunKey { trace, span }))),
        started_at: UnixNanos(unsigned(row.get(0)?)),
        completed_at: row.get::<_, Option<i64>>(8)?.map(|at| UnixNanos(unsigned(at))),
        last_activity: UnixNanos(unsigned(row.get(9)?)),
        status: RunStatus::from_u8(row.get(7)?).ok_or_else(|| impossible(7, "run status"))?,
        usage: detail.usage,
        suppressed: detail.suppressed,
        models: detail.models,
        tools: detail.tools,
        question: detail.question,
        n_spans: detail.n_spans,
        is_provisional: detail.is_provisional,
        is_future: detail.is_future,
        is_truncated: detail.is_truncated,
        is_reported: detail.is_reported,
        is_untraced: detail.is_untraced,
        is_agentless: detail.is_agentless,
        is_turn: detail.is_turn,
        is_retelling: detail.is_retelling,
        scores: detail.scores,
    })
}

/// What a run's row has no column for.
pub fn read_detail(row: &Row<'_>, column: usize) -> rusqlite::Result<stored::RunDetail> {
    stored::decode_run_detail(row.get_ref(column)?.as_blob()?).map_err(|error| unreadable(column, error))
}

pub fn write_session(upsert: &mut Statement<'_>, tenant: TenantNo, row: &SessionRow) -> rusqlite::Result<()> {
    let summary = &row.summary;
    let agents = summary.agents.iter().zip(&row.agents).map(|(name, share)| AgentPart {
        name,
        run_count: share.run_count,
        first_run: share.first_run,
        last_activity: share.last_activity,
    });
    upsert.execute(params![
        tenant.0,
        row.no.0,
        summary.id.as_str(),
        signed(summary.run_count),
        signed(summary.first_run.0),
        signed(summary.last_activity.0),
        signed(summary.total_duration.0),
        signed(summary.total_cost.0),
        signed(summary.total_tokens),
        signed(summary.error_count),
        signed(summary.running_count),
        signed(summary.unpriced_calls),
        signed(row.sort_activity.0),
        signed(row.sort_first_run.0),
        stored::encode_agents(agents),
        signed(summary.tool_errors),
    ])?;
    Ok(())
}

/// Reads the columns of a session.
pub fn read_session(row: &Row<'_>, names: &mut AgentNames) -> rusqlite::Result<RestoredSession> {
    let number = |column| -> rusqlite::Result<u64> { Ok(unsigned(row.get(column)?)) };
    let summary = SessionSummary {
        id: SessionId::new(row.get_ref(2)?.as_str()?).ok_or_else(|| impossible(2, "session id"))?,
        run_count: number(3)?,
        first_run: UnixNanos(number(4)?),
        last_activity: UnixNanos(number(5)?),
        total_duration: Nanos(number(6)?),
        total_cost: NanoUsd(number(7)?),
        total_tokens: number(8)?,
        agents: Vec::new(),
        error_count: number(9)?,
        running_count: number(10)?,
        unpriced_calls: number(11)?,
        tool_errors: number(15)?,
        // Kept apart from the session, which may lose its runs for a moment.
        note: None,
    };
    let session = SessionRow {
        no: SessionNo(row.get(1)?),
        summary,
        agents: Vec::new(),
        sort_activity: UnixNanos(number(12)?),
        sort_first_run: UnixNanos(number(13)?),
    };
    let parts = stored::agent_parts(row.get_ref(14)?.as_blob()?).map(|part| {
        let AgentPart { name, run_count, first_run, last_activity } = part?;
        Ok((name, AgentShare { run_count, first_run, last_activity }))
    });
    names.session(session, parts).map_err(|error| unreadable(14, error))
}

pub fn signed(number: u64) -> i64 {
    number.cast_signed()
}

pub fn unsigned(number: i64) -> u64 {
    number.cast_unsigned()
}

fn impossible(column: usize, what: &'static str) -> rusqlite::Error {
    unreadable(column, stored::UnreadableBlob::Impossible(what))
}

pub fn unreadable(column: usize, error: stored::UnreadableBlob) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error))
}
