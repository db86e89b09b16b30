//! Packets on the audio ports of a call.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use super::support::{Server, load, speech, wait_for};
use super::{NUMBERS, Random, unharmed};

/// Packets of each kind, sent in handfuls that fit the socket's buffer.
const PACKETS: usize = 500;

/// The audio ports: of the server's UDP sockets, SIP's and WebRTC's among them, the two that follow each other; the even one is RTP.
fn audio_ports(server: &Server) -> Option<[SocketAddr; 2]> {
    let owned: Vec<String> = std::fs::read_dir(format!("/proc/{}/fd", server.process.id()))
        .unwrap()
        .filter_map(|file| std::fs::read_link(file.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.trim_end_matches(']').to_owned()))
        .collect();
    let table = std::fs::read_to_string(Path::new("/proc/net/udp")).unwrap();
    let mut ports: Vec<u16> = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| owned.iter().any(|inode| inode == fields[9]))
        .map(|fields| u16::from_str_radix(fields[1].split(':').nth(1).unwrap(), 16).unwrap())
        .filter(|port| *port != server.sip.port())
        .collect();
    ports.sort_unstable();
    let pair = ports.windows(2).find(|pair| pair[0] % 2 == 0 && pair[0] + 1 == pair[1])?;
    Some([pair[0], pair[1]].map(|port| SocketAddr::from(([127, 0, 0, 1], port))))
}

fn packet(payload_type: u8, number: u16) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(number.to_be_bytes());
    packet.extend((u32::from(number) * 160).to_be_bytes());
    packet.extend([1, 2, 3, 4]);
    packet.extend([0x55; 160]);
    packet
}

fn send(to: SocketAddr, pause: Duration, packets: impl Iterator<Item = Vec<u8>>) {
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    for (number, packet) in packets.enumerate() {
        stranger.send_to(&packet, to).unwrap();
        // A leg takes 48 in 20 ms from RTP's port, and as many in 100 ms from RTCP's; what a flood brings beyond, the kernel drops.
        if number % 40 == 39 {
            std::thread::sleep(pause);
        }
    }
}

#[test]
fn strangers_are_counted_and_the_call_lives() {
    let server = Server::start(NUMBERS);
    std::thread::scope(|scope| {
        let call = scope.spawn(|| {
            let (target, audio) = (server.sip.to_string(), speech());
            let arguments = ["sip", "--to", "100", "--target", &target, "--hold", "12", "--say", "once", "--audio"];
            load(&[&arguments[..], &[audio.to_str().unwrap()]].concat())
        });
        server.wait_metric("offhook_calls_active", "", 1.0);
        let [rtp, rtcp] = wait_for(Duration::from_secs(5), "the ports of the call", || audio_ports(&server));
        // Until the caller's own packets came, anybody could be the caller.
        wait_for(Duration::from_secs(5), "audio", || {
            (server.metric("offhook_rtp_packets_total", "received") > 10.0).then_some(())
        });
        let mut random = Random::new(4475);
        send(rtp, Duration::from_millis(25), (0..PACKETS).map(|_| [vec![0x00], random.bytes(99)].concat()));
        send(rtp, Duration::from_millis(25), (0..PACKETS).map(|number| packet(0, number as u16)));
        send(rtp, Duration::from_millis(25), (0..PACKETS).map(|number| packet(96, number as u16)));
        send(rtp, Duration::from_millis(25), (0..PACKETS).map(|length| packet(0, 1)[..length % 12].to_vec()));
        send(rtcp, Duration::from_millis(120), (0..PACKETS).map(|_| random.bytes(200)));
        let counted = |reason: &str| server.metric("offhook_rtp_rejected_total", &format!("reason=\"{reason}\""));
        let all = wait_for(Duration::from_secs(5), "the strangers' packets to be counted", || {
            let all = server.metric("offhook_rtp_rejected_total", "");
            (all >= 5.0 * PACKETS as f64).then_some(all)
        });
        // What each reason counts is exact: a packet has one.
        let wanted = PACKETS as f64;
        assert_eq!(counted("payload_type"), wanted);
        assert_eq!(counted("source"), wanted);
        assert_eq!(all, 5.0 * wanted);
        assert_eq!(server.metric("offhook_calls_active", ""), 1.0);
        let (status, report, text) = call.join().unwrap();
        assert!(status.success(), "{text}");
        assert_eq!(report["answered"], 1, "{report}");
    });
    unharmed(&server);
}
