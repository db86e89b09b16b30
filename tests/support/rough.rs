//! A node on which goes wrong what can: for panels that show nothing on a good day.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use tokio_tungstenite::tungstenite::Message;

use crate::bot::Bot;
use crate::peer::Peer;
use crate::support::{Callers, Folder, Server, Simulator, load, rtp_range, speech};

/// Its one call at a time is taken by assistants that each fail in their own way.
pub struct Rough {
    pub server: Server,
    bot: Mutex<Bot>,
    _long: Simulator,
    _folder: Folder,
}

impl Rough {
    /// With models at `ruined`, who answers nobody; its recordings cannot be written.
    pub fn start(good: &Simulator, ruined: &Simulator) -> Self {
        let (folder, bot) = (Folder::new(), Bot::start());
        let script = folder.path().join("script.toml");
        // Longer than a leg takes.
        std::fs::write(&script, "[[turns]]\ntext = \"Long.\"\nduration_ms = 200000\n").unwrap();
        let long = Simulator::start(&["--script", script.to_str().unwrap(), "--speed", "400"]);
        let root = |simulator: &Simulator| simulator.base_url.trim_end_matches("/v1").to_owned();
        let provider = |name: &str, kind: &str, url: &str| {
            format!("[providers.{name}]\nkind = \"{kind}\"\napi_key_env = \"KEY\"\nbase_url = \"{url}\"\nbreaker_failures = 1\n")
        };
        let assistant = |name: &str, engine: &str| {
            format!("[[assistants]]\nname = \"{name}\"\nfirst_message = \"Hello.\"\n[assistants.engine]\n{engine}\n")
        };
        let toml = [
            format!("[rtp]\nport_range = \"{}\"\ntimeout_s = 9\n[node]\nname = \"rough\"\nmax_calls = 1\n", rtp_range(8)),
            provider("long", "openai", &long.base_url),
            provider("ears", "deepgram", &root(good)),
            provider("mind", "anthropic", &root(good)),
            provider("mouth", "elevenlabs", &root(good)),
            provider("ruined", "anthropic", &root(ruined)),
            assistant("demo", "kind = \"realtime\"\nprovider = \"long\""),
            assistant("bot", &format!("kind = \"stream\"\nurl = \"{}\"", bot.url())),
            assistant("chain", "kind = \"cascade\""),
            "[assistants.transcriber]\nprovider = \"ears\"\n[assistants.model]\nprovider = \"ruined\"\n\
             [assistants.voice]\nprovider = \"mouth\"\n\
             [[assistants.fallback]]\nstage = \"model\"\nprovider = \"mind\"\n"
                .to_owned(),
            ["bot", "chain"].map(|name| format!("[[numbers]]\nnumber = \"{name}\"\nassistant = \"{name}\"\n")).concat(),
        ];
        let server = Server::start_with(&toml.concat(), &[("KEY", "sk-test")]);
        // Where the folder of its recordings would be.
        std::fs::write(server.folder.path().join("data/recordings"), "no folder").unwrap();
        Self { server, bot: Mutex::new(bot), _long: long, _folder: folder }
    }

    /// All of it, one after the other; at the end a call that is up on a node that drains.
    pub fn go_wrong(&self) -> Callers {
        let server = &self.server;
        let mut mute = Peer::call(server.sip, "mute");
        // There is room for one call. Twice, since a counter shows only what was added after its first reading.
        self.call("demo", "1");
        thread::sleep(Duration::from_millis(1500));
        self.call("demo", "1");
        mute.wait_bye();
        self.wait_free();
        self.call("demo", "3");
        self.wait_free();
        thread::scope(|scope| {
            scope.spawn(|| self.call("bot", "3"));
            let (mut stream, _) = self.bot.lock().unwrap().started();
            for _ in 0..3 {
                stream.socket.send(Message::text("this is no message")).unwrap();
            }
            stream.hear(20);
        });
        self.wait_free();
        self.call("chain", "8");
        self.wait_free();
        let last = Callers::place(server, 1);
        server.process.signal("-TERM");
        last
    }

    fn call(&self, to: &str, seconds: &str) {
        let (target, audio) = (self.server.sip.to_string(), speech().display().to_string());
        load(&["sip", "--target", &target, "--to", to, "--hold", seconds, "--audio", &audio, "--allow-failures"]);
    }

    fn wait_free(&self) {
        self.server.wait_metric("offhook_calls_active", "", 0.0);
    }
}
