//! What the agent says, piece by piece, and how much of it was heard.

use std::collections::VecDeque;
use std::time::Duration;

use media::sendout::PromptId;

use crate::heard::words_within;
use crate::synthesizer::SpeechId;

/// Prompts waiting to be heard. When full, the oldest is forgotten, as if never heard.
const MAX_PROMPTS: usize = 32;

/// Marks of one piece: a character each of the longest piece.
const MAX_MARKS: usize = 1_024;

/// How long a character takes to say: 15 a second. For pieces whose end is not there yet.
const A_CHARACTER: Duration = Duration::from_millis(65);

/// A piece of a prompt.
struct Span {
    speech: SpeechId,
    /// As the model wrote it.
    text: String,
    /// How long that is as it is spoken, in bytes.
    spoken: usize,
    /// Audio given out.
    length: Duration,
    /// All of it was given out.
    whole: bool,
    /// From when on how many bytes of the spoken text were said, by the provider.
    marks: Vec<(Duration, usize)>,
}

impl Span {
    /// The words that were heard when `heard` of the audio was.
    fn heard(&self, heard: Duration) -> &str {
        if heard.is_zero() {
            return "";
        }
        if self.whole && heard >= self.length {
            return &self.text;
        }
        if self.marks.is_empty() {
            let guess = A_CHARACTER * u32::try_from(self.text.chars().count()).unwrap_or(u32::MAX);
            let length = if self.whole { self.length } else { self.length.max(guess) };
            return words_within(&self.text, heard.as_millis(), length.as_millis());
        }
        // What has begun counts as said: a word or a character is short.
        let begun = self.marks.iter().filter(|(at, _)| *at <= heard).count();
        let said = begun.checked_sub(1).map_or(0, |last| self.marks[last].1);
        words_within(&self.text, said as u128, self.spoken as u128)
    }
}

/// One prompt, from its first audio until it was heard or cut.
pub(super) struct Prompt {
    pub(super) id: PromptId,
    spans: Vec<Span>,
    /// Whether its end was told.
    pub(super) ended: bool,
}

impl Prompt {
    /// All its words.
    pub(super) fn text(&self) -> String {
        self.spans.iter().map(|span| span.text.as_str()).collect::<String>().trim().to_owned()
    }

    /// The words that were heard.
    pub(super) fn heard(&self, heard: Duration) -> String {
        let mut text = String::new();
        let mut left = heard;
        for span in &self.spans {
            text.push_str(span.heard(left));
            left = match left.checked_sub(span.length) {
                Some(left) if span.whole => left,
                _ => break,
            };
        }
        text.trim().to_owned()
    }
}

/// Prompts in the order they are heard.
#[derive(Default)]
pub(super) struct Said {
    prompts: VecDeque<Prompt>,
}

impl Said {
    fn begin(&mut self, id: PromptId) {
        if self.get(id).is_some() {
            return;
        }
        if self.prompts.len() == MAX_PROMPTS {
            self.prompts.pop_front();
        }
        self.prompts.push_back(Prompt { id, spans: Vec::new(), ended: false });
    }

    pub(super) fn get(&mut self, id: PromptId) -> Option<&mut Prompt> {
        self.prompts.iter_mut().rev().find(|prompt| prompt.id == id)
    }

    /// A piece of a prompt begins to be given out; the first one begins the prompt.
    pub(super) fn add_piece(&mut self, id: PromptId, speech: SpeechId, text: &str, spoken: &str, marks: &[(Duration, usize)]) {
        self.begin(id);
        if let Some(prompt) = self.get(id) {
            let (text, spoken) = (text.to_owned(), spoken.len());
            prompt.spans.push(Span { speech, text, spoken, length: Duration::ZERO, whole: false, marks: marks.to_vec() });
        }
    }

    /// More of a piece was given out.
    pub(super) fn add_audio(&mut self, speech: SpeechId, length: Duration) {
        if let Some(span) = self.span(speech) {
            span.length += length;
        }
    }

    /// All of a piece was given out.
    pub(super) fn end_piece(&mut self, speech: SpeechId) {
        if let Some(span) = self.span(speech) {
            span.whole = true;
        }
    }

    /// A piece goes on as another: its text ends where its audio did. What is left of it.
    pub(super) fn cut_piece(&mut self, speech: SpeechId) -> Option<String> {
        let span = self.span(speech)?;
        let said = span.heard(span.length).len();
        let rest = span.text.split_off(said);
        span.whole = true;
        span.marks.clear();
        Some(rest)
    }

    /// The provider told when text of a piece is said.
    pub(super) fn mark(&mut self, speech: SpeechId, at: Duration, bytes: usize) {
        if let Some(span) = self.span(speech) {
            add_mark(&mut span.marks, at, bytes);
        }
    }

