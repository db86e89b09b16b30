//! What an operator sees of a node that works: every panel of every dashboard has data, every rule is sound, and nobody is woken.
#![allow(clippy::unwrap_used)]

#[path = "support/bot.rs"]
mod bot;
#[allow(dead_code)]
#[path = "../src/telemetry/catalogue.rs"]
mod catalogue;
#[path = "support/collector.rs"]
mod collector;
#[path = "support/peer.rs"]
mod peer;
#[path = "support/rough.rs"]
mod rough;
mod support;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use catalogue::{METRICS, PROCESS};
use collector::Collector;
use rough::Rough;
use serde_json::Value;
use support::{Folder, Process, Server, Simulator, free_address, get, http, load, offhook, rtp_range, speech, wait_for};

/// What the variables of the dashboards stand for here. The intervals reach back to the start of the load.
const VARIABLES: [(&str, &str); 4] = [("$__rate_interval", "60s"), ("$__range", "90s"), ("$instance", ".*"), ("$provider", ".*")];

/// What of the run a dashboard is looked at for, and in which steps.
const SHOWN: &str = "40s:2s";

/// The providers of a node that works.
struct Providers {
    /// Speaks all protocols.
    acme: Simulator,
    /// Refuses everything.
    ruined: Simulator,
    /// Analyses calls.
    judge: Simulator,
    /// Makes vectors, until it ends in the midst of it.
    embedder: Option<Simulator>,
    collector: Collector,
    /// Holds the script and the documents.
    folder: Folder,
}

impl Providers {
    fn start() -> Self {
        let folder = Folder::new();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        write("hours.md", "# Shop\n\nWe open at nine.");
        write("prices.md", "# Prices\n\nA pizza is five euros.");
        let turn = "[[turns]]\ntext = \"That is a long answer to a short question.\"\nduration_ms = 3000\n";
        let tools = "[[turns]]\ntool = { name = \"send_dtmf\", arguments = '{\"digits\": \"1\"}' }\n\
                     [[turns]]\ntool = { name = \"search_knowledge\", arguments = '{\"query\": \"When do you open?\"}' }\n";
        let greeting = "[greeting]\ntext = \"Hello.\"\nduration_ms = 2000\n";
        let script = write("script.toml", &format!("{greeting}{turn}{tools}{turn}"));
        let findings = r#"{"summary": "s", "sentiment": "neutral", "sentiment_score": 0, "memories": [], "outdated": []}"#;
        let verdict = write("judge.toml", &format!("[[turns]]\ntext = '{findings}'\n[pace]\ntokens_per_s = 1000.0\n"));
        Self {
            acme: Simulator::start(&["--script", &script]),
            ruined: Simulator::start(&["--fault", "429"]),
            judge: Simulator::start(&["--script", &verdict]),
            embedder: Some(Simulator::start(&[])),
            collector: Collector::start(Duration::ZERO),
            folder,
        }
    }

