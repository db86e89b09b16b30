//! Requests to the API at a steady rate, reads and writes mixed: how long each took, counted from when it was due.
//!
//! ```text
//! due each 1/rate s ─► one of the connections, in turn ─► answer ─► Spread, by kind
//! ```
//!
//! A server that stalls does not slow the generator down: what waits for its connection waits in the figures too.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::report::Spread;

/// The most that is asked in a second: what one thread can send.
pub const RATE_MAX: f64 = 20_000.0;
/// Longest run.
pub const SECONDS_MAX: f64 = 3_600.0;
/// Connections at most: the server takes 1,024.
pub const CONNECTIONS_MAX: usize = 512;
/// Rows that are changed in turn, so that not all changes wait for one.
const ROWS: usize = 50;
/// Name and Idempotency-Key of the row that is asked for again and again.
const AGAIN: &str = "load-again";
/// Time for one answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);
/// Longest head and body that are read.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What is to be done.
#[derive(Clone, Debug)]
pub struct ApiLoad {
    /// The server's HTTP address; loopback only.
    pub target: SocketAddr,
    /// An API key with the permissions of an admin.
    pub key: String,
    /// Requests in a second.
    pub rate: f64,
    /// How long.
    pub seconds: f64,
    /// Connections that are kept open.
    pub connections: usize,
    /// Of 100 requests, those that write.
    pub writes: u64,
}

/// Percentiles of one kind of request.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Requests that were answered.
    pub answered: u64,
    /// Milliseconds that half of them took at most.
    pub p50_ms: Option<f64>,
    /// The same of 95 of 100.
    pub p95_ms: Option<f64>,
    /// The same of 99 of 100.
    pub p99_ms: Option<f64>,
    /// The same of all.
    pub max_ms: Option<f64>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct ApiReport {
    /// Requests that were due.
    pub asked: u64,
    /// Requests a second that were answered.
    pub rate: f64,
    /// Answers by status; 0: none came.
    pub statuses: BTreeMap<u16, u64>,
    /// Of all.
    pub all: Figures,
    /// By kind.
    pub kinds: BTreeMap<&'static str, Figures>,
}

/// One kind of request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Kind {
    name: &'static str,
    method: &'static str,
}

const READS: [Kind; 5] = [
    Kind { name: "GET /calls", method: "GET" },
    Kind { name: "GET /configurations/{id}", method: "GET" },
    Kind { name: "GET /me", method: "GET" },
    Kind { name: "GET /assistants", method: "GET" },
    Kind { name: "GET /audit-log", method: "GET" },
];
const WRITES: [Kind; 2] =
    [Kind { name: "PATCH /configurations/{id}", method: "PATCH" }, Kind { name: "POST /configurations (again)", method: "POST" }];

/// Which request is the `number`th: writes are spread evenly.
fn kind(number: u64, writes: u64) -> Kind {
    let place = number % 100;
    let before = place * writes / 100;
    match (place + 1) * writes / 100 > before {
        true => WRITES[usize::from((number / 100 * writes + before) % 4 == 3)],
        false => READS[((number / 100 * (100 - writes) + place - before) % READS.len() as u64) as usize],
    }
}

/// What the tasks add to.
#[derive(Default)]
struct Tally {
    all: Spread,
    kinds: BTreeMap<&'static str, Spread>,
    statuses: BTreeMap<u16, u64>,
}

impl ApiLoad {
    /// Makes the rows, runs, and takes the rows away again.
    ///
    /// # Errors
    /// What is asked is out of bounds, the target is not this machine, or the rows cannot be made.
    pub async fn run(&self) -> anyhow::Result<ApiReport> {
        ensure!(self.target.ip().is_loopback(), "{} is not this machine", self.target);
        ensure!(self.rate > 0.0 && self.rate <= RATE_MAX, "--rate must be above 0 and at most {RATE_MAX}");
        ensure!(self.seconds > 0.0 && self.seconds <= SECONDS_MAX, "--seconds must be above 0 and at most {SECONDS_MAX}");
        ensure!((1..=CONNECTIONS_MAX).contains(&self.connections), "--connections must be 1 to {CONNECTIONS_MAX}");
        ensure!(self.writes <= 100, "--writes must be 0 to 100");
        let rows = Arc::new(self.make_rows().await?);
        let (tally, began) = (Arc::new(Mutex::new(Tally::default())), Instant::now());
        let asked = (self.rate * self.seconds) as u64;
        let tasks: Vec<_> = (0..self.connections as u64)
            .map(|first| tokio::spawn(self.clone().ask_all(first, asked, began, Arc::clone(&rows), Arc::clone(&tally))))
            .collect();
        for task in tasks {
            task.await?;
        }
        let seconds = began.elapsed().as_secs_f64();
        let mut connection = Connection::new(self);
        for row in rows.iter() {
            connection.ask("DELETE", &format!("/configurations/{row}"), None, None).await?;
        }
        let tally = tally.lock().await;
        let answered = tally.all.count();
        Ok(ApiReport {
            asked,
            rate: answered as f64 / seconds,
            statuses: tally.statuses.clone(),
            all: figures(&tally.all),
            kinds: tally.kinds.iter().map(|(kind, spread)| (*kind, figures(spread))).collect(),
        })
    }

    async fn make_rows(&self) -> anyhow::Result<Vec<String>> {
        let mut connection = Connection::new(self);
        let mut rows = Vec::new();
        let names = (0..ROWS).map(|row| format!("load-{row}")).chain([AGAIN.to_owned()]);
        for name in names {
            let again = (name == AGAIN).then_some(AGAIN);
            let (status, answer) = connection.ask("POST", "/configurations", Some(&row(&name)), again).await?;
            ensure!(status == 201, "a row cannot be made: {status} {answer}");
            rows.push(answer["id"].as_str().context("a row has an id")?.to_owned());
        }
        Ok(rows)
    }