    /// Takes out what was heard whole.
    pub(super) fn finish(&mut self, id: PromptId) -> Option<Prompt> {
        let index = self.prompts.iter().position(|prompt| prompt.id == id)?;
        self.prompts.remove(index)
    }

    /// Takes out what was cut, and what came after it and was not heard at all.
    pub(super) fn interrupt(&mut self, id: PromptId) -> (Option<Prompt>, Vec<Prompt>) {
        let later = self.prompts.iter().position(|prompt| prompt.id > id).unwrap_or(self.prompts.len());
        let unheard = self.prompts.split_off(later);
        let cut = self.prompts.pop_back_if(|prompt| prompt.id == id);
        (cut, unheard.into())
    }

    fn span(&mut self, speech: SpeechId) -> Option<&mut Span> {
        self.prompts.iter_mut().rev().flat_map(|prompt| prompt.spans.iter_mut()).find(|span| span.speech == speech)
    }
}

/// Notes that `bytes` more of the spoken text begin at `at`.
pub(super) fn add_mark(marks: &mut Vec<(Duration, usize)>, at: Duration, bytes: usize) {
    let before = marks.last().map_or(0, |&(_, said)| said);
    if marks.len() < MAX_MARKS {
        marks.push((at, before + bytes));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Pieces of so many milliseconds each, as `text=ms`, an open one with a `+`; what was heard after `heard` ms.
    fn check(pieces: &[(&str, u32)], heard: u32, expected: &str) {
        let mut said = Said::default();
        let id = PromptId(1);
        for (number, (text, ms)) in pieces.iter().enumerate() {
            let speech = SpeechId(number as u64);
            let whole = !text.ends_with('+');
            let text = text.trim_end_matches('+');
            said.add_piece(id, speech, text, text, &[]);
            said.add_audio(speech, MS * *ms);
            if whole {
                said.end_piece(speech);
            }
        }
        assert_eq!(said.get(id).unwrap().heard(MS * heard), expected, "{pieces:?} {heard}");
    }

    #[test]
    fn heard_time_maps_to_words_across_pieces() {
        let pieces = [("Hello there. ", 1_000), ("How are you today?", 2_000)];
        check(&pieces, 0, "");
        check(&pieces, 600, "Hello");
        check(&pieces, 1_000, "Hello there.");
        check(&pieces, 2_000, "Hello there. How are");
        check(&pieces, 3_000, "Hello there. How are you today?");
        check(&pieces, 9_000, "Hello there. How are you today?");
    }

    #[test]
    fn a_piece_that_is_still_coming_is_not_taken_for_whole() {
        // 31 characters take about two seconds.
        check(&[("one two three four five six ten+", 500)], 500, "one two");
        check(&[("Yes.", 400), (" Then this comes+", 0)], 400, "Yes.");
    }

    #[test]
    fn marks_of_the_provider_are_better_than_shares() {
        let mut said = Said::default();
        let id = PromptId(1);
        said.add_piece(id, SpeechId(0), "one two three", "one two three", &[]);
        said.add_audio(SpeechId(0), MS * 3_000);
        said.end_piece(SpeechId(0));
        for (at, word) in [(0, "one "), (200, "two "), (2_500, "three")] {
            said.mark(SpeechId(0), MS * at, word.len());
        }
        let heard = |said: &mut Said, ms| said.get(id).unwrap().heard(MS * ms);
        assert_eq!(heard(&mut said, 100), "one");
        assert_eq!(heard(&mut said, 1_000), "one two");
        assert_eq!(heard(&mut said, 3_000), "one two three");
    }

    #[test]
    fn a_cut_piece_gives_back_what_was_not_said() {
        let mut said = Said::default();
        said.add_piece(PromptId(1), SpeechId(0), "one two three four", "one two three four", &[]);
        said.add_audio(SpeechId(0), MS * 600);
        let rest = said.cut_piece(SpeechId(0)).unwrap();
        assert_eq!(rest, " three four");
        assert_eq!(said.get(PromptId(1)).unwrap().text(), "one two");
    }

    #[test]
    fn an_interruption_takes_out_what_was_cut_and_what_came_after() {
        let mut said = Said::default();
        (1..=4).for_each(|id| said.begin(PromptId(id)));
        let (cut, unheard) = said.interrupt(PromptId(3));
        assert_eq!(cut.unwrap().id, PromptId(3));
        assert_eq!(unheard.len(), 1);
        assert!(said.finish(PromptId(1)).is_some() && said.finish(PromptId(3)).is_none());
    }

    #[test]
    fn when_full_the_oldest_prompt_is_forgotten() {
        let mut said = Said::default();
        (0..=MAX_PROMPTS as u64).for_each(|id| said.begin(PromptId(id)));
        assert!(said.finish(PromptId(0)).is_none() && said.finish(PromptId(1)).is_some());
    }
}
