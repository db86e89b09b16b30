//! Offer and answer for one audio stream (RFC 3264).

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::codec::{
    CODECS, COMFORT_NOISE, COMFORT_NOISE_PAYLOAD, CodecRow, FIRST_DYNAMIC_PAYLOAD, TELEPHONE_CLOCK, TELEPHONE_EVENT,
    TELEPHONE_EVENT_PAYLOAD,
};
use super::parse::{Media, SessionDescription};
use super::{Codec, Direction, LocalMedia, Negotiated, OpusWishes, PTIME, PTIME_MAX, PTIME_MIN, SdpError, crypto, dtls};

/// Our offer: the codecs of `local` and telephone events, on one audio line.
pub fn offer(local: &LocalMedia) -> String {
    let mut payloads = String::new();
    let mut attributes = String::new();
    for row in local.codecs.iter().map(|codec| codec.row()) {
        let _ = write!(payloads, " {}", row.payload_type);
        push_codec(&mut attributes, row, row.payload_type);
    }
    let _ = write!(payloads, " {TELEPHONE_EVENT_PAYLOAD}");
    push_telephone_event(&mut attributes, TELEPHONE_EVENT_PAYLOAD, TELEPHONE_CLOCK);
    let handshake = dtls::offer(local);
    let (session, profile, keys) = match &handshake {
        Some((session, lines)) => (*session, "UDP/TLS/RTP/SAVPF", lines.clone()),
        None => {
            let (profile, keys) = crypto::offer(local.srtp, &local.keys);
            ("", profile, keys)
        }
    };
    attributes.push_str(&keys);
    if local.rtcp_mux || handshake.is_some() {
        attributes.push_str("a=rtcp-mux\r\n");
    }
    push_ending(&mut attributes, PTIME, local.direction);
    body(local, "0 0", &format!("{session}m=audio {} {profile}{payloads}\r\n{attributes}", local.port))
}

/// Our answer to an offer, and what it agrees on. The first audio line that we can take is taken, of encrypted and plain ones the first
/// that is encrypted.
///
/// # Errors
/// When no line can be taken; [`SdpError::status`] is how to refuse it.
pub fn answer(offer: &SessionDescription, local: &LocalMedia) -> Result<(String, Negotiated), SdpError> {
    let mut chosen = None;
    let mut refusal = SdpError::NoAudio;
    for (index, media) in offer.media.iter().enumerate() {
        match negotiate(offer, media, local) {
            Ok(negotiated) => {
                let better = chosen
                    .as_ref()
                    .is_none_or(|(_, other): &(usize, Negotiated)| !other.is_encrypted() && negotiated.is_encrypted());
                if better {
                    chosen = Some((index, negotiated));
                }
            }
            Err(SdpError::NoAudio) => {}
            Err(error) => refusal = error,
        }
    }
    let (chosen, negotiated) = chosen.ok_or(refusal)?;
    let handshake = negotiated.dtls.as_ref();
    let data = handshake.and_then(|dtls| Some((dtls, dtls.data.as_ref()?)));
    let mut lines = dtls::session_lines(handshake, chosen);
    for (index, media) in offer.media.iter().enumerate() {
        if index == chosen {
            push_answer_media(&mut lines, media, local, &negotiated);
        } else if let Some((dtls, data)) = data.filter(|(_, data)| data.line == index) {
            lines.push_str(&dtls::answer_data(dtls, data, local));
        } else {
            let _ = write!(lines, "m={} 0 {} {}\r\n", media.kind, media.protocol, media.formats.join(" "));
        }
    }
    Ok((body(local, offer.timing.as_deref().unwrap_or("0 0"), &lines), negotiated))
}

/// What the peer's answer to [`offer`] agrees on.
///
/// # Errors
/// When the peer refused the stream or answered with something that we did not offer.
pub fn accept(answer: &SessionDescription, local: &LocalMedia) -> Result<Negotiated, SdpError> {
    let media = answer.media.first().ok_or(SdpError::NoAudio)?;
    negotiate(answer, media, local)
}

