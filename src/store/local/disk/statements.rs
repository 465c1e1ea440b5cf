//! Every statement that the program issues once the schema is there, and what it reads.
//!
//! - SQLite has no statistics here, and guesses; where it would guess wrong a statement names its index.
//! - `plan` is what `EXPLAIN QUERY PLAN` answers, word for word, and `reads` says how that grows. A test compares both with SQLite's
//!   answer, so that no statement becomes a scan of the index unnoticed.
//! - No SQL stands anywhere else, but for the schema and its upgrades (`schema.rs`); `tests/tidy.rs` sees to it.

use rusqlite::{CachedStatement, Connection};

pub struct Statement {
    pub sql: &'static str,
    /// The lines of the query plan; empty for what only writes a row it names.
    #[cfg_attr(not(test), expect(dead_code, reason = "compared with SQLite's answer by a test"))]
    pub plan: &'static [&'static str],
    #[cfg_attr(not(test), expect(dead_code, reason = "compared with the plan by a test"))]
    pub reads: Reads,
}

/// How what a statement reads grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reads {
    /// A few rows, found by an index or bounded by a limit.
    Few,
    /// The runs of one session, or of one user.
    OneGroup,
    /// With the whole index; why that is right.
    Everything(&'static str),
}

/// Statements that are prepared once a connection.
pub trait Ready {
    fn ready(&self, statement: &Statement) -> rusqlite::Result<CachedStatement<'_>>;
}

impl Ready for Connection {
    fn ready(&self, statement: &Statement) -> rusqlite::Result<CachedStatement<'_>> {
        self.prepare_cached(statement.sql)
    }
}

/// How many statements a connection keeps prepared: more than there are.
pub const PREPARED_MAX: usize = 128;

/// Every column of `runs`, in the order that [`super::rows::read_run`] expects; the session's id is not in the row.
macro_rules! run_columns {
    () => {
        "started_at_ns, run_id, trace_id, span_id, agent_name, workflow_name, user_id, status, completed_at_ns, last_activity_ns, detail"
    };
}

macro_rules! session_columns {
    () => {
        "tenant_no, session_no, session_id, run_count, first_run_ns, last_activity_ns, total_duration_ns, total_cost_nano_usd, \
         total_tokens, error_count, running_count, unpriced_calls, sort_activity_ns, sort_first_run_ns, agents, tool_errors"
    };
}