    /// Every request of one connection.
    async fn ask_all(self, first: u64, asked: u64, began: Instant, rows: Arc<Vec<String>>, tally: Arc<Mutex<Tally>>) {
        let mut connection = Connection::new(&self);
        let mut own = Tally::default();
        for number in (first..asked).step_by(self.connections) {
            let due = began + Duration::from_secs_f64(number as f64 / self.rate);
            sleep_until(due).await;
            let kind = kind(number, self.writes);
            let id = &rows[(number as usize / 3) % rows.len()];
            let path = kind.name.split(' ').nth(1).unwrap_or_default().replace("{id}", id);
            let (body, again) = match kind.method {
                "PATCH" => (Some(json!({ "value": number })), None),
                // A request that was made before: what it costs to know it again.
                "POST" => (Some(row(AGAIN)), Some(AGAIN)),
                _ => (None, None),
            };
            let status = connection.ask(kind.method, &path, body.as_ref(), again).await.map_or(0, |(status, _)| status);
            *own.statuses.entry(status).or_default() += 1;
            if status != 0 {
                let took = due.elapsed();
                own.all.record(took);
                own.kinds.entry(kind.name).or_default().record(took);
            }
        }
        let mut tally = tally.lock().await;
        tally.all.add(&own.all);
        for (kind, spread) in &own.kinds {
            tally.kinds.entry(kind).or_default().add(spread);
        }
        for (status, count) in own.statuses {
            *tally.statuses.entry(status).or_default() += count;
        }
    }
}

fn row(name: &str) -> Value {
    json!({ "key": name, "type": "number", "value": 0 })
}

fn figures(spread: &Spread) -> Figures {
    Figures {
        answered: spread.count(),
        p50_ms: spread.ms(50.0),
        p95_ms: spread.ms(95.0),
        p99_ms: spread.ms(99.0),
        max_ms: spread.ms(100.0),
    }
}

impl std::fmt::Display for ApiReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} requests due, {:.0}/s answered, statuses {:?}", self.asked, self.rate, self.statuses)?;
        writeln!(f, "{:<32} {:>9} {:>9} {:>9} {:>9} {:>9}", "ms", "answered", "p50", "p95", "p99", "max")?;
        for (name, row) in [("all", &self.all)].into_iter().chain(self.kinds.iter().map(|(name, row)| (*name, row))) {
            let [p50, p95, p99, max] = [row.p50_ms, row.p95_ms, row.p99_ms, row.max_ms].map(Option::unwrap_or_default);
            writeln!(f, "{name:<32} {:>9} {p50:>9.1} {p95:>9.1} {p99:>9.1} {max:>9.1}", row.answered)?;
        }
        Ok(())
    }
}

/// A connection that is kept open, and made again when it broke.
struct Connection {
    target: SocketAddr,
    key: String,
    stream: Option<TcpStream>,
    read: Vec<u8>,
}

impl Connection {
    fn new(load: &ApiLoad) -> Self {
        Self { target: load.target, key: load.key.clone(), stream: None, read: Vec::new() }
    }

    async fn ask(&mut self, method: &str, path: &str, body: Option<&Value>, again: Option<&str>) -> anyhow::Result<(u16, Value)> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let again = again.map_or_else(String::new, |key| format!("Idempotency-Key: {key}\r\n"));
        let request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: {}\r\nX-API-Key: {}\r\nContent-Type: application/json\r\n{again}Content-Length: {}\r\n\r\n{body}",
            self.target,
            self.key,
            body.len()
        );
        let answer = tokio::time::timeout(ANSWER_TIME_MAX, self.exchange(&request)).await;
        let answer = answer.map_err(anyhow::Error::from).and_then(|answer| answer);
        if answer.is_err() {
            self.stream = None;
        }
        answer
    }

    async fn exchange(&mut self, request: &str) -> anyhow::Result<(u16, Value)> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream = TcpStream::connect(self.target).await?;
                stream.set_nodelay(true)?;
                none.insert(stream)
            }
        };
        stream.write_all(request.as_bytes()).await?;
        self.read.clear();
        let head = loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            ensure!(self.read.len() < ANSWER_BYTES_MAX && stream.read_buf(&mut self.read).await? > 0, "the connection broke");
        };
        let text = String::from_utf8_lossy(&self.read[..head]).to_ascii_lowercase();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse::<usize>().ok());
        let whole = head + length.unwrap_or(0).min(ANSWER_BYTES_MAX);
        while self.read.len() < whole {
            ensure!(stream.read_buf(&mut self.read).await? > 0, "the connection broke");
        }
        Ok((status, serde_json::from_slice(&self.read[head..whole]).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_spread_evenly_among_reads() {
        for writes in [0, 1, 20, 33, 100] {
            let first: Vec<Kind> = (0..1_000).map(|number| kind(number, writes)).collect();
            let count = |of: &[Kind]| of.iter().filter(|kind| kind.method != "GET").count() as u64;
            assert_eq!(count(&first), writes * 10, "{writes}");
            assert!(first.chunks(100).all(|hundred| count(hundred) == writes));
        }
        let kinds: std::collections::BTreeSet<&str> = (0..1_000).map(|number| kind(number, 20).name).collect();
        assert_eq!(kinds.len(), READS.len() + WRITES.len());
    }
}
