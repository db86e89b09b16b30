//! What the tests over real sockets share.
#![allow(clippy::unwrap_used, dead_code)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use load_tests::caller::Caller;
use load_tests::mouth::{Manner, Voice};
use load_tests::plan::{Plan, Shape};
use load_tests::speech::{self, Recording};
use tokio::net::{TcpListener, TcpStream};

/// A run of `calls` calls of `hold` each, ten a second.
pub fn plan(calls: u64, hold: Duration) -> Plan {
    Plan { shape: Shape::Calls { calls, concurrency: calls }, rate: 10.0, hold, seed: 1, narrate: false }
}

/// Callers with a recording of three seconds of a tone, a pause, and a second of a tone.
pub fn caller(manner: Manner) -> Caller {
    let voice = Arc::new(Voice::new(Recording::new(tone()).unwrap()));
    Caller { voice, manner, marks: true, keys: String::new() }
}

/// The recording as a file, for the binaries.
pub fn tone_file(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("load-tests-{}-{name}.wav", std::process::id()));
    speech::write_wav(&path, &[&tone()]).unwrap();
    path
}

fn tone() -> Vec<i16> {
    let sound = |index: usize| ((index as f32 * 0.35).sin() * 8_000.0) as i16;
    (0..40_000).map(|index| if (24_000..32_000).contains(&index) { 0 } else { sound(index) }).collect()
}

/// Accepts connections until the test ends: one that begins with a POST goes to `post`, any other to `upgrade`.
pub async fn serve<P, U>(
    post: impl Fn(TcpStream) -> P + Send + 'static,
    upgrade: impl Fn(TcpStream) -> U + Send + 'static,
) -> SocketAddr
where
    P: Future<Output = ()> + Send + 'static,
    U: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut start = [0; 4];
            stream.peek(&mut start).await.unwrap();
            match &start {
                b"POST" => tokio::spawn(post(stream)),
                _ => tokio::spawn(upgrade(stream)),
            };
        }
    });
    address
}
