//! `[[trunks]]`: carriers.

use std::path::PathBuf;
use std::time::Duration;

use actors::identity::Policy;
use actors::trunk::config::{
    Algorithm, Codec, Credentials, EMERGENCY_NUMBERS, FromPolicy, Host, IdentityPolicy, InboundAuth, InboundDigest, Network,
    PrivacyPolicy, RedirectsTo, RegistrationConfig, Rewriting, Rule, SrtpPolicy, TlsIdentity, TrunkConfig, TrunkLimits,
    TrunkTarget, Uri,
};
use actors::trunk::number::tidy;

use super::identity::{self, IdentityConfig, LETTERS};
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
/// An answer to OPTIONS may take 8 s.
const KEEPALIVE_MIN: Duration = Duration::from_secs(8);
/// More than any node takes: as good as no limit.
const CALLS_MAX: u32 = 100_000;
const OUTBOUND_PER_MINUTE: u32 = 60;
/// By then four INVITEs have gone out over UDP (at 0, 0.5, 1.5 and 3.5 s), and the last had half a second to be answered with 100: who
/// says nothing now is not there, and who waits for the call has not given up yet.
const TRY_TIMEOUT: Duration = Duration::from_secs(4);
const REGISTER_EXPIRES: Duration = Duration::from_secs(3600);
const USER: &str = "offhook";

/// What a trunk has that says nothing else.
pub(super) struct Defaults<'a> {
    /// `[codecs] order`.
    pub codecs: Vec<Codec>,
    /// `[rtp] srtp`.
    pub srtp: SrtpPolicy,
    /// `[identity]`.
    pub identity: &'a IdentityConfig,
}

/// Reads all of them. `key` looks up a variable.
pub(super) fn read_trunks(
    root: &mut Section<'_>,
    defaults: &Defaults<'_>,
    key: &dyn Fn(&str) -> Option<Secret>,
) -> Vec<TrunkConfig> {
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
        check_beside(&mut row, &trunk, &trunks);
        row.finish();
        trunks.push(trunk);
    }
    trunks
}

/// Refuses one that could not be told from another.
fn check_beside(row: &mut Section<'_>, trunk: &TrunkConfig, others: &[TrunkConfig]) {
    let user = |trunk: &TrunkConfig| {
        let digest = trunk.inbound.digest.as_ref().filter(|_| trunk.inbound.networks.is_empty());
        digest.map(|digest| digest.credentials.username().to_owned())
    };
    if user(trunk).is_some() && others.iter().any(|other| user(other) == user(trunk)) {
        row.refuse("inbound_username", "is another trunk's too, and neither has addresses to tell them apart");
    }
}

/// Reads one that is not in the file, beside others.
pub(super) fn read_trunk_beside(
    row: &mut Section<'_>,
    others: &[TrunkConfig],
    defaults: &Defaults<'_>,
    key: &dyn Fn(&str) -> Option<Secret>,
) -> TrunkConfig {
    let trunk = read_trunk(row, defaults, key);
    let others: Vec<TrunkConfig> = others.iter().filter(|other| other.name != trunk.name).cloned().collect();
    if others.len() >= TRUNKS_MAX {
        row.refuse("name", format!("there are {TRUNKS_MAX} trunks already"));
    }
    check_beside(row, &trunk, &others);
    let hosts = trunk.hosts();
    if others.iter().any(|other| other.tls.is_some() && other.hosts().iter().any(|host| hosts.contains(host))) {
        row.refuse("targets", "have a host in common with a trunk that has its own certificate: one host is shown one");
    }
    trunk
}

