//! Keys of SRTP in SDP (RFC 4568, RFC 7714 §14): `a=crypto` lines read, chosen and written.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::SdpError;
use super::parse::Media;

/// What protects the packets of one direction. A new suite is a variant here and a row in `SUITES`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CryptoSuite {
    /// AES-CM with 128 bits, tags of 32 bits.
    AesCm128Sha1_32,
    /// AES-CM with 128 bits, tags of 80 bits.
    AesCm128Sha1_80,
    /// AES-GCM with 128 bits.
    AeadAes128Gcm,
    /// AES-GCM with 256 bits.
    AeadAes256Gcm,
}

struct SuiteRow {
    suite: CryptoSuite,
    name: &'static str,
    /// Octets of master key and master salt.
    length: usize,
}

/// What we can do, as we offer it: the one that everybody has first.
const SUITES: [SuiteRow; 4] = [
    SuiteRow { suite: CryptoSuite::AesCm128Sha1_80, name: "AES_CM_128_HMAC_SHA1_80", length: 30 },
    SuiteRow { suite: CryptoSuite::AesCm128Sha1_32, name: "AES_CM_128_HMAC_SHA1_32", length: 30 },
    SuiteRow { suite: CryptoSuite::AeadAes256Gcm, name: "AEAD_AES_256_GCM", length: 44 },
    SuiteRow { suite: CryptoSuite::AeadAes128Gcm, name: "AEAD_AES_128_GCM", length: 28 },
];

/// Octets of the keys of all suites.
const KEYS: usize = 30 + 30 + 44 + 28;

impl CryptoSuite {
    fn row(self) -> &'static SuiteRow {
        SUITES.iter().find(|row| row.suite == self).expect("every suite has a row")
    }
}

/// Whether media is encrypted.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum SrtpPolicy {
    /// Never: keys that are offered are not looked at, `RTP/SAVP` is refused.
    #[default]
    Off,
    /// When the peer wants it, `RTP/AVP` with keys included (RFC 8643).
    Optional,
    /// Always: who offers no key is refused.
    Required,
    /// Always, and with keys from DTLS: who offers others is refused.
    Dtls,
}

/// Master key and salt of one direction. Its `Debug` hides them.
#[derive(Clone, Eq, PartialEq)]
pub struct CryptoKey(Vec<u8>);

impl CryptoKey {
    /// Key and salt, one after the other.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for CryptoKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CryptoKey(_)")
    }
}

/// Our keys of one dialog: one of its own for each suite, so that none is ever used with two. Its `Debug` hides them.
#[derive(Clone, Eq, PartialEq)]
pub struct LocalKeys([u8; KEYS]);

impl LocalKeys {
    /// Random ones; `fill` gets the room for them, and must be fit for keys.
    pub fn new(fill: impl FnOnce(&mut [u8])) -> Self {
        let mut octets = [0; KEYS];
        fill(&mut octets);
        Self(octets)
    }

    fn of(&self, suite: CryptoSuite) -> CryptoKey {
        let before = SUITES.iter().take_while(|row| row.suite != suite).map(|row| row.length).sum();
        CryptoKey(self.0[before..][..suite.row().length].to_vec())
    }
}

impl fmt::Debug for LocalKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LocalKeys(_)")
    }
}

/// What offer and answer agreed on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Crypto {
    /// The profile was RTP/SAVP: a later description without keys is not one of this stream.
    pub mandatory: bool,
    /// Which of the lines of the offer it is.
    pub tag: u32,
    /// Both ways.
    pub suite: CryptoSuite,
    /// Of what we send.
    pub local: CryptoKey,
    /// Of what we receive.
    pub remote: CryptoKey,
}

/// A line of a peer that we can use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CryptoLine {
    tag: u32,
    suite: CryptoSuite,
    key: CryptoKey,
}

impl CryptoLine {
    /// `1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^31 WSH=64`. A line is left out when we lack its suite, when its key is not as long as the
    /// suite's, or when it wants what we do not do: several keys, a key identifier in each packet, no encryption or no authentication.
    pub(super) fn read(value: &str) -> Option<Self> {
        let mut words = value.split_whitespace();
        let tag = words.next()?.parse().ok()?;
        let name = words.next()?;
        let row = SUITES.iter().find(|row| row.name.eq_ignore_ascii_case(name))?;
        let parameters = words.next()?;
        if parameters.contains(';') || !words.all(is_harmless) {
            return None;
        }
        let (method, info) = parameters.split_once(':')?;
        let mut parts = info.split('|');
        let key = BASE64.decode(parts.next()?).ok()?;
        // After the key may come its lifetime, which no call outlives, and `MKI:LENGTH`.
        let plain = parts.all(|part| !part.contains(':'));
        let usable = method.eq_ignore_ascii_case("inline") && plain && key.len() == row.length;
        usable.then_some(Self { tag, suite: row.suite, key: CryptoKey(key) })
    }
}

