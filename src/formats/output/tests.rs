use super::*;

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What happens when a name in a directory is to be written, without the directory's own path.
fn refusal(directory: &Path, name: &str, overwrite: bool, inputs: &[PathBuf]) -> String {
    let path = directory.join(name);
    let error = PartialFile::create(&Destination { path: &path, overwrite, inputs }).unwrap_err();
    let help = error.help().unwrap_or_default();
    format!("{error}; {help}").replace(&*directory.to_string_lossy(), "DIR")
}

#[test]
fn a_file_appears_when_it_is_complete() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.bin");
    let destination = Destination { path: &path, overwrite: false, inputs: &[] };
    let mut file = PartialFile::create(&destination).unwrap();
    file.write_all(b"whole").unwrap();
    assert!(!path.exists());
    let aside = names(dir.path());
    assert!(aside.len() == 1 && aside[0].starts_with(".out.bin.partial-"), "{aside:?}");
    file.commit().unwrap();
    assert_eq!((names(dir.path()), fs::read(&path).unwrap()), (vec!["out.bin".to_owned()], b"whole".to_vec()));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let plain = dir.path().join("plain");
        fs::write(&plain, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&plain), "the umask decides who may read");
    }
}

#[test]
fn a_dropped_file_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.bin");
    let mut file = PartialFile::create(&Destination { path: &path, overwrite: false, inputs: &[] }).unwrap();
    file.write_all(b"half").unwrap();
    drop(file);
    assert!(names(dir.path()).is_empty());
}

#[test]
fn refusals_name_the_path_and_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("old"), "old").unwrap();
    fs::create_dir(dir.join("sub")).unwrap();
    insta::assert_snapshot!(refusal(dir, "old", false, &[]), @"DIR/old: exists already; name another output, or overwrite this one with --force");
    insta::assert_snapshot!(refusal(dir, "sub", true, &[]), @"DIR/sub: is a directory; a file is to be written; name another output, or move away what is there");
    insta::assert_snapshot!(refusal(dir, "no/out", true, &[]), @"DIR/no/out: cannot be written: the directory DIR/no does not exist; create the directory first, or correct the path");
    insta::assert_snapshot!(refusal(dir, "sub/..", true, &[]), @"`DIR/sub/..`: does not name a file or directory to write; end the path in the name to write");
    insta::assert_snapshot!(refusal(dir, "old", true, &[dir.join("sub/../old")]), @"DIR/old: the output would replace the input DIR/sub/../old; name another output: an input is never overwritten, not even with --force");
    assert_eq!(fs::read(dir.join("old")).unwrap(), b"old");
}

#[cfg(unix)]
#[test]
fn an_input_is_recognised_through_links() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let input = dir.join("input");
    fs::write(&input, "in").unwrap();
    std::os::unix::fs::symlink(&input, dir.join("soft")).unwrap();
    fs::hard_link(&input, dir.join("hard")).unwrap();
    for name in ["soft", "hard"] {
        assert!(refusal(dir, name, true, std::slice::from_ref(&input)).contains("would replace the input"));
    }
    assert!(refusal(Path::new("/dev"), "null", true, &[]).contains("not a regular file"));
}

#[test]
fn what_takes_the_place_meanwhile_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let file = PartialFile::create(&Destination { path: &path, overwrite: false, inputs: &[] }).unwrap();
    fs::write(&path, "other").unwrap();
    assert!(matches!(file.commit(), Err(OutputError::Exists(_))));
    assert_eq!((names(dir.path()).len(), fs::read(&path).unwrap()), (1, b"other".to_vec()));
}

#[test]
fn overwriting_replaces() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    fs::write(&path, "old").unwrap();
    let mut file = PartialFile::create(&Destination { path: &path, overwrite: true, inputs: &[] }).unwrap();
    file.write_all(b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    file.commit().unwrap();
    assert_eq!((names(dir.path()).len(), fs::read(&path).unwrap()), (1, b"new".to_vec()));
}

#[test]
fn a_directory_appears_when_it_is_complete_and_replaces_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model");
    for (name, overwrite) in [("a.safetensors", false), ("b.safetensors", true)] {
        let partial = PartialDirectory::create(&Destination { path: &path, overwrite, inputs: &[] }).unwrap();
        fs::write(partial.path().join(name), "x").unwrap();
        partial.commit().unwrap();
        assert_eq!(names(&path), [name]);
        assert_eq!(names(dir.path()), ["model"]);
    }
    let partial = PartialDirectory::create(&Destination { path: &path, overwrite: true, inputs: &[] }).unwrap();
    fs::write(partial.path().join("c.json"), "x").unwrap();
    drop(partial);
    assert_eq!((names(&path), names(dir.path())), (vec!["b.safetensors".to_owned()], vec!["model".to_owned()]));
}

