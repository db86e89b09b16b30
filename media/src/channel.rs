//! Data channels of one peer (RFC 8831, RFC 8832): texts over SCTP by `rtc-sctp`, in the DTLS of its leg.
//!
//! ```text
//! peer: INIT ... the association ── OPEN ──► the channel of today ── texts both ways ── reset ──► none, until another OPEN
//! ```
//! The peer begins, as every browser does. Of its channels the last one that it opened is spoken over; one whose number both sides agreed on
//! beforehand is opened by its first text. The messages that open a channel are one octet of ours and twelve of the peer's: `rtc-datachannel`
//! would bring two crates for them.

use std::collections::VecDeque;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rtc_sctp::{
    Association, AssociationHandle, DatagramEvent, Endpoint, EndpointConfig, Event, Payload, PayloadProtocolIdentifier,
    ServerConfig, StreamEvent, StreamId, TransportConfig,
};
use rtc_shared::TransportProtocol;

/// Octets of the longest message, both ways: what every stack takes.
pub const MESSAGE_MAX: usize = 64 * 1024;
/// Octets that wait for the peer to take them; more stay with who has them to say.
pub const WAITING_MAX: usize = 128 * 1024;
/// Octets of the peer that wait until they are a message.
const RECEIVING_MAX: u32 = 256 * 1024;
/// Channels of a peer: one is spoken over, a page may have others for itself.
const STREAMS_MAX: u16 = 64;
/// Events that wait to be read: texts of one tick.
const EVENTS_MAX: usize = 64;

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ChannelEvent {
    /// A channel is there to be spoken over.
    Opened,
    /// The peer says something.
    Text(String),
    /// A message that nobody looks at: no text, or too long.
    Refused,
}

/// The association with one peer. **One input, then drain** [`Self::poll_transmit`] and [`Self::poll_event`].
pub struct Channels {
    endpoint: Endpoint,
    association: Option<(AssociationHandle, Association)>,
    channel: Option<StreamId>,
    message_max: usize,
    events: VecDeque<ChannelEvent>,
    transmits: VecDeque<Bytes>,
}

/// The library keeps associations by address; ours is that of the leg.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5000);

impl Channels {
    /// Waits for the peer, which takes messages of so many octets; 0: of any length.
    pub fn new(message_max: usize) -> Self {
        let transport = TransportConfig::default()
            .with_max_message_size(MESSAGE_MAX as u32)
            .with_max_receive_buffer_size(RECEIVING_MAX)
            .with_max_num_inbound_streams(STREAMS_MAX)
            .with_max_num_outbound_streams(STREAMS_MAX);
        let config = (Arc::new(EndpointConfig::new()), Arc::new(ServerConfig::new(transport)));
        Self {
            endpoint: Endpoint::new(PEER, TransportProtocol::UDP, config.0, Some(config.1)),
            association: None,
            channel: None,
            message_max: if message_max == 0 { MESSAGE_MAX } else { message_max.min(MESSAGE_MAX) },
            events: VecDeque::new(),
            transmits: VecDeque::new(),
        }
    }

    /// Data of the peer's DTLS.
    pub fn handle_data(&mut self, now: Instant, data: Bytes) {
        match (self.endpoint.handle(now, PEER, None, data), &mut self.association) {
            (Some((handle, DatagramEvent::NewAssociation(new))), association) => {
                // One that begins anew has lost the one before.
                self.channel = None;
                *association = Some((handle, new));
            }
            (Some((handle, DatagramEvent::AssociationEvent(event))), Some((own, association))) if handle == *own => {
                association.handle_event(event);
            }
            _ => {}
        }
        self.settle(now);
    }

