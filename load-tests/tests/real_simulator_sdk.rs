//! The provider simulator as the vendors' own Python SDKs see it: each must be able to use it and parse all it says.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use load_tests::simulator::{Script, SimOptions, Simulator};

/// All six together take about ten seconds.
const AT_MOST: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vendors_own_sdks_parse_everything() {
    let Some(python) = std::env::var_os("OFFHOOK_TEST_PYTHON") else {
        assert!(std::env::var_os("CI").is_none(), "OFFHOOK_TEST_PYTHON is not set: use `make test`");
        println!("skipped: OFFHOOK_TEST_PYTHON is not set; `make test` sets it");
        return;
    };
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut options = SimOptions::new(SocketAddr::from(([127, 0, 0, 1], 0)));
    options.script = Script::read(&tests.join("sdk_second_opinion.toml")).unwrap();
    let simulator = Simulator::start(options).await.unwrap();
    let mut command = tokio::process::Command::new(python);
    command.arg(tests.join("sdk_second_opinion.py")).arg(format!("http://{}", simulator.address())).kill_on_drop(true);
    let output = tokio::time::timeout(AT_MOST, command.output()).await.expect("the SDKs took too long").unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{wrong}");
    let used: Vec<&str> = said.lines().filter_map(|line| line.split_once(": ").map(|(name, _)| name)).collect();
    assert_eq!(used, ["openai", "groq", "anthropic", "deepgram", "elevenlabs", "cartesia"], "{said}\n{wrong}");
}