fn negotiate(session: &SessionDescription, media: &Media, local: &LocalMedia) -> Result<Negotiated, SdpError> {
    if media.kind != "audio" || media.port == 0 {
        return Err(SdpError::NoAudio);
    }
    let (crypto, dtls) = match dtls::is_asked(media) {
        true => (None, Some(dtls::choose(session, media, local)?)),
        false => (crypto::choose(media, local.srtp, &local.keys)?, None),
    };
    let (row, payload_type) = payload_types(media)
        .find_map(|payload| Some((codec_of(media, payload)?, payload)).filter(|(row, _)| local.codecs.contains(&row.codec)))
        .ok_or(SdpError::NoCommonCodec)?;
    let finds = dtls.as_ref().is_some_and(|dtls| dtls.ice.is_some());
    let address = if finds { nowhere(local.address) } else { address_of(session, media, local.address)? };
    let remote_rtp = SocketAddr::new(address, media.port);
    let rtcp_mux = media.attribute("rtcp-mux").is_some();
    // Events have the codec's clock (RFC 4733 §2.1); who offers no such ones, but those of telephones, means those.
    let events_at =
        |clock| payload_types(media).find(|payload| is_telephone_event(media, *payload, clock)).map(|found| (found, clock));
    let events = events_at(row.clock).or_else(|| events_at(TELEPHONE_CLOCK));
    let ptime = milliseconds(media, "ptime").unwrap_or(PTIME).clamp(PTIME_MIN, PTIME_MAX);
    Ok(Negotiated {
        codec: row.codec,
        payload_type,
        crypto,
        dtls,
        opus: if row.codec == Codec::Opus { OpusWishes::read(media, payload_type) } else { OpusWishes::default() },
        telephone_event: events.map(|(payload, _)| payload),
        event_clock: events.map_or(row.clock, |(_, clock)| clock),
        comfort_noise: payload_types(media).find(|payload| is_comfort_noise(media, *payload, row.clock)),
        ptime,
        send_ptime: send_ptime(row.codec, ptime, milliseconds(media, "maxptime")),
        remote_rtp,
        remote_rtcp: if rtcp_mux { remote_rtp } else { remote_rtcp(media, remote_rtp) },
        rtcp_mux,
        direction: their_direction(session, media, address.is_unspecified() && !finds).mirrored().and(local.direction),
    })
}

impl Negotiated {
    /// Whether nobody on the way can listen.
    pub fn is_encrypted(&self) -> bool {
        self.crypto.is_some() || self.dtls.is_some()
    }
}

/// Where the peer says that it is.
fn address_of(session: &SessionDescription, media: &Media, ours: IpAddr) -> Result<IpAddr, SdpError> {
    let address = session.address(media).filter(|address| !address.is_multicast()).ok_or(SdpError::NoAddress)?;
    // An old-style hold says 0.0.0.0 in IPv6 calls too: nowhere is of every family.
    let address = if address.is_unspecified() { nowhere(ours) } else { address };
    (address.is_ipv4() == ours.is_ipv4()).then_some(address).ok_or(SdpError::NoAddress)
}

/// No address, of the family of ours.
fn nowhere(ours: IpAddr) -> IpAddr {
    if ours.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() }
}

fn payload_types(media: &Media) -> impl Iterator<Item = u8> {
    media.formats.iter().filter_map(|format| format.parse().ok()).filter(|payload| *payload < 128)
}

/// The row that a payload type stands for: by its `a=rtpmap`, else by its static number.
fn codec_of(media: &Media, payload_type: u8) -> Option<&'static CodecRow> {
    match media.rtpmap(payload_type) {
        Some((name, clock, channels)) => {
            CODECS.iter().find(|row| row.name.eq_ignore_ascii_case(name) && row.clock == clock && row.channels == channels)
        }
        None if payload_type < FIRST_DYNAMIC_PAYLOAD => CODECS.iter().find(|row| row.payload_type == payload_type),
        None => None,
    }
}

fn is_telephone_event(media: &Media, payload_type: u8, codec_clock: u32) -> bool {
    media.rtpmap(payload_type).is_some_and(|(name, clock, _)| name.eq_ignore_ascii_case(TELEPHONE_EVENT) && clock == codec_clock)
}

fn is_comfort_noise(media: &Media, payload_type: u8, codec_clock: u32) -> bool {
    match media.rtpmap(payload_type) {
        Some((name, clock, _)) => name.eq_ignore_ascii_case(COMFORT_NOISE) && clock == codec_clock,
        None => payload_type == COMFORT_NOISE_PAYLOAD && codec_clock == TELEPHONE_CLOCK,
    }
}

