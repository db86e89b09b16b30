//! DTLS-SRTP and ICE-lite in SDP (RFC 5763, RFC 8842, RFC 8839): who begins the handshake, whose certificate is right, and what proves a
//! check of the way. RTP and RTCP share one port there (RFC 5761), and one association.

use std::fmt;
use std::fmt::Write as _;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::parse::{Media, SessionDescription};
use super::{LocalMedia, SdpError, SrtpPolicy};

/// Who sends the first message of a handshake.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DtlsRole {
    /// We do.
    Active,
    /// The peer does: the usual, since peers leave us the choice.
    Passive,
}

/// Name and password of one side's ICE. Its `Debug` hides the password.
#[derive(Clone, Eq, PartialEq)]
pub struct IceCredentials {
    /// `a=ice-ufrag`, 4 to 256 characters.
    pub ufrag: String,
    /// `a=ice-pwd`, 22 to 256 characters.
    pub pwd: String,
}

impl IceCredentials {
    /// Ours, of 32 octets that are fit for keys.
    pub fn new(random: [u8; 32]) -> Self {
        let text = STANDARD_NO_PAD.encode(random);
        let (ufrag, pwd) = text.split_at(UFRAG);
        Self { ufrag: ufrag.to_owned(), pwd: pwd.to_owned() }
    }

    fn read(session: &SessionDescription, media: &Media) -> Option<Self> {
        let credentials =
            Self { ufrag: either(session, media, "ice-ufrag")?.to_owned(), pwd: either(session, media, "ice-pwd")?.to_owned() };
        let usable = |text: &str, least| {
            (least..=256).contains(&text.len())
                && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"+/".contains(&octet))
        };
        (usable(&credentials.ufrag, 4) && usable(&credentials.pwd, 22)).then_some(credentials)
    }

    /// Ours after the peer has begun anew with these (RFC 8445 §9): the same again for the same offer, and nobody knows them who does not
    /// know our password.
    fn restarted(&self, peer: &Self) -> Self {
        let mut hash = Sha256::new();
        for part in [&self.ufrag, &self.pwd, &peer.ufrag, &peer.pwd] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        Self::new(hash.finalize().into())
    }
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "IceCredentials({}, _)", self.ufrag)
    }
}

/// Both sides' credentials.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ice {
    /// What checks of the peer's must be proven with.
    pub local: IceCredentials,
    /// Whose checks they are.
    pub remote: IceCredentials,
}

/// What offer and answer agreed on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dtls {
    /// Ours.
    pub role: DtlsRole,
    /// The peer's `a=fingerprint` values by hashes that may not be forged, as written.
    pub fingerprints: Vec<String>,
    /// The peer's `a=tls-id`: with another one, or another fingerprint, a new association begins (RFC 8842 §5.1).
    pub tls_id: Option<String>,
    /// `None`: the peer is where its SDP says.
    pub ice: Option<Ice>,
    /// The peer's media identification, repeated in an answer (RFC 5888), and whether it is to be bundled (RFC 9143).
    mid: Option<(String, bool)>,
    /// Data channels of the same association, if the peer offers them and we take them.
    pub data: Option<DataMedia>,
}

/// A media line of data channels (RFC 8841) that shares the port and the association of the audio.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DataMedia {
    /// Which line of the offer it is, from 0.
    pub(super) line: usize,
    mid: String,
    /// `a=max-message-size`, in octets: the longest message that the peer takes; 64 KiB where it does not say, 0: any.
    pub message_max: usize,
}

/// Our part of DTLS in one dialog.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LocalDtls {
    /// `sha-256` and the hash of our certificate.
    pub fingerprint: String,
    /// Ours of today; a restart by the peer changes them.
    pub ice: IceCredentials,
    /// What was agreed on last in this dialog.
    pub agreed: Option<Dtls>,
    /// Where else we are found by ICE, after the address of the media line; the default is nowhere.
    pub others: Vec<SocketAddr>,
    /// Whether data channels are taken that share the audio's port; the default is not.
    pub data: bool,
}

impl LocalDtls {
    /// Nothing agreed on yet.
    pub fn new(fingerprint: String, ice: IceCredentials) -> Self {
        Self { fingerprint, ice, agreed: None, others: Vec::new(), data: false }
    }

