//! `offhook providers check`: one short turn with each provider whose key is in the environment, and how long it took.

use std::process::ExitCode;
use std::time::Duration;

use ai::engine::EngineError;
use ai::link::http::HttpClient;
use ai::responder::{Conversation, Entry, ToolChoice};
use ai::vendor::trial::{self, Answered, Heard, Spoken};
use ai::vendor::{
    self, Account, PROVIDERS, ProviderKind, ProviderRow, ResponderApi, ResponderConfig, SynthesizerConfig, TranscriberConfig,
};

use crate::config::Environment;

/// The longest that one turn may take: a cold model on a small machine.
const LIMIT: Duration = Duration::from_secs(30);

/// What a model is asked, and told to be.
const QUESTION: &str = "What is the capital of France?";
const INSTRUCTIONS: &str = "You are on the phone. Answer in one short sentence.";

/// What a voice says.
const SENTENCE: &str = "Hello, this is a test.";

/// How a check ended.
enum Outcome {
    Done(String),
    Failed(EngineError),
}

/// Checks every provider and stage, a line each.
///
/// # Errors
/// None; what fails is told by its line and the exit code.
pub async fn check(environment: &Environment) -> anyhow::Result<ExitCode> {
    let client = HttpClient::default();
    let mut failed = false;
    for row in &PROVIDERS {
        let account = match account(row, environment) {
            Ok(account) => account,
            Err(missing) => {
                println!("{:<12}skipped: {missing} is not set", row.name);
                continue;
            }
        };
        // Its models can be chosen as its key is: the prefix is the same.
        let model = |stage: &str, default: &str| {
            let name = row.key_variable.replace("API_KEY", stage);
            environment.get(&name).cloned().unwrap_or_else(|| default.to_owned())
        };
        for (stage, model, outcome) in stages(&client, row, &account, model).await {
            let told = match &outcome {
                Outcome::Done(told) => told.clone(),
                Outcome::Failed(error) => format!("FAILED: {error}"),
            };
            failed |= matches!(outcome, Outcome::Failed(_));
            println!("{:<12}{stage:<14}{model:<26}{told}", row.name);
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The account that the environment has; otherwise the variable that is missing.
fn account(row: &ProviderRow, environment: &Environment) -> Result<Account, String> {
    let base_variable = row.key_variable.replace("API_KEY", "BASE_URL");
    let value = |name: &str| environment.get(name).filter(|value| !value.is_empty()).cloned();
    let mut account = Account::from(row.kind);
    match (value(row.key_variable), value(&base_variable)) {
        (None, _) if !row.keyless => return Err(row.key_variable.to_owned()),
        (_, None) if row.base_url.is_empty() => return Err(base_variable),
        (key, base_url) => {
            account.api_key = key.unwrap_or_default().into();
            account.base_url = base_url.unwrap_or(account.base_url);
        }
    }
    Ok(account)
}

/// Every stage that a provider serves, one after another: together they would take each other's time.
async fn stages(
    client: &HttpClient,
    row: &ProviderRow,
    account: &Account,
    model: impl Fn(&str, &str) -> String,
) -> Vec<(&'static str, String, Outcome)> {
    let mut outcomes = Vec::new();
    let mut add = |stage, model: &str, outcome| outcomes.push((stage, model.to_owned(), outcome));
    let responder = ResponderConfig { account: account.clone(), model: model("MODEL", row.responder), ..row.kind.into() };
    if !responder.model.is_empty() {
        let name = responder.model.clone();
        add("respond", &name, respond(client, &responder).await);
        if row.kind == ProviderKind::OpenAi {
            let chat = ResponderConfig { api: ResponderApi::ChatCompletions, ..responder };
            add("respond/chat", &name, respond(client, &chat).await);
        }
    }
    // What a compatible server has beside a model has to be told.
    let told = |stage, default| if row.base_url.is_empty() { model(stage, "") } else { model(stage, default) };
    let voice = told("TTS_MODEL", row.synthesizer);
    if !voice.is_empty() {
        let config = SynthesizerConfig { account: account.clone(), model: voice, ..row.kind.into() };
        add("synthesize", &config.model, synthesize(client, &config).await);
    }
    let mut hears = vec![told("STT_MODEL", row.transcriber)];
    if row.kind == ProviderKind::Deepgram {
        hears.push("flux-general-en".to_owned());
    }
    for ear in hears.into_iter().filter(|ear| !ear.is_empty()) {
        let config = TranscriberConfig { account: account.clone(), model: ear, ..row.kind.into() };
        add("transcribe", &config.model, transcribe(client, &config).await);
    }
    outcomes
}

async fn respond(client: &HttpClient, config: &ResponderConfig) -> Outcome {
    let entries = [Entry::Caller(QUESTION.into())];
    let conversation = Conversation { instructions: INSTRUCTIONS, entries: &entries, tools: &[], tool_choice: ToolChoice::Auto };
    let answer = async { trial::answer(client, &*vendor::responder(config)?, &conversation, LIMIT).await };
    match answer.await {
        Ok(Answered { text, first, .. }) => Outcome::Done(format!("ok, first words after {} ms: {text}", first.as_millis())),
        Err(error) => Outcome::Failed(error),
    }
}

async fn synthesize(client: &HttpClient, config: &SynthesizerConfig) -> Outcome {
    let speak = async { trial::speak(client, &mut *vendor::synthesizer(config)?, &[SENTENCE], LIMIT).await };
    match speak.await {
        Ok(Spoken { audio, first, .. }) => {
            let octets: usize = audio.iter().map(Vec::len).sum();
            Outcome::Done(format!("ok, first audio after {} ms, {octets} octets", first.as_millis()))
        }
        Err(error) => Outcome::Failed(error),
    }
}

async fn transcribe(client: &HttpClient, config: &TranscriberConfig) -> Outcome {
    let speech = trial::sample(config.codec);
    let hear = async { trial::transcribe(client, &mut *vendor::transcriber(config)?, (config.codec, &speech), LIMIT).await };
    match hear.await {
        Ok(Heard { text, last, .. }) => Outcome::Done(format!("ok, last words after {} ms: {text}", last.as_millis())),
        Err(error) => Outcome::Failed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: ProviderKind, variables: &[(&str, &str)], expected: &str) {
        let environment: Environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let told = account(kind.row(), &environment);
        let told = told.map_or_else(|missing| missing, |account| format!("{} {:?}", account.base_url, account.api_key));
        assert_eq!(told, expected, "{kind:?} {variables:?}");
    }

    #[test]
    fn a_provider_without_its_key_is_skipped() {
        check(ProviderKind::Groq, &[], "GROQ_API_KEY");
        check(ProviderKind::Groq, &[("GROQ_API_KEY", "")], "GROQ_API_KEY");
        check(ProviderKind::Groq, &[("GROQ_API_KEY", "k")], "https://api.groq.com/openai/v1 set");
        check(ProviderKind::Groq, &[("GROQ_API_KEY", "k"), ("GROQ_BASE_URL", "http://h")], "http://h set");
        check(ProviderKind::Compatible, &[], "COMPATIBLE_BASE_URL");
        check(ProviderKind::Compatible, &[("COMPATIBLE_BASE_URL", "http://h/v1")], "http://h/v1 unset");
    }
}
