//! Text without its Markdown and emoji. A piece of speech may hold half of a pair, so marks go one by one.

/// The plain text of a piece.
pub(super) fn plain(text: &str) -> String {
    let lines = text.lines().filter(|line| !is_rule(line)).map(line_of);
    let joined: Vec<String> = lines.filter(|line| !line.trim().is_empty()).collect();
    links(&joined.join("\n")).chars().filter(|c| !is_picture(*c)).collect()
}

/// A fence, a ruler, or the line under a table's head.
fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("```") || (line.len() >= 3 && line.chars().all(|c| matches!(c, '-' | '*' | '_' | '|' | ':' | ' ' | '=')))
}

fn line_of(line: &str) -> String {
    let mut line = line.trim();
    let heading = line.trim_start_matches('#');
    if heading.len() < line.len() && heading.starts_with(' ') {
        line = heading.trim_start();
    }
    line = line.strip_prefix("> ").unwrap_or(line);
    for bullet in ["- [ ] ", "- [x] ", "- ", "* ", "+ ", "• "] {
        if let Some(rest) = line.strip_prefix(bullet) {
            line = rest;
            break;
        }
    }
    let cells = line.trim_matches('|');
    let line =
        if cells.len() < line.len() { cells.split('|').map(str::trim).collect::<Vec<_>>().join(", ") } else { line.to_owned() };
    emphasis(&line)
}

/// Without stars, backticks, tildes in pairs, and underscores around words.
fn emphasis(line: &str) -> String {
    let chars: Vec<char> = line.chars().collect();
    let mut out = String::with_capacity(line.len());
    for (index, &c) in chars.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| chars[index]);
        let after = chars.get(index + 1).copied();
        let spaced = |side: Option<char>| side.is_none_or(|c| !c.is_alphanumeric());
        let drop = match c {
            '`' => true,
            // Between numbers it multiplies.
            '*' => !(before.is_some_and(char::is_whitespace) && after.is_some_and(char::is_whitespace)),
            '~' => before == Some('~') || after == Some('~'),
            '_' => spaced(before) || spaced(after),
            _ => false,
        };
        if !drop {
            out.push(c);
        }
    }
    out
}

/// `[text](url)` as its text, `![text](url)` too.
fn links(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('[') {
        let found = rest[open..].find("](").and_then(|middle| {
            let close = rest[open + middle..].find(')')?;
            Some((open + middle, open + middle + close))
        });
        let Some((middle, close)) = found else { break };
        out.push_str(rest[..open].trim_end_matches('!'));
        out.push_str(&rest[open + 1..middle]);
        rest = &rest[close + 1..];
    }
    out.push_str(rest);
    out
}

/// Emoji, arrows, and what joins them.
fn is_picture(c: char) -> bool {
    matches!(
        u32::from(c),
        0x2190..=0x21FF | 0x2300..=0x23FF | 0x2460..=0x24FF | 0x25A0..=0x27BF | 0x2900..=0x297F | 0x2B00..=0x2BFF
            | 0xFE00..=0xFE0F | 0x200D | 0x20E3 | 0x1F000..=0x1FAFF | 0xE0020..=0xE007F
    )
}
