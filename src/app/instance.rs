//! The id by which this instance knows its own exports when they come back, also after a restart.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

const FILE: &str = "instance.id";

/// Reads the id of a data directory, or makes one. Sixteen hexadecimal digits.
pub(super) fn id(data_dir: &Path) -> io::Result<String> {
    let path = data_dir.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) if is_id(text.trim()) => return Ok(text.trim().to_owned()),
        // What a crash has left of it is made anew.
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let number = getrandom::u64().map_err(|error| io::Error::other(format!("the system provides no random numbers: {error}")))?;
    let id = format!("{number:016x}");
    let temporary = data_dir.join(format!("{FILE}.new"));
    let mut file = File::create(&temporary)?;
    file.write_all(id.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, &path)?;
    Ok(id)
}

fn is_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_keeps_its_id_and_another_directory_has_another() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = id(one.path()).unwrap();
        assert!(is_id(&first));
        assert_eq!(id(one.path()).unwrap(), first);
        assert_ne!(id(other.path()).unwrap(), first);
        fs::write(one.path().join(FILE), "torn").unwrap();
        assert_ne!(id(one.path()).unwrap(), first);
    }
}
