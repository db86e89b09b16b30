//! The media of a SIP call as offer and answer agree on it (RFC 3264): at its beginning, and in re-INVITEs.

use std::net::IpAddr;

use bytes::Bytes;
use rand::Rng as _;
use sip::message::{Request, StatusCode};
use sip::sdp::{
    self, Direction, IceCredentials, LocalDtls, LocalKeys, LocalMedia, Negotiated, SdpError, SessionDescription, SrtpPolicy,
};
use store::HangupCause;

use super::arrive::Refused;
use super::{Call, CallMsg, Origin, Party, Phase};
use crate::ai_session::AiMsg;
use crate::config::MediaAddress;
use crate::jitter_buffer::JitterMsg;
use crate::leg::ports::RtpSockets;
use crate::leg::{LegMsg, RtpWire, Way, Wire, codec_of, payload_types, relay_terms};
use crate::mailbox::Mailbox;
use crate::sip_endpoint::SipMsg;

impl Call {
    /// Opens the sockets of a SIP call, and works out our answer to its offer, or our offer when it brought none.
    pub(super) async fn prepare_sip(&mut self, me: &Mailbox<CallMsg>) -> Result<(), Refused> {
        let Party::Sip { origin: Origin::Invited { invite, flow, .. }, .. } = &self.party else { return Ok(()) };
        if self.assistant.is_none() {
            return Err(Refused { cause: HangupCause::UnknownNumber, status: StatusCode::NOT_FOUND, detail: None });
        }
        let offer = match invite.body.is_empty() {
            true => None,
            false => Some(SessionDescription::parse(&invite.body).map_err(unacceptable)?),
        };
        let media = self.shared.config.sip.media(flow.local.ip(), offer.as_ref().and_then(audio_address));
        let (sockets, mut ours) = self.open_media(media).map_err(|detail| Refused {
            cause: HangupCause::RejectedBusy,
            status: StatusCode::SERVICE_UNAVAILABLE,
            detail: Some(detail),
        })?;
        let waiting = match offer {
            Some(offer) => {
                let (body, negotiated) = sdp::answer(&offer, &ours).map_err(unacceptable)?;
                ours.previous = Some(body);
                settle(&mut ours, &negotiated);
                self.start_media(sockets, negotiated, me).await?;
                None
            }
            None => {
                ours.previous = Some(sdp::offer(&ours));
                Some(sockets)
            }
        };
        if let Party::Sip { local, offered, .. } = &mut self.party {
            *local = Some(Box::new(ours));
            *offered = waiting;
        }
        Ok(())
    }

    /// Opens the sockets of a call at this address, and what they are to be described as.
    pub(super) fn open_media(&self, media: MediaAddress) -> Result<(RtpSockets, LocalMedia), String> {
        let sip = &self.shared.config.sip;
        let (codecs, srtp) = self.party.trunk().map_or((&sip.codecs, sip.srtp), |trunk| (&trunk.codecs, trunk.srtp));
        let sockets = self.shared.rtp_ports.open(media.local).map_err(|error| format!("no free RTP port: {error}"))?;
        let ours = LocalMedia {
            codecs: codecs.clone(),
            rtcp_mux: true,
            srtp,
            keys: LocalKeys::new(|room| rand::rng().fill_bytes(room)),
            dtls: Some(LocalDtls::new(self.shared.dtls.fingerprint().to_string(), IceCredentials::new(rand::random()))),
            ..LocalMedia::new(media.advertised, sockets.port, rand::random::<u32>().into())
        };
        Ok((sockets, ours))
    }

    async fn start_media(&mut self, sockets: RtpSockets, negotiated: Negotiated, me: &Mailbox<CallMsg>) -> Result<(), Refused> {
        let codec = codec_of(negotiated.codec);
        let wire =
            Wire::Rtp(Box::new(RtpWire { way: Way::Own(sockets), negotiated, identity: self.shared.dtls.clone(), talk: None }));
        self.start_children(codec, wire, me).await.map_err(|reason| Refused {
            cause: HangupCause::Failed,
            status: StatusCode::SERVER_INTERNAL_ERROR,
            detail: Some(reason),
        })
    }

