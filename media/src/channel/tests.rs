//! A browser's side of SCTP by the same library, over a seeded network in virtual time.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rtc_sctp::{ClientConfig, ReliabilityType};

use super::*;
use crate::testing::epoch;

const ONE_WAY: Duration = Duration::from_millis(20);

struct Pair {
    now: Instant,
    ours: Channels,
    endpoint: Endpoint,
    browser: Association,
    /// Data under way: when, whether to us.
    network: Vec<(Instant, bool, Bytes)>,
    rng: StdRng,
    loss: u32,
    /// What was heard on both sides, in order.
    heard: Vec<String>,
}

/// What opens a channel: reliable, in order, with a label of five octets.
const OPENING: &[u8] = b"\x03\0\0\0\0\0\0\0\0\x05\0\0hello";

impl Pair {
    fn new(seed: u64, loss: u32) -> Self {
        let now = epoch();
        let mut endpoint = Endpoint::new(PEER, TransportProtocol::UDP, Arc::new(EndpointConfig::new()), None);
        let (_, browser) = endpoint.connect(now, ClientConfig::new(TransportConfig::default()), PEER).unwrap();
        let ours = Channels::new(0);
        Self { now, ours, endpoint, browser, network: Vec::new(), rng: StdRng::seed_from_u64(seed), loss, heard: Vec::new() }
    }

    fn carry(&mut self, to_us: bool, data: Bytes) {
        if self.rng.random_range(0..100) >= self.loss {
            self.network.push((self.now + ONE_WAY, to_us, data));
        }
    }

    fn step(&mut self) {
        while let Some(data) = self.ours.poll_transmit() {
            self.carry(false, data);
        }
        while let Some(transmit) = self.browser.poll_transmit(self.now) {
            let Payload::RawEncode(pieces) = transmit.message else { continue };
            pieces.into_iter().for_each(|piece| self.carry(true, piece));
        }
        while let Some(event) = self.ours.poll_event() {
            self.heard.push(match event {
                ChannelEvent::Text(text) if text.len() > 20 => format!("us:{} octets", text.len()),
                ChannelEvent::Text(text) => format!("us:{text}"),
                other => format!("us:{other:?}"),
            });
        }
        while let Some(event) = self.browser.poll() {
            let Event::Stream(StreamEvent::Readable { id }) = event else { continue };
            while let Ok(Some(message)) = self.browser.stream(id).unwrap().read() {
                let text = message.to_payload(MESSAGE_MAX).unwrap();
                self.heard.push(format!("browser:{:?} {}", message.ppi, String::from_utf8_lossy(&text)));
            }
        }
    }

    /// For so long, or until nothing is left to happen.
    fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        loop {
            self.step();
            let timers = [self.ours.poll_timeout(), self.browser.poll_timeout()].into_iter().flatten();
            let Some(next) = timers.chain(self.network.iter().map(|(at, ..)| *at)).min().filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            if let Some(index) = self.network.iter().position(|(at, ..)| *at <= self.now) {
                let (_, to_us, data) = self.network.remove(index);
                if to_us {
                    self.ours.handle_data(self.now, data);
                } else if let Some((_, DatagramEvent::AssociationEvent(event))) = self.endpoint.handle(self.now, PEER, None, data)
                {
                    self.browser.handle_event(event);
                }
            } else {
                self.ours.handle_timeout(self.now);
                self.browser.handle_timeout(self.now);
            }
        }
    }

    /// The browser says this on a channel.
    fn say(&mut self, id: StreamId, data: &[u8], ppi: PayloadProtocolIdentifier) {
        if self.browser.stream(id).is_err() {
            let mut stream = self.browser.open_stream(id, PayloadProtocolIdentifier::String).unwrap();
            stream.set_reliability_params(false, ReliabilityType::Reliable, 0).unwrap();
        }
        self.browser.stream(id).unwrap().write_with_ppi(self.now, data, ppi).unwrap();
    }

    fn opened(seed: u64, loss: u32) -> Self {
        let mut pair = Self::new(seed, loss);
        pair.run(600);
        pair.say(0, OPENING, PayloadProtocolIdentifier::Dcep);
        pair.run(600);
        pair
    }
}

#[test]
fn a_channel_is_opened_and_spoken_over_both_ways() {
    let mut pair = Pair::opened(1, 0);
    assert_eq!(pair.heard, ["us:Opened", "browser:Dcep \u{2}"]);
    assert!(pair.ours.is_ready() && pair.ours.send(pair.now, "good day"));
    pair.say(0, b"hello", PayloadProtocolIdentifier::String);
    pair.run(2);
    assert_eq!(pair.heard[2..], ["browser:String good day", "us:hello"]);
    assert!(pair.ours.is_drained());
}

#[test]
fn nothing_is_lost_on_a_bad_network_and_the_order_stays() {
    for seed in 0..10 {
        let mut pair = Pair::opened(seed, 20);
        pair.run(600);
        for number in 0..20 {
            assert!(pair.ours.send(pair.now, &format!("{number}")), "seed {seed}: {:?}", pair.heard);
        }
        pair.run(600);
        let texts: Vec<String> = (0..20).map(|number| format!("browser:String {number}")).collect();
        assert_eq!(pair.heard[2..], texts, "seed {seed}");
    }
}

#[test]
fn what_is_no_text_or_too_long_is_refused_and_the_channel_stays() {
    let mut pair = Pair::opened(3, 0);
    pair.say(0, &[1, 2], PayloadProtocolIdentifier::Binary);
    pair.say(0, &[0xFF, 0xFE], PayloadProtocolIdentifier::String);
    pair.say(0, &vec![b'x'; MESSAGE_MAX], PayloadProtocolIdentifier::String);
    pair.say(0, &vec![b'x'; MESSAGE_MAX + 1], PayloadProtocolIdentifier::String);
    pair.say(0, b"still here", PayloadProtocolIdentifier::String);
    pair.run(10);
    assert_eq!(pair.heard[2..], ["us:Refused", "us:Refused", "us:65536 octets", "us:Refused", "us:still here"]);
    assert!(!pair.ours.send(pair.now, "") && !pair.ours.send(pair.now, &"x".repeat(MESSAGE_MAX + 1)) && pair.ours.is_ready());
}

#[test]
fn what_waits_has_an_end() {
    let mut pair = Pair::opened(4, 0);
    let long = "x".repeat(MESSAGE_MAX);
    let taken = (0..10).take_while(|_| pair.ours.is_ready() && pair.ours.send(pair.now, &long)).count();
    assert_eq!(taken, WAITING_MAX / MESSAGE_MAX);
}

#[test]
fn a_channel_that_both_sides_agreed_on_is_opened_by_its_first_text() {
    let mut pair = Pair::new(5, 0);
    assert!(!pair.ours.is_ready() && !pair.ours.send(pair.now, "too early") && pair.ours.is_drained());
    pair.run(5);
    pair.say(7, b"first", PayloadProtocolIdentifier::String);
    pair.run(5);
    assert!(pair.ours.send(pair.now, "second"));
    pair.run(5);
    assert_eq!(pair.heard, ["us:first", "browser:String second"]);
}

#[test]
fn garbage_is_nothing() {
    let mut pair = Pair::opened(6, 0);
    let mut rng = StdRng::seed_from_u64(6);
    for length in 0..200 {
        let garbage: Vec<u8> = (0..length).map(|_| rng.random()).collect();
        pair.ours.handle_data(pair.now, garbage.into());
    }
    assert!(pair.ours.send(pair.now, "fine"));
    pair.run(2);
    assert_eq!(pair.heard.last().unwrap(), "browser:String fine");
}
