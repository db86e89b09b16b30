//! Who is challenged.

use super::fields::Fields;
use super::{Algorithm, Credentials, Proof};
use crate::message::{Request, Response, StatusCode, name};

/// Answers to a realm that were refused, one after the other: then the credentials are wrong, and more tries would lock the account.
pub const FAILURES_MAX: u8 = 2;

/// Fresh nonces for one request: a server whose nonces are stale at once would be asked for ever.
const STALE_MAX: u8 = 3;

/// Realms that one request is authorized for: the server's, and a proxy or two on the way.
pub const REALMS_MAX: usize = 4;

/// Who challenges.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Side {
    /// A proxy on the way: 407.
    Proxy,
    /// The server itself: 401.
    Server,
}

impl Side {
    fn challenge_header(self) -> &'static str {
        match self {
            Self::Proxy => name::PROXY_AUTHENTICATE,
            Self::Server => name::WWW_AUTHENTICATE,
        }
    }

    fn answer_header(self) -> &'static str {
        match self {
            Self::Proxy => name::PROXY_AUTHORIZATION,
            Self::Server => name::AUTHORIZATION,
        }
    }
}

/// One challenge that we can answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Challenge {
    /// What the credentials are for.
    pub realm: String,
    /// The server's part of the hash.
    pub nonce: String,
    /// Given back as it came.
    pub opaque: Option<String>,
    /// What to hash with.
    pub algorithm: Algorithm,
    /// Whether the server counts (`qop=auth`); the form of RFC 2069 otherwise.
    pub counted: bool,
    /// The credentials were right, and only the nonce is too old.
    pub stale: bool,
    /// MD5 is meant where nothing is said, and then our answer says nothing either.
    named: bool,
}

impl Challenge {
    /// `None` for another scheme, an algorithm or a quality that we do not speak, and what cannot be read.
    pub fn parse(value: &str) -> Option<Self> {
        let fields = Fields::parse(value)?;
        let text = |name| fields.get(name).map(str::to_owned);
        let algorithm = fields.get("algorithm").map_or(Some(Algorithm::Md5), Algorithm::read)?;
        let qualities = fields.get("qop").filter(|qualities| !qualities.trim_ascii().is_empty());
        let counted = qualities.map(|all| all.split(',').any(|one| one.trim_ascii().eq_ignore_ascii_case("auth")));
        if counted == Some(false) {
            return None;
        }
        Some(Self {
            realm: text("realm")?,
            nonce: text("nonce")?,
            opaque: text("opaque"),
            algorithm,
            counted: counted.is_some(),
            stale: fields.get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            named: fields.get("algorithm").is_some(),
        })
    }
}

/// Why a challenge is not answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unanswerable {
    /// The credentials were refused [`FAILURES_MAX`] times.
    #[error("the username or password is wrong")]
    Refused,
    /// Nothing in it is a digest of MD5 or SHA-256 with `auth`.
    #[error("the challenge asks for what we do not speak")]
    Unknown,
}

/// A challenge that our requests answer until another one comes.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Held {
    side: Side,
    challenge: Challenge,
    /// Requests authorized with its nonce.
    count: u32,
    failures: u8,
    stale: u8,
}

/// Credentials, and the challenges that they have answered: later requests are authorized before they are challenged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DigestClient {
    credentials: Credentials,
    held: Vec<Held>,
}

impl DigestClient {
    /// One that was never challenged.
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials, held: Vec::new() }
    }

    /// Takes the challenges of a 401 or 407. Then the request may be sent again, [authorized](Self::authorize) and with the next CSeq
    /// number (RFC 3261 §8.1.3.5).
    ///
    /// # Errors
    /// When that would be of no use. The next request begins without credentials.
    pub fn handle_challenge(&mut self, response: &Response) -> Result<(), Unanswerable> {
        let side = if response.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED { Side::Proxy } else { Side::Server };
        let taken = self.take(side, response);
        if taken.is_err() {
            self.held.clear();
        }
        taken
    }

    fn take(&mut self, side: Side, response: &Response) -> Result<(), Unanswerable> {
        let mut best: Vec<Challenge> = Vec::new();
        for challenge in response.headers.get_all(side.challenge_header()).filter_map(Challenge::parse) {
            match best.iter_mut().find(|other| other.realm == challenge.realm) {
                Some(other) if other.algorithm < challenge.algorithm => *other = challenge,
                Some(_) => {}
                None => best.push(challenge),
            }
        }
        if best.is_empty() || best.len() > REALMS_MAX {
            return Err(Unanswerable::Unknown);
        }
        for challenge in best {
            self.hold(side, challenge)?;
        }
        Ok(())
    }

    fn hold(&mut self, side: Side, challenge: Challenge) -> Result<(), Unanswerable> {
        let same = |held: &&mut Held| held.side == side && held.challenge.realm == challenge.realm;
        let Some(held) = self.held.iter_mut().find(same) else {
            if self.held.len() >= REALMS_MAX {
                return Err(Unanswerable::Unknown);
            }
            self.held.push(Held { side, challenge, count: 0, failures: 0, stale: 0 });
            return Ok(());
        };
        match challenge.stale {
            true => held.stale += 1,
            false => held.failures += 1,
        }
        if held.failures >= FAILURES_MAX || held.stale > STALE_MAX {
            return Err(Unanswerable::Refused);
        }
        held.challenge = challenge;
        held.count = 0;
        Ok(())
    }

    /// Whatever else came in answer to an authorized request: the credentials were taken.
    pub fn handle_accepted(&mut self) {
        for held in &mut self.held {
            (held.failures, held.stale) = (0, 0);
        }
    }

    /// Puts the answers to all challenges held into a request, in the place of older ones; nothing before the first challenge.
    pub fn authorize(&mut self, request: &mut Request, cnonce: &str) {
        let method = request.method.to_string();
        let uri = request.uri.to_string();
        for side in [Side::Proxy, Side::Server] {
            request.headers.remove(side.answer_header());
        }
        for held in &mut self.held {
            held.count += 1;
            let value = answer(&self.credentials, held, (&method, &uri), cnonce);
            request.headers.push(held.side.answer_header(), value);
        }
    }
}

fn answer(credentials: &Credentials, held: &Held, (method, uri): (&str, &str), cnonce: &str) -> String {
    let Held { challenge, count, .. } = held;
    let Challenge { realm, nonce, opaque, algorithm, counted, .. } = challenge;
    let count = format!("{count:08x}");
    let counted = counted.then_some((count.as_str(), cnonce));
    let proof = Proof { algorithm: *algorithm, realm, nonce, counted, method, uri };
    let (username, response) = (&credentials.username, proof.response(credentials));
    let mut value =
        format!("Digest username=\"{username}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\"");
    if challenge.named {
        value += &format!(", algorithm={}", algorithm.name());
    }
    if let Some((count, cnonce)) = counted {
        value += &format!(", cnonce=\"{cnonce}\", qop=auth, nc={count}");
    }
    if let Some(opaque) = opaque {
        value += &format!(", opaque=\"{opaque}\"");
    }
    value
}
