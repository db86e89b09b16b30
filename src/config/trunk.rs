//! `[[trunks]]`: carriers.

use std::time::Duration;

use actors::trunk::config::{
    Algorithm, Codec, Credentials, EMERGENCY_NUMBERS, FromPolicy, Host, IdentityPolicy, InboundAuth, InboundDigest, Network,
    PrivacyPolicy, RegistrationConfig, Rewriting, Rule, SrtpPolicy, TrunkConfig, TrunkLimits, TrunkTarget, Uri,
};
use actors::trunk::number::tidy;

use super::reader::Section;
use super::secret::Secret;
use super::stream::from_environment;

/// Trunks of a node: each has an actor, and each INVITE is held against all of them.
const TRUNKS_MAX: usize = 256;
/// Targets of a trunk: each is asked whether it is there, and a call tries one after the other.
const TARGETS_MAX: usize = 16;
/// Networks, names, rules, headers and prefixes of a trunk, of each so many.
const ROWS_MAX: usize = 256;
const KEEPALIVE: Duration = Duration::from_secs(30);
const REGISTER_EXPIRES: Duration = Duration::from_secs(3600);
const USER: &str = "offhook";

/// What a trunk has that says nothing else.
pub(super) struct Defaults {
    /// `[codecs] order`.
    pub codecs: Vec<Codec>,
    /// `[rtp] srtp`.
    pub srtp: SrtpPolicy,
}

/// Reads all of them. `key` looks up a variable.
pub(super) fn read_trunks(root: &mut Section<'_>, defaults: &Defaults, key: &dyn Fn(&str) -> Option<Secret>) -> Vec<TrunkConfig> {
    let mut trunks: Vec<TrunkConfig> = Vec::new();
    let tables = root.tables("trunks").unwrap_or_default();
    if tables.len() > TRUNKS_MAX {
        root.refuse("trunks", format!("{} are above {TRUNKS_MAX}", tables.len()));
    }
    for (index, table) in tables.into_iter().enumerate() {
        let mut row = root.row("trunks", index, table);
        let trunk = read_trunk(&mut row, defaults, key);
        if trunks.iter().any(|other| other.name == trunk.name && !trunk.name.is_empty()) {
            row.refuse("name", format!("{:?} is there twice", &*trunk.name));
        }
        let user = |trunk: &TrunkConfig| {
            let digest = trunk.inbound.digest.as_ref().filter(|_| trunk.inbound.networks.is_empty());
            digest.map(|digest| digest.credentials.username().to_owned())
        };
        if user(&trunk).is_some() && trunks.iter().any(|other| user(other) == user(&trunk)) {
            row.refuse("inbound_username", "is another trunk's too, and neither has addresses to tell them apart");
        }
        row.finish();
        trunks.push(trunk);
    }
    trunks
}

fn read_trunk(row: &mut Section<'_>, defaults: &Defaults, key: &dyn Fn(&str) -> Option<Secret>) -> TrunkConfig {
    let name = read_name(row);
    let transport = row.choice("transport", "", &[("auto", ""), ("udp", "udp"), ("tcp", "tcp"), ("tls", "tls")]);
    let targets = read_targets(row, transport);
    let username = row.optional("username", username);
    let password = from_environment(row, "password_env", true, key);
    let user = row.optional("user", user).or_else(|| username.clone()).unwrap_or_else(|| USER.to_owned());
    let domain = row.optional("domain", |text| text.parse::<Host>().map_err(|_| format!("{text:?} is not a host")));
    let identity = read_identity(row);
    TrunkConfig {
        registration: read_registration(row, transport, &targets),
        credentials: pair(row, ("username", username), ("password_env", password)),
        inbound: read_inbound(row, key),
        limits: read_limits(row),
        keepalive: row.seconds("options_interval_s", KEEPALIVE, 0..=3600),
        rewriting: read_rewriting(row),
        headers: bounded(row, "headers", header),
        codecs: read_codecs(row, defaults),
        srtp: read_srtp(row, defaults),
        allowed_prefixes: bounded(row, "allowed_prefixes", |text| Ok(text.to_owned())),
        emergency_numbers: read_emergency(row),
        name: name.into(),
        targets,
        domain,
        user,
        identity,
    }
}