#[test]
fn a_directory_with_anything_else_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model");
    let create = |overwrite, inputs: &[PathBuf]| {
        let error = PartialDirectory::create(&Destination { path: &path, overwrite, inputs }).unwrap_err();
        error.to_string().replace(&*dir.path().to_string_lossy(), "DIR")
    };
    fs::create_dir(&path).unwrap();
    fs::write(path.join("model.safetensors"), "x").unwrap();
    insta::assert_snapshot!(create(false, &[]), @"DIR/model: exists already");
    insta::assert_snapshot!(create(true, &[path.join("model.safetensors")]), @"DIR/model: the output would replace the input DIR/model/model.safetensors");
    fs::write(path.join("thesis.docx"), "x").unwrap();
    insta::assert_snapshot!(create(true, &[]), @"DIR/model: will not be replaced: it holds thesis.docx, which is not part of a model");
    assert_eq!(names(&path).len(), 2);
}

#[test]
fn notes_are_no_model_whatever_they_are_called() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |name: &str, files: &[&str]| {
        let path = dir.path().join(name);
        for file in files {
            fs::create_dir_all(path.join(file).parent().unwrap()).unwrap();
            fs::write(path.join(file), "x").unwrap();
        }
        match PartialDirectory::create(&Destination { path: &path, overwrite: true, inputs: &[] }) {
            Ok(_) => String::new(),
            Err(error) => error.to_string().replace(&*dir.path().to_string_lossy(), "DIR"),
        }
    };
    insta::assert_snapshot!(refused("notes", &["diary.md", "todo.txt"]), @"DIR/notes: will not be replaced: the directory holds no model");
    insta::assert_snapshot!(refused("data", &["diary.md", "Data/thesis.docx"]), @"DIR/data: will not be replaced: it holds Data, which is not part of a model");
    insta::assert_snapshot!(refused("both", &["model.safetensors", "Data/thesis.docx"]), @"DIR/both: will not be replaced: it holds Data, which is not part of a model");
    insta::assert_snapshot!(refused("odd", &["Manifest.json/x", "Data/thesis.docx"]), @"DIR/odd: will not be replaced: it holds Data, which is not part of a model");
    assert_eq!(refused("package", &["Manifest.json", "Data/com.apple.CoreML/model.mlmodel"]), "");
    assert_eq!(refused("checkpoint", &["model.safetensors", "config.json", "README.md"]), "");
    fs::create_dir(dir.path().join("empty")).unwrap();
    assert_eq!(refused("empty", &[]), "");
}

#[test]
fn a_signal_removes_what_is_not_complete() {
    // To call `remove_partials` here would remove other tests' partials, which run beside: tests/model_signal.rs does.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    let partial = PartialDirectory::create(&Destination { path: &path, overwrite: false, inputs: &[] }).unwrap();
    let registered = |path: &Path| PARTIALS.lock().unwrap().iter().any(|p| p == path);
    let aside = partial.path().to_owned();
    assert!(registered(&aside));
    drop(partial);
    assert!(!registered(&aside));
}

/// A handler that comes between the two renames of a directory waits, and what it has removed is never put in the
/// place of what was there.
#[test]
fn a_signal_comes_before_an_output_is_put_in_its_place_or_after() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("old.safetensors"), "precious").unwrap();
    let partial = PartialDirectory::create(&Destination { path: &path, overwrite: true, inputs: &[] }).unwrap();
    fs::write(partial.path().join("new.safetensors"), "x").unwrap();
    let aside = std::path::absolute(partial.path()).unwrap();
    // What `remove_partials` does, to this one alone: other tests' outputs are being written beside.
    PARTIALS.lock().unwrap().retain(|path| *path != aside);
    assert!(partial.commit().is_err());
    assert_eq!((names(&path), names(dir.path())), (vec!["old.safetensors".to_owned()], vec!["model".to_owned()]));

    let registered = Registered::new(&dir.path().join("x"));
    let held = registered.complete(&path, |_| Ok(PARTIALS.try_lock().is_err())).unwrap();
    assert!(held, "the handler waits for a step that has begun");
}

#[test]
fn files_of_a_directory_are_called_by_their_place_in_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model");
    let partial = PartialDirectory::create(&Destination { path: &path, overwrite: false, inputs: &[] }).unwrap();
    let mut file = partial.file("config.json").unwrap();
    file.write_all(b"{}").unwrap();
    assert_eq!(file.path(), path.join("config.json"));
    file.commit().unwrap();
    let again = partial.file("config.json").unwrap().commit().unwrap_err();
    assert_eq!(again.to_string(), format!("{}: exists already", path.join("config.json").display()));
    partial.commit().unwrap();
    assert_eq!(names(&path), ["config.json"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named() {
    // /dev/full fails every write as a full disk does.
    let error = fs::OpenOptions::new().write(true).open("/dev/full").and_then(|mut f| f.write_all(b"x"));
    let error = OutputError::from_io(Path::new("out"), error.unwrap_err());
    assert!(matches!(error, OutputError::DiskFull(_)), "{error}");
}

#[cfg(unix)]
#[test]
fn messages_name_no_file_that_is_written_aside() {
    // No file can be created in a file, whoever asks.
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let path = dir.path().join("file/out");
    let error = tempfile::Builder::new().prefix(".out.partial-").tempfile_in(dir.path().join("file")).unwrap_err();
    assert!(error.to_string().contains(".out.partial-"), "tempfile names it: {error}");
    let told = OutputError::from_tempfile(&path, error).to_string();
    assert!(told.contains("file/out: cannot be written: ") && !told.contains(".partial-"), "{told}");
}
