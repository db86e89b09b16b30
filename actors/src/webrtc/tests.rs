//! The port over loopback: who gets which datagram.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::*;

/// A check to a name of ours, as far as the port looks at it.
fn check(name: &str) -> Vec<u8> {
    let user = format!("{name}:theirs");
    let padded = user.len().next_multiple_of(4);
    let mut octets = vec![0, 1, 0, 4 + padded as u8, 0x21, 0x12, 0xA4, 0x42];
    octets.extend([7; 12]);
    octets.extend([0, 6, 0, user.len() as u8]);
    octets.extend(user.as_bytes());
    octets.resize(24 + padded, 0);
    octets
}

fn open() -> Arc<WebRtcPort> {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    WebRtcPort::open(&WebRtcConfig { listen, advertised: vec![listen] }).unwrap()
}

fn peer() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").unwrap()
}

/// What comes for a leg within a little while, by its last octet.
async fn taken(membership: &Membership, wanted: usize) -> Vec<(SocketAddr, u8)> {
    let mut taken = Vec::new();
    for _ in 0..200 {
        taken.extend(std::iter::from_fn(|| membership.poll_knock()).map(|knock| (knock.from, *knock.datagram.last().unwrap())));
        if taken.len() >= wanted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    taken
}

fn with_mark(mut datagram: Vec<u8>, mark: u8) -> Vec<u8> {
    datagram.push(mark);
    datagram
}

#[tokio::test]
async fn checks_go_by_name_and_the_rest_by_who_has_shown_itself() {
    let port = open();
    let (mut one, two) = (Membership::new(&port, "one"), Membership::new(&port, "two"));
    let (browser, stranger) = (peer(), peer());
    let send = |socket: &UdpSocket, datagram: Vec<u8>| socket.send_to(&datagram, port.local).unwrap();
    send(&stranger, with_mark(check("three"), 1));
    send(&stranger, vec![0x80, 2]);
    send(&browser, vec![22, 3]);
    send(&browser, with_mark(check("one"), 4));
    send(&browser, with_mark(check("two"), 5));
    let from = browser.local_addr().unwrap();
    assert_eq!((taken(&one, 1).await, taken(&two, 1).await), (vec![(from, 4)], vec![(from, 5)]));
    // It has shown that it is there: all that it sends is for that leg.
    one.admit(from);
    send(&browser, vec![22, 6]);
    send(&stranger, vec![22, 7]);
    assert_eq!(taken(&one, 1).await, [(from, 6)]);
    // A restart of ICE: both names, until there is a third.
    one.answer_to("uno");
    for (name, mark) in [("one", 8), ("uno", 9)] {
        send(&stranger, with_mark(check(name), mark));
    }
    assert_eq!(taken(&one, 2).await.iter().map(|(_, mark)| *mark).collect::<Vec<_>>(), [8, 9]);
    one.answer_to("eins");
    assert!(!port.names.contains_key("one") && port.names.contains_key("uno"));
    drop(one);
    assert_eq!((port.names.len(), port.addresses.len()), (1, 0));
}

#[tokio::test]
async fn a_socket_of_one_s_own_gets_what_its_peer_sends_and_nothing_else() {
    let port = open();
    let members = [Membership::new(&port, "one"), Membership::new(&port, "two")];
    let browsers = [peer(), peer()];
    let sockets = [0, 1].map(|index: usize| members[index].connect(browsers[index].local_addr().unwrap()).unwrap());
    for round in 0..50_u8 {
        for (index, browser) in browsers.iter().enumerate() {
            browser.send_to(&[0x80, index as u8, round], port.local).unwrap();
        }
    }
    peer().send_to(&with_mark(check("one"), 9), port.local).unwrap();
    assert_eq!(taken(&members[0], 1).await.len(), 1, "others are the listener's");
    for (index, socket) in sockets.iter().enumerate() {
        let mut room = [0; 1_500];
        for round in 0..50 {
            assert_eq!(socket.recv(&mut room).map(|length| room[..length].to_vec()).unwrap(), [0x80, index as u8, round]);
        }
        assert!(socket.recv(&mut room).is_err());
        // Both ends of the answer are as the peer knows them.
        socket.send(b"answer").unwrap();
        assert_eq!(browsers[index].recv_from(&mut room).unwrap(), (6, port.local));
    }
    // When it is gone, the listener has it again.
    drop(sockets);
    browsers[0].send_to(&with_mark(check("two"), 3), port.local).unwrap();
    assert_eq!(taken(&members[1], 1).await.len(), 1);
}

#[tokio::test]
async fn a_flood_for_one_leg_has_an_end_and_the_port_is_nobody_else_s() {
    let port = open();
    let member = Membership::new(&port, "one");
    let counts: Vec<&str> =
        (0..INLET_MAX + 2).map(|_| port.route(SocketAddr::from(([127, 0, 0, 1], 9)), &check("one"))).collect();
    assert_eq!(counts.iter().filter(|result| **result == "taken").count(), INLET_MAX);
    assert_eq!(counts[INLET_MAX..], ["full", "full"]);
    assert_eq!(port.route(SocketAddr::from(([127, 0, 0, 1], 9)), &check("two")), "stranger");
    drop(member);
    let again = WebRtcPort::open(&WebRtcConfig { listen: port.local, advertised: vec![port.local] });
    assert_eq!(again.err().map(|error| error.kind()), Some(std::io::ErrorKind::AddrInUse));
}

#[tokio::test]
async fn an_offer_without_ice_leads_nowhere() {
    let port = open();
    let offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nc=IN IP4 127.0.0.1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
                 a=rtcp-mux\r\na=fingerprint:sha-256 00\r\na=rtpmap:111 opus/48000/2\r\n";
    let agreed = |offer: &str| agree(&port, "sha-256 AB".to_owned(), offer.as_bytes());
    assert_eq!(agreed(offer).map(|agreed| agreed.answer).unwrap_err(), BadOffer::NoIce);
    assert!(port.names.is_empty());
    let whole = format!("{offer}a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n");
    let agreed = agreed(&whole).unwrap();
    assert!(agreed.answer.contains(&format!(" 127.0.0.1 {} typ host\r\n", port.local.port())), "{}", agreed.answer);
    assert_eq!(port.names.len(), 1);
}
