//! What providers did for a call: added up by stage and provider, and handed out when it has changed.

use store::ProviderUsage;

/// Rows of a call: the stages of a cascade with five providers each. What others did counts as the last one's.
const ROWS_MAX: usize = 16;

/// The sums, from the call's beginning.
#[derive(Debug, Default)]
pub(super) struct Meter(Vec<(ProviderUsage, bool)>);

impl Meter {
    /// Adds what a provider did; `only` is who it was where that is not said.
    pub(super) fn add(&mut self, used: &ProviderUsage, only: &str) {
        let provider = if used.provider.is_empty() { only } else { &used.provider };
        let known = self.0.iter().position(|(row, _)| row.stage == used.stage && row.provider == provider);
        let index = known.unwrap_or_else(|| {
            if self.0.len() < ROWS_MAX {
                let row = ProviderUsage { stage: used.stage.clone(), provider: provider.to_owned(), ..ProviderUsage::default() };
                self.0.push((row, false));
            }
            self.0.len() - 1
        });
        let (row, changed) = &mut self.0[index];
        row.input_tokens = row.input_tokens.saturating_add(used.input_tokens);
        row.output_tokens = row.output_tokens.saturating_add(used.output_tokens);
        row.characters = row.characters.saturating_add(used.characters);
        row.transcribed = row.transcribed.saturating_add(used.transcribed);
        *changed = true;
    }

    /// The sums that have changed since it was asked last.
    pub(super) fn take_changed(&mut self) -> Vec<ProviderUsage> {
        let changed = self.0.iter_mut().filter(|(_, changed)| *changed);
        changed.map(|(row, changed)| (std::mem::take(changed), row.clone()).1).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(stage: &str, provider: &str, characters: u64) -> ProviderUsage {
        ProviderUsage { stage: stage.to_owned(), provider: provider.to_owned(), characters, ..ProviderUsage::default() }
    }

    fn shown(changed: &[ProviderUsage]) -> String {
        let one = |row: &ProviderUsage| format!("{} {} {}", row.stage, row.provider, row.characters);
        changed.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn sums_grow_by_stage_and_provider_and_are_handed_out_once() {
        let mut meter = Meter::default();
        meter.add(&used("voice", "cartesia", 10), "");
        meter.add(&used("voice", "", 5), "openai");
        meter.add(&used("voice", "cartesia", 3), "");
        assert_eq!(shown(&meter.take_changed()), "voice cartesia 13, voice openai 5");
        assert_eq!(shown(&meter.take_changed()), "");
        meter.add(&used("voice", "openai", 1), "");
        assert_eq!(shown(&meter.take_changed()), "voice openai 6");
    }

    #[test]
    fn more_providers_than_a_call_has_lose_no_count() {
        let mut meter = Meter::default();
        (0..100).for_each(|number| meter.add(&used("voice", &format!("p{number}"), 1), ""));
        let changed = meter.take_changed();
        assert_eq!((changed.len(), changed.iter().map(|row| row.characters).sum::<u64>()), (ROWS_MAX, 100));
    }
}
