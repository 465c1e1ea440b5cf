//! What this program is: its version, and what it was built from and by (`build.rs`).

pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit, where the build knew it.
pub const REVISION: Option<&str> = option_env!("BUILT_FROM_REVISION");
/// The version of the compiler.
pub const RUSTC: &str = env!("BUILT_BY_RUSTC");
