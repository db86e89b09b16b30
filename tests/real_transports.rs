//! SIP over every transport, with peers that nobody here wrote: SIPp over IPv6, baresip and openssl over TLS, dnsmasq as the DNS.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use media::codec::Codec;
use store::HangupCause;
use support::softphone::Softphone;
use support::tls::{Authority, Connection, served_name};
use support::{Folder, Process, Server, free_address, speech, stereo, wait_for};

/// A server with TLS beside UDP and TCP.
struct Secure {
    server: Server,
    tls: SocketAddr,
}

/// With this certificate, and these variables more.
fn secure(authority: &Authority, name: &str, more: &[(&str, &str)]) -> Secure {
    let tls = free_address();
    let (certificate, key) = authority.sign(name, 30);
    let listen = tls.to_string();
    let own = [
        ("OFFHOOK__SIP__TLS_LISTEN", listen.as_str()),
        ("OFFHOOK__SIP__TLS_CERT", certificate.to_str().unwrap()),
        ("OFFHOOK__SIP__TLS_KEY", key.to_str().unwrap()),
    ];
    Secure { server: Server::start_with("", &[&own[..], more].concat()), tls }
}

fn options(transport: &str, number: u32) -> String {
    format!(
        "OPTIONS sip:demo@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{transport} 192.0.2.9:5061;branch=z9hG4bKtest{number};rport\r\n\
         From: <sip:test@192.0.2.9>;tag=t{number}\r\nTo: <sip:demo@127.0.0.1>\r\nCall-ID: options-{number}\r\n\
         CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

fn ok(answer: &str) -> bool {
    answer.starts_with("SIP/2.0 200 ")
}

/// `calls` of SIPp's scenario, whole ones with audio both ways.
fn sipp(target: SocketAddr, transport: &str, calls: u32) {
    let folder = Folder::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("load-tests/sipp/speech.xml");
    let wav = std::fs::read(speech()).unwrap();
    let samples: Vec<i16> = wav[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let mut octets = Vec::new();
    Codec::Pcmu.encode(&samples, &mut octets);
    std::fs::write(folder.path().join("speech.ul"), octets).unwrap();
    let (local, calls) = (target.ip().to_string(), calls.to_string());
    let output = Command::new("sipp")
        .arg(target.to_string())
        .arg("-sf")
        .arg(script)
        .args(["-s", "demo", "-t", transport, "-m", &calls, "-l", &calls, "-r", "20", "-i", &local, "-mi", &local])
        .args(["-timeout", "60", "-timeout_error", "-nostdin", "-trace_err", "-error_file", "errors"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("sipp is installed (Debian: sip-tester)");
    let errors = std::fs::read_to_string(folder.path().join("errors")).unwrap_or_default();
    assert_eq!(output.status.code(), Some(0), "{target} {transport}: {errors}");
}

#[test]
fn two_listeners_of_both_families_carry_whole_calls_at_once() {
    let port = loop {
        let address = free_address();
        if TcpListener::bind(("::1", address.port())).is_ok() && UdpSocket::bind(("::1", address.port())).is_ok() {
            break address.port();
        }
    };
    let [four, six] = [format!("127.0.0.1:{port}"), format!("[::1]:{port}")];
    let server = Server::start_with("", &[("OFFHOOK__SIP__LISTEN", &format!("{four},{six}"))]);
    let runs = [(&six, "u1"), (&six, "t1"), (&four, "u1")].map(|(target, transport)| {
        let target = target.parse().unwrap();
        std::thread::spawn(move || sipp(target, transport, 2))
    });
    for run in runs {
        run.join().unwrap();
    }
    let ended = server.ended_calls(6);
    assert!(ended.iter().all(|ended| ended.call.cause == Some(HangupCause::CallerHangup)), "{}", server.log());
    for ended in &ended {
        let [caller, agent] = stereo::read(&server.recording(ended));
        assert!(caller.voiced_seconds() > 5.0, "{} s of the caller's voice", caller.voiced_seconds());
        // How much of the agent's is heard depends on who interrupts whom.
        assert!(agent.voiced_seconds() > 0.2, "{} s of the agent's voice", agent.voiced_seconds());
    }
    server.wait_metric("offhook_calls_active", "", 0.0);
    // Eleven seconds a call, 50 packets each; SIPp's clock may begin late and end early.
    for direction in ["received", "sent"] {
        let packets = server.metric("offhook_rtp_packets_total", direction);
        assert!((3_000.0..=3_400.0).contains(&packets), "{packets} packets {direction}");
    }
    assert_eq!(server.metric("offhook_rtp_rejected_total", ""), 0.0);
    // INVITE, ACK and BYE of each call.
    server.wait_metric("offhook_sip_messages_total", "transport=\"udp\",direction=\"received\"", 12.0);
    server.wait_metric("offhook_sip_messages_total", "transport=\"tcp\",direction=\"received\"", 6.0);
}

#[test]
fn a_softphone_talks_over_tls_while_the_certificate_is_replaced() {
    let authority = Authority::new();
    let Secure { server, tls } = secure(&authority, "first", &[]);
    assert_eq!(served_name(tls), "first");
    let shaken = || server.metric("offhook_sip_tls_handshakes_total", "direction=\"received\",outcome=\"ok\"");
    let before = shaken();
    let config = format!("sip_cafile {}\n", authority.root().display());
    let phone = Softphone::call(&format!("sip:demo@{tls};transport=tls"), "PCMU", "", &config);
    server.wait_metric("offhook_calls_active", "", 1.0);
    server.wait_metric("offhook_sip_connections", "transport=\"tls\"", 1.0);

    // One that cannot be used leaves the old one.
    let (certificate, key) = authority.sign("second", 60);
    let served = authority.root().with_file_name("first.pem");
    std::fs::write(&served, "no certificate").unwrap();
    server.process.signal("-HUP");
    server.wait_metric("offhook_sip_tls_reloads_total", "outcome=\"failed\"", 1.0);
    assert_eq!(served_name(tls), "first");
    // A whole one is taken without being told.
    std::fs::rename(key, served.with_extension("key")).unwrap();
    std::fs::rename(certificate, &served).unwrap();
    wait_for(Duration::from_secs(25), "the new certificate", || (served_name(tls) == "second").then_some(()));
    let left = server.metric("offhook_certificate_expires_seconds", "certificate=\"sip\"");
    assert!((59.0..=60.0).contains(&(left / 86_400.0)), "{left} s");

    // The call goes on over the connection of the old one, and its BYE too.
    let (runtime, database) = server.database();
    wait_for(Duration::from_secs(45), "the end of the softphone's call", || {
        let calls = runtime.block_on(database.list_calls(10, None)).unwrap();
        (calls.len() == 1 && calls[0].cause.is_some()).then_some(())
    });
    let ended = server.ended_calls(1).remove(0);
    assert_eq!(ended.call.cause, Some(HangupCause::CallerHangup), "{}", phone.log());
    assert!(phone.heard().voiced_seconds() > 3.0, "the greeting alone is about three seconds");
    assert!(shaken() > before + 1.0);
}

#[test]
fn pings_are_answered_and_what_is_no_sip_is_not() {
    let authority = Authority::new();
    let Secure { server, tls } = secure(&authority, "pings", &[]);
    let mut connection = Connection::open(tls, &authority.root(), &[]);
    assert!(ok(&connection.ask(&options("TLS", 1), "\r\n\r\n")));
    assert_eq!(connection.ask("\r\n\r\n", "\r\n"), "\r\n");
    let contact = connection.ask(&options("TLS", 2).replace("sip:demo", "sips:demo"), "\r\n\r\n");
    assert!(ok(&contact), "{contact}");

    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    // A keepalive, a STUN binding request, and what is answered.
    let stun = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
    for datagram in [b"\r\n\r\n".to_vec(), stun, options("UDP", 3).into_bytes()] {
        udp.send_to(&datagram, server.sip).unwrap();
    }
    let mut answer = [0; 2048];
    let length = udp.recv(&mut answer).unwrap();
    assert!(ok(&String::from_utf8_lossy(&answer[..length])), "the first answer is to OPTIONS");
    server.wait_metric("offhook_calls_rejected_total", "reason=\"sip_malformed\"", 1.0);
    // Nor may what must be secured come in the clear.
    udp.send_to(options("UDP", 4).replace("sip:demo", "sips:demo").as_bytes(), server.sip).unwrap();
    let length = udp.recv(&mut answer).unwrap();
    assert!(answer[..length].starts_with(b"SIP/2.0 480 "));
}

#[test]
fn a_handshake_fails_for_a_reason_that_is_counted() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let roots = authority.root();
    let more = [("OFFHOOK__SIP__TLS_CLIENT_ROOTS", roots.to_str().unwrap())];
    let Secure { server, tls } = secure(&authority, "mutual", &more);
    let (known, unknown) = (authority.sign("trunk", 30), stranger.sign("trunk", 30));
    let ask = |pair: Option<&(std::path::PathBuf, std::path::PathBuf)>, more: &[&str]| {
        let own = pair.map(|(certificate, key)| ["-cert", certificate.to_str().unwrap(), "-key", key.to_str().unwrap()]);
        let arguments = [own.as_ref().map_or(&[][..], |own| own.as_slice()), more].concat();
        Connection::open(tls, &roots, &arguments).ask(&options("TLS", 1), "\r\n\r\n")
    };
    assert!(ok(&ask(Some(&known), &[])));
    assert!(ok(&ask(Some(&known), &["-tls1_2"])));
    assert_eq!(ask(None, &[]), "");
    assert_eq!(ask(Some(&unknown), &[]), "");
    assert_eq!(ask(Some(&known), &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]), "");
    let mut plain = TcpStream::connect(tls).unwrap();
    plain.write_all(options("TLS", 2).as_bytes()).unwrap();
    let _closed = plain.read_to_end(&mut Vec::new());
    let mut silent = TcpStream::connect(tls).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert!(matches!(silent.read(&mut [0; 1]), Ok(0)), "a handshake that does not begin has an end");
    for (outcome, count) in [
        ("ok", 2.0),
        ("certificate_missing", 1.0),
        ("certificate_invalid", 1.0),
        ("incompatible", 1.0),
        ("not_tls", 1.0),
        ("timeout", 1.0),
    ] {
        server.wait_metric("offhook_sip_tls_handshakes_total", &format!("direction=\"received\",outcome=\"{outcome}\""), count);
    }
    server.wait_metric("offhook_sip_connections", "transport=\"tls\"", 0.0);
}

#[test]
fn one_source_has_its_share_of_connections() {
    let server = Server::start("[limits]\nsip_tcp_connections_per_source = 5");
    let streams: Vec<TcpStream> = (0..12).map(|_| TcpStream::connect(server.sip).unwrap()).collect();
    server.wait_metric("offhook_calls_rejected_total", "reason=\"tcp_connections_of_source\"", 7.0);
    server.wait_metric("offhook_sip_connections", "transport=\"tcp\"", 5.0);
    drop(streams);
    server.wait_metric("offhook_sip_connections", "transport=\"tcp\"", 0.0);
}

/// A caller who is to be found elsewhere: places a call over UDP and takes it to its answer.
fn call(server: &Server, number: u32, contact: &str, from: &str) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let local = socket.local_addr().unwrap();
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
    let head = |method: &str, to_tag: &str| {
        format!(
            "{method} sip:demo@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{method}{number};rport\r\n\
             From: <{from}>;tag=f{number}\r\nTo: <sip:demo@127.0.0.1>{to_tag}\r\nCall-ID: named-{number}\r\nCSeq: 1 {method}\r\n\
             Contact: <{contact}>\r\nMax-Forwards: 70\r\n"
        )
    };
    let invite = format!("{}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", head("INVITE", ""), sdp.len());
    socket.send_to(invite.as_bytes(), server.sip).unwrap();
    loop {
        let mut buffer = [0; 8192];
        let length = socket.recv(&mut buffer).unwrap();
        let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if ok(&answer) {
            let tag = answer.lines().find_map(|line| line.strip_prefix("To: ")?.split_once(";tag=")).unwrap().1.to_owned();
            let ack = format!("{}Content-Length: 0\r\n\r\n", head("ACK", &format!(";tag={tag}")));
            socket.send_to(ack.as_bytes(), server.sip).unwrap();
            return socket;
        }
    }
}

/// Answers a request with 200.
fn accepted(request: &str) -> String {
    let kept = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
    let lines = request.lines().filter(|line| kept.iter().any(|name| line.starts_with(name)));
    let lines: String = lines.map(|line| format!("{line}\r\n")).collect();
    format!("SIP/2.0 200 OK\r\n{lines}Content-Length: 0\r\n\r\n")
}

/// Waits for the BYE at a UDP socket, and answers it.
fn bye_by_udp(socket: &UdpSocket) -> String {
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    loop {
        let mut buffer = [0; 8192];
        let (length, from) = socket.recv_from(&mut buffer).expect("a BYE");
        let bye = String::from_utf8_lossy(&buffer[..length]).into_owned();
        // On a slow machine the answer came twice.
        if bye.starts_with("BYE ") {
            socket.send_to(accepted(&bye).as_bytes(), from).unwrap();
            return bye;
        }
    }
}

/// Waits for the BYE at a TCP port, and answers it; the connection too, so that it may stay open.
fn bye_by_tcp(listener: &TcpListener) -> (String, TcpStream) {
    listener.set_nonblocking(true).unwrap();
    let (mut stream, _) = wait_for(Duration::from_secs(30), "a connection", || listener.accept().ok());
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut bye = String::new();
    while !bye.ends_with("\r\n\r\n") {
        let mut buffer = [0; 8192];
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0, "{bye}");
        bye.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    assert!(bye.starts_with("BYE "), "{bye}");
    stream.write_all(accepted(&bye).as_bytes()).unwrap();
    (bye, stream)
}

/// dnsmasq with these records, on a port of its own.
fn dnsmasq(records: &[String]) -> (Process, SocketAddr) {
    let address = free_address();
    let child = Command::new("dnsmasq")
        .args(["--keep-in-foreground", "--no-resolv", "--no-hosts", "--bind-interfaces", "--listen-address=127.0.0.1"])
        .args(["--conf-file=/dev/null", "--pid-file=", "--user=", "--local=/offhook.test/", "--local-ttl=60"])
        .arg(format!("--port={}", address.port()))
        .args(records)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("dnsmasq is installed (Debian: dnsmasq-base)");
    wait_for(Duration::from_secs(5), "dnsmasq", || TcpStream::connect(address).ok());
    (Process(child), address)
}

#[test]
fn a_bye_finds_its_way_by_naptr_srv_and_a_and_goes_on_where_nobody_listens() {
    let (udp, tcp, closed) = (UdpSocket::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap(), free_address());
    let [udp_port, tcp_port] = [udp.local_addr().unwrap().port(), tcp.local_addr().unwrap().port()];
    let (_dns, dns) = dnsmasq(&[
        "--host-record=a.offhook.test,127.0.0.1".to_owned(),
        // One domain's TCP servers: the first is closed, the second is there.
        "--naptr-record=farm.offhook.test,10,10,s,SIP+D2T,,_sip._tcp.farm.offhook.test".to_owned(),
        "--naptr-record=farm.offhook.test,20,10,s,SIP+D2U,,_sip._udp.farm.offhook.test".to_owned(),
        format!("--srv-host=_sip._tcp.farm.offhook.test,a.offhook.test,{},1,0", closed.port()),
        format!("--srv-host=_sip._tcp.farm.offhook.test,a.offhook.test,{tcp_port},2,0"),
        format!("--srv-host=_sip._udp.farm.offhook.test,a.offhook.test,{},1,0", closed.port()),
        // The other's TCP is closed: UDP, which comes after it.
        "--naptr-record=mixed.offhook.test,10,10,s,SIP+D2T,,_sip._tcp.mixed.offhook.test".to_owned(),
        "--naptr-record=mixed.offhook.test,20,10,s,SIP+D2U,,_sip._udp.mixed.offhook.test".to_owned(),
        format!("--srv-host=_sip._tcp.mixed.offhook.test,a.offhook.test,{},1,0", closed.port()),
        format!("--srv-host=_sip._udp.mixed.offhook.test,a.offhook.test,{udp_port},1,0"),
    ]);
    let toml = "[limits]\ncall_duration_s = 10";
    let server = Server::start_with(toml, &[("OFFHOOK__SIP__DNS_SERVERS", &dns.to_string())]);
    let _farm = call(&server, 1, "sip:caller@farm.offhook.test", "sip:farm@127.0.0.1");
    let _mixed = call(&server, 2, "sip:caller@mixed.offhook.test", "sip:mixed@127.0.0.1");
    let nowhere = call(&server, 3, "sip:caller@nowhere.offhook.test", "sip:nowhere@127.0.0.1");

    let (bye, _open) = bye_by_tcp(&tcp);
    assert!(bye.starts_with("BYE sip:caller@farm.offhook.test SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:"), "{bye}");
    let bye = bye_by_udp(&udp);
    assert!(bye.starts_with("BYE sip:caller@mixed.offhook.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:"), "{bye}");
    let bye = bye_by_udp(&nowhere);
    assert!(
        bye.starts_with("BYE sip:caller@nowhere.offhook.test "),
        "a name that leads nowhere: back to where the call came from"
    );
    assert_eq!(server.ended_calls(3).len(), 3);
    server.wait_metric("offhook_sip_dns_total", "outcome=\"failed\"", 0.0);
    assert!(server.metric("offhook_sip_dns_total", "outcome=\"found\"") >= 5.0);
    assert!(server.metric("offhook_sip_dns_total", "outcome=\"nothing\"") >= 1.0);
}

#[test]
fn a_long_bye_goes_by_tcp_and_by_udp_where_that_is_closed() {
    let both = free_address();
    let (tcp, udp_only) = (TcpListener::bind(both).unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let server = Server::start("[limits]\ncall_duration_s = 10");
    // The From of the caller is the To of the BYE.
    let long = format!("sip:caller@127.0.0.1;x={}", "long".repeat(350));
    let _tcp_too = call(&server, 1, &format!("sip:caller@{both}"), &long);
    let _udp = call(&server, 2, &format!("sip:caller@{}", udp_only.local_addr().unwrap()), &long);
    let (bye, _open) = bye_by_tcp(&tcp);
    assert!(bye.len() > 1_300 && bye.contains("\r\nVia: SIP/2.0/TCP "), "{bye}");
    let bye = bye_by_udp(&udp_only);
    assert!(bye.len() > 1_300 && bye.contains("\r\nVia: SIP/2.0/UDP "), "{bye}");
    assert_eq!(server.ended_calls(2).len(), 2);
}