/// What the peer asks for and allows, in whole shortest packets; one of them even if it allows less.
fn send_ptime(codec: Codec, asked: Duration, most: Option<Duration>) -> Duration {
    let allowed = most.map_or(asked, |most| asked.min(most));
    let steps = u32::try_from(allowed.as_millis() / PTIME_MIN.as_millis()).unwrap_or(1);
    let steps = match (codec, steps) {
        // Opus has no frames between (RFC 6716 §3.2.1).
        (Codec::Opus, 3 | 5) => steps - 1,
        _ => steps.max(1),
    };
    PTIME_MIN * steps
}

/// An old-style hold says `c=0.0.0.0` (RFC 2543 §B.5): the peer does not listen, whatever the direction says.
fn their_direction(session: &SessionDescription, media: &Media, nowhere: bool) -> Direction {
    let said = media.direction.or(session.direction).unwrap_or_default();
    if nowhere { said.and(Direction::SendOnly) } else { said }
}

fn milliseconds(media: &Media, name: &str) -> Option<Duration> {
    // Some write `20.0`, and `0` for "any".
    let value = media.attribute(name)?.split('.').next()?.parse().ok()?;
    (value > 0).then(|| Duration::from_millis(value))
}

/// `a=rtcp:40001` or `a=rtcp:40001 IN IP4 192.0.2.1` (RFC 3605), else the next port.
fn remote_rtcp(media: &Media, rtp: SocketAddr) -> SocketAddr {
    let next = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
    let Some(value) = media.attribute("rtcp") else {
        return next;
    };
    let mut words = value.split_whitespace();
    let port = words.next().and_then(|word| word.parse().ok()).filter(|port| *port != 0);
    let address = words.nth(2).and_then(|word| word.parse().ok());
    SocketAddr::new(address.unwrap_or(rtp.ip()), port.unwrap_or(next.port()))
}

fn push_answer_media(lines: &mut String, media: &Media, local: &LocalMedia, negotiated: &Negotiated) {
    let row = negotiated.codec.row();
    let _ = write!(lines, "m=audio {} {} {}", local.port, media.protocol, negotiated.payload_type);
    for payload in negotiated.comfort_noise.into_iter().chain(negotiated.telephone_event) {
        let _ = write!(lines, " {payload}");
    }
    lines.push_str("\r\n");
    push_codec(lines, row, negotiated.payload_type);
    if let Some(payload) = negotiated.comfort_noise {
        let _ = write!(lines, "a=rtpmap:{payload} {COMFORT_NOISE}/{}\r\n", row.clock);
    }
    if let Some(payload) = negotiated.telephone_event {
        push_telephone_event(lines, payload, negotiated.event_clock);
    }
    lines.extend(negotiated.crypto.as_ref().map(crypto::answer));
    lines.extend(negotiated.dtls.as_ref().map(|dtls| dtls::answer(dtls, local)));
    if negotiated.rtcp_mux {
        lines.push_str("a=rtcp-mux\r\n");
    }
    push_ending(lines, negotiated.send_ptime, negotiated.direction);
}

fn push_codec(lines: &mut String, row: &CodecRow, payload_type: u8) {
    let _ = write!(lines, "a=rtpmap:{payload_type} {}\r\n", row.rtpmap());
    if let Some(fmtp) = row.fmtp {
        let _ = write!(lines, "a=fmtp:{payload_type} {fmtp}\r\n");
    }
}

fn push_telephone_event(lines: &mut String, payload_type: u8, clock: u32) {
    let _ = write!(lines, "a=rtpmap:{payload_type} {TELEPHONE_EVENT}/{clock}\r\na=fmtp:{payload_type} 0-16\r\n");
}

fn push_ending(lines: &mut String, ptime: Duration, direction: Direction) {
    let _ = write!(lines, "a=ptime:{}\r\na={}\r\n", ptime.as_millis(), direction.attribute());
}

/// The whole body. The `o=` version is the previous one when nothing else changed, else one more (RFC 3264 §8).
fn body(local: &LocalMedia, timing: &str, media: &str) -> String {
    let family = if local.address.is_ipv4() { "IP4" } else { "IP6" };
    let with_version = |version: u64| {
        format!(
            "v=0\r\no=offhook {} {version} IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt={timing}\r\n{media}",
            local.session_id,
            address = local.address,
        )
    };
    let Some(previous) = &local.previous else {
        return with_version(1);
    };
    let version = previous_version(previous).unwrap_or(0);
    let same = with_version(version);
    if same == *previous { same } else { with_version(version + 1) }
}

fn previous_version(previous: &str) -> Option<u64> {
    let (_, version) = SessionDescription::parse(previous.as_bytes()).ok()?.origin?;
    version.parse().ok()
}
