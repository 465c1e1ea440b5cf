//! What each tenant has sent, by service, over all time.
//!
//! - Counted by the fold as it reads, and sealed into every checkpoint with the position it belongs to: exact after any crash.
//! - Bounded: so many names are told apart, the rest is counted in the sum alone.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::rows::{TenantNo, signed, unsigned};
use crate::model::Str;
use crate::store::overview::SERVICES_MAX;
use crate::wire::otlp::{Attribute, Value};

const SERVICE_NAME: &str = "service.name";
/// Longer names are cut for counting.
const NAME_MAX_CHARS: usize = 100;
/// The keys in the table `meta`: `spans:<tenant>` and `service:<tenant>:<name>`.
const SPANS_KEY: &str = "spans:";
const SERVICE_KEY: &str = "service:";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    n_spans: u64,
    services: BTreeMap<Str, u64>,
}

/// The service that a resource names; empty where it names none.
pub(super) fn service<'a>(resource: &[Attribute<'a>]) -> &'a str {
    let named = resource.iter().rev().find(|attribute| attribute.key == SERVICE_NAME);
    match named.map(|attribute| &attribute.value) {
        Some(Value::Str(name)) => name,
        _ => "",
    }
}

/// What the database holds for every tenant.
pub(super) fn load(db: &Connection) -> rusqlite::Result<Vec<(TenantNo, Seen)>> {
    let mut by_tenant: BTreeMap<TenantNo, Seen> = BTreeMap::new();
    let mut select = db.prepare("SELECT key, value FROM meta WHERE key LIKE 'spans:%' OR key LIKE 'service:%'")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let key = row.get_ref(0)?.as_str()?;
        let n = unsigned(row.get(1)?);
        if let Some(tenant) = key.strip_prefix(SPANS_KEY).and_then(|tenant| tenant.parse().ok()) {
            by_tenant.entry(TenantNo(tenant)).or_default().n_spans = n;
        } else if let Some((tenant, name)) = key.strip_prefix(SERVICE_KEY).and_then(|rest| rest.split_once(':'))
            && let Ok(tenant) = tenant.parse()
        {
            by_tenant.entry(TenantNo(tenant)).or_default().services.insert(name.into(), n);
        }
    }
    Ok(by_tenant.into_iter().collect())
}

// === impl Seen ===

impl Seen {
    pub(super) fn add(&mut self, service: &str, n_spans: u64) {
        self.n_spans += n_spans;
        if service.is_empty() {
            return;
        }
        let end = service.char_indices().nth(NAME_MAX_CHARS).map_or(service.len(), |(at, _)| at);
        let name = &service[..end];
        if let Some(n) = self.services.get_mut(name) {
            *n += n_spans;
        } else if self.services.len() < SERVICES_MAX {
            self.services.insert(name.into(), n_spans);
        }
    }

    pub(super) fn n_spans(&self) -> u64 {
        self.n_spans
    }

    /// Most spans first, ties by name.
    pub(super) fn services(&self) -> Vec<(Str, u64)> {
        let mut services: Vec<(Str, u64)> = self.services.iter().map(|(name, n)| (name.clone(), *n)).collect();
        services.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        services
    }

    pub(super) fn write(&self, db: &Connection, tenant: TenantNo) -> rusqlite::Result<()> {
        let mut upsert = db.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?;
        upsert.execute(params![format!("{SPANS_KEY}{}", tenant.0), signed(self.n_spans)])?;
        for (name, n) in &self.services {
            upsert.execute(params![format!("{SERVICE_KEY}{}:{name}", tenant.0), signed(*n)])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_whatever_a_service_is_called() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID").unwrap();
        db.execute_batch("INSERT INTO meta VALUES ('journal_position', 7)").unwrap();
        let mut seen = Seen::default();
        seen.add("a:b/💬", 3);
        seen.add("", 2);
        seen.add("zz", 9);
        seen.write(&db, TenantNo(4)).unwrap();
        assert_eq!(load(&db).unwrap(), [(TenantNo(4), seen.clone())]);
        assert_eq!(seen.n_spans(), 14);
        assert_eq!(seen.services(), [("zz".into(), 9), ("a:b/💬".into(), 3)]);
    }

    #[test]
    fn the_number_of_names_is_bounded_and_the_sum_stays_exact() {
        let mut seen = Seen::default();
        for n in 0..100 {
            seen.add(&format!("service-{n:03}"), 1);
        }
        seen.add("service-000", 1);
        assert_eq!((seen.n_spans(), seen.services().len()), (101, SERVICES_MAX));
        assert_eq!(seen.services()[0], ("service-000".into(), 2));
    }
}
