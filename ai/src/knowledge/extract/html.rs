//! HTML by the tokenizer of browsers, so that any bytes give something: what people read of it, without a tree.

use std::cell::RefCell;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{BufferQueue, EndTag, StartTag, Tag, Token, TokenSink, TokenSinkResult, Tokenizer};

use super::charset::parameter;
use super::{Block, Builder};

/// Elements whose content is not read by people, or stands on every page of a site.
const SKIPPED: &[&str] = &["script", "style", "noscript", "template", "svg", "iframe", "nav", "head", "form", "button", "select"];

/// Elements within a line; the tags of all others end a paragraph.
const INLINE: &[&str] = &[
    "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img", "ins", "kbd", "label",
    "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
];

pub(super) fn blocks(text: &str) -> Vec<Block> {
    let tokenizer = Tokenizer::new(Reading::default(), html5ever::tokenizer::TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(text));
    // Scripts are never handed back, so one round reads it all.
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.0.into_inner().builder.finish()
}

/// The encoding that a `meta` element within `head` names, the first one.
pub(super) fn charset(head: &str) -> Option<String> {
    let tokenizer = Tokenizer::new(Looking::default(), html5ever::tokenizer::TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(head));
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink.0.into_inner()
}

#[derive(Default)]
struct Looking(RefCell<Option<String>>);

impl TokenSink for Looking {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let Token::TagToken(tag) = token else { return TokenSinkResult::Continue };
        if &*tag.name == "meta" && tag.kind == StartTag && self.0.borrow().is_none() {
            let of =
                |wanted: &str| tag.attrs.iter().find(|attribute| &*attribute.name.local == wanted).map(|found| &*found.value);
            let stands_for = of("http-equiv").is_some_and(|header| header.eq_ignore_ascii_case("content-type"));
            let named = of("charset").map(|label| label.trim().to_owned());
            *self.0.borrow_mut() = named.or_else(|| of("content").filter(|_| stands_for).and_then(parameter));
        }
        raw(&tag)
    }
}

#[derive(Default)]
struct Reading(RefCell<State>);

#[derive(Default)]
struct State {
    builder: Builder,
    /// The skipped element that is open, and how often it is within itself.
    skipped: Option<(String, usize)>,
}

impl TokenSink for Reading {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut state = self.0.borrow_mut();
        match token {
            Token::CharacterTokens(text) if state.skipped.is_none() => state.builder.push(&text),
            Token::TagToken(tag) => return state.tag(&tag),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

impl State {
    fn tag(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let name = &*tag.name;
        match (&mut self.skipped, tag.kind) {
            (Some((open, depth)), kind) => {
                if open == name {
                    *depth = if kind == StartTag { *depth + 1 } else { *depth - 1 };
                    let closed = *depth == 0;
                    if closed {
                        self.skipped = None;
                    }
                } else if open == "head" && name == "body" {
                    // Its end tag may be left out.
                    self.skipped = None;
                }
            }
            (None, StartTag) if SKIPPED.contains(&name) && !tag.self_closing => {
                self.builder.end();
                self.skipped = Some((name.to_owned(), 1));
            }
            (None, kind) => self.read(name, kind == EndTag),
        }
        raw(tag)
    }

    fn read(&mut self, name: &str, end: bool) {
        match name {
            "br" => self.builder.push(" "),
            "td" | "th" if end => self.builder.push(" "),
            "td" | "th" => {}
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                let level = name.as_bytes()[1] - b'0';
                self.builder.begin(Some(level).filter(|_| !end));
            }
            // What people left unclosed within a heading must not make headings of the rest.
            _ if !INLINE.contains(&name) => self.builder.begin(None),
            _ => {}
        }
    }
}

/// How the tokenizer reads on after `tag`: a script is no markup.
fn raw(tag: &Tag) -> TokenSinkResult<()> {
    match &*tag.name {
        _ if tag.kind == EndTag => TokenSinkResult::Continue,
        "script" => TokenSinkResult::RawData(RawKind::ScriptData),
        "style" | "noscript" | "iframe" | "xmp" | "noembed" | "noframes" => TokenSinkResult::RawData(RawKind::Rawtext),
        "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
        _ => TokenSinkResult::Continue,
    }
}
