//! Access tokens: JWTs that this service alone reads, signed with a key of the database, so that every node knows it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::signature::{Error as SignatureError, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use ring::hmac;
use serde::{Deserialize, Serialize};
use store::{Hidden, LoginId, OrganizationId, SigningKey, Store, StoreError, UserId, WallTime};
use uuid::Uuid;

use super::keys::later;
use super::signing_in::ACCESS_LIFE;
use super::{Refused, letters};

/// A key signs for so long; the next one is made when it is needed.
const SIGNS_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
/// After it has signed its last token the key is kept for a day, which is longer than any token lives.
const KEPT_FOR: Duration = Duration::from_secs(31 * 24 * 3600);
/// A token of a key that is not known has them read again, once in so long: another node may have made it.
const READ_AGAIN_US: u64 = 10_000_000;
const ISSUER: &str = "offhook";

/// What a token says.
#[derive(Deserialize, Serialize)]
struct Claims {
    iss: String,
    sub: String,
    org: String,
    sid: String,
    iat: i64,
    exp: i64,
}

/// Whom a token names.
pub(super) struct Named {
    pub(super) organization: OrganizationId,
    pub(super) user: UserId,
    pub(super) login: LoginId,
}

/// Makes and reads tokens.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    store: Store,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    keys: Vec<SigningKey>,
    read_at: i64,
}

impl Tokens {
    pub(super) async fn open(store: Store, now: WallTime) -> Result<Self, StoreError> {
        // Another service of this process may have done so.
        let _before = HMAC_BY_RING.install_default();
        let tokens = Self { store, known: Arc::default() };
        tokens.read(now).await?;
        tokens.signing(now).await?;
        Ok(tokens)
    }

    /// A token for [`ACCESS_LIFE`].
    pub(super) async fn make(&self, named: &Named, now: WallTime) -> Result<String, Refused> {
        let key = self.signing(now).await?;
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: named.user.to_string(),
            org: named.organization.to_string(),
            sid: named.login.to_string(),
            iat: seconds(now),
            exp: seconds(later(now, ACCESS_LIFE)),
        };
        let header = Header { kid: Some(key.kid.clone()), ..Header::new(Algorithm::HS256) };
        let secret = STANDARD.decode(key.secret.expose()).unwrap_or_default();
        Ok(jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&secret)).expect("texts and numbers are JSON"))
    }

    /// Whom a token names, if it is ours and of this hour.
    pub(super) async fn read_token(&self, token: &str, now: WallTime) -> Result<Named, Refused> {
        let kid = jsonwebtoken::decode_header(token).ok().and_then(|header| header.kid).ok_or(Refused::Invalid)?;
        let key = match self.find(&kid) {
            Some(key) => key,
            None => {
                let read_at = self.known.lock().unwrap_or_else(PoisonError::into_inner).read_at;
                if now.micros().abs_diff(read_at) < READ_AGAIN_US {
                    return Err(Refused::Invalid);
                }
                self.read(now).await?;
                self.find(&kid).ok_or(Refused::Invalid)?
            }
        };
        let mut validation = Validation::new(Algorithm::HS256);
        // The time is told to us, below.
        validation.validate_exp = false;
        validation.set_issuer(&[ISSUER]);
        let secret = STANDARD.decode(key.secret.expose()).unwrap_or_default();
        let read = jsonwebtoken::decode::<Claims>(token, &DecodingKey::from_secret(&secret), &validation);
        let claims = read.map_err(|_| Refused::Invalid)?.claims;
        if claims.exp <= seconds(now) {
            return Err(Refused::Invalid);
        }
        let named = || {
            Some(Named {
                organization: claims.org.parse().ok()?,
                user: claims.sub.parse().ok()?,
                login: claims.sid.parse().ok()?,
            })
        };
        named().ok_or(Refused::Invalid)
    }

    fn find(&self, kid: &str) -> Option<SigningKey> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.keys.iter().find(|key| key.kid == kid).cloned()
    }

    /// The key that signs now; made when there is none, or the last one is old.
    async fn signing(&self, now: WallTime) -> Result<SigningKey, StoreError> {
        let newest = self.known.lock().unwrap_or_else(PoisonError::into_inner).keys.first().cloned();
        if let Some(key) = newest.filter(|key| now.since(key.created_at) < SIGNS_FOR) {
            return Ok(key);
        }
        let secret = Hidden::new(STANDARD.encode(letters::bytes::<32>()));
        let key = SigningKey { kid: Uuid::now_v7().to_string(), secret, created_at: now };
        let kept = i64::try_from(KEPT_FOR.as_micros()).unwrap_or(i64::MAX);
        self.store.add_signing_key(&key, WallTime::from_micros(now.micros().saturating_sub(kept))).await?;
        self.read(now).await?;
        Ok(key)
    }

    async fn read(&self, now: WallTime) -> Result<(), StoreError> {
        let keys = self.store.signing_keys().await?;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Known { keys, read_at: now.micros() };
        Ok(())
    }
}

fn seconds(at: WallTime) -> i64 {
    at.micros().div_euclid(1_000_000)
}

/// HS256 and nothing else, by ring: a token that names another algorithm finds nobody who reads it.
static HMAC_BY_RING: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(Mac::new(*algorithm, key.as_bytes())?)),
    verifier_factory: |algorithm, key| Ok(Box::new(Mac::new(*algorithm, key.try_get_as_bytes()?)?)),
    key_utils: KeyUtils::new_unimplemented(),
};

struct Mac(hmac::Key);

impl Mac {
    fn new(algorithm: Algorithm, secret: &[u8]) -> jsonwebtoken::errors::Result<Self> {
        match algorithm {
            Algorithm::HS256 if secret.len() >= 32 => Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, secret))),
            _ => Err(ErrorKind::InvalidAlgorithm.into()),
        }
    }
}

impl Signer<Vec<u8>> for Mac {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl Verifier<Vec<u8>> for Mac {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        hmac::verify(&self.0, message, signature).map_err(|_| SignatureError::new())
    }
}

impl JwtSigner for Mac {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Mac {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}
