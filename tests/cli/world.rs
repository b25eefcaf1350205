//! A directory in which the binary runs, and what comes of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A temporary directory with files.
pub struct World {
    directory: tempfile::TempDir,
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl World {
    pub fn new() -> World {
        World { directory: tempfile::tempdir().unwrap() }
    }

    /// With a file.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> World {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// With one of the shipped models.
    pub fn model(self, name: &str) -> World {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/models").join(name);
        let bytes = fs::read(model).unwrap();
        self.file(name, bytes)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Every file, sorted, for tests of what is left behind.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The binary in this directory, with an environment that says nothing about terminals.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bitmill"));
        command.args(arguments).current_dir(self.directory.path()).stdin(Stdio::null());
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "TERM", "LC_ALL", "LC_CTYPE", "LANG"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs a command line: words divided by blanks.
    pub fn run(&self, line: &str) -> Ran {
        Ran::of(self.command(&line.split(' ').collect::<Vec<_>>()).output().unwrap())
    }

    /// As [`World::run`], with settings in the environment.
    pub fn run_with(&self, line: &str, environment: &[(&str, &str)]) -> Ran {
        let mut command = self.command(&line.split(' ').collect::<Vec<_>>());
        Ran::of(command.envs(environment.iter().copied()).output().unwrap())
    }

    /// As [`World::run`], with a text on standard input.
    pub fn run_on(&self, line: &str, input: &str) -> Ran {
        use std::io::Write;
        let mut command = self.command(&line.split(' ').collect::<Vec<_>>());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Ran::of(child.wait_with_output().unwrap())
    }
}

impl Ran {
    pub fn of(output: Output) -> Ran {
        Ran {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// All of it, for snapshots.
    pub fn all(&self) -> String {
        let mut text = self.stdout.clone();
        if !self.stderr.is_empty() {
            text += &format!("--- standard error\n{}", self.stderr);
        }
        match self.status {
            Some(0) => text,
            status => text + &format!("--- exit status {}\n", status.map_or("none".into(), |code| code.to_string())),
        }
    }
}

/// A safetensors file of zeros: names with shapes, all fp16.
pub fn zeros(tensors: &[(&str, &[usize])]) -> Vec<u8> {
    let (mut header, mut end) = (serde_json::Map::new(), 0);
    for (name, shape) in tensors {
        let begin = end;
        end += 2 * shape.iter().product::<usize>();
        let entry = serde_json::json!({ "dtype": "F16", "shape": shape, "data_offsets": [begin, end] });
        header.insert(name.to_string(), entry);
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.resize(bytes.len() + end, 0);
    bytes
}
