//! The media of a SIP call as offer and answer agree on it (RFC 3264): at its beginning, and in re-INVITEs.

use std::net::IpAddr;

use bytes::Bytes;
use rand::Rng as _;
use sip::message::{Request, StatusCode};
use sip::sdp::{self, LocalKeys, LocalMedia, Negotiated, SdpError, SessionDescription, SrtpPolicy};
use store::HangupCause;

use super::arrive::Refused;
use super::{Call, CallMsg, Origin, Party, Phase};
use crate::config::MediaAddress;
use crate::leg::ports::RtpSockets;
use crate::leg::{LegMsg, RtpWire, Wire, codec_of, payload_types, relay_terms};
use crate::mailbox::Mailbox;
use crate::sip_endpoint::SipMsg;

impl Call {
    /// Opens the sockets of a SIP call, and works out our answer to its offer, or our offer when it brought none.
    pub(super) async fn prepare_sip(&mut self, me: &Mailbox<CallMsg>) -> Result<(), Refused> {
        let Party::Sip { origin: Origin::Invited { invite, came_to }, .. } = &self.party else { return Ok(()) };
        if self.assistant.is_none() {
            return Err(Refused { cause: HangupCause::UnknownNumber, status: StatusCode::NOT_FOUND, detail: None });
        }
        let offer = match invite.body.is_empty() {
            true => None,
            false => Some(SessionDescription::parse(&invite.body).map_err(unacceptable)?),
        };
        let media = self.shared.config.sip.media(*came_to, offer.as_ref().and_then(audio_address));
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
        let sockets = self.shared.rtp_ports.open(media.local).map_err(|error| format!("no free RTP port: {error}"))?;
        let ours = LocalMedia {
            codecs: self.shared.config.sip.codecs.clone(),
            rtcp_mux: true,
            srtp: self.shared.config.sip.srtp,
            keys: LocalKeys::new(|room| rand::rng().fill_bytes(room)),
            ..LocalMedia::new(media.advertised, sockets.port, rand::random::<u32>().into())
        };
        Ok((sockets, ours))
    }

    async fn start_media(&mut self, sockets: RtpSockets, negotiated: Negotiated, me: &Mailbox<CallMsg>) -> Result<(), Refused> {
        let codec = codec_of(negotiated.codec);
        let wire = Wire::Rtp(Box::new(RtpWire { sockets, negotiated }));
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
        self.codec = codec_of(negotiated.codec).row().law;
        self.tell_speech();
        self.ports.leg.tell(LegMsg::Renegotiated(Box::new(negotiated)));
    }

    /// An UPDATE with an offer: as a re-INVITE, and before the answer too, where it moves early media.
    pub(super) async fn handle_update(&mut self, update: &Request, me: &Mailbox<CallMsg>) {
        let Party::Sip { dialog, local: Some(local), .. } = &mut self.party else { return };
        match answer_to(update, local) {
            Ok((body, negotiated)) => {
                local.previous = Some(body.clone());
                self.shared.sip.tell(SipMsg::AnswerUpdate(dialog.clone(), body));
                match (&self.phase, negotiated) {
                    (Phase::Dialing, Some(negotiated)) => self.hear_early(negotiated, me).await,
                    (_, Some(negotiated)) => self.renegotiate(negotiated),
                    (_, None) => {}
                }
            }
            Err(error) => self.shared.sip.tell(SipMsg::RefuseUpdate(dialog.clone(), status_of(&error))),
        }
    }

    /// A re-INVITE: hold, resume, or a new address. The sockets and the codec stay.
    pub(super) fn handle_reinvite(&mut self, invite: &Request) {
        let Party::Sip { dialog, local: Some(local), .. } = &mut self.party else { return };
        match answer_to(invite, local) {
            Ok((body, negotiated)) => {
                local.previous = Some(body.clone());
                self.shared.sip.tell(SipMsg::Answer(dialog.clone(), body));
                if let Some(negotiated) = negotiated {
                    self.renegotiate(negotiated);
                }
            }
            Err(error) => {
                let status = status_of(&error);
                self.shared.sip.tell(SipMsg::Refuse { dialog: dialog.clone(), status, retry_after: None });
            }
        }
    }
}

/// Our answer to an offer in the middle of a call, and what it agrees on; our offer to a request without one.
fn answer_to(request: &Request, local: &LocalMedia) -> Result<(String, Option<Negotiated>), SdpError> {
    if request.body.is_empty() {
        return Ok((sdp::offer(local), None));
    }
    let offer = SessionDescription::parse(&request.body)?;
    sdp::answer(&offer, local).map(|(body, negotiated)| (body, Some(negotiated)))
}

/// What was agreed on stays for the rest of the call: the codec, and encryption where the profile demands it.
pub(super) fn settle(ours: &mut LocalMedia, negotiated: &Negotiated) {
    ours.codecs = vec![negotiated.codec];
    if negotiated.crypto.as_ref().is_some_and(|crypto| crypto.mandatory) {
        ours.srtp = SrtpPolicy::Required;
    }
}

/// Where an offer wants its audio.
fn audio_address(offer: &SessionDescription) -> Option<IpAddr> {
    let audio = offer.media.iter().find(|media| media.kind == "audio" && media.port > 0)?;
    audio.connection.or(offer.connection)
}

fn unacceptable(error: SdpError) -> Refused {
    Refused { cause: HangupCause::NoCodec, status: status_of(&error), detail: Some(error.to_string()) }
}

fn status_of(error: &SdpError) -> StatusCode {
    StatusCode::new(error.status()).unwrap_or(StatusCode::NOT_ACCEPTABLE_HERE)
}
