//! The binary: everything is in the library.

use std::process::ExitCode;

/// Gives memory back to the system after a load (docs/decisions/060-jemalloc-gives-memory-back.md).
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    sessionfold::cli::main()
}