    /// The time that [`Self::poll_timeout`] asked for has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some((_, association)) = &mut self.association {
            association.handle_timeout(now);
        }
        self.settle(now);
    }

    /// When [`Self::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.association.as_ref()?.1.poll_timeout()
    }

    /// The next data for the peer.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.transmits.pop_front()
    }

    /// What happened since the last time.
    pub fn poll_event(&mut self) -> Option<ChannelEvent> {
        self.events.pop_front()
    }

    /// Whether there is a channel, and room in it.
    pub fn is_ready(&mut self) -> bool {
        let Some((channel, (_, association))) = self.channel.zip(self.association.as_mut()) else { return false };
        association.stream(channel).and_then(|stream| stream.buffered_amount()).is_ok_and(|waiting| waiting < WAITING_MAX)
    }

    /// Whether all that was said has been taken.
    pub fn is_drained(&mut self) -> bool {
        let Some((channel, (_, association))) = self.channel.zip(self.association.as_mut()) else { return true };
        association.stream(channel).and_then(|stream| stream.buffered_amount()).map_or(true, |waiting| waiting == 0)
    }

    /// Says something. False when there is no channel, or it is too long for the peer.
    pub fn send(&mut self, now: Instant, text: &str) -> bool {
        let Some((channel, (_, association))) = self.channel.zip(self.association.as_mut()) else { return false };
        if text.is_empty() || text.len() > self.message_max {
            return false;
        }
        let sent = association
            .stream(channel)
            .and_then(|mut stream| stream.write_with_ppi(now, text.as_bytes(), PayloadProtocolIdentifier::String));
        if sent.is_err() {
            self.channel = None;
        }
        self.settle(now);
        sent.is_ok()
    }

    /// Takes what the library has to tell and to send.
    fn settle(&mut self, now: Instant) {
        let Some((handle, mut association)) = self.association.take() else { return };
        let mut gone = false;
        while let Some(event) = association.poll() {
            match event {
                Event::Stream(StreamEvent::Readable { id } | StreamEvent::Opened { id }) => self.read(now, &mut association, id),
                Event::Stream(StreamEvent::Finished { id } | StreamEvent::Stopped { id, .. }) if self.channel == Some(id) => {
                    self.channel = None;
                }
                Event::HandshakeFailed { .. } | Event::AssociationLost { .. } => gone = true,
                _ => {}
            }
        }
        while let Some(transmit) = association.poll_transmit(now) {
            if let Payload::RawEncode(pieces) = transmit.message {
                self.transmits.extend(pieces);
            }
        }
        while let Some(event) = association.poll_endpoint_event() {
            self.endpoint.handle_event(handle, event);
            gone = true;
        }
        if gone {
            self.channel = None;
        } else {
            self.association = Some((handle, association));
        }
    }

    /// Takes the whole messages of a channel.
    fn read(&mut self, now: Instant, association: &mut Association, id: StreamId) {
        let _taken_before = association.accept_stream();
        let Ok(mut stream) = association.stream(id) else { return };
        while let Ok(Some(message)) = stream.read() {
            let octets = message.to_payload(MESSAGE_MAX).unwrap_or_default();
            let event = match message.ppi {
                PayloadProtocolIdentifier::Dcep if octets.first() == Some(&OPEN) => {
                    let _peer_has_left = stream.write_with_ppi(now, &[ACK], PayloadProtocolIdentifier::Dcep);
                    self.channel = Some(id);
                    ChannelEvent::Opened
                }
                PayloadProtocolIdentifier::Dcep => continue,
                PayloadProtocolIdentifier::String if !octets.is_empty() => {
                    // A channel that both sides have agreed on has no first message.
                    self.channel.get_or_insert(id);
                    String::from_utf8(octets.to_vec()).map_or(ChannelEvent::Refused, ChannelEvent::Text)
                }
                _ => ChannelEvent::Refused,
            };
            if self.events.len() < EVENTS_MAX {
                self.events.push_back(event);
            }
        }
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Channels({:?})", self.channel)
    }
}

/// Opens a channel (RFC 8832 §5.1).
const OPEN: u8 = 3;
/// Says that it is open (RFC 8832 §5.2).
const ACK: u8 = 2;

#[cfg(test)]
mod tests;
