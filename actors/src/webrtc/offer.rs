//! A browser's offer, and our answer: Opus by ICE and DTLS-SRTP over the shared port, and data channels beside it.

use std::sync::Arc;

use sip::sdp::{self, Codec, IceCredentials, LocalDtls, LocalMedia, Negotiated, SdpError, SessionDescription, SrtpPolicy};

use super::{Membership, WebRtcPort};
use crate::call::settle_media;

/// What an offer led to.
#[derive(Debug)]
pub struct Agreed {
    /// For the peer.
    pub answer: String,
    /// What both agreed on.
    pub(crate) negotiated: Negotiated,
    /// Our side of it, for later offers.
    pub(crate) local: LocalMedia,
    /// Its place at the port.
    pub(crate) membership: Membership,
}

impl Agreed {
    /// Whether the peer can be told more than what it hears.
    pub(crate) fn has_channels(&self) -> bool {
        self.negotiated.dtls.as_ref().is_some_and(|dtls| dtls.data.is_some())
    }
}

/// Why there is no answer to an offer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadOffer {
    /// Nobody could be found: no `a=ice-ufrag` and `a=ice-pwd`, or the peer too waits to be found.
    #[error("no ICE credentials (a=ice-ufrag, a=ice-pwd), or a peer that is ice-lite itself")]
    NoIce,
    /// It cannot be read, or asks for nothing that we have.
    #[error("{0}")]
    Sdp(#[from] SdpError),
}

/// Answers the first offer of a peer, with the fingerprint of our certificate.
///
/// # Errors
/// When the offer cannot be taken.
pub fn agree(port: &Arc<WebRtcPort>, fingerprint: String, offer: &[u8]) -> Result<Agreed, BadOffer> {
    let mut told = port.advertised().iter();
    let first = told.next().expect("the port is told under one address at least");
    let mut handshake = LocalDtls::new(fingerprint, IceCredentials::new(rand::random()));
    (handshake.data, handshake.others) = (true, told.copied().collect());
    let mut local = LocalMedia {
        codecs: vec![Codec::Opus],
        rtcp_mux: true,
        srtp: SrtpPolicy::Dtls,
        dtls: Some(handshake),
        ..LocalMedia::new(first.ip(), first.port(), rand::random::<u32>().into())
    };
    let (answer, negotiated) = answer_to(offer, &mut local)?;
    let name = &negotiated.dtls.as_ref().and_then(|dtls| dtls.ice.as_ref()).ok_or(BadOffer::NoIce)?.local.ufrag;
    let membership = Membership::new(port, name);
    Ok(Agreed { answer, negotiated, local, membership })
}

/// Our answer to an offer, the first or a later one, which changes what is ours.
///
/// # Errors
/// When the offer cannot be taken: then all stays as it was.
pub(crate) fn answer_to(offer: &[u8], local: &mut LocalMedia) -> Result<(String, Negotiated), BadOffer> {
    let offer = SessionDescription::parse(offer)?;
    let (answer, negotiated) = sdp::answer(&offer, local)?;
    if negotiated.dtls.as_ref().is_none_or(|dtls| dtls.ice.is_none()) {
        return Err(BadOffer::NoIce);
    }
    local.previous = Some(answer.clone());
    settle_media(local, &negotiated);
    Ok((answer, negotiated))
}