    /// What a description of the peer's agreed on: later ones go on from there.
    pub fn settle(&mut self, agreed: &Dtls) {
        if let Some(ice) = &agreed.ice {
            self.ice = ice.local.clone();
        }
        self.agreed = Some(agreed.clone());
    }
}

/// Whether the keys of a media line come from DTLS.
pub(super) fn is_asked(media: &Media) -> bool {
    matches!(media.protocol.as_str(), "UDP/TLS/RTP/SAVP" | "UDP/TLS/RTP/SAVPF")
}

/// What such a line and our policy come to.
///
/// # Errors
/// `NoAudio` when we do not take it, `NoCommonCrypto` when the peer has no certificate that can be known, or two ports.
pub(super) fn choose(session: &SessionDescription, media: &Media, local: &LocalMedia) -> Result<Dtls, SdpError> {
    let ours = local.dtls.as_ref().filter(|_| local.srtp != SrtpPolicy::Off).ok_or(SdpError::NoAudio)?;
    let fingerprints = fingerprints(session, media);
    if fingerprints.is_empty() || media.attribute("rtcp-mux").is_none() {
        return Err(SdpError::NoCommonCrypto);
    }
    let role = match either(session, media, "setup").map(str::to_ascii_lowercase).as_deref() {
        Some("passive") => DtlsRole::Active,
        // An association that there is goes on as it began (RFC 8842 §5.5).
        Some("actpass") => ours.agreed.as_ref().map_or(DtlsRole::Passive, |agreed| agreed.role),
        Some("active") | None => DtlsRole::Passive,
        Some(_) => return Err(SdpError::NoCommonCrypto),
    };
    // Two lite agents would wait for each other: then it is as without.
    let lite = session.attribute("ice-lite").is_some();
    let ice = IceCredentials::read(session, media).filter(|_| !lite).map(|remote| {
        let before = ours.agreed.as_ref().and_then(|agreed| agreed.ice.as_ref()).map(|ice| &ice.remote);
        let local = if before.is_some_and(|before| *before != remote) { ours.ice.restarted(&remote) } else { ours.ice.clone() };
        Ice { local, remote }
    });
    let mid = media.attribute("mid").map(|mid| (mid.to_owned(), session.bundles(mid)));
    let data = mid.as_ref().filter(|(_, bundled)| *bundled && ours.data).and_then(|_| data_line(session));
    Ok(Dtls { role, fingerprints, tls_id: either(session, media, "tls-id").map(str::to_owned), ice, mid, data })
}

/// The first line of data channels that shares its port with others: with the audio, since one group is all that anybody offers.
fn data_line(session: &SessionDescription) -> Option<DataMedia> {
    let mut lines = session.media.iter().enumerate();
    lines.find_map(|(line, media)| {
        let channels = media.protocol == "UDP/DTLS/SCTP" && media.formats.iter().any(|format| format == CHANNELS);
        // A line that only exists in the group has port 0 (RFC 9143 §6).
        let offered = media.port != 0 || media.attribute("bundle-only").is_some();
        let mid = media.attribute("mid").filter(|mid| channels && offered && session.bundles(mid))?.to_owned();
        let message_max = media.attribute("max-message-size").and_then(|size| size.parse().ok()).unwrap_or(MESSAGE_MAX);
        Some(DataMedia { line, mid, message_max })
    })
}

/// Those of the media line, else of the session, by hashes that are strong (RFC 8122 §5).
fn fingerprints(session: &SessionDescription, media: &Media) -> Vec<String> {
    let strong = |value: &&String| {
        let name = value.split(' ').next().unwrap_or_default();
        ["sha-256", "sha-384", "sha-512"].iter().any(|hash| hash.eq_ignore_ascii_case(name))
    };
    let of = |attributes: &[(String, String)]| {
        let values = attributes.iter().filter(|(name, _)| name == "fingerprint").map(|(_, value)| value);
        values.filter(strong).take(FINGERPRINTS_MAX).cloned().collect::<Vec<_>>()
    };
    let own = of(&media.attributes);
    if own.is_empty() { of(&session.attributes) } else { own }
}

