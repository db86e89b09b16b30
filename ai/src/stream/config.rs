//! What a session with a bot is made from: where the bot is, and what it is told of the call.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use media::codec::Codec;
use media::sendout::PromptId;

use super::signature::sign;
use crate::engine::Words;
use crate::link::{Protocol, Target};
use crate::media_streams::Start;
use crate::net::guard::Reach;
use crate::secret::Secret;

/// Characters of a parameter, name and value together: Twilio takes no more. Longer ones are dropped and counted.
pub const PARAMETER_CHARS_MAX: usize = 500;

/// Where a bot is, and as whom we come.
#[derive(Clone, Debug)]
pub struct Bot {
    /// `wss://host/path`, or `ws://` where nobody else can listen.
    pub url: String,
    /// The URL as the bot knows itself, where a proxy stands between; default: `url`.
    pub signed_url: Option<String>,
    /// Signs the upgrade request as Twilio does; empty: it is not signed.
    pub auth_token: Secret,
    /// Sent as `Authorization`; empty: none is.
    pub authorization: Secret,
    /// For name, TCP, TLS and upgrade together. Default 5 s.
    pub connect_timeout: Duration,
    /// Time between pings, and the longest a write may take; a dead connection is found within two. Default 10 s: the
    /// caller sits in silence meanwhile, but a bot that thinks for some seconds without reading is not dead.
    pub ping_every: Duration,
    /// Where `url` may lead; `None`: the operator named it, and it leads anywhere. Default `None`.
    pub reach: Option<Reach>,
}

impl Default for Bot {
    fn default() -> Self {
        Self {
            url: String::new(),
            signed_url: None,
            auth_token: Secret::default(),
            authorization: Secret::default(),
            connect_timeout: Duration::from_secs(5),
            ping_every: Duration::from_secs(10),
            reach: None,
        }
    }
}

impl Bot {
    pub(super) fn target(&self) -> Target {
        let mut headers = Vec::new();
        let token = self.auth_token.expose();
        if !token.is_empty() {
            let url = self.signed_url.as_deref().unwrap_or(&self.url);
            headers.push(("x-twilio-signature", Secret::from(sign(token, url))));
        }
        if !self.authorization.expose().is_empty() {
            headers.push(("authorization", self.authorization.clone()));
        }
        Target {
            provider: Arc::from("stream"),
            stage: "bot",
            url: self.url.clone(),
            headers,
            connect_timeout: self.connect_timeout,
            protocol: Protocol::WebSocket { ping_every: self.ping_every, reach: self.reach },
        }
    }
}

/// One session.
#[derive(Clone)]
pub struct StreamConfig {
    /// Where to connect.
    pub bot: Bot,
    /// `AC` and 32 hexadecimal digits.
    pub account_sid: String,
    /// `CA` and 32 hexadecimal digits; the same for all sessions of a call.
    pub call_sid: String,
    /// What the bot is told of the call; of two with one name the later counts.
    pub parameters: Vec<(String, Words)>,
    /// Of the leg.
    pub codec: Codec,
    /// The first prompt that no engine of the call has used.
    pub first_prompt: PromptId,
    /// A session of this call was there before: its bot is told so.
    pub resumed: bool,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            bot: Bot::default(),
            account_sid: format!("AC{}", "0".repeat(32)),
            call_sid: format!("CA{}", "0".repeat(32)),
            parameters: Vec::new(),
            codec: Codec::Pcmu,
            first_prompt: PromptId(0),
            resumed: false,
        }
    }
}

impl fmt::Debug for StreamConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamConfig").field("bot", &self.bot).field("call_sid", &self.call_sid).finish_non_exhaustive()
    }
}

impl StreamConfig {
    /// Parameters that are too long to be told.
    pub(super) fn too_long(&self) -> usize {
        self.parameters.iter().filter(|parameter| !fits(parameter)).count()
    }

    pub(super) fn start(&self, stream_sid: String) -> Start {
        Start {
            stream_sid,
            call_sid: self.call_sid.clone(),
            account_sid: self.account_sid.clone(),
            custom_parameters: self.parameters.iter().filter(|parameter| fits(parameter)).cloned().collect(),
        }
    }
}

fn fits((name, value): &(String, Words)) -> bool {
    name.chars().count() + value.as_str().chars().count() <= PARAMETER_CHARS_MAX
}
