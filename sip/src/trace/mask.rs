//! Takes out of a message what nobody but its peers may know: keys of the audio, answers to challenges, keys that were pressed.

/// What stands in the place of each byte that is taken out.
const MASK: u8 = b'x';

/// Headers whose values prove a password. What they name (realm, nonce, user) stays, since that is what goes wrong.
const PROOFS: [&[u8]; 2] = [b"authorization", b"proxy-authorization"];

/// Attributes and lines of SDP that are keys, up to where the key begins.
const KEYS: [&[u8]; 4] = [b"a=crypto:", b"a=ice-pwd:", b"a=key-mgmt:", b"k="];

/// The message with its secrets overwritten, byte by byte, so that lengths stay true. What is no message stays as it is, but for keys.
pub fn masked(message: &[u8]) -> Vec<u8> {
    let mut masked = message.to_vec();
    let head = message.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(message.len(), |end| end + 4);
    let (head, body) = masked.split_at_mut(head);
    mask_head(head);
    let digits = has_digits(head);
    for line in body.split_mut(|&byte| byte == b'\n') {
        mask_line(line, digits);
    }
    masked
}

fn mask_head(head: &mut [u8]) {
    let mut proof = false;
    for line in head.split_mut(|&byte| byte == b'\n') {
        // A line that begins with a blank goes on with the header before it.
        let folded = line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'));
        if !folded {
            let colon = line.iter().position(|&byte| byte == b':').unwrap_or(0);
            let name = line[..colon].trim_ascii();
            proof = PROOFS.iter().any(|known| name.eq_ignore_ascii_case(known));
        }
        if proof {
            mask_value(line, b"response=");
            mask_value(line, b"basic ");
            mask_value(line, b"bearer ");
        }
    }
}

/// Whether the body is a key that somebody pressed.
fn has_digits(head: &[u8]) -> bool {
    head.split(|&byte| byte == b'\n').any(|line| {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { return false };
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        let named = name.eq_ignore_ascii_case(b"content-type") || name.eq_ignore_ascii_case(b"c");
        named && value.to_ascii_lowercase().starts_with(b"application/dtmf")
    })
}

fn mask_line(line: &mut [u8], digits: bool) {
    if digits {
        match find(line, b"signal=") {
            Some(at) => hide(&mut line[at..]),
            None if find(line, b"duration=").is_none() => hide(line),
            None => {}
        }
        return;
    }
    let Some(known) = KEYS.iter().find(|known| line.len() >= known.len() && line[..known.len()].eq_ignore_ascii_case(known))
    else {
        return;
    };
    // The number and the suite of `a=crypto` say what was negotiated.
    let begin = find(line, b"inline:").unwrap_or(known.len());
    hide(&mut line[begin..]);
}

/// Where what follows `name` begins, in any case.
fn find(line: &[u8], name: &[u8]) -> Option<usize> {
    Some(line.windows(name.len()).position(|bytes| bytes.eq_ignore_ascii_case(name))? + name.len())
}

/// Overwrites the value of a parameter.
fn mask_value(line: &mut [u8], name: &[u8]) {
    if let Some(begin) = find(line, name) {
        let rest = &mut line[begin..];
        let quoted = usize::from(rest.first() == Some(&b'"'));
        let ends = |byte: &u8| if quoted == 1 { *byte == b'"' } else { matches!(byte, b',' | b'\r') };
        let end = rest[quoted..].iter().position(ends).map_or(rest.len(), |end| end + quoted);
        rest[quoted..end].fill(MASK);
    }
}

fn hide(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| !byte.is_ascii_whitespace()).for_each(|byte| *byte = MASK);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, body: &str, expected: &str) {
        let message = format!("INVITE sip:a SIP/2.0\r\n{head}\r\n{body}");
        let shown = String::from_utf8(masked(message.as_bytes())).unwrap();
        assert_eq!(shown.len(), message.len());
        assert_eq!(shown.strip_prefix("INVITE sip:a SIP/2.0\r\n").unwrap().replace("\r\n", "|"), expected);
    }

    #[test]
    fn keys_of_the_audio_are_taken_out_and_their_suites_stay() {
        check(
            "",
            "m=audio 9 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc+/=|2^20\r\na=ICE-PWD:secret\r\nk=clear:no\r\na=ptime:20\r\n",
            "|m=audio 9 RTP/SAVP 0|a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:xxxxxxxxxxx|a=ICE-PWD:xxxxxx|k=xxxxxxxx|a=ptime:20|",
        );
    }

    #[test]
    fn answers_to_challenges_are_taken_out_and_what_they_answer_stays() {
        check(
            "Authorization: Digest username=\"u\", nonce=\"n\", response=\"0123ab\", nc=00000001\r\n",
            "",
            "Authorization: Digest username=\"u\", nonce=\"n\", response=\"xxxxxx\", nc=00000001||",
        );
        check(
            "PROXY-authorization : Digest realm=\"r\",\r\n response=abc,qop=auth\r\n",
            "",
            "PROXY-authorization : Digest realm=\"r\",| response=xxx,qop=auth||",
        );
        check("Authorization: Basic dTpw\r\n", "", "Authorization: Basic xxxx||");
        check("Subject: response=\"mine\"\r\n", "", "Subject: response=\"mine\"||");
    }

    #[test]
    fn pressed_keys_are_taken_out() {
        check(
            "Content-Type: application/dtmf-relay\r\n",
            "Signal=5\r\nDuration=160\r\n",
            "Content-Type: application/dtmf-relay||Signal=x|Duration=160|",
        );
        check("c: Application/DTMF\r\n", "12#", "c: Application/DTMF||xxx");
    }

    #[test]
    fn anything_is_taken() {
        assert_eq!(masked(b""), b"");
        assert_eq!(masked(b"\r\n\r\na=crypto:"), b"\r\n\r\na=crypto:");
        assert_eq!(masked(b"authorization:response="), b"authorization:response=");
        assert_eq!(masked(&[0xff, 0, b'\n', b':']), [0xff, 0, b'\n', b':']);
    }
}
