//! Datagrams on the SIP port.

use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;

use super::support::Server;
use super::{NUMBERS, Random, invite, under_fire};

fn socket(server: &Server) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server.sip).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

/// The start line of the answer to one datagram.
fn answer(server: &Server, datagram: &str) -> String {
    let socket = socket(server);
    socket.send(datagram.as_bytes()).unwrap();
    let mut buffer = [0; 65_536];
    let length = socket.recv(&mut buffer).expect("an answer");
    String::from_utf8_lossy(&buffer[..length]).lines().next().unwrap().to_owned()
}

#[test]
fn what_can_be_answered_is_refused_with_its_reason() {
    let server = Server::start(NUMBERS);
    let good = invite("200", "UDP", "127.0.0.1:5099".parse().unwrap(), 1);
    let without =
        |name: &str| good.lines().filter(|line| !line.starts_with(name)).map(|line| format!("{line}\r\n")).collect::<String>();
    let cases = [
        ("100", good.clone()),
        ("400", without("Call-ID")),
        ("400", without("CSeq")),
        ("400", good.replace("Max-Forwards: 70", "Max-Forwards: many")),
        ("400", good.replace("Content-Length: ", "Content-Length: 9")),
        ("400", good.replace("CSeq: 1 INVITE", "CSeq: 1 OPTIONS")),
        ("405", good.replace("INVITE", "PUBLISH")),
        ("415", good.replace("application/sdp", "text/plain")),
        ("416", good.replace("INVITE sip:200@127.0.0.1", "INVITE mailto:200@127.0.0.1")),
        ("420", good.replace("Contact:", "Require: magic\r\nContact:")),
        // We are where it was going: only who forwards would have to refuse (RFC 3261 §16.3).
        ("200", good.replace("INVITE", "OPTIONS").replace("Max-Forwards: 70", "Max-Forwards: 0")),
        ("481", good.replace("INVITE", "BYE").replace("To: <sip:200@127.0.0.1>", "To: <sip:200@127.0.0.1>;tag=x")),
        ("501", good.replace("INVITE", "JUGGLE")),
        ("505", good.replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia")),
    ];
    for (number, (status, datagram)) in cases.into_iter().enumerate() {
        let datagram = datagram.replace("z9hG4bK1", &format!("z9hG4bKcase{number}")).replace("1@bad", &format!("{number}@bad"));
        let line = answer(&server, &datagram);
        assert!(line.starts_with(&format!("SIP/2.0 {status} ")), "wanted {status}, got {line} for\n{datagram}");
    }
}

#[test]
fn datagrams_of_every_bad_kind_do_no_harm() {
    let server = Server::start(NUMBERS);
    let torture = torture();
    under_fire(&server, |round| {
        let socket = socket(&server);
        let mut random = Random::new(round);
        let good = invite("200", "UDP", socket.local_addr().unwrap(), round);
        let send = |bytes: &[u8]| {
            // A full queue is the kernel's business.
            let _dropped = socket.send(bytes);
        };
        for _ in 0..300 {
            let length = random.below(1_400);
            send(&random.bytes(length));
        }
        for end in 0..good.len() {
            send(&good.as_bytes()[..end]);
        }
        for _ in 0..300 {
            let mut mutated = good.clone().into_bytes();
            for _ in 0..1 + random.below(8) {
                let at = random.below(mutated.len());
                mutated[at] = random.next() as u8;
            }
            send(&mutated);
        }
        let giant = "x".repeat(50_000);
        send(good.replace("Contact:", &format!("Subject: {giant}\r\nContact:")).as_bytes());
        send(good.replace("Contact:", &format!("{}Contact:", "Via: SIP/2.0/UDP a\r\n".repeat(2_500))).as_bytes());
        send(good.replace("sip:200@", &format!("sip:{giant}@")).as_bytes());
        torture.iter().for_each(|message| send(message));
        std::thread::sleep(Duration::from_millis(20));
    });
    let refused = server.metric("offhook_calls_rejected_total", "reason=\"sip_malformed\"");
    assert!(refused > 1_000.0, "{refused} malformed messages were counted");
}

/// The messages of RFC 4475.
fn torture() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sip/tests/data/rfc4475");
    let messages: Vec<Vec<u8>> =
        std::fs::read_dir(folder).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    assert_eq!(messages.len(), 49);
    messages
}
