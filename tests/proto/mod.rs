//! The code in `src/wire/format/proto` is generated from `proto/` and committed, so that nobody needs a protobuf compiler to build.

use std::path::Path;

/// Regenerates and compares. `UPDATE_GENERATED=1` writes the new code instead.
#[test]
fn the_committed_protobuf_code_is_what_the_proto_files_generate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let include = root.join("proto");
    let sources = [include.join("sessionfold/journal/v1/entry.proto"), include.join("sessionfold/stored/v1/stored.proto")];
    let descriptors = protox::compile(sources, [&include]).expect("the proto files compile");

    let out = tempfile::tempdir().expect("a scratch directory");
    prost_build::Config::new().out_dir(out.path()).compile_fds(descriptors).expect("code is generated");

    for (generated, committed) in [("sessionfold.journal.v1.rs", "journal.rs"), ("sessionfold.stored.v1.rs", "stored.rs")] {
        let now = std::fs::read_to_string(out.path().join(generated)).expect("the generated file");
        let path = root.join("src/wire/format/proto").join(committed);
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            std::fs::write(&path, &now).expect("the generated file is written");
        }
        let then = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(then, now, "{} is stale: run the tests once with UPDATE_GENERATED=1", path.display());
    }
}