/// Reads one.
fn read_trunk(row: &mut Section<'_>, defaults: &Defaults<'_>, key: &dyn Fn(&str) -> Option<Secret>) -> TrunkConfig {
    let name = read_name(row);
    let transport = row.choice("transport", "", &[("auto", ""), ("udp", "udp"), ("tcp", "tcp"), ("tls", "tls")]);
    let targets = read_targets(row, transport);
    let credentials = read_credentials(row, ["username", "password_env"], key);
    let username = credentials.as_ref().map(|credentials| credentials.username().to_owned());
    let user = row.optional("user", user).or(username).unwrap_or_else(|| USER.to_owned());
    let domain = row.optional("domain", |text| text.parse::<Host>().map_err(|_| format!("{text:?} is not a host")));
    let tls = read_tls(row);
    let (identity, signatures) = (read_identity(row), read_signatures(row, defaults));
    TrunkConfig {
        registration: read_registration(row, transport, &targets),
        credentials,
        inbound: read_inbound(row, key),
        limits: read_limits(row),
        keepalive: read_keepalive(row),
        try_timeout: row.seconds("try_timeout_s", TRY_TIMEOUT, 1..=32),
        redirects: read_redirects(row),
        rewriting: read_rewriting(row),
        headers: bounded(row, "headers", header),
        codecs: read_codecs(row, defaults),
        srtp: read_srtp(row, defaults),
        allowed_prefixes: bounded(row, "allowed_prefixes", beginning),
        emergency_numbers: read_emergency(row),
        name: name.into(),
        targets,
        domain,
        user,
        identity,
        signatures,
        tls,
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
    let credentials = read_credentials(row, ["inbound_username", "inbound_password_env"], key);
    let algorithms = [("sha-512-256", Algorithm::Sha512_256), ("sha-256", Algorithm::Sha256), ("md5", Algorithm::Md5)];
    let algorithms = row.choices("inbound_digest", &[Algorithm::Sha256, Algorithm::Md5], &algorithms);
    InboundAuth {
        networks: shown.iter().filter_map(|text| text.parse().ok()).collect(),
        certificate_names: bounded(row, "certificate_names", |text| Ok(text.to_owned())),
        digest: credentials.map(|credentials| InboundDigest { credentials, algorithms }),
    }
}

/// A name and its password: both or neither. One that cannot be used was told of already.
fn read_credentials(row: &mut Section<'_>, keys: [&str; 2], key: &dyn Fn(&str) -> Option<Secret>) -> Option<Credentials> {
    let [name, variable] = keys;
    let before = row.reader.problems.len();
    let username = row.optional(name, username);
    let password = from_environment(row, variable, true, key);
    let told = row.reader.problems.len() > before;
    match (username, password) {
        (Some(username), Some(password)) => return Some(Credentials::new(username, password.expose())),
        (Some(_), None) if !told => row.refuse(variable, format!("must name a variable that is set, with {name}")),
        (None, Some(_)) if !told => row.refuse(name, format!("must be set with {variable}")),
        _ => {}
    }
    None
}

/// Asked more often, a target would be asked again before it is clear that it does not answer.
fn read_keepalive(row: &mut Section<'_>) -> Duration {
    let keepalive = row.seconds("options_interval_s", KEEPALIVE, 0..=3600);
    if !keepalive.is_zero() && keepalive < KEEPALIVE_MIN {
        let least = KEEPALIVE_MIN.as_secs();
        row.refuse("options_interval_s", format!("{} s is below {least} s; 0: never", keepalive.as_secs()));
    }
    keepalive
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

fn read_redirects(row: &mut Section<'_>) -> RedirectsTo {
    let redirects = [("trunk", RedirectsTo::Itself), ("refuse", RedirectsTo::Nowhere), ("any", RedirectsTo::Anybody)];
    row.choice("redirects", RedirectsTo::Itself, &redirects)
}

fn read_limits(row: &mut Section<'_>) -> TrunkLimits {
    // Zero would be read as none by some, and as any number by others.
    let mut limit = |key| row.optional_integer(key, 1..=i64::from(CALLS_MAX)).and_then(|limit| u32::try_from(limit).ok());
    TrunkLimits {
        channels: limit("channels"),
        calls_per_second: limit("calls_per_second"),
        outbound_per_minute: Some(row.integer("outbound_per_minute", OUTBOUND_PER_MINUTE, 1..=CALLS_MAX)),
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
        if rules.last().is_some_and(|before: &Rule| before.starts_with.is_empty()) {
            rule.refuse("starts_with", "is behind a rule that fits every number, and is never reached");
        }
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

/// What is shown the trunk, and whom is believed.
fn read_tls(row: &mut Section<'_>) -> Option<TlsIdentity> {
    let path = |text: &str| Ok::<_, String>(text.to_owned());
    let certificate = row.optional("tls_certificate", path);
    let key = row.optional("tls_key", path);
    let roots = row.optional("tls_roots", path).map(PathBuf::from);
    let certificate = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
        (None, None) => None,
        (Some(_), None) => {
            row.refuse("tls_key", "must be set with tls_certificate");
            None
        }
        (None, Some(_)) => {
            row.refuse("tls_certificate", "must be set with tls_key");
            None
        }
    };
    (certificate.is_some() || roots.is_some()).then_some(TlsIdentity { certificate, roots })
}

/// STIR/SHAKEN of its callers.
fn read_signatures(row: &mut Section<'_>, defaults: &Defaults<'_>) -> Option<Policy> {
    let asked = row.has("identity_minimum_attestation");
    let minimum = row.choice("identity_minimum_attestation", defaults.identity.minimum_attestation, &LETTERS);
    let require = Policy::Require(minimum.wire());
    let policies = [("off", Some(Policy::Off)), ("note", Some(Policy::Note)), ("require", Some(require))];
    let policy = row.choice("identity", None, &policies);
    if policy == Some(require) && defaults.identity.roots.is_none() {
        row.refuse("identity", "\"require\" needs identity.roots: without them no call would be taken");
    }
    match policy {
        None if asked && defaults.identity.policy == identity::IdentityPolicy::Require => Some(require),
        None if asked => {
            row.refuse("identity_minimum_attestation", "needs \"require\" in identity, here or as identity.policy");
            None
        }
        policy => policy,
    }
}

fn read_codecs(row: &mut Section<'_>, defaults: &Defaults<'_>) -> Vec<Codec> {
    let codecs = [("pcmu", Codec::Pcmu), ("pcma", Codec::Pcma), ("opus", Codec::Opus), ("g722", Codec::G722)];
    row.choices("codecs", &defaults.codecs, &codecs)
}

fn read_srtp(row: &mut Section<'_>, defaults: &Defaults<'_>) -> SrtpPolicy {
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

/// What tidied numbers can begin with.
pub(super) fn beginning(text: &str) -> Result<String, String> {
    let can = text == "+" || tidy(text).is_some_and(|tidied| tidied == text);
    if can { Ok(text.to_owned()) } else { Err(format!("{text:?} begins no number (+49, 00)")) }
}

/// Headers that decide where a message goes and who sends it are not the caller's to set.
fn header(text: &str) -> Result<String, String> {
    let own = text.len() > 2 && text.as_bytes()[..2].eq_ignore_ascii_case(b"x-");
    let others = ["Diversion", "History-Info", "User-to-User", "Subject", "Call-Info", "Alert-Info", "Geolocation"];
    let known = own || others.iter().any(|name| name.eq_ignore_ascii_case(text));
    let token = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if known && token { Ok(text.to_owned()) } else { Err(format!("{text:?} is not X-... or one of {}", others.join(", "))) }
}
