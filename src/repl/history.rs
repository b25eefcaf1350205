//! Where lines that were typed are kept from one session to the next: in the platform's place, for their owner alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file of the history; `None` where the system has no place for it.
pub fn place() -> Option<PathBuf> {
    let directory = dirs::state_dir().or_else(dirs::data_local_dir)?;
    Some(directory.join("bitmill").join("history"))
}

/// Makes sure that the file can be read, and by nobody else. One that is no text is put aside, so that a new one can
/// begin: tells where.
///
/// # Errors
/// When the file or its directory cannot be made or read.
pub fn prepare(path: &Path) -> io::Result<Option<PathBuf>> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    // What has no end, or nobody who writes, would be read for ever.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is no file"));
    }
    match fs::read(path) {
        Ok(bytes) => {
            only_owner(path)?;
            if std::str::from_utf8(&bytes).is_ok() {
                return Ok(None);
            }
            let aside = path.with_extension("broken");
            fs::rename(path, &aside)?;
            create(path)?;
            Ok(Some(aside))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path).map(|()| None),
        Err(error) => Err(error),
    }
}

fn create(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_| ())
}

/// Takes the right to read it from everybody else.
pub fn only_owner(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mut permissions = fs::metadata(path)?.permissions();
        if permissions.mode() & 0o077 != 0 {
            permissions.set_mode(0o600);
            fs::set_permissions(path, permissions)?;
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_history_is_put_aside() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("bitmill/history");
        assert_eq!(prepare(&path).unwrap(), None);
        fs::write(&path, "a\nb\n").unwrap();
        assert_eq!(prepare(&path).unwrap(), None);
        fs::write(&path, b"a\n\xff\xfe\n").unwrap();
        let aside = prepare(&path).unwrap().unwrap();
        assert_eq!((fs::read(&path).unwrap().len(), fs::read(aside).unwrap().len()), (0, 5));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(prepare(&path).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("history");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        prepare(&path).unwrap();
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        prepare(&path).unwrap();
        assert_eq!(mode(), 0o600);
    }
}
