//! What is looked at seldom, on a thread of its own since it takes milliseconds: open files and the server's own gauges.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use crate::process;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(5);
/// A metrics page that takes longer is left out.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Most of a metrics page that is read.
const PAGE_MAX: u64 = 4 << 20;
/// The server's gauge of its runtime's tasks.
const TASKS: &str = "offhook_tasks";

/// The last look.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gauge {
    pub files: Option<u64>,
    pub tasks: Option<u64>,
}

/// The looks of the thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Gauges {
    looks: Receiver<Gauge>,
    latest: Gauge,
}

impl Gauges {
    pub(super) fn start(pid: u32, metrics: Option<SocketAddr>) -> Self {
        let (sender, looks) = mpsc::channel();
        std::thread::spawn(move || {
            loop {
                let tasks = metrics.and_then(|address| read_page(address).ok()).and_then(|page| gauge(&page, TASKS));
                if sender.send(Gauge { files: process::open_files(pid).ok(), tasks }).is_err() {
                    return;
                }
                std::thread::sleep(INTERVAL);
            }
        });
        Self { looks, latest: Gauge::default() }
    }

    pub(super) fn latest(&mut self) -> Gauge {
        if let Some(look) = self.looks.try_iter().last() {
            self.latest = look;
        }
        self.latest
    }
}

fn read_page(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut page = Vec::new();
    stream.take(PAGE_MAX).read_to_end(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// The sum of a gauge over its labels.
fn gauge(page: &str, name: &str) -> Option<u64> {
    let values = page.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let value = match rest.strip_prefix('{') {
            Some(labels) => labels.rsplit_once("} ")?.1,
            None => rest.strip_prefix(' ')?,
        };
        value.trim().parse::<f64>().ok()
    });
    values.reduce(|sum, value| sum + value).map(|sum| sum as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_is_found_in_a_page() {
        let check = |page: &str, want: Option<u64>| assert_eq!(gauge(page, "offhook_tasks"), want, "{page}");
        check("# TYPE offhook_tasks gauge\noffhook_tasks 12\noffhook_tasks_other 5\n", Some(12));
        check("offhook_tasks{runtime=\"a\"} 12\r\noffhook_tasks{runtime=\"b\"} 3.0\r\n", Some(15));
        check("offhook_calls_active 1\n", None);
    }
}
