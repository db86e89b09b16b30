//! An assistant's `phrases`: what it says though nobody asked.

use ai::language::Language;
use ai::remark::Phrases;

use super::assistant::spoken;
use super::reader::Section;

/// Reads them; what is not there is as the language has it.
pub(super) fn read_phrases(mut section: Section<'_>, language: &Language) -> Phrases {
    let known = Phrases::of(language);
    let phrases = Phrases {
        still_there: section.parsed("still_there", known.still_there, spoken),
        closing: section.parsed("closing", known.closing, spoken),
        goodbye: section.parsed("goodbye", known.goodbye, spoken),
    };
    section.finish();
    phrases
}
