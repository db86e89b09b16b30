//! Virtual SIP callers against a telephone that echoes, over loopback sockets.
#![allow(clippy::unwrap_used)]

mod common;

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use load_tests::impair::Impairments;
use load_tests::monitor::Watching;
use load_tests::mouth::Manner;
use load_tests::plan::Shape;
use load_tests::report::{Rejected, Report};
use load_tests::sip_caller::{G711, SipLoad, SipTransport};
use sip::endpoint::{Endpoint, EndpointConfig, Event, Flow, Transmit, Transport};
use sip::message::{Framing, StatusCode, frame};
use sip::sdp::{self, Codec, LocalMedia, SessionDescription};

/// How the far side behaves.
#[derive(Clone, Copy, PartialEq)]
enum Phone {
    Echoes,
    /// Echoes each call from a port of its own, as a server does.
    EchoesApart,
    Busy,
    /// Has no room, and says when to try again or does not.
    Full {
        retry_after: bool,
    },
    HangsUp,
    Mute,
    /// Says 100, and nothing after it.
    Tries,
}

/// The ports that calls are given in turn.
struct Ports {
    ports: Vec<u16>,
    next: Cell<usize>,
}

impl Ports {
    fn take(&self) -> u16 {
        let next = self.next.replace(self.next.get() + 1);
        self.ports[next % self.ports.len()]
    }
}

/// A telephone on its own thread; all calls share one echoing RTP socket unless told otherwise.
struct Far {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Far {
    fn start(phone: Phone, transport: SipTransport) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let apart = if phone == Phone::EchoesApart { 3 } else { 1 };
        let sockets: Vec<_> = (0..apart).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        let ports =
            Ports { ports: sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect(), next: Cell::new(0) };
        let ended = Arc::clone(&stop);
        let (address, signalling) = match transport {
            SipTransport::Udp => {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                let address = socket.local_addr().unwrap();
                (address, std::thread::spawn(move || signal(&socket, &ports, phone, &ended)))
            }
            SipTransport::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap();
                (address, std::thread::spawn(move || signal_by_tcp(&listener, &ports, phone, &ended)))
            }
        };
        let mut threads = vec![signalling];
        for socket in sockets {
            let ended = Arc::clone(&stop);
            threads.push(std::thread::spawn(move || echo(&socket, phone, &ended)));
        }
        Self { address, stop, threads }
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

fn signal(socket: &UdpSocket, ports: &Ports, phone: Phone, stop: &AtomicBool) {
    socket.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    let local = socket.local_addr().unwrap();
    let mut endpoint = Endpoint::new(EndpointConfig::default(), 7);
    let mut buffer = [0; 65_535];
    while !stop.load(Ordering::Relaxed) {
        if let Ok((length, remote)) = socket.recv_from(&mut buffer) {
            let flow = Flow { transport: Transport::Udp, local, remote };
            endpoint.handle_receive(Instant::now(), flow, &buffer[..length]);
        }
        for transmit in act(&mut endpoint, ports, phone) {
            socket.send_to(&transmit.bytes, transmit.flow.remote).unwrap();
        }
    }
}

/// The same over the first connection that comes.
fn signal_by_tcp(listener: &TcpListener, ports: &Ports, phone: Phone, stop: &AtomicBool) {
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
            for transmit in drain(&mut endpoint, ports, phone) {
                stream.write_all(&transmit.bytes).unwrap();
            }
        }
        for transmit in act(&mut endpoint, ports, phone) {
            stream.write_all(&transmit.bytes).unwrap();
        }
    }
}

/// Does what is due and answers what happened; gives what is to be sent.
fn act(endpoint: &mut Endpoint, ports: &Ports, phone: Phone) -> Vec<Transmit> {
    let now = Instant::now();
    let mut transmits = drain(endpoint, ports, phone);
    if endpoint.poll_timeout().is_some_and(|due| due <= now) {
        endpoint.handle_timeout(now);
        transmits.extend(drain(endpoint, ports, phone));
    }
    transmits
}

