//! A server that speaks Chat Completions as OpenAI's do, and answers what it was told to.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// What comes of one request.
pub enum Verdict {
    /// These words, streamed in pieces.
    Says(String),
    /// Too many requests; come back in this many seconds.
    RateLimited(u32),
    /// No answer, ever: the connection stays open.
    Hangs,
}

#[derive(Default)]
struct Court {
    verdicts: Vec<Verdict>,
    asked: Vec<Value>,
    hanging: Vec<TcpStream>,
}

/// The server; its answers go out in order, and after the last one it hangs.
pub struct Judge {
    pub base_url: String,
    court: Arc<Mutex<Court>>,
}

impl Judge {
    pub fn start(verdicts: Vec<Verdict>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let court = Arc::new(Mutex::new(Court { verdicts, ..Court::default() }));
        let shared = Arc::clone(&court);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream.unwrap(), &shared));
            }
        });
        Self { base_url, court }
    }

    /// The bodies of all requests so far.
    pub fn asked(&self) -> Vec<Value> {
        self.court.lock().unwrap().asked.clone()
    }
}

fn serve(mut stream: TcpStream, court: &Mutex<Court>) {
    let Some(body) = request(&stream) else { return };
    let mut court = court.lock().unwrap();
    court.asked.push(body);
    let verdict = if court.verdicts.is_empty() { Verdict::Hangs } else { court.verdicts.remove(0) };
    let answer = match verdict {
        Verdict::Says(words) => streamed(&words),
        Verdict::RateLimited(seconds) => format!(
            "HTTP/1.1 429 Too Many Requests\r\nretry-after: {seconds}\r\ncontent-type: application/json\r\n\
             connection: close\r\n\r\n{}",
            json!({"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}})
        ),
        Verdict::Hangs => return court.hanging.push(stream),
    };
    let _gone = stream.write_all(answer.as_bytes());
}

/// The body of a POST to the path of chats; other requests, such as one that warms a connection, are not answered.
fn request(stream: &TcpStream) -> Option<Value> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    if !line.starts_with("POST /v1/chat/completions ") {
        return None;
    }
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().unwrap(),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

fn streamed(words: &str) -> String {
    let chunk = |delta: Value, finish: Value| {
        let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "judge-1",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
        format!("data: {chunk}\n\n")
    };
    let pieces: Vec<char> = words.chars().collect();
    let mut events = chunk(json!({"role": "assistant", "content": ""}), Value::Null);
    for piece in pieces.chunks(40) {
        events += &chunk(json!({"content": piece.iter().collect::<String>()}), Value::Null);
    }
    events += &chunk(json!({}), json!("stop"));
    events += &format!(
        "data: {}\n\n",
        json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "judge-1", "choices": [],
            "usage": {"prompt_tokens": 700, "completion_tokens": 60, "total_tokens": 760}})
    );
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{events}data: [DONE]\n\n")
}
