//! Reports of erasures, signed: Ed25519 over the report as canonical JSON. And persons, hashed: HMAC-SHA256 under the same key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use store::{Hidden, Store, StoreError, Subject, WallTime};

use crate::archive::hexadecimal;

/// What reports are signed with, in words.
const ALGORITHM: &str = "Ed25519";

/// Signs, and hashes persons. One key for all nodes of a database.
pub struct Signer {
    id: String,
    pair: Ed25519KeyPair,
    persons: hmac::Key,
}

/// Why a report is not to be believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Forged {
    /// It is no report at all.
    #[error("this is no report of an erasure: {0}")]
    Unreadable(String),
    /// Another key has signed it.
    #[error("key {0} has signed this, which is not the key of this server, {1}")]
    Stranger(String, String),
    /// It was changed.
    #[error("the signature does not fit: the report was changed")]
    Changed,
}

impl Signer {
    /// With the key of the database, which is made when it is first needed.
    ///
    /// # Errors
    /// The store's.
    pub async fn open(store: &Store) -> Result<Self, StoreError> {
        let seed: [u8; 32] = rand::random();
        let new = Self::of_seed(&seed);
        let given = (new.id.as_str(), &Hidden::new(STANDARD.encode(seed)));
        let (_, secret) = store.privacy_key(given, WallTime::now()).await?;
        let seed = STANDARD.decode(secret.expose()).ok().and_then(|seed| <[u8; 32]>::try_from(seed).ok());
        let unreadable = || StoreError::Unreadable {
            query: "privacy_key",
            column: "secret",
            reason: "is not the seed of a key: 32 bytes as base64".to_owned(),
        };
        Ok(Self::of_seed(&seed.ok_or_else(unreadable)?))
    }

    fn of_seed(seed: &[u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are a seed");
        let id = hexadecimal(&Sha256::digest(pair.public_key().as_ref())[..8]);
        let key = Sha256::new().chain_update(b"offhook persons\0").chain_update(seed).finalize();
        Self { id, pair, persons: hmac::Key::new(hmac::HMAC_SHA256, &key) }
    }

    /// A person, for whoever has the key and nobody else.
    #[must_use]
    pub fn hash(&self, subject: &Subject) -> String {
        let text = format!("{}:{}", subject.kind(), subject.reveal());
        format!("hmac-sha256:{}", hexadecimal(hmac::sign(&self.persons, text.as_bytes()).as_ref()))
    }

    /// The report with its signature, as a file.
    #[must_use]
    pub fn sign(&self, report: &Value) -> String {
        let signature = self.pair.sign(canonical(report).as_bytes());
        let signed = json!({
            "report": report,
            "algorithm": ALGORITHM,
            "key_id": self.id,
            "public_key": STANDARD.encode(self.pair.public_key()),
            "signature": STANDARD.encode(signature),
        });
        format!("{signed:#}\n")
    }

    /// The report of a file that this server, or another node of its database, has signed.
    ///
    /// # Errors
    /// [`Forged`].
    pub fn verify(&self, file: &str) -> Result<Value, Forged> {
        let mut signed: Value = serde_json::from_str(file).map_err(|error| Forged::Unreadable(error.to_string()))?;
        let word = |name: &str| signed[name].as_str().unwrap_or_default().to_owned();
        if word("algorithm") != ALGORITHM {
            return Err(Forged::Unreadable(format!("algorithm is not {ALGORITHM}")));
        }
        if word("key_id") != self.id {
            return Err(Forged::Stranger(word("key_id"), self.id.clone()));
        }
        let signature = STANDARD.decode(word("signature")).map_err(|_| Forged::Changed)?;
        let report = signed["report"].take();
        // Our own key, and not the one that the file shows.
        let key = UnparsedPublicKey::new(&ED25519, self.pair.public_key().as_ref());
        key.verify(canonical(&report).as_bytes(), &signature).map_err(|_| Forged::Changed)?;
        Ok(report)
    }
}

/// JSON without spaces and with the names in order, so that a signature outlives its being written anew.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            let fields = names.into_iter().map(|name| format!("{}:{}", Value::from(name.as_str()), canonical(&fields[name])));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Array(values) => format!("[{}]", values.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_report_is_believed_as_it_was_signed_and_no_other() {
        let (ours, other) = (Signer::of_seed(&[1; 32]), Signer::of_seed(&[2; 32]));
        let report = json!({ "b": [1, { "y": null, "x": "ü" }], "a": "text" });
        let file = ours.sign(&report);
        assert_eq!(ours.verify(&file).unwrap(), report);
        // Written anew by somebody's program, in another order.
        let mut fields: serde_json::Map<String, Value> = serde_json::from_str(&file).unwrap();
        fields.insert("report".to_owned(), serde_json::from_str(r#"{"a":"text","b":[1,{"x":"ü","y":null}]}"#).unwrap());
        assert_eq!(ours.verify(&Value::Object(fields).to_string()).unwrap(), report);
        assert!(matches!(ours.verify(&file.replace("text", "test")), Err(Forged::Changed)));
        assert!(matches!(other.verify(&file), Err(Forged::Stranger(..))));
        assert!(matches!(ours.verify(&file.replace(ALGORITHM, "none")), Err(Forged::Unreadable(_))));
        assert!(matches!(ours.verify("report"), Err(Forged::Unreadable(_))));
    }

    #[test]
    fn a_person_has_one_hash_under_one_key() {
        let ours = Signer::of_seed(&[1; 32]);
        let subject = Subject::phone("+49 30 555001").unwrap();
        let hash = ours.hash(&subject);
        assert_eq!(hash, ours.hash(&Subject::phone("004930555001").unwrap()));
        assert_ne!(hash, Signer::of_seed(&[2; 32]).hash(&subject));
        assert!(!hash.contains("555001"));
    }
}
