//! The threads that change the store, and nobody else may: the fold thread, which alone writes the index and the open traces, and the
//! checkpoint thread, which alone writes the database.

pub(in crate::store::local) mod ambient_calls;
pub(in crate::store::local) mod apply;
pub(in crate::store::local) mod arrivals;
pub(in crate::store::local) mod bounds;
pub(in crate::store::local) mod checkpoint;
pub(in crate::store::local) mod fold_worker;
pub(in crate::store::local) mod forgetting;
pub(in crate::store::local) mod notes;
pub(in crate::store::local) mod open;
pub(in crate::store::local) mod pending;
pub(in crate::store::local) mod reports;
pub(in crate::store::local) mod retention;
pub(in crate::store::local) mod retold;
pub(in crate::store::local) mod saved;
pub(in crate::store::local) mod turns;
pub(in crate::store::local) mod untraced;