    fn document(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A node that works, whose provider for `broken` is down; nobody answers `closed`.
fn server(providers: &Providers, ports: &str) -> Server {
    let root = providers.acme.base_url.trim_end_matches("/v1");
    let provider = |name: &str, kind: &str, url: &str| {
        format!("[providers.{name}]\nkind = \"{kind}\"\napi_key_env = \"KEY\"\nbase_url = \"{url}\"\n")
    };
    let assistant = |name: &str, engine: &str| {
        format!(
            "[[assistants]]\nname = \"{name}\"\nfirst_message = \"Hello.\"\n\
             tools = [\"end_call\", \"send_dtmf\", \"search_knowledge\", \"down\", \"legacy\"]\n[assistants.engine]\n{engine}\n"
        )
    };
    let realtime = |provider: &str| format!("kind = \"realtime\"\nprovider = \"{provider}\"");
    let legacy = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mcp_legacy.py");
    let embedder = &providers.embedder.as_ref().unwrap().base_url;
    let toml = [
        format!("[rtp]\nport_range = \"{ports}\"\n[node]\nmax_calls = 64\n[limits]\ncpu_percent = 100\n"),
        // Less than what the network of some calls varies by.
        "[jitter]\ninitial_ms = 20\nmax_ms = 40\n".to_owned(),
        // Nobody listens at the collector's port.
        format!("[telemetry]\notlp_endpoint = \"http://{}\"\nhep_endpoint = \"127.0.0.1:9\"\n", providers.collector.address),
        provider("acme", "openai", &providers.acme.base_url) + &provider("ruined", "openai", &providers.ruined.base_url),
        provider("judge", "openai", &providers.judge.base_url) + &provider("embedder", "openai", embedder),
        provider("ears", "deepgram", root) + &provider("mind", "anthropic", root) + &provider("mouth", "elevenlabs", root),
        assistant("demo", &realtime("acme")),
        "[assistants.memory]\nenabled = true\n[assistants.analysis]\nenabled = true\nprovider = \"judge\"\nmodel = \"judge-1\"\n"
            .to_owned(),
        assistant("broken", &realtime("ruined")) + &assistant("chain", "kind = \"cascade\""),
        "[assistants.transcriber]\nprovider = \"ears\"\nmodel = \"flux-general-en\"\n[assistants.model]\nprovider = \"mind\"\n\
         [assistants.voice]\nprovider = \"mouth\"\n"
            .to_owned(),
        ["broken", "chain"].map(|name| format!("[[numbers]]\nnumber = \"{name}\"\nassistant = \"{name}\"\n")).concat(),
        "[[numbers]]\nnumber = \"closed\"\nassistant = \"demo\"\nactive = false\n".to_owned(),
        "[knowledge]\nembeddings = \"on\"\nembeddings_provider = \"embedder\"\n".to_owned(),
        format!("[[knowledge.documents]]\npath = {:?}\n", providers.document("hours.md")),
        // One that ends at once: what is not there is on a dashboard too.
        "[[mcp_servers]]\nname = \"down\"\ncommand = \"true\"\n".to_owned(),
        format!("[[mcp_servers]]\nname = \"legacy\"\ncommand = \"python3\"\nargs = [{legacy:?}]\n"),
    ];
    Server::start_with(&toml.concat(), &[("KEY", "sk-test")])
}

/// `make observe`, reading these servers.
struct Observer {
    process: Process,
    address: SocketAddr,
    folder: Folder,
}

impl Observer {
    fn start(servers: &[&Server]) -> Self {
        let (address, folder) = (free_address(), Folder::new());
        let targets = servers.iter().map(|server| server.metrics.to_string()).collect::<Vec<_>>().join(",");
        let mut child = Command::new("scripts/observe.sh")
            .env("TARGET", &targets)
            .env("PORT", address.port().to_string())
            .env("INTERVAL", "1s")
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let observer = Self { process: Process(child), address, folder };
        let first = lines.find(|line| line.starts_with("Prometheus reads ")).expect("Prometheus starts");
        assert!(first.contains(&targets), "{first}");
        thread::spawn(move || lines.count());
        observer
    }

    /// Asks for a page of the API. HTTP/1.0, so that the answer comes in one piece.
    fn ask(&self, path: &str) -> Value {
        let (status, body) = http(self.address, &format!("GET /api/v1/{path} HTTP/1.0\r\n\r\n")).unwrap();
        let answer: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
        assert!(status == 200 && answer["status"] == "success", "{path}: {status} {body}");
        answer["data"].clone()
    }

    /// The numbers that an expression gives now.
    fn samples(&self, expr: &str) -> Vec<f64> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric();
        let encoded: String =
            expr.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect();
        let answer = self.ask(&format!("query?query={encoded}"));
        let samples = answer["result"].as_array().unwrap().iter().map(|sample| sample["value"][1].as_str().unwrap());
        samples.map(|number| number.parse::<f64>().unwrap()).filter(|number| !number.is_nan()).collect()
    }

    /// Ends it as Ctrl-C does.
    fn stop(&mut self) {
        // Not INT: a shell that was started in the background of another ignores it.
        self.process.signal("-TERM");
        assert!(self.process.wait(Duration::from_secs(20)).success());
    }
}

impl Drop for Observer {
    /// A test that failed must not leave Prometheus behind: only the script knows it.
    fn drop(&mut self) {
        if self.process.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.stop();
        }
    }
}

