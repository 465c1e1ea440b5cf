//! A database that is damaged, and one that begins anew beside a journal that goes on.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};

use super::super::SqliteLimits;
use super::load;
use super::schema::{SchemaError, open_writer};
use super::statements::{self, Ready};
use super::write::{put_note, put_position};
use crate::journal::Position;

/// What became of an index database that was put aside.
#[derive(Debug)]
pub struct PutAside {
    pub to: PathBuf,
    /// Deletions that the new database knows of; `None` if they could not be read.
    pub n_tombstones: Option<usize>,
    /// Notes of sessions that came along; `None` if they could not be read.
    pub n_notes: Option<usize>,
}

/// Why the database at this path cannot be used; `None` if it can, or if there is none.
pub fn damage(database: &Path) -> Option<String> {
    if !database.exists() {
        return None;
    }
    let checked = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .and_then(|db| db.query_row(statements::QUICK_CHECK.sql, [], |row| row.get::<_, String>(0)));
    match checked {
        Ok(words) if words == "ok" => None,
        Ok(words) => Some(words),
        Err(error) => Some(error.to_string()),
    }
}

/// Puts the database aside and begins an empty one, which reads its journal from `start` and knows of the same deletions and
/// notes.
pub fn begin_anew(database: &Path, start: Position) -> Result<Option<PutAside>, SchemaError> {
    let put_aside = put_aside(database)?;
    let mut db = open_writer(database, &SqliteLimits::default())?;
    let create = db.transaction()?;
    for key in ["journal_position", "opened_at"] {
        put_position(&create, key, start)?;
    }
    let put_aside = put_aside.map(|to| {
        let n_tombstones = copy_tombstones(&create, &to).inspect_err(|error| tracing::warn!(%error, "deletions could not be read")).ok();
        let n_notes = copy_notes(&create, &to).inspect_err(|error| tracing::warn!(%error, "notes of sessions could not be read")).ok();
        PutAside { to, n_tombstones, n_notes }
    });
    create.commit()?;
    Ok(put_aside)
}

/// Moves the database, and the files of SQLite's beside it, to a name that is free.
fn put_aside(database: &Path) -> Result<Option<PathBuf>, SchemaError> {
    if !database.exists() {
        return Ok(None);
    }
    let name = |n: u32, ending: &str| {
        let number = if n == 1 { String::new() } else { format!("-{n}") };
        let mut name = database.as_os_str().to_owned();
        name.push(format!(".old{number}{ending}"));
        PathBuf::from(name)
    };
    let free = (1..).find(|n| !name(*n, "").exists()).unwrap_or(1);
    for ending in ["", "-wal", "-shm"] {
        let mut from = database.as_os_str().to_owned();
        from.push(ending);
        if Path::new(&from).exists() {
            std::fs::rename(&from, name(free, ending)).map_err(|source| SchemaError::PutAside { path: database.to_owned(), source })?;
        }
    }
    Ok(Some(name(free, "")))
}

fn copy_tombstones(db: &Connection, old: &Path) -> rusqlite::Result<usize> {
    let old = Connection::open_with_flags(old, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    copy_tenants(db, &old)?;
    let mut tombstones = old.ready(&statements::TOMBSTONES)?;
    let mut put = db.ready(&statements::PUT_TOMBSTONE)?;
    let mut found = tombstones.query([])?;
    let mut n = 0;
    while let Some(row) = found.next()? {
        n += put.execute(params![row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?])?;
    }
    Ok(n)
}

/// Tempo has none of them. A database of before there were any has no table for them.
fn copy_notes(db: &Connection, old: &Path) -> rusqlite::Result<usize> {
    let old = Connection::open_with_flags(old, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    if !old.table_exists(None::<&str>, "notes")? {
        return Ok(0);
    }
    copy_tenants(db, &old)?;
    let notes = load::notes(&old)?;
    notes.iter().try_for_each(|((tenant, session), note)| put_note(db, *tenant, session, note))?;
    Ok(notes.len())
}

fn copy_tenants(db: &Connection, old: &Connection) -> rusqlite::Result<()> {
    let mut tenants = old.ready(&statements::TENANTS)?;
    let mut add = db.ready(&statements::ADD_TENANT)?;
    let mut found = tenants.query([])?;
    while let Some(row) = found.next()? {
        add.execute(params![row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?])?;
    }
    Ok(())
}