fn drain(endpoint: &mut Endpoint, ports: &Ports, phone: Phone) -> Vec<Transmit> {
    let now = Instant::now();
    while let Some(event) = endpoint.poll_event() {
        match event {
            Event::Invited { dialog, .. } if phone == Phone::Busy => {
                endpoint.refuse(now, &dialog, StatusCode::BUSY_HERE, None);
            }
            Event::Invited { dialog, .. } if matches!(phone, Phone::Full { .. }) => {
                let after = (phone == Phone::Full { retry_after: true }).then_some(Duration::from_secs(5));
                endpoint.refuse(now, &dialog, StatusCode::SERVICE_UNAVAILABLE, after);
            }
            Event::Invited { .. } if phone == Phone::Tries => {}
            Event::Invited { dialog, invite, .. } => {
                let offer = SessionDescription::parse(&invite.body).unwrap();
                let codecs = vec![Codec::Pcmu, Codec::Pcma, Codec::Opus, Codec::G722];
                let local = LocalMedia { codecs, ..LocalMedia::new([127, 0, 0, 1].into(), ports.take(), 1) };
                match sdp::answer(&offer, &local) {
                    Ok((answer, _)) => endpoint.answer(now, &dialog, answer),
                    Err(_) => endpoint.refuse(now, &dialog, StatusCode::NOT_ACCEPTABLE_HERE, None),
                }
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
        offers: vec![G711.to_vec()],
        srtp: false,
        to: "demo".to_owned(),
        from: "caller".to_owned(),
        plan: common::plan(3, Duration::from_secs(3)),
        caller: common::caller(Manner::Continuous),
        watching: Watching::default(),
        // The telephone echoes all calls from one socket.
        calls_per_socket: 1,
        answer_within: Duration::from_secs(10),
        impairments: Impairments::default(),
        save_wav: None,
    };
    change(&mut load);
    Box::pin(load.run()).await.unwrap()
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
async fn an_echo_is_heard_in_every_codec() {
    for codec in [Codec::Pcma, Codec::G722, Codec::Opus] {
        let report = run(Phone::Echoes, |load| load.offers = vec![vec![codec]]).await;
        let measures = &report.measures;
        assert_eq!((report.answered, report.failed), (3, 0), "{codec:?}: {report}");
        assert_eq!(measures.packets.received, measures.packets.sent, "{codec:?}: {report}");
        // A mark is a chirp, of which Opus at these rates leaves too little to be found.
        let marks = if codec == Codec::Opus { 0 } else { 3 };
        assert_eq!(measures.mouth_to_ear_ms.count(), marks, "{codec:?}: {report}");
        assert_eq!((measures.packets.lost, measures.packets.duplicates), (0, 0), "{codec:?}: {report}");
    }
}

#[tokio::test]
async fn a_telephone_without_keys_is_no_call_where_they_are_wanted() {
    let report = run(Phone::Echoes, |load| load.srtp = true).await;
    assert_eq!((report.answered, report.failed), (0, 3), "{report}");
}

#[tokio::test]
async fn calls_by_tcp_share_one_connection() {
    let report = run_by(SipTransport::Tcp, Phone::Echoes, |load| {
        load.caller.keys = "12".to_owned();
    })
    .await;
    assert_eq!((report.answered, report.failed), (3, 0), "{report}");
    // Two keys come back as events of 160 ms each, which are not lost.
    assert_eq!(report.measures.packets.lost, 0, "{report}");
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
        load.plan.shape = Shape::Calls { calls: 1, concurrency: 1 };
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
    check(run(Phone::Tries, |load| load.answer_within = Duration::from_millis(300)).await, r#"{"not answered in time": 3}"#);
    check(run(Phone::Mute, |_| {}).await, r#"{"answered, but no audio came": 3}"#);
}

#[tokio::test]
async fn calls_on_one_socket_are_told_apart_by_their_peers() {
    let report = run(Phone::EchoesApart, |load| load.calls_per_socket = 64).await;
    let measures = &report.measures;
    assert_eq!((report.answered, report.failed), (3, 0), "{report}");
    assert_eq!((measures.packets.lost, measures.packets.duplicates, measures.packets.reordered), (0, 0, 0), "{report}");
    // Each call begins with another utterance and hears its own: a mark of another would come back in no time.
    assert_eq!(measures.mouth_to_ear_ms.count(), 3, "{report}");
    assert!(measures.packets.received + 3 >= measures.packets.sent, "{report}");
}

#[tokio::test]
async fn one_port_for_several_calls_is_refused_on_a_shared_socket() {
    let report = run(Phone::Echoes, |load| load.calls_per_socket = 64).await;
    assert_eq!((report.answered, report.failed), (1, 2), "{report}");
    let told = report.failures.keys().next().unwrap();
    assert!(told.contains("--calls-per-socket 1"), "{told}");
}

#[tokio::test]
async fn who_is_turned_away_has_not_failed() {
    for (retry_after, without) in [(true, 0), (false, 3)] {
        let report = run(Phone::Full { retry_after }, |_| {}).await;
        assert_eq!((report.rejected.calls, report.failed, report.answered), (3, 0, 0), "{report}");
        let Rejected { without_retry_after, answer_ms, .. } = &report.rejected;
        assert_eq!((*without_retry_after, answer_ms.count()), (without, 3), "{report}");
    }
}

#[tokio::test]
async fn a_ramp_gives_a_row_a_step() {
    let report = run(Phone::Echoes, |load| {
        load.plan.shape = Shape::Ramp { steps: vec![1, 3], length: Duration::from_millis(1_500) };
        load.watching.server_pid = Some(std::process::id());
        load.watching.slos = vec!["lost=0".parse().unwrap(), "failed=0".parse().unwrap(), "setup_p99=0ms".parse().unwrap()];
    })
    .await;
    assert_eq!((report.answered, report.failed, report.concurrent), (3, 0, 3), "{report}");
    let rows: Vec<_> = report.steps.iter().map(|step| (step.calls, step.lost, step.cpu_percent_per_call.is_some())).collect();
    assert_eq!(rows, [(1, 0, true), (3, 0, true)], "{report}");
    let missed: Vec<_> =
        report.steps.iter().map(|step| step.missed.iter().map(|verdict| &*verdict.name).collect::<Vec<_>>()).collect();
    assert_eq!(missed, [["setup_p99"], ["setup_p99"]], "{report}");
    assert_eq!(report.objectives.iter().map(|verdict| verdict.met).collect::<Vec<_>>(), [true, true, false]);
}

#[tokio::test]
async fn a_ramp_ends_at_a_missed_objective() {
    let report = run(Phone::Echoes, |load| {
        load.plan.shape = Shape::Ramp { steps: vec![1, 2, 3], length: Duration::from_millis(600) };
        load.watching.slos = vec!["setup_p99=0ms".parse().unwrap()];
        load.watching.stop_on_miss = true;
    })
    .await;
    assert_eq!((report.steps.len(), report.answered, report.failed), (1, 1, 0), "{report}");
}

#[tokio::test]
async fn a_soak_keeps_calls_up_until_its_time_is_over() {
    let report = run(Phone::Echoes, |load| {
        load.plan.shape = Shape::Soak { up: 2, length: Duration::from_secs(5) };
        load.plan.hold = Duration::from_secs(1);
        load.watching.server_pid = Some(std::process::id());
    })
    .await;
    assert_eq!((report.failed, report.concurrent), (0, 2), "{report}");
    assert!(report.answered > 4, "two at a time of 0.5 to 1.5 s each: {report}");
    let slopes = report.slopes.unwrap();
    assert!(slopes.rss_mb_per_hour.is_some() && slopes.files_per_hour.is_some(), "{slopes:?}");
}