/// Everything that a dashboard shows, within half a minute: good calls, keys, interruptions, tools, a cascade, a bad path, a provider that
/// is down, a call that is refused, a message that comes twice, a document, and questions with a server for vectors and without.
fn traffic(server: &Server, ports: &str, providers: &mut Providers) {
    let (sip, twilio, audio) = (server.sip.to_string(), format!("http://{}", server.http), speech().display().to_string());
    let common = ["--allow-failures", "--audio", &audio, "--target"];
    let groups: [&[&str]; 7] = [
        &["sip", &sip, "--calls", "12", "--rate", "1.5", "--hold", "14"],
        &["sip", &sip, "--calls", "2", "--rate", "0.5", "--hold", "12", "--loss", "30", "--jitter-ms", "120", "--dtmf", "1#"],
        &["twilio", &twilio, "--calls", "3", "--rate", "0.5", "--hold", "14", "--barge-in"],
        &["sip", &sip, "--calls", "2", "--rate", "0.5", "--hold", "14", "--barge-in"],
        &["sip", &sip, "--to", "chain", "--calls", "2", "--rate", "0.5", "--hold", "14"],
        &["sip", &sip, "--to", "broken", "--hold", "20", "--say", "silent"],
        &["sip", &sip, "--to", "closed", "--hold", "1"],
    ];
    thread::scope(|scope| {
        let runs = groups.map(|group| {
            let arguments = [&group[..1], &common, &group[1..]].concat();
            scope.spawn(move || (group, load(&arguments).1))
        });
        say_twice(server.sip);
        learn(server, &providers.document("prices.md"));
        thread::sleep(Duration::from_secs(4));
        scatter(ports);
        // From now on words alone answer.
        let asked = || server.metric("offhook_knowledge_search_seconds_count", "by=\"hybrid\"") > 0.0;
        wait_for(Duration::from_secs(20), "a question by meaning", || asked().then_some(()));
        drop(providers.embedder.take());
        for (group, report) in runs.map(|run| run.join().unwrap()) {
            let wanted = if group.contains(&"closed") { "failed" } else { "answered" };
            assert!(report[wanted].as_u64().is_some_and(|calls| calls > 0), "{group:?}: {report:#}");
        }
    });
}

