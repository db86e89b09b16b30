//! How much of a text was heard, when a share of its audio was.

/// The words of `text` that fit in `part` of `whole`, whole words only. The audio's share is taken for the words' share, which
/// is right to a word or two in steady speech.
pub(crate) fn words_within(text: &str, part: u128, whole: u128) -> &str {
    if part >= whole {
        return text;
    }
    let bytes = text.len() as u128 * part / whole;
    let end = text.floor_char_boundary(bytes as usize);
    if text[end..].starts_with(char::is_whitespace) {
        return &text[..end];
    }
    match text[..end].rfind(char::is_whitespace) {
        Some(end) => text[..end].trim_end(),
        // Scripts that write no spaces are cut between characters.
        None if !text.is_ascii() && !text.contains(char::is_whitespace) => &text[..end],
        None => "",
    }
}
