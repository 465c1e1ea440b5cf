//! What the tests of this layer share: requests of every form, what must hold for any bytes, and the bodies of fuzz targets.

pub mod fuzz;
pub(in crate::wire) mod oracle;
#[cfg(test)]
pub(in crate::wire) mod samples;
