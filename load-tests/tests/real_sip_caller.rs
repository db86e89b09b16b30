//! Virtual SIP callers against a telephone that echoes, over loopback sockets.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use load_tests::impair::Impairments;
use load_tests::mouth::Manner;
use load_tests::report::Report;
use load_tests::sip_caller::{SipLoad, SipTransport};
use sip::endpoint::{Endpoint, EndpointConfig, Event, Flow, Transmit, Transport};
use sip::message::{Framing, StatusCode, frame};
use sip::sdp::{self, LocalMedia, SessionDescription};

/// How the far side behaves.
#[derive(Clone, Copy, PartialEq)]
enum Phone {
    Echoes,
    Busy,
    HangsUp,
    Mute,
}

/// A telephone on its own thread; all calls share one echoing RTP socket.
struct Far {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Far {
    fn start(phone: Phone, transport: SipTransport) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let rtp_socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let rtp_port = rtp_socket.local_addr().unwrap().port();
        let (ended, also_ended) = (Arc::clone(&stop), Arc::clone(&stop));
        let (address, signalling) = match transport {
            SipTransport::Udp => {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                let address = socket.local_addr().unwrap();
                (address, std::thread::spawn(move || signal(&socket, rtp_port, phone, &ended)))
            }
            SipTransport::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap();
                (address, std::thread::spawn(move || signal_by_tcp(&listener, rtp_port, phone, &ended)))
            }
        };
        let echo = std::thread::spawn(move || echo(&rtp_socket, phone, &also_ended));
        Self { address, stop, threads: vec![signalling, echo] }
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

fn signal(socket: &UdpSocket, rtp_port: u16, phone: Phone, stop: &AtomicBool) {
    socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let local = socket.local_addr().unwrap();
    let mut endpoint = Endpoint::new(EndpointConfig::default(), 7);
    let mut buffer = [0; 65_535];
    while !stop.load(Ordering::Relaxed) {
        if let Ok((length, remote)) = socket.recv_from(&mut buffer) {
            let flow = Flow { transport: Transport::Udp, local, remote };
            endpoint.handle_receive(Instant::now(), flow, &buffer[..length]);
        }
        for transmit in act(&mut endpoint, rtp_port, phone) {
            socket.send_to(&transmit.bytes, transmit.flow.remote).unwrap();
        }
    }
}

/// The same over the first connection that comes.
fn signal_by_tcp(listener: &TcpListener, rtp_port: u16, phone: Phone, stop: &AtomicBool) {
    let (mut stream, remote) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let flow = Flow { transport: Transport::Tcp, local: stream.local_addr().unwrap(), remote };
    let mut endpoint = Endpoint::new(EndpointConfig::default(), 7);
    let (mut buffer, mut received) = ([0; 65_535], Vec::new());
    while !stop.load(Ordering::Relaxed) {
        if let Ok(length) = stream.read(&mut buffer) {
            received.extend_from_slice(&buffer[..length]);
        }
        while let Framing::Message(length) = frame(&received) {
            let message: Vec<u8> = received.drain(..length).collect();
            endpoint.handle_receive(Instant::now(), flow, &message);
            for transmit in drain(&mut endpoint, rtp_port, phone) {
                stream.write_all(&transmit.bytes).unwrap();
            }
        }
        for transmit in act(&mut endpoint, rtp_port, phone) {
            stream.write_all(&transmit.bytes).unwrap();
        }
    }
}

/// Does what is due and answers what happened; gives what is to be sent.
fn act(endpoint: &mut Endpoint, rtp_port: u16, phone: Phone) -> Vec<Transmit> {
    let now = Instant::now();
    let mut transmits = drain(endpoint, rtp_port, phone);
    if endpoint.poll_timeout().is_some_and(|due| due <= now) {
        endpoint.handle_timeout(now);
        transmits.extend(drain(endpoint, rtp_port, phone));
    }
    transmits
}

fn drain(endpoint: &mut Endpoint, rtp_port: u16, phone: Phone) -> Vec<Transmit> {
    let now = Instant::now();
    while let Some(event) = endpoint.poll_event() {
        match event {
            Event::Invited { dialog, .. } if phone == Phone::Busy => {
                endpoint.refuse(now, &dialog, StatusCode::BUSY_HERE, None);
            }
            Event::Invited { dialog, invite, .. } => {
                let offer = SessionDescription::parse(&invite.body).unwrap();
                let local = LocalMedia::new([127, 0, 0, 1].into(), rtp_port, 1);
                endpoint.answer(now, &dialog, sdp::answer(&offer, &local).unwrap().0);
            }
            Event::Confirmed { dialog, .. } if phone == Phone::HangsUp => {
                endpoint.hang_up(now, &dialog, None);
            }
            _ => {}
        }
    }
    std::iter::from_fn(|| endpoint.poll_transmit()).collect()
}

fn echo(socket: &UdpSocket, phone: Phone, stop: &AtomicBool) {
    socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let mut buffer = [0; 2_048];
    while !stop.load(Ordering::Relaxed) {
        if let Ok((length, remote)) = socket.recv_from(&mut buffer)
            && phone != Phone::Mute
        {
            let _ = socket.send_to(&buffer[..length], remote);
        }
    }
}

async fn run(phone: Phone, change: impl FnOnce(&mut SipLoad)) -> Report {
    run_by(SipTransport::Udp, phone, change).await
}

async fn run_by(transport: SipTransport, phone: Phone, change: impl FnOnce(&mut SipLoad)) -> Report {
    let far = Far::start(phone, transport);
    let mut load = SipLoad {
        target: far.address,
        transport,
        to: "demo".to_owned(),
        from: "caller".to_owned(),
        plan: common::plan(3, Duration::from_secs(3)),
        caller: common::caller(Manner::Continuous),
        impairments: Impairments::default(),
        save_wav: None,
    };
    change(&mut load);
    load.run().await.unwrap()
}

#[tokio::test]
async fn an_echo_is_measured_from_mouth_to_ear() {
    let report = run(Phone::Echoes, |_| {}).await;
    let measures = &report.measures;
    assert_eq!((report.answered, report.failed, report.concurrent), (3, 0, 3), "{report}");
    assert_eq!(measures.mouth_to_ear_ms.count(), 3, "one mark a call in 3 s: {report}");
    assert!(measures.mouth_to_ear_ms.max() < Duration::from_millis(20), "an echo on loopback: {report}");
    assert_eq!((measures.packets.lost, measures.packets.duplicates), (0, 0), "{report}");
    // 50 packets a second; the first may wait one phase, and the last one is sent as the call ends.
    assert!((3 * 148..=3 * 152).contains(&measures.packets.sent), "{report}");
}

#[tokio::test]
async fn calls_by_tcp_share_one_connection() {
    let report = run_by(SipTransport::Tcp, Phone::Echoes, |load| {
        load.caller.keys = "12".to_owned();
    })
    .await;
    assert_eq!((report.answered, report.failed), (3, 0), "{report}");
    // Two keys come back as events of 160 ms each, which are neither lost nor late.
    assert_eq!((report.measures.packets.lost, report.measures.packets.late), (0, 0), "{report}");
}

#[tokio::test]
async fn an_impaired_path_loses_what_its_seed_says() {
    let loss = Impairments { loss: 0.2, ..Impairments::default() };
    let report = run(Phone::Echoes, |load| load.impairments = loss).await;
    let packets = report.measures.packets;
    let share = packets.lost as f64 / packets.sent as f64;
    // 450 packets at 20 %: three standard deviations are 5.7 %.
    assert!((0.14..0.26).contains(&share), "{report}");
}

#[tokio::test]
async fn both_sides_of_one_call_are_saved() {
    let path = common::tone_file("saved");
    let saved = path.clone();
    run(Phone::Echoes, |load| {
        load.plan.calls = 1;
        load.save_wav = Some(saved);
    })
    .await;
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let samples = (bytes.len() - 44) / 4;
    assert_eq!(&bytes[22..24], &[2, 0], "two channels");
    assert!((23_500..24_500).contains(&samples), "3 s of audio, not {samples} samples");
}

#[tokio::test]
async fn failures_are_told_by_cause() {
    let check = |report: Report, want: &str| assert_eq!(format!("{:?}", report.failures), want, "{report}");
    check(run(Phone::Busy, |_| {}).await, r#"{"refused: 486 Busy Here": 3}"#);
    check(run(Phone::HangsUp, |_| {}).await, r#"{"the server hung up early": 3}"#);
    check(run(Phone::Mute, |_| {}).await, r#"{"answered, but no audio came": 3}"#);
}
