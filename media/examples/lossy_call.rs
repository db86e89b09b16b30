//! Sends a WAV file through encoder, packets, a bad network and the jitter buffer, and writes what is heard.
//!
//! `cargo run -p offhook-media --example lossy_call -- IN.wav OUT.wav LOSS_PERCENT JITTER_MS SEED`

#[path = "../tests/emulator/mod.rs"]
mod emulator;

use std::error::Error;

use emulator::Network;
use media::codec::Codec;
use media::rtp::PayloadTypes;
use media::wav;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, output, loss, jitter, seed] = &arguments[..] else {
        return Err("usage: lossy_call IN.wav OUT.wav LOSS_PERCENT JITTER_MS SEED".into());
    };
    let file = std::fs::read(input)?;
    let header = wav::read_header(&file)?;
    let samples: Vec<i16> =
        file[header.data_start..].chunks_exact(2).map(|octets| i16::from_le_bytes([octets[0], octets[1]])).collect();
    let mut audio = Vec::new();
    Codec::Pcmu.encode(&samples, &mut audio);
    let network = Network { seed: seed.parse()?, loss_percent: loss.parse()?, jitter_ms: jitter.parse()?, ..Network::default() };
    let mut heard = emulator::call(network, PayloadTypes::of(Codec::Pcmu), &audio);
    let data: Vec<u8> =
        heard.frames.iter().flat_map(|frame| frame.samples.iter().flat_map(|sample| sample.to_le_bytes())).collect();
    let mut wave = wav::header(header.format, data.len() as u64).to_vec();
    wave.extend(data);
    std::fs::write(output, wave)?;
    println!("{:?}", heard.buffer.stats(heard.end));
    Ok(())
}