/// Puts a document, as an operator does.
fn learn(server: &Server, document: &Path) {
    let arguments = ["knowledge", "add", document.to_str().unwrap(), "--config", "offhook.toml"];
    let output = offhook(server.folder.path(), &arguments, &[("KEY", "sk-test")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Sends one INVITE in two datagrams and never acknowledges its refusal, as a peer does that loses every answer.
fn say_twice(sip: SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let local = socket.local_addr().unwrap();
    let request = format!(
        "INVITE sip:closed@{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK-twice\r\nMax-Forwards: 70\r\n\
         Contact: <sip:peer@{local}>\r\nFrom: <sip:peer@{local}>;tag=1\r\nTo: <sip:closed@{sip}>\r\n\
         Call-ID: twice@{local}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
    );
    for _ in 0..2 {
        socket.send_to(request.as_bytes(), sip).unwrap();
        let mut answer = [0; 2048];
        let length = socket.recv(&mut answer).unwrap();
        assert!(answer[..length].starts_with(b"SIP/2.0 "));
    }
}

/// Sends what is no RTP to every port on which a call may listen.
fn scatter(ports: &str) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (first, last) = ports.split_once('-').unwrap();
    for port in (first.parse::<u16>().unwrap()..=last.parse().unwrap()).step_by(2) {
        // Refused where nobody listens.
        let _refused = socket.send_to(b"?", ("127.0.0.1", port));
    }
}

/// What may be zero, or not be there, by a part of the query, and why; everything else must have moved.
const QUIET: &[(&str, &str)] = &[
    ("offhook_sip_rejected_total", "nobody is a stranger on loopback: tests/real_load_defence.rs"),
    ("offhook_dial_seconds", "it places no calls: tests/real_calls_out.rs"),
    ("offhook_identity", "no call is signed: tests/real_identity.rs"),
    ("offhook_sip_ladder_left_out_total", "no call has more than 64 messages"),
    ("offhook_conference", "nobody is joined with anybody: tests/real_bridge.rs"),
    ("offhook_rtp_passed_total", "nobody is joined with anybody: tests/real_bridge.rs"),
    ("offhook_actor_restarts_total", "no actor dies: tests/real_faults.rs"),
    (
        "offhook_mailbox_dropped_total",
        "no mailbox is full, unless the machine is: its bounds are seconds of any load that a test makes",
    ),
    ("offhook_clock_late_total", "the machine has time, perhaps"),
    ("offhook_remarks_total", "nobody is silent for long: tests/real_manners.rs"),
    ("offhook_rtp_recovered_total", "no call is in Opus: tests/real_baresip.rs"),
    ("offhook_sip_challenges_total", "there are no trunks: tests/real_trunks.rs"),
    ("offhook_sip_connections", "its callers use UDP: tests/real_transports.rs"),
    ("offhook_sip_dns_total", "no peer has a name: tests/real_transports.rs"),
    ("offhook_dtls_handshakes_total", "no caller speaks DTLS: tests/real_dtls.rs"),
    ("offhook_webrtc_datagrams_total", "no browser calls: tests/real_webrtc.rs"),
    ("offhook_sip_tls_handshakes_total", "it has no certificate: tests/real_transports.rs"),
    ("offhook_trunk_", "there are no trunks: tests/real_trunks.rs"),
    ("offhook_http_rate_limited_total", "nobody asks too often: api/tests/doors"),
    ("offhook_billing_", "nobody has a limit, pays or is told: tests/real_billing.rs"),
    ("offhook_privacy_jobs_total", "nobody asks for what is known of him: tests/real_privacy.rs"),
    ("offhook_retention_", "nothing is old: tests/real_privacy.rs"),
    ("offhook_spend_", "nothing costs anything: tests/real_spend.rs"),
    ("offhook_event_readers", "nobody listens: tests/real_events.rs"),
    ("offhook_answerer", "it places no calls: tests/real_campaigns.rs"),
    ("offhook_campaign", "there are no campaigns: tests/real_campaigns.rs"),
    ("offhook_messages_left_total", "it places no calls: tests/real_campaigns.rs"),
    ("offhook_webhook_", "nobody is told: tests/real_webhooks.rs"),
    ("offhook_config_reloads_total", "the file stays as it is: tests/real_reload.rs"),
    ("offhook_sip_tls_reloads_total", "it has no certificate"),
    ("offhook_certificate_expires_seconds", "it has no certificate"),
];

/// What is wrong with the panels, by dashboard, title and the letter of their query.
fn blind(observer: &Observer) -> Vec<String> {
    let mut blind = Vec::new();
    for file in ["actors", "fleet", "node", "providers", "quality", "sip"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("grafana/{file}.json"));
        let board: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().map(Vec::as_slice).unwrap_or_default() {
                let asked = target["expr"].as_str().unwrap().to_owned();
                let expr = VARIABLES.iter().fold(asked, |expr, (name, value)| expr.replace(name, value));
                let samples = observer.samples(&format!("max_over_time(({expr})[{SHOWN}])"));
                let quiet = QUIET.iter().any(|(part, _)| expr.contains(part));
                let what = match samples.iter().all(|sample| *sample == 0.0) {
                    _ if quiet => continue,
                    _ if samples.is_empty() => "has no data",
                    true => "shows nothing but zeros",
                    false => continue,
                };
                blind.push(format!("{file}: {} {} {what}: {expr}", panel["title"], target["refId"]));
            }
        }
    }
    blind
}

