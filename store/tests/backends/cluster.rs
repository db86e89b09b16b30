//! A private PostgreSQL, Debian's or Python's `pgserver`, for the length of one test.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use uuid::Uuid;

/// A running server on a loopback port; stopped and removed when dropped, and stopped by the kernel when the test
/// process dies without dropping it.
pub struct Cluster {
    folder: PathBuf,
    port: u16,
    server: Child,
}

impl Cluster {
    /// Starts it, or says why there is none to start. A PostgreSQL that is there and does not start is a panic.
    pub fn start() -> Result<Self, String> {
        Ok(Self::run(&programs()?, new_folder()))
    }

    /// The same with pgvector: the PostgreSQL of the Python package `pgserver`, of scripts/requirements.txt.
    pub fn start_with_pgvector() -> Result<Self, String> {
        let python = std::env::var_os("OFFHOOK_TEST_PYTHON").ok_or("OFFHOOK_TEST_PYTHON is not set; `make test` sets it")?;
        let find = "import importlib.util; print(importlib.util.find_spec('pgserver').submodule_search_locations[0])";
        let found = Command::new(python).args(["-c", find]).output().unwrap();
        assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
        let package = PathBuf::from(String::from_utf8(found.stdout).unwrap().trim());
        // The user postgres may not look into our home. The programs find their libraries beside the package.
        let folder = new_folder();
        run(Command::new("cp").arg("-r").args([&package, &package.with_extension("libs"), &folder]));
        run(Command::new("chmod").args(["-R", "a+rX"]).arg(&folder));
        Ok(Self::run(&folder.join("pgserver/pginstall/bin"), folder))
    }

    fn run(programs: &Path, folder: PathBuf) -> Self {
        let data = folder.join("data");
        run(as_postgres(&programs.join("initdb"))
            .args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-N", "-D"])
            .arg(&data));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = as_postgres(&programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-h", "127.0.0.1", "-p", &port.to_string()])
            .args(["-c", "unix_socket_directories=", "-c", "fsync=off"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(server.stderr.take().unwrap());
        let cluster = Self { folder, port, server };
        let mut seen = String::new();
        while !seen.contains("ready to accept connections") {
            let read = log.read_line(&mut seen).unwrap();
            assert!(read > 0, "PostgreSQL did not start:\n{seen}");
        }
        // It must never wait for us to read its log.
        std::thread::spawn(move || log.read_to_end(&mut Vec::new()));
        cluster
    }

    /// URL of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SIGINT is PostgreSQL's fast shutdown.
        let pid = self.server.id().to_string();
        let _ = Command::new("kill").args(["-INT", &pid]).status();
        let _ = self.server.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A folder of the user postgres.
fn new_folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("offhook-postgres-{}", Uuid::now_v7()));
    let mut make = Command::new("install");
    make.args(["-d", "-m", "0700"]);
    if is_root() {
        make.args(["-o", "postgres", "-g", "postgres"]);
    }
    run(make.arg(&folder));
    folder
}

/// The newest installed version's programs.
fn programs() -> Result<PathBuf, String> {
    let root = "/usr/lib/postgresql";
    let versions = fs::read_dir(root).map_err(|error| format!("{root}: {error}"))?;
    let programs = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    programs.filter(|folder| folder.join("initdb").exists()).max().ok_or_else(|| format!("no initdb in {root}/*/bin"))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// PostgreSQL refuses to run as root. The death signal follows our thread, so nothing outlives the test.
fn as_postgres(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "INT"]);
    if is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.arg(program).env("LC_ALL", "C").current_dir("/").stdout(Stdio::null());
    command
}

fn run(command: &mut Command) {
    let output = command.stderr(Stdio::piped()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}