    /// The ACK came, so the caller is where it says it is: audio may go there. Without it one forged INVITE would aim a stream of
    /// ours at anybody. If the offer was ours, the ACK brings the answer.
    pub(super) async fn handle_confirmed(&mut self, answer: Option<Bytes>, me: &Mailbox<CallMsg>) {
        let agreed = match self.take_answer(answer) {
            Ok(agreed) => agreed,
            Err(error) if matches!(self.phase, Phase::Ringing { .. }) => {
                return self.end(HangupCause::NoCodec, Some(error.to_string()), me);
            }
            Err(error) => return tracing::info!(call = %self.id, %error, "an answer to our offer cannot be used"),
        };
        match (&self.phase, agreed) {
            (Phase::Ringing { .. }, agreed) => {
                if let Some((Some(sockets), negotiated)) = agreed
                    && let Err(refused) = self.start_media(sockets, negotiated, me).await
                {
                    return self.end(refused.cause, refused.detail, me);
                }
                self.go_up();
            }
            (Phase::Up { .. }, Some((_, negotiated))) => self.renegotiate(negotiated),
            _ => {}
        }
    }

    /// What the peer's answer to an offer of ours agrees on, and the sockets that wait for it at the beginning of a call.
    fn take_answer(&mut self, answer: Option<Bytes>) -> Result<Option<(Option<RtpSockets>, Negotiated)>, SdpError> {
        let Party::Sip { local: Some(local), offered, .. } = &mut self.party else { return Ok(None) };
        let sockets = offered.take();
        if sockets.is_none() && answer.is_none() {
            return Ok(None);
        }
        let answer = SessionDescription::parse(&answer.unwrap_or_default())?;
        let negotiated = sdp::accept(&answer, local)?;
        settle(local, &negotiated);
        Ok(Some((sockets, negotiated)))
    }

    pub(super) fn renegotiate(&mut self, negotiated: Negotiated) {
        self.types = payload_types(&negotiated);
        self.relay = Some(relay_terms(&negotiated));
        self.hold(negotiated.direction != Direction::SendRecv);
        self.tell_speech();
        self.ports.leg.tell(LegMsg::Renegotiated(Box::new(negotiated)));
    }

    /// The peer holds the call, or takes it back: nobody is asked after meanwhile, and what it sends is nobody's voice.
    fn hold(&mut self, held: bool) {
        if std::mem::replace(&mut self.held, held) == held {
            return;
        }
        tracing::info!(call = %self.id, held, "the peer holds the call, or takes it back");
        self.ports.jitter.tell(if held { JitterMsg::Held } else { JitterMsg::Resumed });
        self.ports.ai.tell(if held { AiMsg::Held } else { AiMsg::Resumed });
    }

    /// A re-INVITE: hold, resume, a new address or another codec. The sockets stay.
    pub(super) fn handle_reinvite(&mut self, invite: &Request) {
        let Party::Sip { dialog, local: Some(local), .. } = &mut self.party else { return };
        let dialog = dialog.clone();
        if invite.body.is_empty() {
            let body = sdp::offer(local);
            local.previous = Some(body.clone());
            return self.shared.sip.tell(SipMsg::Answer(dialog, body));
        }
        match self.answer_offer(&invite.body) {
            Ok((body, negotiated)) => {
                self.shared.sip.tell(SipMsg::Answer(dialog, body));
                self.renegotiate(negotiated);
            }
            Err(status) => self.shared.sip.tell(SipMsg::Refuse { dialog, status, retry_after: None }),
        }
    }