/// What is said before the first media line, of which the audio's is number `audio`.
pub(super) fn session_lines(dtls: Option<&Dtls>, audio: usize) -> String {
    let Some(dtls) = dtls else { return String::new() };
    let mut lines = String::new();
    if let Some((mid, true)) = &dtls.mid {
        let data = dtls.data.as_ref().map(|data| (data.line, data.mid.as_str()));
        let mut mids: Vec<(usize, &str)> = data.into_iter().chain([(audio, mid.as_str())]).collect();
        mids.sort_unstable();
        let mids: Vec<&str> = mids.into_iter().map(|(_, mid)| mid).collect();
        let _ = write!(lines, "a=group:BUNDLE {}\r\n", mids.join(" "));
    }
    if dtls.ice.is_some() {
        lines.push_str(LITE);
    }
    lines
}

/// What is said of the media line in our answer.
pub(super) fn answer(dtls: &Dtls, local: &LocalMedia) -> String {
    let mut lines = String::new();
    if let Some((mid, _)) = &dtls.mid {
        let _ = write!(lines, "a=mid:{mid}\r\n");
    }
    push_transport(&mut lines, dtls, local);
    lines
}

/// Our whole answer to the line of data channels.
pub(super) fn answer_data(dtls: &Dtls, data: &DataMedia, local: &LocalMedia) -> String {
    let mut lines = format!("m=application {} UDP/DTLS/SCTP {CHANNELS}\r\na=mid:{}\r\n", local.port, data.mid);
    push_transport(&mut lines, dtls, local);
    let _ = write!(lines, "a=sctp-port:{SCTP_PORT}\r\na=max-message-size:{MESSAGE_MAX}\r\n");
    lines
}

fn push_transport(lines: &mut String, dtls: &Dtls, local: &LocalMedia) {
    let setup = match dtls.role {
        DtlsRole::Active => "active",
        DtlsRole::Passive => "passive",
    };
    let fingerprint = local.dtls.as_ref().map(|ours| ours.fingerprint.as_str()).unwrap_or_default();
    let _ = write!(lines, "a=setup:{setup}\r\na=fingerprint:{fingerprint}\r\n");
    lines.extend(dtls.ice.as_ref().map(|ice| ice_lines(&ice.local, local)));
}

/// Whether our offer asks for it, and then: what is said before the media line, and of it.
pub(super) fn offer(local: &LocalMedia) -> Option<(&'static str, String)> {
    let ours = local.dtls.as_ref().filter(|_| local.srtp == SrtpPolicy::Dtls)?;
    let lines = format!("a=setup:actpass\r\na=fingerprint:{}\r\n{}", ours.fingerprint, ice_lines(&ours.ice, local));
    Some((LITE, lines))
}

fn ice_lines(ours: &IceCredentials, local: &LocalMedia) -> String {
    let IceCredentials { ufrag, pwd } = ours;
    let mut lines = format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\n");
    let first = SocketAddr::new(local.address, local.port);
    let others = local.dtls.iter().flat_map(|dtls| &dtls.others);
    for (address, number) in std::iter::once(&first).chain(others).zip(0..) {
        // Each further one counts a little less than the one before.
        let (foundation, priority) = (number + 1, HOST_PRIORITY - (number << 8));
        let _ = write!(lines, "a=candidate:{foundation} 1 udp {priority} {} {} typ host\r\n", address.ip(), address.port());
    }
    lines.push_str("a=end-of-candidates\r\n");
    lines
}

/// We try no ways ourselves, and heed a choice that is made once (RFC 8839 §4.4.1, §4.6).
const LITE: &str = "a=ice-lite\r\na=ice-options:ice2\r\n";
/// Of our only address: 2^24 * 126 + 2^8 * 65535 + 255 (RFC 8445 §5.1.2.1).
const HOST_PRIORITY: u32 = 2_130_706_431;
/// What a line of data channels carries (RFC 8841 §4.3).
const CHANNELS: &str = "webrtc-datachannel";
/// Our end of SCTP, as everybody's is.
const SCTP_PORT: u16 = 5000;
/// Octets of the longest message that we take, and that a peer takes who does not say (RFC 8841 §6.1).
const MESSAGE_MAX: usize = 64 * 1024;
/// Of 43 characters so many are the name.
const UFRAG: usize = 11;
/// Fingerprints read: one a certificate and hash.
const FINGERPRINTS_MAX: usize = 8;

/// An attribute that may be said of the media line, or of all at once.
fn either<'a>(session: &'a SessionDescription, media: &'a Media, name: &str) -> Option<&'a str> {
    media.attribute(name).or_else(|| session.attribute(name))
}
