//! An e-mail address that a caller says: written down, checked, spelled back, confirmed. The tool `collect_email`.

use serde_json::json;

use super::{ToolError, ToolOutcome};

/// The longest address (RFC 5321 §4.5.3.1.3), in bytes.
const MAX_ADDRESS: usize = 254;

/// The longest part before the `@` (RFC 5321 §4.5.3.1.1), in bytes.
const MAX_LOCAL: usize = 64;

/// The address that was spelled back and waits for the caller's yes.
#[derive(Debug, Default)]
pub struct EmailDesk {
    spelled: Option<String>,
    /// The caller has said something since.
    answered: bool,
}

impl EmailDesk {
    /// The caller said something, or pressed a key: a yes perhaps.
    pub fn caller_answered(&mut self) {
        self.answered = true;
    }

    /// The model understood an address, or the caller has confirmed it. Only an address that was spelled back can be confirmed, and only
    /// after the caller had a turn: a model that answers its own question has asked nobody.
    pub fn handle(&mut self, heard: &str, confirmed: bool) -> ToolOutcome {
        let address = match read_address(heard) {
            Ok(address) => address,
            Err(error) => return error.into(),
        };
        let answered = std::mem::take(&mut self.answered);
        if confirmed && answered && self.spelled.as_deref() == Some(&address) {
            self.spelled = None;
            return ToolOutcome::ok(json!({ "ok": true, "email": address, "confirmed": true }).to_string());
        }
        let output = json!({
            "ok": true,
            "email": address,
            "confirmed": false,
            "spell_back": spell(&address),
            "next": "Spell this back to the caller and ask whether it is right. If so, call collect_email again with the same \
                     email and confirmed true; if not, ask for the part that is wrong.",
        });
        self.spelled = Some(address);
        ToolOutcome::ok(output.to_string())
    }
}

/// An address as it is written, from one as it may have been said: `john dot smith at example dot com`. Letters are small: no
/// caller says which are capitals, and no provider tells them apart.
///
/// # Errors
/// [`ToolError::Argument`]: what is wrong with it.
pub fn read_address(heard: &str) -> Result<String, ToolError> {
    let wrong = |reason| ToolError::Argument { name: "email", reason };
    let mut address = String::new();
    for word in heard.to_lowercase().split_whitespace() {
        address.push_str(match word {
            "at" => "@",
            "dot" | "point" | "period" => ".",
            "dash" | "hyphen" | "minus" => "-",
            "underscore" => "_",
            "plus" => "+",
            word => word,
        });
    }
    let address = address.trim_end_matches('.');
    if address.len() > MAX_ADDRESS {
        return Err(wrong("must have at most 254 bytes"));
    }
    let (local, domain) = address.rsplit_once('@').ok_or_else(|| wrong("must have an @ (\"at\") in it"))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
    let dotted = local.split('.').all(|part| !part.is_empty());
    if local.len() > MAX_LOCAL || !dotted || !local.bytes().all(plain) {
        return Err(wrong("must have 1 to 64 letters, digits or signs before the @, and no dot first, last or twice"));
    }
    let labels: Vec<&str> = domain.split('.').collect();
    let good = |label: &&str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        inner && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let top = labels.last().is_some_and(|top| top.len() >= 2 && !top.bytes().all(|byte| byte.is_ascii_digit()));
    if labels.len() < 2 || !labels.iter().all(good) || !top {
        return Err(wrong("must end in a domain, as example.com"));
    }
    Ok(address.to_owned())
}

/// Letter by letter, signs by name; the domain's words are said whole.
fn spell(address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let mut spelled: Vec<String> = local.chars().map(said).collect();
    spelled.push("at".to_owned());
    for (index, label) in domain.split('.').enumerate() {
        if index > 0 {
            spelled.push("dot".to_owned());
        }
        spelled.push(label.replace('-', " dash "));
    }
    spelled.join(", ")
}

fn said(letter: char) -> String {
    match letter {
        '.' => "dot".to_owned(),
        '-' => "dash".to_owned(),
        '_' => "underscore".to_owned(),
        '+' => "plus".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(heard: &str, expected: &str) {
        assert_eq!(read_address(heard).unwrap_or_else(|error| error.to_string()), expected, "{heard}");
    }

    #[test]
    fn addresses_are_read_as_they_are_said() {
        check("john dot smith at example dot com", "john.smith@example.com");
        check("J O H N underscore 5 at mail dash box dot co dot uk", "john_5@mail-box.co.uk");
        check("Ann+news@Example.com.", "ann+news@example.com");
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        let local = "argument email: must have 1 to 64 letters, digits or signs before the @, and no dot first, last or twice";
        let domain = "argument email: must end in a domain, as example.com";
        check("example.com", "argument email: must have an @ (\"at\") in it");
        for heard in
            ["@example.com", ".a@example.com", "a..b@example.com", "a\"b@example.com", "zoë@example.com", "a@b@example.com"]
        {
            check(heard, local);
        }
        for heard in ["a@", "a@localhost", "a@-x.com", "a@example.c", "a@1.2.3.44", "a@exa_mple.com"] {
            check(heard, domain);
        }
        check(&format!("a@{}.com", "x".repeat(260)), "argument email: must have at most 254 bytes");
    }

    #[test]
    fn only_what_was_spelled_back_is_confirmed() {
        let mut desk = EmailDesk::default();
        let told = |outcome: ToolOutcome| outcome.output.into_string();
        assert!(told(desk.handle("ann at example dot com", true)).contains(r#""confirmed":false"#), "not before it was spelled");
        let other = told(desk.handle("a.n-n@mail-box.example.com", false));
        assert!(other.contains(r#""spell_back":"a, dot, n, dash, n, at, mail dash box, dot, example, dot, com""#), "{other}");
        assert!(told(desk.handle("ann@example.com", true)).contains(r#""confirmed":false"#), "another than was spelled");
        assert!(told(desk.handle("ann@example.com", true)).contains(r#""confirmed":false"#), "nobody was asked");
        desk.caller_answered();
        let confirmed = told(desk.handle("Ann at example dot com", true));
        assert_eq!(confirmed, r#"{"confirmed":true,"email":"ann@example.com","ok":true}"#);
    }
}