fn read_name(row: &mut Section<'_>) -> String {
    if !row.has("name") {
        row.refuse("name", "must be set");
    }
    row.parsed("name", String::new(), |text| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        match (1..=64).contains(&text.len()) && text.bytes().all(known) {
            true => Ok(text.to_owned()),
            false => Err(format!("{text:?} is not a name of 1-64 letters, digits, -, _ and .")),
        }
    })
}

fn read_targets(row: &mut Section<'_>, transport: &str) -> Vec<TrunkTarget> {
    let tables = row.tables("targets").unwrap_or_default();
    if tables.len() > TARGETS_MAX {
        row.refuse("targets", format!("{} are above {TARGETS_MAX}", tables.len()));
    }
    let mut targets = Vec::new();
    for (index, table) in tables.into_iter().enumerate() {
        let mut target = row.row("targets", index, table);
        if !target.has("uri") {
            target.refuse("uri", "must be set");
        }
        let uri = target.optional("uri", |text| uri(text, transport));
        let priority = target.integer("priority", 1, 1..=65_535);
        let weight = target.integer("weight", 1, 1..=65_535);
        target.finish();
        targets.extend(uri.map(|uri| TrunkTarget { uri, priority, weight }));
    }
    targets
}

/// `sip:host`, or `host` alone; the trunk's transport where the URI says none.
fn uri(text: &str, transport: &str) -> Result<Uri, String> {
    let whole = if text.starts_with("sip:") || text.starts_with("sips:") { text.to_owned() } else { format!("sip:{text}") };
    let said = transport.is_empty() || whole.starts_with("sips:") || whole.contains(";transport=");
    let whole = if said { whole } else { format!("{whole};transport={transport}") };
    let parsed = whole.parse::<Uri>().ok().filter(|uri| uri.host().is_some() && uri.user().is_none());
    parsed.ok_or_else(|| format!("{text:?} is not a host or a SIP URI without a user (sip:host:port;transport=udp)"))
}

fn read_inbound(row: &mut Section<'_>, key: &dyn Fn(&str) -> Option<Secret>) -> InboundAuth {
    let network = |text: &str| text.parse::<Network>().map_err(|error| format!("{text:?} {error}"));
    let shown = bounded(row, "addresses", |text| network(text).map(|_| text.to_owned()));
    let username = row.optional("inbound_username", username);
    let password = from_environment(row, "inbound_password_env", true, key);
    let algorithms = [("sha-256", Algorithm::Sha256), ("md5", Algorithm::Md5)];
    let algorithms = row.choices("inbound_digest", &[Algorithm::Sha256, Algorithm::Md5], &algorithms);
    let credentials = pair(row, ("inbound_username", username), ("inbound_password_env", password));
    InboundAuth {
        networks: shown.iter().filter_map(|text| text.parse().ok()).collect(),
        certificate_names: bounded(row, "certificate_names", |text| Ok(text.to_owned())),
        digest: credentials.map(|credentials| InboundDigest { credentials, algorithms }),
    }
}

/// Both or neither.
fn pair(row: &mut Section<'_>, username: (&str, Option<String>), password: (&str, Option<Secret>)) -> Option<Credentials> {
    match (username.1, password.1) {
        (Some(username), Some(password)) => Some(Credentials::new(username, password.expose())),
        (Some(_), None) => {
            row.refuse(password.0, format!("must name a variable that is set, with {}", username.0));
            None
        }
        (None, Some(_)) => {
            row.refuse(username.0, format!("must be set with {}", password.0));
            None
        }
        (None, None) => None,
    }
}

fn read_registration(row: &mut Section<'_>, transport: &str, targets: &[TrunkTarget]) -> Option<RegistrationConfig> {
    let wanted = row.flag("register", false);
    let registrar = row.optional("registrar", |text| uri(text, transport));
    let expires = row.seconds("register_expires_s", REGISTER_EXPIRES, 30..=86_400);
    if !wanted {
        return None;
    }
    let registrar = registrar.or_else(|| targets.first().map(|target| target.uri.clone()));
    if registrar.is_none() {
        row.refuse("registrar", "must be set to register, or a target");
    }
    Some(RegistrationConfig { registrar: registrar?, expires })
}

fn read_limits(row: &mut Section<'_>) -> TrunkLimits {
    let mut limit = |key: &str, default: u32| Some(row.integer(key, default, 0..=100_000)).filter(|limit| *limit > 0);
    TrunkLimits {
        channels: limit("channels", 0),
        calls_per_second: limit("calls_per_second", 0),
        outbound_per_minute: limit("outbound_per_minute", 60),
    }
}