/// Peers pad their keys or do not.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// A session parameter that changes nothing: a window's size is a hint, and one with a minus may be passed over (RFC 4568 §6.3.7).
fn is_harmless(parameter: &str) -> bool {
    let name = parameter.split('=').next().unwrap_or_default();
    name.starts_with('-') || name.eq_ignore_ascii_case("WSH") || parameter.eq_ignore_ascii_case("KDR=0")
}

/// What a media line and our policy come to: keys, or none.
///
/// # Errors
/// `NoAudio` for a profile that we do not take, `NoCommonCrypto` when one side wants encryption and the other cannot.
pub(super) fn choose(media: &Media, policy: SrtpPolicy, keys: &LocalKeys) -> Result<Option<Crypto>, SdpError> {
    let secure = match media.protocol.as_str() {
        "RTP/AVP" | "RTP/AVPF" => false,
        "RTP/SAVP" | "RTP/SAVPF" if policy != SrtpPolicy::Off => true,
        _ => return Err(SdpError::NoAudio),
    };
    if policy == SrtpPolicy::Dtls {
        return Err(SdpError::NoCommonCrypto);
    }
    let line = media.crypto.first().filter(|_| policy != SrtpPolicy::Off);
    if line.is_none() && (secure || policy == SrtpPolicy::Required) {
        return Err(SdpError::NoCommonCrypto);
    }
    Ok(line.map(|CryptoLine { tag, suite, key }| Crypto {
        mandatory: secure,
        tag: *tag,
        suite: *suite,
        local: keys.of(*suite),
        remote: key.clone(),
    }))
}

/// Profile and `a=crypto` lines of our offer.
pub(super) fn offer(policy: SrtpPolicy, keys: &LocalKeys) -> (&'static str, String) {
    let profile = if policy == SrtpPolicy::Required { "RTP/SAVP" } else { "RTP/AVP" };
    if policy == SrtpPolicy::Off {
        return (profile, String::new());
    }
    let line = |(row, tag): (&SuiteRow, u32)| line(tag, row.suite, &keys.of(row.suite));
    (profile, SUITES.iter().zip(1..).map(line).collect())
}

/// The `a=crypto` line of our answer.
pub(super) fn answer(crypto: &Crypto) -> String {
    line(crypto.tag, crypto.suite, &crypto.local)
}

fn line(tag: u32, suite: CryptoSuite, key: &CryptoKey) -> String {
    format!("a=crypto:{tag} {} inline:{}\r\n", suite.row().name, BASE64.encode(&key.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    fn check(value: &str, expected: Option<(u32, CryptoSuite)>) {
        assert_eq!(CryptoLine::read(value).map(|line| (line.tag, line.suite)), expected, "{value}");
    }

    #[test]
    fn lines_are_read_with_what_changes_nothing() {
        let aes = Some((1, CryptoSuite::AesCm128Sha1_80));
        check(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"), aes);
        check(&format!("1 aes_cm_128_hmac_sha1_80 INLINE:{KEY}|2^31 WSH=64 -X=1 KDR=0"), aes);
        check(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1048576"), aes);
        check(&format!("12 AES_CM_128_HMAC_SHA1_32 inline:{KEY}"), Some((12, CryptoSuite::AesCm128Sha1_32)));
        for padding in ["", "="] {
            check(&format!("2 AEAD_AES_256_GCM inline:{}{padding}", "A".repeat(59)), Some((2, CryptoSuite::AeadAes256Gcm)));
            check(
                &format!("3 AEAD_AES_128_GCM inline:{}{padding}{padding}", "A".repeat(38)),
                Some((3, CryptoSuite::AeadAes128Gcm)),
            );
        }
    }

    #[test]
    fn lines_that_want_more_are_left_out() {
        for value in [
            "".to_owned(),
            "1".to_owned(),
            "x AES_CM_128_HMAC_SHA1_80 inline:".to_owned(),
            format!("1 F8_128_HMAC_SHA1_80 inline:{KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 uri:{KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}A"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY};inline:{KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNENCRYPTED_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} UNAUTHENTICATED_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY} KDR=12"),
            format!("1 AEAD_AES_128_GCM inline:{KEY}"),
        ] {
            check(&value, None);
        }
    }

    #[test]
    fn each_suite_has_a_key_of_its_own_and_none_is_shown() {
        let keys = LocalKeys::new(|room| room.iter_mut().zip(0..).for_each(|(octet, number)| *octet = number));
        let mut all: Vec<u8> = SUITES.iter().flat_map(|row| keys.of(row.suite).0).collect();
        let count = all.len();
        all.dedup();
        assert_eq!((count, all.len()), (KEYS, KEYS));
        let line = CryptoLine::read(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}")).unwrap();
        let text = format!("{keys:?} {line:?}");
        assert_eq!(text, "LocalKeys(_) CryptoLine { tag: 1, suite: AesCm128Sha1_80, key: CryptoKey(_) }");
    }
}
