//! `offhook call`: asks the server that runs for a call by its API, and tells what becomes of it, a line each.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::config::Config;

/// How often the call is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How long a request may take.
const REQUEST_MAX: Duration = Duration::from_secs(10);
/// A server that cannot be asked for so long is gone, and nobody knows about the call.
const AWAY_MAX: Duration = Duration::from_secs(15);

/// A call as it is asked for.
#[derive(Args, Clone, Debug, Eq, PartialEq)]
pub struct CallArguments {
    /// Whom to call: a sip: URI of a host in sip.direct_calls
    pub to: String,
    /// Who calls: a number, a SIP user or a sip: URI [default: anonymous]
    #[arg(long)]
    pub from: Option<String>,
    /// Who talks [default: routing.default_assistant]
    #[arg(long)]
    pub assistant: Option<String>,
    /// The trunk that carries the call
    #[arg(long)]
    pub trunk: Option<String>,
}

/// Places the call and follows it to its end; Ctrl-C hangs up. The exit code is the outcome: 0 completed, 1 failed, 2 asked for in a way
/// that cannot be, 3 rejected, 4 unanswered, 5 cancelled.
///
/// # Errors
/// One line: no server, no key, what the server refused.
pub async fn run(config: &Config, asked: &CallArguments) -> anyhow::Result<ExitCode> {
    let server = Server::of(config)?;
    let CallArguments { to, from, assistant, trunk } = asked;
    let body = json!({ "to": to, "from": from, "assistant_id": assistant, "trunk_id": trunk });
    let call = match server.ask(Method::POST, "/api/v1/calls", Some(&body)).await? {
        (StatusCode::CREATED, call) => call,
        (status, problem) => {
            for line in told(&problem) {
                eprintln!("{line}");
            }
            return Ok(ExitCode::from(if status.is_client_error() { crate::USAGE } else { 1 }));
        }
    };
    let id = call["id"].as_str().context("the server gave no id")?.to_owned();
    println!("dialing {to}, call {id}");
    follow(&server, &id).await
}

/// What a problem says, a line a field.
fn told(problem: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let errors = problem["errors"].as_array().map_or(&[][..], Vec::as_slice);
    let lines: Vec<String> =
        errors.iter().map(|error| format!("{}: {}", text(&error["field"]), text(&error["reason"]))).collect();
    if lines.is_empty() { vec![text(&problem["detail"])] } else { lines }
}

async fn follow(server: &Server, id: &str) -> anyhow::Result<ExitCode> {
    let (path, begun) = (format!("/api/v1/calls/{id}"), Instant::now());
    let (mut told, mut seen) = ("dialing".to_owned(), Instant::now());
    loop {
        tokio::select! {
            pressed = tokio::signal::ctrl_c() => {
                pressed?;
                println!("hanging up");
                server.ask(Method::POST, &format!("{path}/actions"), Some(&json!({ "action": "hangup" }))).await?;
            }
            () = tokio::time::sleep(LOOK) => {}
        }
        let call = match server.ask(Method::GET, &path, None).await {
            Ok((StatusCode::OK, call)) => call,
            Ok(_) | Err(_) if seen.elapsed() < AWAY_MAX => continue,
            Ok((status, _)) => bail!("the server answered {status} and nothing about the call"),
            Err(error) => return Err(error),
        };
        seen = Instant::now();
        // What came and went between two looks is told all the same.
        for (status, at) in [("ringing", "ringing_at"), ("answered", "answered_at")] {
            let now = (call["status"] == status || !call[at].is_null()) && is_before(&told, status);
            if now {
                println!("{status} after {:.1} s", begun.elapsed().as_secs_f64());
                status.clone_into(&mut told);
            }
        }
        if call["status"] == "ended" {
            println!("{}", end_of(&call));
            return Ok(ExitCode::from(exit_code(call["outcome"].as_str().unwrap_or_default())));
        }
    }
}

/// Whether a call that was told to be so far has yet to come to `status`.
fn is_before(told: &str, status: &str) -> bool {
    let place = |status: &str| ["dialing", "ringing", "answered"].iter().position(|known| *known == status);
    place(told) < place(status)
}

/// `ended: busy (486 Busy Here)`, `ended: callee_hangup after 12.3 s`.
fn end_of(call: &Value) -> String {
    let mut text = format!("ended: {}", call["cause"].as_str().unwrap_or("unknown"));
    if let Some(detail) = call["cause_detail"].as_str() {
        text += &format!(" ({detail})");
    }
    if let Some(seconds) = call["duration_s"].as_f64() {
        text += &format!(" after {seconds:.1} s");
    }
    text
}

fn exit_code(outcome: &str) -> u8 {
    match outcome {
        "completed" => 0,
        "rejected" => 3,
        "unanswered" => 4,
        "cancelled" => 5,
        _ => 1,
    }
}

/// The server of this configuration.
struct Server {
    client: Client,
    base: String,
    key: String,
}

impl Server {
    fn of(config: &Config) -> anyhow::Result<Self> {
        let key = config
            .security
            .api_key
            .as_ref()
            .context("no API key: set the variable of security.api_key_env, as the server has it")?;
        let mut address = config.http.listen;
        if address.ip().is_unspecified() {
            let loopback: std::net::IpAddr =
                if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
            address.set_ip(loopback);
        }
        // Nothing is encrypted on the way to this machine, but the client wants to know what it would use.
        let _chosen_before = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().timeout(REQUEST_MAX).build()?;
        Ok(Self { client, base: format!("http://{address}"), key: key.expose().to_owned() })
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<(StatusCode, Value)> {
        let request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let away = || format!("{} cannot be asked; does `offhook serve` run with this configuration?", self.base);
        let response = request.send().await.with_context(away)?;
        let status = response.status();
        let body = response.json().await.with_context(|| format!("{} is no Offhook", self.base))?;
        Ok((status, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_told_with_its_reason_and_length() {
        let busy = json!({ "cause": "busy", "cause_detail": "486 Busy Here", "duration_s": null });
        assert_eq!(end_of(&busy), "ended: busy (486 Busy Here)");
        let over = json!({ "cause": "callee_hangup", "cause_detail": null, "duration_s": 12.34 });
        assert_eq!(end_of(&over), "ended: callee_hangup after 12.3 s");
    }

    #[test]
    fn a_problem_is_told_by_its_fields_or_as_a_whole() {
        let fields = json!({ "detail": "no", "errors": [{ "field": "to", "reason": "is missing" }] });
        assert_eq!(told(&fields), ["to: is missing"]);
        assert_eq!(told(&json!({ "detail": "full", "errors": [] })), ["full"]);
    }

    #[test]
    fn steps_are_told_once_and_in_order() {
        let after = |told| ["ringing", "answered"].map(|status| is_before(told, status));
        assert_eq!((after("dialing"), after("ringing"), after("answered")), ([true; 2], [false, true], [false; 2]));
    }

    #[test]
    fn the_exit_code_is_the_outcome() {
        let codes: Vec<u8> = store::Outcome::ALL.iter().map(|outcome| exit_code(outcome.as_str())).collect();
        assert_eq!(codes, [0, 5, 3, 4, 1]);
    }
}