    /// An UPDATE with an offer: as a re-INVITE, and before the answer too, where it moves early media.
    pub(super) fn handle_update(&mut self, update: &Request) {
        let Party::Sip { dialog, .. } = &self.party else { return };
        let dialog = dialog.clone();
        match self.answer_offer(&update.body) {
            Ok((body, negotiated)) => {
                self.shared.sip.tell(SipMsg::AnswerUpdate(dialog, Ok(body)));
                match self.phase {
                    Phase::Dialing => self.follow_early(negotiated),
                    _ => self.renegotiate(negotiated),
                }
            }
            Err(status) => self.shared.sip.tell(SipMsg::AnswerUpdate(dialog, Err(status))),
        }
    }

    /// Our answer to an offer in a call, and what it agrees on; or the status that refuses it.
    fn answer_offer(&mut self, offer: &[u8]) -> Result<(String, Negotiated), StatusCode> {
        let Party::Sip { local: Some(local), .. } = &mut self.party else { return Err(StatusCode::NOT_ACCEPTABLE_HERE) };
        let offer = SessionDescription::parse(offer).map_err(|error| status_of(&error))?;
        let (body, negotiated) = answer_again(&offer, local).map_err(|error| status_of(&error))?;
        local.previous = Some(body.clone());
        settle(local, &negotiated);
        Ok((body, negotiated))
    }
}

/// Our answer to another offer in the call: in the codec that it has, as long as that is offered, since a change is heard; else in another
/// one of ours.
fn answer_again(offer: &SessionDescription, ours: &LocalMedia) -> Result<(String, Negotiated), SdpError> {
    let same = LocalMedia { codecs: ours.codecs.iter().take(1).copied().collect(), ..ours.clone() };
    match sdp::answer(offer, &same) {
        Err(SdpError::NoCommonCodec) => sdp::answer(offer, ours),
        answered => answered,
    }
}

/// What was agreed on: the codec comes first from now on, and encryption stays where the profile demands it.
pub(crate) fn settle(ours: &mut LocalMedia, negotiated: &Negotiated) {
    ours.codecs.sort_by_key(|codec| *codec != negotiated.codec);
    if let Some((ours, agreed)) = ours.dtls.as_mut().zip(negotiated.dtls.as_ref()) {
        ours.settle(agreed);
    }
    if negotiated.dtls.is_some() {
        ours.srtp = SrtpPolicy::Dtls;
    }
    if negotiated.crypto.as_ref().is_some_and(|crypto| crypto.mandatory) {
        ours.srtp = SrtpPolicy::Required;
    }
}

/// Where an offer wants its audio; what is to be found by ICE has no place yet.
fn audio_address(offer: &SessionDescription) -> Option<IpAddr> {
    let audio = offer.media.iter().find(|media| media.kind == "audio" && media.port > 0)?;
    audio.connection.or(offer.connection).filter(|address| !address.is_unspecified())
}

fn unacceptable(error: SdpError) -> Refused {
    Refused { cause: HangupCause::NoCodec, status: status_of(&error), detail: Some(error.to_string()) }
}

fn status_of(error: &SdpError) -> StatusCode {
    StatusCode::new(error.status()).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_under_an_encrypted_profile_stays_encrypted() {
        let key = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{}\r\n", "A".repeat(40));
        let offer = |profile: &str, key: &str| {
            let text = format!(
                "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 6000 {profile} 0\r\n{key}"
            );
            SessionDescription::parse(text.as_bytes()).expect("it is SDP")
        };
        // Keys under the plain profile are a wish, and may be given up.
        for (profile, stays) in [("RTP/SAVP", true), ("RTP/AVP", false)] {
            let mut ours = LocalMedia::new([127, 0, 0, 1].into(), 6_100, 1);
            ours.srtp = SrtpPolicy::Optional;
            let (_, negotiated) = sdp::answer(&offer(profile, &key), &ours).expect("we have the suite");
            settle(&mut ours, &negotiated);
            assert_eq!(sdp::answer(&offer("RTP/AVP", ""), &ours).is_err(), stays, "{profile}");
            assert!(sdp::answer(&offer(profile, &key), &ours).is_ok());
        }
    }
}
