//! No statement scans what grows, unless it says why.
//!
//! SQLite chose the primary key of the whole tenant for a run looked up by its number, and the tenant's activity for the runs of one session:
//! both worked in every test, and at a hundred thousand runs they were an outage. So the plans are compared here, word for word.

use rusqlite::Connection;

use super::super::SqliteLimits;
use super::schema;
use super::statements::{ALL, PREPARED_MAX, Reads, Statement};

fn database() -> (tempfile::TempDir, Connection) {
    let dir = tempfile::tempdir().unwrap();
    let db = schema::open_writer(&dir.path().join("index.sqlite"), &SqliteLimits::default()).unwrap();
    (dir, db)
}

fn plan(db: &Connection, statement: &Statement) -> Vec<String> {
    let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.sql)).unwrap();
    let n_values = explain.parameter_count();
    let values = vec![rusqlite::types::Null; n_values];
    explain.query_map(rusqlite::params_from_iter(values), |row| row.get(3)).unwrap().map(Result::unwrap).collect()
}

/// What a plan reads. A search that is bound to the tenant alone, or that has nothing but a range, grows with the index; a limit bounds it
/// where rows come in the order of the index.
fn reads(sql: &str, plan: &[String]) -> &'static str {
    let is_limited = sql.contains("LIMIT") && !plan.iter().any(|line| line.contains("TEMP B-TREE"));
    let mut worst = "few";
    for line in plan.iter().filter(|line| !line.contains("(subquery-")) {
        let table = line.split_whitespace().nth(1).unwrap_or_default();
        let bound = line.split_once(" (").map_or("", |(_, bound)| bound.trim_end_matches(')'));
        let is_equal = |column: &str| bound.split(" AND ").any(|term| term == format!("{column}=?"));
        // There are some dozens of segments of each kind (`places/merge.rs`).
        let is_one = ["kind", "run_id", "trace_id", "key", "rowid", "begin_ns"].iter().any(|column| is_equal(column))
            || table != "runs" && table != "traces_left_out" && (is_equal("session_no") || is_equal("session_id"));
        let is_group = ["session_no", "session_id", "user_id"].iter().any(|column| is_equal(column));
        worst = match worst {
            _ if line.starts_with("SCAN") => "everything",
            worst if is_one || is_limited => worst,
            "few" | "group" if is_group => "group",
            _ => "everything",
        };
    }
    worst
}

#[test]
fn every_statement_is_planned_as_it_is_written_down() {
    let (_dir, db) = database();
    let mut wrong = Vec::new();
    for (name, statement) in ALL {
        if statement.sql.starts_with("PRAGMA") {
            continue;
        }
        let plan = plan(&db, statement);
        if plan != statement.plan {
            wrong.push(format!("{name}: {plan:?}"));
        }
    }
    assert!(wrong.is_empty(), "SQLite plans otherwise:\n{}", wrong.join("\n"));
}

#[test]
fn no_statement_reads_more_as_the_index_grows_unless_it_says_why() {
    let (_dir, db) = database();
    let mut wrong = Vec::new();
    for (name, statement) in ALL {
        let declared = match statement.reads {
            Reads::Few => "few",
            Reads::OneGroup => "group",
            Reads::Everything(why) => {
                assert!(why.len() > 10, "{name} reads everything and does not say why");
                "everything"
            }
        };
        let plan = plan(&db, statement);
        let found = reads(statement.sql, &plan);
        if !statement.sql.starts_with("PRAGMA") && found != declared {
            wrong.push(format!("{name} says {declared} and reads {found}: {plan:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Without the index that is named, these are the plans that were an outage.
#[test]
fn a_scan_is_recognised() {
    let (_dir, db) = database();
    let check = |sql: &'static str| reads(sql, &plan(&db, &Statement { sql, plan: &[], reads: Reads::Few }));
    assert_eq!(check("SELECT * FROM runs WHERE tenant_no = ?1 AND run_id = ?2 AND agent_name = 'x'"), "everything");
    assert_eq!(check("SELECT 1 FROM runs WHERE tenant_no = ?1 AND last_activity_ns >= ?3"), "everything");
    assert_eq!(check("SELECT 1 FROM traces WHERE facts = ?1"), "everything");
    assert_eq!(check("SELECT 1 FROM runs WHERE tenant_no = ?1 AND session_no = ?2"), "group");
}

/// SQLite prepares a statement again, unasked, where a value that is bound could change its plan; that takes several times what a look takes.
#[test]
fn no_statement_is_prepared_anew_because_its_values_change() {
    let (_dir, db) = database();
    let mut wrong = Vec::new();
    for (name, statement) in ALL.iter().filter(|(_, statement)| statement.sql.starts_with("SELECT")) {
        let mut prepared = db.prepare(statement.sql).unwrap();
        for value in 1..=5 {
            let values = vec![value; prepared.parameter_count()];
            let mut rows = prepared.query(rusqlite::params_from_iter(values)).unwrap();
            while rows.next().unwrap().is_some() {}
        }
        match prepared.get_status(rusqlite::StatementStatus::RePrepare) {
            0 => {}
            n => wrong.push(format!("{name}: {n} times")),
        }
    }
    assert!(ALL.len() < PREPARED_MAX, "not all of them stay prepared");
    assert!(wrong.is_empty(), "prepared anew:\n{}", wrong.join("\n"));
}