fn read_rewriting(row: &mut Section<'_>) -> Rewriting {
    Rewriting {
        inbound_called: read_rules(row, "inbound_called"),
        inbound_caller: read_rules(row, "inbound_caller"),
        outbound_called: read_rules(row, "outbound_called"),
        outbound_caller: read_rules(row, "outbound_caller"),
    }
}

fn read_rules(row: &mut Section<'_>, key: &str) -> Vec<Rule> {
    let tables = row.tables(key).unwrap_or_default();
    if tables.len() > ROWS_MAX {
        row.refuse(key, format!("{} are above {ROWS_MAX}", tables.len()));
    }
    let mut rules = Vec::new();
    for (index, table) in tables.into_iter().enumerate() {
        let mut rule = row.row(key, index, table);
        rules.push(Rule {
            starts_with: rule.free_text("starts_with", ""),
            strip: rule.integer("strip", 0, 0..=64) as usize,
            prefix: rule.free_text("prefix", ""),
        });
        rule.finish();
    }
    rules
}

fn read_identity(row: &mut Section<'_>) -> IdentityPolicy {
    let privacy = [("always", PrivacyPolicy::Always), ("asked", PrivacyPolicy::Asked), ("never", PrivacyPolicy::Never)];
    let from = [("number", FromPolicy::Number), ("user", FromPolicy::User)];
    IdentityPolicy {
        trusted: row.flag("trust_identity", false),
        from: row.choice("from", FromPolicy::Number, &from),
        asserted: row.flag("p_asserted_identity", false),
        privacy: row.choice("privacy", PrivacyPolicy::Asked, &privacy),
        number: row.optional("caller_number", |text| tidy(text).ok_or_else(|| "is not a number".to_owned())),
    }
}

fn read_codecs(row: &mut Section<'_>, defaults: &Defaults) -> Vec<Codec> {
    let codecs = [("pcmu", Codec::Pcmu), ("pcma", Codec::Pcma), ("opus", Codec::Opus), ("g722", Codec::G722)];
    row.choices("codecs", &defaults.codecs, &codecs)
}

fn read_srtp(row: &mut Section<'_>, defaults: &Defaults) -> SrtpPolicy {
    let policies = [
        ("off", SrtpPolicy::Off),
        ("optional", SrtpPolicy::Optional),
        ("required", SrtpPolicy::Required),
        ("dtls", SrtpPolicy::Dtls),
    ];
    row.choice("srtp", defaults.srtp, &policies)
}

fn read_emergency(row: &mut Section<'_>) -> Vec<String> {
    let refused = row.choice("emergency", true, &[("refuse", true), ("allow", false)]);
    let numbers = row.texts("emergency_numbers", &EMERGENCY_NUMBERS);
    if numbers.iter().any(|number| number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit())) {
        row.refuse("emergency_numbers", "must be digits");
    }
    if refused { numbers } else { Vec::new() }
}

/// A list, not longer than it should be.
fn bounded(row: &mut Section<'_>, key: &str, parse: impl Fn(&str) -> Result<String, String>) -> Vec<String> {
    let list = row.one_or_more(key, &[], parse);
    if list.len() > ROWS_MAX {
        row.refuse(key, format!("{} are above {ROWS_MAX}", list.len()));
    }
    list
}

/// A name that both sides hash alike.
fn username(text: &str) -> Result<String, String> {
    let plain = text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
    if plain { Ok(text.to_owned()) } else { Err("must be 1-128 characters without spaces, quotes and backslashes".to_owned()) }
}

/// The user of a URI.
fn user(text: &str) -> Result<String, String> {
    tidy(text).ok_or_else(|| format!("{text:?} is not a user of 1-64 letters, digits, +, -, ., _, * and #"))
}

/// Headers that decide where a message goes and who sends it are not the caller's to set.
fn header(text: &str) -> Result<String, String> {
    let own = text.len() > 2 && text.as_bytes()[..2].eq_ignore_ascii_case(b"x-");
    let others = ["Diversion", "History-Info", "User-to-User", "Subject", "Call-Info", "Alert-Info", "Geolocation"];
    let known = own || others.iter().any(|name| name.eq_ignore_ascii_case(text));
    let token = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if known && token { Ok(text.to_owned()) } else { Err(format!("{text:?} is not X-... or one of {}", others.join(", "))) }
}
