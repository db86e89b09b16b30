//! Reads a session description: unknown lines are skipped, what must be mirrored must be readable.

use std::net::IpAddr;

use super::crypto::CryptoLine;
use super::{Direction, MAX_BODY, MAX_MEDIA, SdpError};

/// A session description, as far as a telephone needs it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SessionDescription {
    /// Session and version of the `o=` line: a re-offer with the same pair changes nothing.
    pub origin: Option<(String, String)>,
    /// The `t=` value, repeated in the answer (RFC 3264 §6).
    pub timing: Option<String>,
    /// Session-level address.
    pub connection: Option<IpAddr>,
    /// Session-level direction.
    pub direction: Option<Direction>,
    /// `a=name:value` lines before the first media line, other than the direction.
    pub attributes: Vec<(String, String)>,
    /// The media lines in order.
    pub media: Vec<Media>,
}

/// One `m=` line with what belongs to it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Media {
    /// `audio`, `video`, `image` ...
    pub kind: String,
    /// UDP port; 0 means refused or disabled.
    pub port: u16,
    /// `RTP/AVP`, `RTP/SAVP` ...
    pub protocol: String,
    /// Formats as written; payload types when the protocol is RTP.
    pub formats: Vec<String>,
    /// Media-level address.
    pub connection: Option<IpAddr>,
    /// Media-level direction.
    pub direction: Option<Direction>,
    /// Keys that we can use, best first: its `a=crypto` lines.
    pub crypto: Vec<CryptoLine>,
    /// `a=name:value` lines in order, other than the direction and the keys.
    pub attributes: Vec<(String, String)>,
}

impl SessionDescription {
    /// Reads a body. Any line end is taken, unknown lines are skipped, bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// When the body is no SDP at all, is over [`MAX_BODY`] or [`MAX_MEDIA`], or has an unreadable media line.
    pub fn parse(body: &[u8]) -> Result<Self, SdpError> {
        if body.len() > MAX_BODY {
            return Err(SdpError::TooLarge(body.len()));
        }
        let text = String::from_utf8_lossy(body);
        let mut session = Self::default();
        let mut known_lines = 0;
        for line in text.split(['\r', '\n']) {
            let Some((kind, value)) = line.trim().split_once('=') else {
                continue;
            };
            let value = value.trim();
            known_lines += 1;
            match kind.trim() {
                "m" => session.push_media(value)?,
                "c" => session.set_connection(value),
                "a" => session.add_attribute(value),
                "o" => session.origin = origin(value),
                "t" if session.timing.is_none() => session.timing = timing(value),
                "v" | "s" | "t" => {}
                _ => known_lines -= 1,
            }
        }
        if known_lines == 0 { Err(SdpError::NotSdp) } else { Ok(session) }
    }

    /// The address of a media line: its own, else the session's.
    pub fn address(&self, media: &Media) -> Option<IpAddr> {
        media.connection.or(self.connection)
    }

    /// The value of the first attribute of that name before the media lines.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether the media line of that identification shares a port with others (RFC 9143).
    pub(super) fn bundles(&self, mid: &str) -> bool {
        let groups = self.attributes.iter().filter(|(key, _)| key == "group").map(|(_, value)| value.split_whitespace());
        groups.into_iter().any(|mut words| words.next() == Some("BUNDLE") && words.any(|word| word == mid))
    }

    fn push_media(&mut self, value: &str) -> Result<(), SdpError> {
        if self.media.len() == MAX_MEDIA {
            return Err(SdpError::TooManyMedia);
        }
        let media = media(value).ok_or(SdpError::BadMedia(self.media.len() + 1))?;
        self.media.push(media);
        Ok(())
    }

    fn set_connection(&mut self, value: &str) {
        // `IN IP4 224.2.1.1/127`: the part after the slash is a multicast TTL.
        let address = value.split_whitespace().nth(2).and_then(|host| host.split('/').next()?.parse().ok());
        match self.media.last_mut() {
            Some(media) => media.connection = address.or(media.connection),
            None => self.connection = address,
        }
    }

    fn add_attribute(&mut self, value: &str) {
        let (name, value) = value.split_once(':').unwrap_or((value, ""));
        let name = name.trim().to_ascii_lowercase();
        let direction = Direction::from_attribute(&name);
        match (self.media.last_mut(), direction) {
            (None, None) => self.attributes.push((name, value.trim().to_owned())),
            (None, direction) => self.direction = direction,
            (Some(media), None) if name == "crypto" => media.crypto.extend(CryptoLine::read(value)),
            (Some(media), None) => media.attributes.push((name, value.trim().to_owned())),
            (Some(media), direction) => media.direction = direction,
        }
    }
}

impl Media {
    /// The value of the first attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The parameters of a payload type's `a=fmtp`.
    pub fn fmtp(&self, payload_type: u8) -> Option<&str> {
        let values = self.attributes.iter().filter(|(key, _)| key == "fmtp").map(|(_, value)| value);
        let mut split = values.filter_map(|value| value.split_once(char::is_whitespace));
        split.find(|(payload, _)| payload.parse() == Ok(payload_type)).map(|(_, parameters)| parameters.trim())
    }

    /// `(name, clock, channels)` of a payload type's `a=rtpmap`.
    pub fn rtpmap(&self, payload_type: u8) -> Option<(&str, u32, u8)> {
        let values = self.attributes.iter().filter(|(key, _)| key == "rtpmap").map(|(_, value)| value);
        let (_, encoding) = values
            .filter_map(|value| value.split_once(char::is_whitespace))
            .find(|(payload, _)| payload.parse() == Ok(payload_type))?;
        let mut parts = encoding.trim().split('/');
        let name = parts.next()?.trim();
        let clock = parts.next()?.trim().parse().ok()?;
        let channels = parts.next().map_or(Some(1), |channels| channels.trim().parse().ok())?;
        Some((name, clock, channels))
    }
}

fn media(value: &str) -> Option<Media> {
    let mut words = value.split_whitespace();
    let kind = words.next()?.to_owned();
    // `49170/2` asks for several consecutive ports; the first is where we send.
    let port = words.next()?.split('/').next()?.parse().ok()?;
    let protocol = words.next()?.to_owned();
    Some(Media { kind, port, protocol, formats: words.map(str::to_owned).collect(), ..Media::default() })
}

fn origin(value: &str) -> Option<(String, String)> {
    let mut words = value.split_whitespace().skip(1);
    Some((words.next()?.to_owned(), words.next()?.to_owned()))
}

fn timing(value: &str) -> Option<String> {
    let words: Vec<&str> = value.split_whitespace().collect();
    let numeric = words.len() == 2 && words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    numeric.then(|| words.join(" "))
}
