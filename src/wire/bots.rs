//! External bots of the file as the engine takes them.

use actors::config::BotConfig;
use ai::net::guard::Reach;
use ai::secret::Secret;
use ai::stream::{Bot, StreamConfig};

use crate::config::AssistantConfig;

/// The bot of an assistant whose engine is `stream`.
pub(super) fn bot(assistant: &AssistantConfig) -> BotConfig {
    let stream = &assistant.engine.stream;
    let secret = |given: &Option<crate::config::Secret>| Secret::from(given.as_ref().map_or("", |given| given.expose()));
    BotConfig {
        bot: Bot {
            url: stream.url.clone(),
            signed_url: stream.signed_url.clone(),
            auth_token: secret(&stream.auth_token),
            authorization: secret(&stream.authorization),
            connect_timeout: stream.connect_timeout,
            reach: (!assistant.organization.is_operator()).then_some(Reach::Public),
            ..Bot::default()
        },
        account_sid: stream.account_sid.clone().unwrap_or(StreamConfig::default().account_sid),
        sip_headers: stream.sip_headers.clone(),
        parameters: stream.parameters.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect(),
    }
}
