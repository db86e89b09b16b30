//! Comma-separated values (RFC 4180) as spreadsheets write them: with commas, semicolons or tabs, quotes, and any kind of line end.

/// A row and the line on which it begins, from 1.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    /// The line: a quoted field may hold line ends.
    pub line: u32,
    /// Its fields, without quotes and without the spaces around them.
    pub fields: Vec<String>,
}

/// Why a text cannot be read, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct NotCsv {
    /// The line.
    pub line: u32,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Reads rows; empty ones are left out. What separates fields is found in the first line.
///
/// # Errors
/// The first place that cannot be read.
pub fn rows(text: &str, rows_max: usize) -> Result<Vec<Row>, NotCsv> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { separator: separator(text), line: 1, row: Row { line: 1, fields: Vec::new() }, rows: Vec::new() };
    let mut letters = text.chars().peekable();
    let mut field = String::new();
    let mut state = State::Begin;
    while let Some(letter) = letters.next() {
        let ends_line = letter == '\n' || (letter == '\r' && letters.peek() != Some(&'\n'));
        if reader.rows.len() > rows_max {
            return Err(NotCsv { line: reader.line, reason: "there are more rows than a list may have" });
        }
        match (state, letter) {
            (State::Quoted, '"') if letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            (State::Quoted, '"') => state = State::Closed,
            (State::Quoted, _) => field.push(letter),
            (State::Begin, '"') if field.trim().is_empty() => {
                field.clear();
                state = State::Quoted;
            }
            (_, '\r') if !ends_line => {}
            (_, letter) if letter == reader.separator || ends_line => {
                reader.field(&mut field, state);
                state = State::Begin;
                if ends_line {
                    reader.end_row();
                }
            }
            (State::Closed, letter) if letter.is_whitespace() => {}
            (State::Closed, _) => return Err(NotCsv { line: reader.line, reason: "has text behind a closing quote" }),
            (State::Begin | State::Plain, _) => {
                field.push(letter);
                state = if field.trim().is_empty() { State::Begin } else { State::Plain };
            }
        }
        if ends_line {
            reader.line += 1;
            if state == State::Begin && reader.row.fields.is_empty() {
                reader.row.line = reader.line;
            }
        }
    }
    if state == State::Quoted {
        return Err(NotCsv { line: reader.row.line, reason: "has a quote that is never closed" });
    }
    reader.field(&mut field, state);
    reader.end_row();
    Ok(reader.rows)
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum State {
    /// Nothing of the field was read but spaces.
    Begin,
    Plain,
    Quoted,
    /// Behind its closing quote.
    Closed,
}

struct Reader {
    separator: char,
    line: u32,
    row: Row,
    rows: Vec<Row>,
}

impl Reader {
    fn field(&mut self, field: &mut String, state: State) {
        let taken = std::mem::take(field);
        self.row.fields.push(if state == State::Closed { taken } else { taken.trim().to_owned() });
    }

    fn end_row(&mut self) {
        let row = std::mem::replace(&mut self.row, Row { line: self.line + 1, fields: Vec::new() });
        if row.fields.iter().any(|field| !field.is_empty()) {
            self.rows.push(row);
        }
    }
}

/// What the first line has most of.
fn separator(text: &str) -> char {
    let first = text.lines().next().unwrap_or_default();
    let count = |letter: char| first.matches(letter).count();
    [',', ';', '\t'].into_iter().rev().max_by_key(|letter| count(*letter)).unwrap_or(',')
}

/// A field as it is written: in quotes where it must be. One that a spreadsheet would take for a formula gets an apostrophe before it.
#[must_use]
pub fn escaped(field: &str) -> String {
    let field =
        if field.starts_with(['=', '@', '\t', '\r']) || is_formula(field) { format!("'{field}") } else { field.to_owned() };
    match field.contains([',', '"', '\n', '\r', ';']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field,
    }
}

/// `+1+cmd|...` is one, `+4930123` is a number.
fn is_formula(field: &str) -> bool {
    field.strip_prefix(['+', '-']).is_some_and(|rest| !rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let told = match rows(text, 3) {
            Ok(rows) => rows.iter().map(|row| format!("{}:{}", row.line, row.fields.join("|"))).collect::<Vec<_>>().join(" / "),
            Err(error) => error.to_string(),
        };
        assert_eq!(told, expected, "{text:?}");
    }

    #[test]
    fn spreadsheets_are_read_with_their_lines() {
        check(
            "phone,name\r\n+49301,Ann\r\n\r\n+49302, \"Bob \"\"B\"\" \" \n",
            "1:phone|name / 2:+49301|Ann / 4:+49302|Bob \"B\" ",
        );
        check("\u{feff}phone;name;note\n1;\"a;b\nc\";x\n2;b;y", "1:phone|name|note / 2:1|a;b\nc|x / 4:2|b|y");
        check("phone\tname\r1\tAnn\r", "1:phone|name / 2:1|Ann");
        check("", "");
        check("\n\n,,\n", "");
        check("a\n1\n2\n3\n4\n", "line 5: there are more rows than a list may have");
    }

    #[test]
    fn what_is_broken_is_named_by_its_line() {
        check("a,b\n1,\"x", "line 2: has a quote that is never closed");
        check("a,b\n1,\"x\"y", "line 2: has text behind a closing quote");
        check("a,b\n1,x\"y\"", "1:a|b / 2:1|x\"y\"");
    }

    #[test]
    fn what_is_written_is_read_again_and_is_no_formula() {
        let fields = ["a,b", "say \"x\"\nnow", "+4930123", "=HYPERLINK(1)", "@x", "-1+cmd", "plain"];
        let line = fields.map(escaped).join(",");
        let read = rows(&line, 1).expect("it is CSV").remove(0).fields;
        assert_eq!(read, ["a,b", "say \"x\"\nnow", "+4930123", "'=HYPERLINK(1)", "'@x", "'-1+cmd", "plain"]);
    }
}
