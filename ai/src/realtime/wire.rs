//! The server's events, parsed in one pass and borrowed from the frame. Fields that are not needed are skipped.

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::engine::Usage;
use crate::json::Field;

/// What a session acts on.
#[derive(Debug)]
pub(super) enum ServerEvent<'a> {
    /// The audio of an item is complete.
    AudioDone { item: Cow<'a, str> },
    /// Agent audio, base64. The hot one.
    AudioDelta { response: Cow<'a, str>, item: Cow<'a, str>, delta: Cow<'a, str> },
    /// The agent's words as they are made.
    AgentWords { response: Cow<'a, str>, item: Cow<'a, str>, delta: Cow<'a, str> },
    /// All words of an item.
    AgentSaid { item: Cow<'a, str>, transcript: Cow<'a, str> },
    /// The caller's words as they are understood.
    CallerWords { delta: Cow<'a, str> },
    /// All words of the caller's item.
    CallerSaid { item: Cow<'a, str>, transcript: Cow<'a, str>, usage: Usage },
    /// The caller's audio became an item.
    Committed { item: Cow<'a, str> },
    /// Something is wrong.
    Error(Fault<'a>),
    /// Known, and nothing to do.
    Expected,
    /// An output item is complete.
    ItemDone { call: Option<Call> },
    /// Requests or tokens are used up until then; zero when they are not.
    RateLimits { exhausted: Duration },
    /// A response began.
    ResponseCreated { response: Cow<'a, str> },
    /// A response ended.
    ResponseDone(Box<ResponseDone<'a>>),
    /// The caller's words could not be understood.
    TranscriptionFailed(Fault<'a>),
    /// Not known to this version.
    Unknown,
}

/// An error as the server tells it; what is absent is empty.
#[derive(Debug, Default)]
pub(super) struct Fault<'a> {
    pub(super) kind: Cow<'a, str>,
    pub(super) code: Cow<'a, str>,
    pub(super) message: Cow<'a, str>,
    /// Of the client's event that caused it.
    pub(super) event_id: Cow<'a, str>,
}

/// A complete function call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) call_id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

/// How a response ended.
#[derive(Debug)]
pub(super) struct ResponseDone<'a> {
    pub(super) response: Cow<'a, str>,
    pub(super) status: Status,
    pub(super) reason: Cow<'a, str>,
    pub(super) fault: Fault<'a>,
    pub(super) calls: Vec<Call>,
    pub(super) usage: Usage,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Status {
    Cancelled,
    Completed,
    Failed,
    Incomplete,
}

/// All fields of all events; nested ones are left as text until their event is known.
#[derive(Deserialize)]
#[serde(expecting = "an event as an object")]
struct Wire<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Field<'a>,
    #[serde(borrow, default)]
    response_id: Field<'a>,
    #[serde(borrow, default)]
    item_id: Field<'a>,
    #[serde(borrow, default)]
    delta: Field<'a>,
    #[serde(borrow, default)]
    transcript: Field<'a>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    rate_limits: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct ErrorWire<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Field<'a>,
    #[serde(borrow, default)]
    code: Field<'a>,
    #[serde(borrow, default)]
    message: Field<'a>,
    #[serde(borrow, default)]
    event_id: Field<'a>,
}

#[derive(Deserialize)]
struct ItemWire<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Field<'a>,
    #[serde(borrow, default)]
    status: Field<'a>,
    #[serde(borrow, default)]
    call_id: Field<'a>,
    #[serde(borrow, default)]
    name: Field<'a>,
    #[serde(borrow, default)]
    arguments: Field<'a>,
}

#[derive(Deserialize)]
struct ResponseWire<'a> {
    #[serde(borrow, default)]
    id: Field<'a>,
    #[serde(borrow, default)]
    status: Field<'a>,
    #[serde(borrow)]
    status_details: Option<DetailsWire<'a>>,
    #[serde(borrow)]
    output: Option<Vec<ItemWire<'a>>>,
    #[serde(borrow)]
    usage: Option<UsageWire<'a>>,
}

#[derive(Deserialize)]
struct DetailsWire<'a> {
    #[serde(borrow, default)]
    reason: Field<'a>,
    #[serde(borrow)]
    error: Option<ErrorWire<'a>>,
}

#[derive(Default, Deserialize)]
struct UsageWire<'a> {
    #[serde(borrow, default)]
    total_tokens: Field<'a>,
    seconds: Option<f64>,
    #[serde(borrow)]
    input_token_details: Option<TokensWire<'a>>,
    #[serde(borrow)]
    output_token_details: Option<TokensWire<'a>>,
}

#[derive(Default, Deserialize)]
struct TokensWire<'a> {
    #[serde(borrow, default)]
    text_tokens: Field<'a>,
    #[serde(borrow, default)]
    audio_tokens: Field<'a>,
    #[serde(borrow, default)]
    cached_tokens: Field<'a>,
}

#[derive(Deserialize)]
struct LimitWire {
    remaining: Option<f64>,
    reset_seconds: Option<f64>,
}

/// The longest wait a rate limit may ask for: beyond, the number is not to be believed.
const LONGEST_RESET: f64 = 3_600.0;

impl<'a> ServerEvent<'a> {
    /// Reads one frame; any text gives an event or an error.
    pub(super) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        let wire: Wire<'a> = serde_json::from_str(text)?;
        let text = |field: Field<'a>| field.into_text().unwrap_or_default();
        let (response, item, delta) = (wire.response_id, wire.item_id, wire.delta);
        Ok(match wire.kind.text().unwrap_or_default() {
            "response.output_audio.delta" => Self::AudioDelta { response: text(response), item: text(item), delta: text(delta) },
            "response.output_audio_transcript.delta" => {
                Self::AgentWords { response: text(response), item: text(item), delta: text(delta) }
            }
            "response.output_audio.done" => Self::AudioDone { item: text(item) },
            "response.output_audio_transcript.done" => Self::AgentSaid { item: text(item), transcript: text(wire.transcript) },
            "response.created" => Self::ResponseCreated { response: text(nested::<ResponseWire<'a>>(wire.response)?.id) },
            "response.output_item.done" => Self::ItemDone { call: nested::<ItemWire<'a>>(wire.item)?.call() },
            "response.done" => Self::ResponseDone(Box::new(nested::<ResponseWire<'a>>(wire.response)?.done())),
            "input_audio_buffer.committed" => Self::Committed { item: text(item) },
            "conversation.item.input_audio_transcription.delta" => Self::CallerWords { delta: text(delta) },
            "conversation.item.input_audio_transcription.completed" => {
                let usage = wire.usage.map(|usage| nested::<UsageWire<'a>>(Some(usage))).transpose()?;
                let usage = usage.unwrap_or_default().transcription();
                Self::CallerSaid { item: text(item), transcript: text(wire.transcript), usage }
            }
            "conversation.item.input_audio_transcription.failed" => {
                Self::TranscriptionFailed(nested::<ErrorWire<'a>>(wire.error)?.fault())
            }
            "rate_limits.updated" => Self::RateLimits { exhausted: exhausted(&nested::<Vec<LimitWire>>(wire.rate_limits)?) },
            "error" => Self::Error(nested::<ErrorWire<'a>>(wire.error)?.fault()),
            "session.created"
            | "session.updated"
            | "conversation.created"
            | "conversation.item.added"
            | "conversation.item.done"
            | "conversation.item.truncated"
            | "input_audio_buffer.cleared"
            | "response.output_item.added"
            | "response.content_part.added"
            | "response.content_part.done"
            | "response.function_call_arguments.delta"
            | "response.function_call_arguments.done" => Self::Expected,
            _ => Self::Unknown,
        })
    }
}

/// The nested value, which must be there.
fn nested<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Result<T, serde_json::Error> {
    serde_json::from_str(raw.map_or("null", RawValue::get))
}

fn exhausted(limits: &[LimitWire]) -> Duration {
    let waits = limits.iter().filter(|limit| limit.remaining.is_some_and(|remaining| remaining <= 0.0));
    let longest = waits.filter_map(|limit| limit.reset_seconds).fold(0.0, f64::max);
    Duration::from_secs_f64(longest.min(LONGEST_RESET))
}

impl<'a> ErrorWire<'a> {
    fn fault(self) -> Fault<'a> {
        let text = |field: Field<'a>| field.into_text().unwrap_or_default();
        let (kind, code, message) = (text(self.kind), text(self.code), text(self.message));
        Fault { kind, code, message, event_id: text(self.event_id) }
    }
}

impl ItemWire<'_> {
    /// A function call that is complete: the arguments of any other may be cut JSON.
    fn call(self) -> Option<Call> {
        let complete = self.kind.text() == Some("function_call") && self.status.text() == Some("completed");
        let call_id = self.call_id.owned();
        (complete && !call_id.is_empty()).then(|| Call { call_id, name: self.name.owned(), arguments: self.arguments.owned() })
    }
}

impl<'a> ResponseWire<'a> {
    fn done(self) -> ResponseDone<'a> {
        let status = match self.status.text() {
            Some("cancelled") => Status::Cancelled,
            Some("failed") => Status::Failed,
            Some("incomplete") => Status::Incomplete,
            _ => Status::Completed,
        };
        let details = self.status_details.map(|details| (details.reason, details.error.unwrap_or_default()));
        let (reason, error) = details.unwrap_or_default();
        ResponseDone {
            response: self.id.into_text().unwrap_or_default(),
            status,
            reason: reason.into_text().unwrap_or_default(),
            fault: error.fault(),
            calls: self.output.unwrap_or_default().into_iter().filter_map(ItemWire::call).collect(),
            usage: self.usage.unwrap_or_default().response(),
        }
    }
}

impl UsageWire<'_> {
    fn response(self) -> Usage {
        let input = self.input_token_details.unwrap_or_default();
        let output = self.output_token_details.unwrap_or_default();
        let count = |field: &Field<'_>| field.number().unwrap_or_default();
        Usage {
            input_audio: count(&input.audio_tokens),
            input_cached: count(&input.cached_tokens),
            input_text: count(&input.text_tokens),
            output_audio: count(&output.audio_tokens),
            output_text: count(&output.text_tokens),
            ..Usage::default()
        }
    }

    fn transcription(self) -> Usage {
        let seconds = self.seconds.filter(|seconds| (0.0..LONGEST_RESET).contains(seconds));
        Usage {
            transcription: self.total_tokens.number().unwrap_or_default(),
            transcribed: Duration::from_secs_f64(seconds.unwrap_or_default()),
            ..Usage::default()
        }
    }
}
