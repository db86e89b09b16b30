//! Who is challenged.

use super::fields::Fields;
use super::{Algorithm, Credentials, Proof, SESSION, quality};
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

    fn info_header(self) -> &'static str {
        match self {
            Self::Proxy => name::PROXY_AUTHENTICATION_INFO,
            Self::Server => name::AUTHENTICATION_INFO,
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
    /// Whether the hash of the password is bound to the nonce (`-sess`).
    pub session: bool,
    /// Whether the body is hashed too (`qop=auth-int`), since the server wants nothing less.
    pub whole: bool,
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
        let (algorithm, session) = fields.get("algorithm").map_or(Some((Algorithm::Md5, false)), Algorithm::read)?;
        let qualities = fields.get("qop").filter(|qualities| !qualities.trim_ascii().is_empty());
        let offers =
            |wanted: &str| qualities.is_some_and(|all| all.split(',').any(|one| one.trim_ascii().eq_ignore_ascii_case(wanted)));
        // A body may be changed on its way, so it is left out of the hash where that is permitted.
        let whole = !offers("auth") && offers("auth-int");
        let known = whole || offers("auth") || (qualities.is_none() && !session);
        if !known {
            return None;
        }
        Some(Self {
            realm: text("realm")?,
            nonce: text("nonce")?,
            opaque: text("opaque"),
            algorithm,
            session,
            whole,
            counted: qualities.is_some(),
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
    /// Nothing in it is a digest that we know.
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
    /// Ours, of a `-sess`: it stays as long as the nonce does.
    cnonce: Option<String>,
    /// Of the last request, which the server's own proof is about.
    uri: String,
}

impl Held {
    fn new(side: Side, challenge: Challenge) -> Self {
        Self { side, challenge, count: 0, failures: 0, stale: 0, cnonce: None, uri: String::new() }
    }

    /// Begins anew with another nonce.
    fn renew(&mut self) {
        (self.count, self.cnonce) = (0, None);
    }
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
            self.held.push(Held::new(side, challenge));
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
        held.renew();
        Ok(())
    }

    /// Begins as one that was never challenged: who is asked now has nothing to do with who was asked before.
    pub fn forget(&mut self) {
        self.held.clear();
    }

    /// Whatever else came in answer to an authorized request: the credentials were taken. The nonce for the next one is taken from
    /// Authentication-Info (RFC 7616 §3.5, RFC 7615), unless it comes from somebody who fails to prove that he knows the password.
    pub fn handle_accepted(&mut self, response: &Response) {
        for held in &mut self.held {
            (held.failures, held.stale) = (0, 0);
        }
        for side in [Side::Proxy, Side::Server] {
            let info = response.headers.get(side.info_header()).and_then(Fields::parse_list);
            let mut of_side = self.held.iter_mut().filter(|held| held.side == side);
            // It names no realm, so among several it is nobody's.
            if let (Some(info), Some(held), None) = (info, of_side.next(), of_side.next())
                && let Some(next) = info.get("nextnonce").filter(|next| !next.is_empty())
                && is_proven(&self.credentials, held, &info, response)
            {
                held.challenge.nonce = next.to_owned();
                held.renew();
            }
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
            held.uri.clone_from(&uri);
            let value = answer(&self.credentials, held, (&method, &request.body), cnonce);
            request.headers.push(held.side.answer_header(), value);
        }
    }
}

/// Whether the server's own proof holds, where it gives one: it is ours without a method, and with its body (RFC 7616 §3.5).
fn is_proven(credentials: &Credentials, held: &Held, info: &Fields<'_>, response: &Response) -> bool {
    let Some(shown) = info.get("rspauth") else { return true };
    let Challenge { realm, nonce, algorithm, session, whole, counted, .. } = &held.challenge;
    let count = format!("{:08x}", held.count);
    let given = (info.get("nc").unwrap_or(&count), info.get("cnonce").unwrap_or_default());
    let (counted, body) = (counted.then_some(given), whole.then_some(&response.body[..]));
    let proof = Proof { algorithm: *algorithm, session: *session, realm, nonce, counted, method: "", uri: &held.uri, body };
    proof.response(credentials).eq_ignore_ascii_case(shown)
}

fn answer(credentials: &Credentials, held: &mut Held, (method, body): (&str, &[u8]), cnonce: &str) -> String {
    let Held { challenge, count, uri, cnonce: kept, .. } = held;
    let Challenge { realm, nonce, opaque, algorithm, session, whole, counted, .. } = challenge;
    let cnonce: &str = if *session { kept.get_or_insert_with(|| cnonce.to_owned()) } else { cnonce };
    let count = format!("{count:08x}");
    let counted = counted.then_some((count.as_str(), cnonce));
    let body = whole.then_some(body);
    let proof = Proof { algorithm: *algorithm, session: *session, realm, nonce, counted, method, uri, body };
    let (username, response) = (&credentials.username, proof.response(credentials));
    let mut value =
        format!("Digest username=\"{username}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\"");
    if challenge.named {
        value += &format!(", algorithm={}{}", algorithm.name(), if *session { SESSION } else { "" });
    }
    if let Some((count, cnonce)) = counted {
        value += &format!(", cnonce=\"{cnonce}\", qop={}, nc={count}", quality(*whole));
    }
    if let Some(opaque) = opaque {
        value += &format!(", opaque=\"{opaque}\"");
    }
    value
}