/// One run's place.
macro_rules! run_place {
    () => {
        "tenant_no = ?1 AND session_no = ?2 AND started_at_ns = ?3 AND run_id = ?4 AND trace_id = ?5 AND span_id = ?6"
    };
}

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident: $reads:expr, $plan:expr, $sql:expr;)*) => {
        $($(#[$doc])* pub const $name: Statement = Statement { sql: $sql, plan: &$plan, reads: $reads };)*
        #[cfg(test)]
        pub const ALL: &[(&str, Statement)] = &[$((stringify!($name), $name)),*];
    };
}

const AT_START: Reads = Reads::Everything("read once, at start");

statements! {
    // --- start ---
    META_VALUE: Reads::Few, ["SEARCH meta USING PRIMARY KEY (key=?)"],
        "SELECT value FROM meta WHERE key = ?1";
    TENANTS: AT_START, ["SCAN tenants"],
        "SELECT tenant_no, name, next_session_no FROM tenants";
    SESSIONS: AT_START, ["SCAN sessions"],
        concat!("SELECT ", session_columns!(), " FROM sessions ORDER BY tenant_no, session_no");
    TOMBSTONES: AT_START, ["SCAN tombstones"],
        "SELECT tenant_no, session_id, deleted_at_ns FROM tombstones";
    /// Sessions with runs that were reported and name no trace, and how many such runs each has.
    UNTRACED: AT_START, ["SCAN runs USING INDEX runs_untraced", "SEARCH sessions USING PRIMARY KEY (tenant_no=? AND session_no=?)"],
        "SELECT runs.tenant_no, session_id, count(*) FROM runs INDEXED BY runs_untraced JOIN sessions USING (tenant_no, session_no) \
         WHERE runs.is_untraced GROUP BY runs.tenant_no, runs.session_no";
    UNFINISHED: AT_START, ["SCAN runs USING INDEX runs_running"],
        // A run without a root has a place of its own among the spans, and is the only one of its trace.
        "SELECT tenant_no, trace_id, max(span_id = -1), min(last_activity_ns), max(session_no) FROM runs INDEXED BY runs_running WHERE status = 0 \
         GROUP BY tenant_no, trace_id";
    /// The newest runs that were only started. Left to itself SQLite reads every report there is instead of the few that go on.
    STARTS: AT_START, ["SCAN runs USING COVERING INDEX runs_running", "USE TEMP B-TREE FOR ORDER BY"],
        "SELECT tenant_no, trace_id FROM runs INDEXED BY runs_running \
         WHERE status = 0 AND trace_id BETWEEN ?1 AND ?2 ORDER BY started_at_ns DESC LIMIT ?3";
    TOMBSTONE_OF: Reads::Few, ["SEARCH tombstones USING PRIMARY KEY (tenant_no=? AND session_id=?)"],
        "SELECT deleted_at_ns FROM tombstones WHERE tenant_no = ?1 AND session_id = ?2";
    /// What each tenant has sent, by service.
    SEEN: AT_START, ["SCAN meta"],
        "SELECT key, value FROM meta WHERE key LIKE 'spans:%' OR key LIKE 'service:%'";

    /// Deletions that were under way.
    DELETIONS: AT_START, ["SCAN deletions"],
        "SELECT tenant_no, session_id, session_no FROM deletions ORDER BY tenant_no, session_no";

    NOTES: AT_START, ["SCAN notes"],
        "SELECT tenant_no, session_id, is_bookmarked, text, changed_at_ns FROM notes";

    /// As of which checkpoint the sums over time are.
    SERIES_WRITTEN: AT_START, ["SCAN meta"],
        "SELECT key, value FROM meta WHERE key LIKE 'series:2:%'";
    /// The tools that are kept by their names in sums over time.
    TOOLS: AT_START, ["SCAN meta"],
        "SELECT key FROM meta WHERE key LIKE 'tool:%'";
    /// When somebody has asked for the users of a tenant.
    USERS_ASKED: AT_START, ["SCAN meta"],
        "SELECT key, value FROM meta WHERE key LIKE 'asked:users:%'";
    /// Sums over time.
    BUCKETS: AT_START, ["SCAN series"],
        "SELECT tenant_no, begin_ns, length_ns, tallies FROM series ORDER BY tenant_no, begin_ns";

    // --- traces ---
    /// A number may have been given again: the row says whose it is.
    TRACE_FACTS: Reads::Few, ["SEARCH traces USING INTEGER PRIMARY KEY (rowid=?)"],
        "SELECT facts FROM traces WHERE trace_no = ?1 AND trace_id = ?2 AND tenant_no = ?3";
    TRACE_EXISTS: Reads::Few, ["SEARCH traces USING INTEGER PRIMARY KEY (rowid=?)"],
        "SELECT 1 FROM traces WHERE trace_no = ?1 AND trace_id = ?2 AND tenant_no = ?3";
    OLD_TRACES: Reads::Few, ["SEARCH traces USING INDEX traces_by_age (last_ns<?)"],
        "SELECT tenant_no, trace_id, facts FROM traces WHERE last_ns < ?1 ORDER BY last_ns LIMIT ?2";
    /// The number of the newest trace; the bound makes it a search.
    LAST_TRACE: Reads::Few, ["SEARCH traces USING INTEGER PRIMARY KEY (rowid<?)"],
        "SELECT trace_no FROM traces WHERE trace_no < 9223372036854775807 ORDER BY trace_no DESC LIMIT 1";

    // --- runs ---
    /// The runs of a session with a number that started at a time: one, unless two have the same number.
    RUNS_AT: Reads::Few, ["SEARCH runs USING PRIMARY KEY (tenant_no=? AND session_no=? AND started_at_ns=? AND run_id=?)"],
        concat!("SELECT ", run_columns!(), " FROM runs WHERE tenant_no = ?1 AND session_no = ?2 AND started_at_ns = ?3 AND run_id = ?4 \
         AND last_activity_ns >= ?5");
    /// The same, if they are worth decoding.
    WANTED_RUNS_AT: Reads::Few, ["SEARCH runs USING PRIMARY KEY (tenant_no=? AND session_no=? AND started_at_ns=? AND run_id=?)"],
        concat!("SELECT ", run_columns!(), " FROM runs WHERE tenant_no = ?1 AND session_no = ?2 AND started_at_ns = ?3 AND run_id = ?4 \
         AND last_activity_ns = ?5 AND cost_nano_usd >= ?6 AND max(coalesce(completed_at_ns - started_at_ns, 0), 0) >= ?7 \
         AND status BETWEEN ?8 AND ?9");
    /// Whose they are, without reading what else is stored of them.
    USERS_AT: Reads::Few, ["SEARCH runs USING PRIMARY KEY (tenant_no=? AND session_no=? AND started_at_ns=? AND run_id=?)"],
        "SELECT started_at_ns, run_id, trace_id, span_id, user_id FROM runs \
         WHERE tenant_no = ?1 AND session_no = ?2 AND started_at_ns = ?3 AND run_id = ?4";
    RUN_AT: Reads::Few, ["SEARCH runs USING PRIMARY KEY (tenant_no=? AND session_no=? AND started_at_ns=? AND run_id=? AND trace_id=? AND span_id=?)"],
        concat!("SELECT ", run_columns!(), " FROM runs WHERE ", run_place!());
    RUN_EXISTS: Reads::Few, ["SEARCH runs USING PRIMARY KEY (tenant_no=? AND session_no=? AND started_at_ns=? AND run_id=? AND trace_id=? AND span_id=?)"],
        concat!("SELECT 1 FROM runs WHERE ", run_place!());
    /// One page of a session's runs, in order.
    RUNS_AFTER: Reads::Few, ["SEARCH runs USING PRIMARY KEY (tenant_no=? AND session_no=? AND (started_at_ns,run_id,trace_id,span_id)>(?,?,?,?))"],
        concat!("SELECT ", run_columns!(), " FROM runs WHERE tenant_no = ?1 AND session_no = ?2 \
         AND (started_at_ns, run_id, trace_id, span_id) > (?3, ?4, ?5, ?6) ORDER BY started_at_ns, run_id, trace_id, span_id LIMIT ?7");
    /// Runs of a session that overlap a window of time, the latest first: it is the likeliest. The plus keeps SQLite from reading the
    /// activity of the whole tenant instead.
    RUNS_IN_WINDOW: Reads::OneGroup, ["SEARCH runs USING PRIMARY KEY (tenant_no=? AND session_no=? AND started_at_ns<?)"],
        "SELECT started_at_ns, run_id, trace_id, span_id FROM runs \
         WHERE tenant_no = ?1 AND session_no = ?2 AND started_at_ns <= ?3 AND +last_activity_ns >= ?4 ORDER BY started_at_ns DESC";
    /// The runs of a session that started between two times.
    RUNS_STARTED_BETWEEN: Reads::Few, ["SEARCH runs USING PRIMARY KEY (tenant_no=? AND session_no=? AND started_at_ns>? AND started_at_ns<?)"],
        concat!("SELECT ", run_columns!(), " FROM runs WHERE tenant_no = ?1 AND session_no = ?2 AND started_at_ns BETWEEN ?3 AND ?4 \
         ORDER BY started_at_ns, run_id, trace_id, span_id LIMIT ?5");
    /// A session's runs, the latest first.
    RUNS_FROM_LAST: Reads::OneGroup, ["SEARCH runs USING PRIMARY KEY (tenant_no=? AND session_no=?)"],
        concat!("SELECT ", run_columns!(), " FROM runs WHERE tenant_no = ?1 AND session_no = ?2 \
         ORDER BY started_at_ns DESC, run_id DESC, trace_id DESC, span_id DESC");
    /// Of the newest runs of a session those with one status.
    NEWEST_WITH_STATUS: Reads::Few, ["CO-ROUTINE (subquery-1)", "SEARCH runs USING PRIMARY KEY (tenant_no=? AND session_no=?)", "SCAN (subquery-1)"],
        concat!("SELECT ", run_columns!(), " FROM (SELECT ", run_columns!(), " FROM runs WHERE tenant_no = ?1 AND session_no = ?2 \
         ORDER BY started_at_ns DESC, run_id DESC, trace_id DESC, span_id DESC LIMIT ?4) WHERE status = ?3");
    /// What the bounds of a session are computed from; details are rarely decoded. The latest first: they widen the end least often.
    RUN_TIMES: Reads::OneGroup, ["SEARCH runs USING PRIMARY KEY (tenant_no=? AND session_no=?)"],
        "SELECT started_at_ns, run_id, trace_id, span_id, agent_name, last_activity_ns, detail FROM runs \
         WHERE tenant_no = ?1 AND session_no = ?2 ORDER BY started_at_ns DESC, run_id DESC, trace_id DESC, span_id DESC";
    RUNS_OF_SESSIONS: Reads::Everything("read once, when figures over all runs are not on disk and asked for"),
        ["SEARCH runs USING PRIMARY KEY (tenant_no=? AND session_no>?)"],
        concat!("SELECT ", run_columns!(), ", session_no FROM runs WHERE tenant_no = ?1 AND session_no > 0");
    /// Who the newest runs of a session are of, without reading what else is stored of them.
    NEWEST_USERS: Reads::Few, ["SEARCH runs USING PRIMARY KEY (tenant_no=? AND session_no=?)"],
        "SELECT started_at_ns, run_id, trace_id, span_id, user_id FROM runs WHERE tenant_no = ?1 AND session_no = ?2 \
         ORDER BY started_at_ns DESC, run_id DESC, trace_id DESC, span_id DESC LIMIT ?3";
    /// What is stored of the newest runs of a session.
    NEWEST_DETAILS: Reads::Few, ["SEARCH runs USING PRIMARY KEY (tenant_no=? AND session_no=?)"],
        "SELECT started_at_ns, run_id, trace_id, span_id, detail FROM runs WHERE tenant_no = ?1 AND session_no = ?2 \
         ORDER BY started_at_ns DESC, run_id DESC, trace_id DESC, span_id DESC LIMIT ?3";
    /// So many runs of a session, or fewer.
    COUNT_RUNS_UP_TO: Reads::Few, ["CO-ROUTINE (subquery-1)", "SEARCH runs USING PRIMARY KEY (tenant_no=? AND session_no=?)", "SCAN (subquery-1)"],
        "SELECT count(*) FROM (SELECT 1 FROM runs WHERE tenant_no = ?1 AND session_no = ?2 LIMIT ?3)";
    BEGIN: Reads::Few, [], "BEGIN";
    ROLLBACK: Reads::Few, [], "ROLLBACK";
    /// Reads anything, so that a deferred transaction sees the database of this moment.
    FIX_SNAPSHOT: Reads::Few, ["SEARCH meta USING PRIMARY KEY (key=?)"],
        "SELECT count(*) FROM meta WHERE key = ''";

    // --- places ---
    PLACE_SEGMENTS: Reads::Few, ["SEARCH place_segments USING PRIMARY KEY (kind=?)"],
        "SELECT first_page, n_entries, least, greatest FROM place_segments WHERE kind = ?1 ORDER BY first_page";
    PLACE_PAGE: Reads::Few, ["SEARCH place_pages USING INTEGER PRIMARY KEY (rowid=?)"],
        "SELECT entries FROM place_pages WHERE page_no = ?1";
    /// The bound makes it a search.
    LAST_PLACE_PAGE: Reads::Few, ["SEARCH place_pages USING INTEGER PRIMARY KEY (rowid<?)"],
        "SELECT page_no FROM place_pages WHERE page_no < 9223372036854775807 ORDER BY page_no DESC LIMIT 1";
    SESSION_NUMBERS: Reads::Everything("seldom: after as many runs have gone as there are left"), ["SCAN sessions"],
        "SELECT tenant_no, session_no FROM sessions";
    TRACE_NUMBERS: Reads::Everything("seldom: after as many traces have gone as there are left"), ["SCAN traces USING COVERING INDEX traces_by_age"],
        "SELECT trace_no FROM traces INDEXED BY traces_by_age";
    PUT_PLACE_PAGE: Reads::Few, [],
        "INSERT INTO place_pages (page_no, entries) VALUES (?1, ?2)";
    DELETE_PLACE_PAGES: Reads::Everything("the pages of segments that were merged"), ["SEARCH place_pages USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"],
        "DELETE FROM place_pages WHERE page_no BETWEEN ?1 AND ?2";
    PUT_PLACE_SEGMENT: Reads::Few, [],
        "INSERT INTO place_segments (kind, first_page, n_entries, least, greatest) VALUES (?1, ?2, ?3, ?4, ?5)";
    DELETE_PLACE_SEGMENT: Reads::Few, ["SEARCH place_segments USING PRIMARY KEY (kind=? AND first_page=?)"],
        "DELETE FROM place_segments WHERE kind = ?1 AND first_page = ?2";

    TRACES_LEFT_OUT: Reads::OneGroup, ["SEARCH traces_left_out USING PRIMARY KEY (tenant_no=? AND session_id=?)"],
        "SELECT trace_id FROM traces_left_out WHERE tenant_no = ?1 AND session_id = ?2";

    // --- checkpoints ---
    PUT_META: Reads::Few, [],
        "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)";
    PUT_TENANT: Reads::Few, [],
        "INSERT OR REPLACE INTO tenants (tenant_no, name, next_session_no) VALUES (?1, ?2, ?3)";
    PUT_SESSION: Reads::Few, [],
        concat!("INSERT OR REPLACE INTO sessions (", session_columns!(), ") \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)");
    DELETE_SESSION: Reads::Few, ["SEARCH sessions USING PRIMARY KEY (tenant_no=? AND session_no=?)"],
        "DELETE FROM sessions WHERE tenant_no = ?1 AND session_no = ?2";
    PUT_RUN: Reads::Few, [],
        "INSERT INTO runs (tenant_no, session_no, started_at_ns, run_id, trace_id, span_id, agent_name, \
         workflow_name, user_id, status, completed_at_ns, last_activity_ns, cost_nano_usd, tokens, detail, is_untraced) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) \
         ON CONFLICT DO UPDATE SET agent_name = excluded.agent_name, workflow_name = excluded.workflow_name, user_id = excluded.user_id, \
         status = excluded.status, completed_at_ns = excluded.completed_at_ns, last_activity_ns = excluded.last_activity_ns, \
         cost_nano_usd = excluded.cost_nano_usd, tokens = excluded.tokens, detail = excluded.detail, \
         is_untraced = excluded.is_untraced";
    DELETE_RUN: Reads::Few, ["SEARCH runs USING PRIMARY KEY (tenant_no=? AND session_no=? AND started_at_ns=? AND run_id=? AND trace_id=? AND span_id=?)"],
        concat!("DELETE FROM runs WHERE ", run_place!());
    DELETE_RUNS_OF_SESSION: Reads::OneGroup, ["SEARCH runs USING PRIMARY KEY (tenant_no=? AND session_no=?)"],
        "DELETE FROM runs WHERE tenant_no = ?1 AND session_no = ?2";
    EXPIRE_SESSIONLESS_RUNS: Reads::OneGroup, ["SEARCH runs USING PRIMARY KEY (tenant_no=? AND session_no=? AND started_at_ns<?)"],
        "DELETE FROM runs WHERE tenant_no = ?1 AND session_no = 0 AND started_at_ns < ?2";
    PUT_TRACE: Reads::Few, [],
        "INSERT INTO traces (trace_no, tenant_no, trace_id, last_ns, facts) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (trace_no) DO UPDATE SET last_ns = excluded.last_ns, facts = excluded.facts";
    DELETE_TRACE: Reads::Few, ["SEARCH traces USING INTEGER PRIMARY KEY (rowid=?)"],
        "DELETE FROM traces WHERE trace_no = ?1 AND trace_id = ?2 AND tenant_no = ?3";
    KEEP_TRACE: Reads::Few, ["SEARCH traces USING INTEGER PRIMARY KEY (rowid=?)"],
        "UPDATE traces SET last_ns = max(last_ns, ?4) WHERE trace_no = ?1 AND trace_id = ?2 AND tenant_no = ?3";
    PUT_TOMBSTONE: Reads::Few, [],
        "INSERT OR REPLACE INTO tombstones (tenant_no, session_id, deleted_at_ns) VALUES (?1, ?2, ?3)";
    DELETE_TOMBSTONE: Reads::Few, ["SEARCH tombstones USING PRIMARY KEY (tenant_no=? AND session_id=?)"],
        "DELETE FROM tombstones WHERE tenant_no = ?1 AND session_id = ?2";

    PUT_BUCKET: Reads::Few, [],
        "INSERT OR REPLACE INTO series (tenant_no, begin_ns, length_ns, tallies) VALUES (?1, ?2, ?3, ?4)";
    DELETE_BUCKET: Reads::Few, ["SEARCH series USING PRIMARY KEY (tenant_no=? AND begin_ns=?)"],
        "DELETE FROM series WHERE tenant_no = ?1 AND begin_ns = ?2";
    DELETE_BUCKETS: Reads::Everything("once, where sums over time begin anew"), ["SEARCH series USING PRIMARY KEY (tenant_no=?)"],
        "DELETE FROM series WHERE tenant_no = ?1";
    DELETE_TOOLS: Reads::Everything("seldom: where sums over time begin anew, or at a start where tools are not called any more"),
        ["SEARCH meta USING PRIMARY KEY (key>? AND key<?)"],
        "DELETE FROM meta WHERE key > ?1 AND key < ?2";

    PUT_TRACE_LEFT_OUT: Reads::Few, [],
        "INSERT OR IGNORE INTO traces_left_out (tenant_no, session_id, trace_id) VALUES (?1, ?2, ?3)";
    DELETE_TRACES_LEFT_OUT: Reads::OneGroup, ["SEARCH traces_left_out USING PRIMARY KEY (tenant_no=? AND session_id=?)"],
        "DELETE FROM traces_left_out WHERE tenant_no = ?1 AND session_id = ?2";
    PUT_DELETION: Reads::Few, [],
        "INSERT OR REPLACE INTO deletions (tenant_no, session_no, session_id) VALUES (?1, ?2, ?3)";
    DELETE_DELETION: Reads::Few, ["SEARCH deletions USING PRIMARY KEY (tenant_no=? AND session_no=?)"],
        "DELETE FROM deletions WHERE tenant_no = ?1 AND session_no = ?2";

    PUT_NOTE: Reads::Few, [],
        "INSERT OR REPLACE INTO notes (tenant_no, session_id, is_bookmarked, text, changed_at_ns) VALUES (?1, ?2, ?3, ?4, ?5)";
    DELETE_NOTE: Reads::Few, ["SEARCH notes USING PRIMARY KEY (tenant_no=? AND session_id=?)"],
        "DELETE FROM notes WHERE tenant_no = ?1 AND session_id = ?2";

    // --- a database that begins anew ---
    ADD_TENANT: Reads::Few, [],
        "INSERT OR IGNORE INTO tenants (tenant_no, name, next_session_no) VALUES (?1, ?2, ?3)";

    // --- size and health ---
    PAGE_COUNT: Reads::Few, [], "PRAGMA page_count";
    FREE_PAGE_COUNT: Reads::Few, [], "PRAGMA freelist_count";
    PAGE_SIZE: Reads::Few, [], "PRAGMA page_size";
    QUICK_CHECK: Reads::Everything("asked for by an operator, while no server runs"), [], "PRAGMA quick_check(1)";
}