/// Holds the series of `/metrics` to the catalogue: names, labels, and those of their values that are known before.
fn check_series(text: &str) {
    let mut wrong = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        let Some(metric) = METRICS.iter().chain(PROCESS).find(|metric| metric.name == base) else {
            wrong.insert(format!("{name} is not in the catalogue"));
            continue;
        };
        let pairs = labels.trim_end_matches('}').split("\",").filter_map(|pair| pair.split_once("=\""));
        let found: Vec<(&str, &str)> = pairs.map(|(name, value)| (name, value.trim_end_matches('"'))).collect();
        let found: Vec<_> = found.into_iter().filter(|(name, _)| *name != "le").collect();
        let same = found.len() == metric.labels.len();
        let right = |(name, value): &(&str, &str)| {
            let label = metric.labels.iter().find(|(known, _)| known == name);
            label.is_some_and(|(_, values)| values.is_empty() || values.contains(value))
        };
        if !same || !found.iter().all(right) {
            wrong.insert(format!("{series} is not what the catalogue says: {:?}", metric.labels));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_rules_are_sound_and_each_alert_can_fire_and_be_silent() {
    for arguments in [&["check", "rules", "alerts.yml"], &["test", "rules", "alerts_test.yml"]] {
        let output = Command::new("promtool").args(arguments).current_dir("grafana").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("SUCCESS"), "{text}");
    }
}

#[test]
fn every_panel_has_data_under_load_and_nobody_is_woken() {
    let mut providers = Providers::start();
    let ports = rtp_range(64);
    let server = server(&providers, &ports);
    let rough = Rough::start(&providers.acme, &providers.ruined);
    let mut observer = Observer::start(&[&server, &rough.server]);
    wait_for(Duration::from_secs(10), "a first reading", || (observer.samples("up == 1") == [1.0, 1.0]).then_some(()));

    let began = Instant::now();
    let _drained = thread::scope(|scope| {
        let rough = scope.spawn(|| rough.go_wrong());
        traffic(&server, &ports, &mut providers);
        rough.join().unwrap()
    });
    server.wait_metric("offhook_calls_active", "", 0.0);
    // Two readings more, of what the last call left.
    let here = format!("instance=\"{}\"", server.metrics);
    let left = || {
        observer.samples(&format!(
            "sum(offhook_calls_total{{outcome=\"rejected\",{here}}}) == 2 and on () sum(offhook_calls_active{{{here}}}) == 0"
        ))
    };
    wait_for(Duration::from_secs(10), "the last call", || (left() == [2.0]).then_some(()));
    let drains = || observer.samples("offhook_node_draining == 1 and on (instance) offhook_node_ready == 0");
    wait_for(Duration::from_secs(15), "the node that drains", || (drains() == [1.0]).then_some(()));
    thread::sleep(Duration::from_secs(2));
    println!("the load took {:?}", began.elapsed());

    let blind = blind(&observer);
    assert!(blind.is_empty(), "\n{}", blind.join("\n"));
    let groups = observer.ask("rules?type=alert");
    let rules: Vec<&Value> =
        groups["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(rules.len() > 20, "{groups}");
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule:#}");
        let wakes = rule["labels"]["severity"] == "page" && rule["state"] == "firing";
        assert!(!wakes, "{rule:#}");
    }
    let (_, text) = get(server.metrics, "/metrics").unwrap();
    check_series(&text);

    observer.stop();
    let left: Vec<_> = std::fs::read_dir(observer.folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
