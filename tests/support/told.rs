//! One call of the load generator, and what the server's database says of it afterwards.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use store::{CallRecord, Incident, Role, Turn};

use super::{Folder, Server, load, speech};

/// One call, and the report on it.
pub fn call(server: &Server, seconds: u64, more: &[&str]) -> Value {
    let (target, hold, speech) = (server.sip.to_string(), seconds.to_string(), speech().display().to_string());
    let arguments = ["sip", "--target", &target, "--hold", &hold, "--audio", &speech, "--allow-failures"];
    load(&[&arguments[..], more].concat()).1
}

/// A call's record, its turns and what went wrong.
pub struct Told {
    pub record: CallRecord,
    pub turns: Vec<Turn>,
    pub wrongs: Vec<Incident>,
}

/// What is told of the newest call, which is over.
pub fn told(server: &Server) -> Told {
    // Behind the last record, which is written when the call's actors have finished.
    server.wait_metric("offhook_calls_active", "", 0.0);
    std::thread::sleep(Duration::from_millis(500));
    let (runtime, database) = server.database();
    runtime.block_on(async {
        let record = database.list_calls(1, None).await.unwrap().remove(0);
        let (turns, wrongs) = (database.turns(record.call.id).await.unwrap(), database.incidents(record.call.id).await.unwrap());
        database.close().await;
        Told { record, turns, wrongs }
    })
}

impl Told {
    /// All that one side said, in order.
    pub fn said(&self, role: Role) -> Vec<&str> {
        self.turns.iter().filter(|turn| turn.role == role).map(|turn| turn.text.reveal()).collect()
    }

    /// Kinds and sources of what went wrong, in order.
    pub fn wrongs(&self) -> Vec<String> {
        self.wrongs.iter().map(|wrong| format!("{} {}", wrong.kind.as_str(), wrong.source)).collect()
    }

    /// Where the time of each answer went. Its stages sum to it.
    pub fn waterfalls(&self) -> Vec<&Value> {
        let waterfalls: Vec<&Value> = self.turns.iter().map(|turn| &turn.timings).filter(|timings| !timings.is_null()).collect();
        assert!(!waterfalls.is_empty(), "{:?}", self.turns);
        for waterfall in &waterfalls {
            assert_sum(waterfall, ["endpointing_ms", "engine_ms", "sendout_ms"], "response_gap_ms");
        }
        waterfalls
    }
}

/// That a waterfall's `parts` sum to its `whole`.
pub fn assert_sum(waterfall: &Value, parts: [&str; 3], whole: &str) {
    let stage = |name: &str| waterfall[name].as_u64().unwrap_or_else(|| panic!("no {name} in {waterfall}"));
    let sum: u64 = parts.map(stage).iter().sum();
    // Each stage is rounded down, and so is their sum.
    assert!((sum..sum + 3).contains(&stage(whole)), "{waterfall}");
}

/// A script for the simulator.
pub fn script(folder: &Folder, toml: &str) -> PathBuf {
    let path = folder.path().join("script.toml");
    std::fs::write(&path, toml).unwrap();
    path
}
