//! The second factor: codes of an authenticator (RFC 6238: SHA-1, 6 digits, 30 s), and codes for when it is lost.

use store::{Act, Hidden, User};
use totp_rs::{Builder, Secret, Totp};

use super::{People, Refused, letters};

/// How many recovery codes there are; each works once.
pub const RECOVERY_CODES: usize = 10;
/// A code is taken one step of 30 s before and after its own: clocks differ.
const SKEW: u16 = 1;

/// What an authenticator is told.
#[derive(Clone, Debug)]
pub struct Enrolment {
    /// The secret in base32, to be typed.
    pub secret: Hidden,
    /// The same as an `otpauth://` address, to be shown as a QR code.
    pub url: Hidden,
}

impl People {
    /// Begins to set up an authenticator for a user; nothing asks for it until it has shown a code.
    ///
    /// # Errors
    /// [`Refused::SecondFactor`] when one is in use, or the store's.
    pub async fn enroll(&self, user: &User) -> Result<Enrolment, Refused> {
        let totp = totp(letters::bytes::<20>().to_vec(), &user.email);
        let secret = Hidden::new(totp.secret().to_base32());
        if !self.store().begin_mfa(&user.organization, user.id, &secret).await? {
            return Err(Refused::SecondFactor("an authenticator is in use already: end that one first"));
        }
        let url = totp.to_url().map_err(|_| Refused::SecondFactor("the e-mail address cannot be shown to an authenticator"))?;
        Ok(Enrolment { secret, url: Hidden::new(url) })
    }

    /// Has codes asked for from now on, when this one fits. Answers the recovery codes, which are nowhere else.
    ///
    /// # Errors
    /// [`Refused::Wrong`], [`Refused::SecondFactor`] when none was begun or one is in use, or the store's.
    pub async fn confirm(&self, user: &User, code: &str, act: &Act<'_>) -> Result<Vec<String>, Refused> {
        let begun = user.mfa_secret.as_ref().filter(|_| !user.mfa_enabled);
        let secret = begun.ok_or(Refused::SecondFactor("begin with /auth/mfa/enroll"))?;
        let step = step_of(secret, user, code, act).ok_or(Refused::Wrong)?;
        let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| letters::recovery_code()).collect();
        let hashes: Vec<Hidden> = codes.iter().map(|code| letters::hash(code)).collect();
        match self.store().enable_mfa(&user.organization, user.id, step, &hashes, act).await? {
            true => Ok(codes),
            false => Err(Refused::SecondFactor("an authenticator is in use already")),
        }
    }

    /// Takes a code of the authenticator, or a recovery code; each once.
    ///
    /// # Errors
    /// [`Refused::Wrong`], or the store's.
    pub(super) async fn take_code(&self, user: &User, code: &str, act: &Act<'_>) -> Result<(), Refused> {
        let code = code.trim();
        let step = user.mfa_secret.as_ref().and_then(|secret| step_of(secret, user, code, act));
        let taken = match step {
            Some(step) => self.store().use_mfa_step(&user.organization, user.id, step).await?,
            None => {
                let hash = letters::hash(&code.to_lowercase());
                self.store().use_recovery_code(&user.organization, user.id, &hash, act).await?
            }
        };
        if taken { Ok(()) } else { Err(Refused::Wrong) }
    }
}

fn step_of(secret: &Hidden, user: &User, code: &str, act: &Act<'_>) -> Option<u64> {
    let secret = Secret::try_from_base32(secret.expose()).ok()?;
    let seconds = u64::try_from(act.at.micros() / 1_000_000).ok()?;
    totp(secret.as_ref().to_vec(), &user.email).check(code, seconds)
}

fn totp(secret: Vec<u8>, email: &str) -> Totp {
    let builder = Builder::new().with_secret(secret).with_skew(SKEW).with_issuer(Some("Offhook"));
    builder.with_account_name(email.replace(':', "_")).build_noncompliant()
}
