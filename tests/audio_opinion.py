"""Listens to a call as others would: ITU-T P.862, and where the same sound lies in two files.

audio_opinion.py pesq REFERENCE.wav CALL.wav          quality of the reference as it came back in the call's right channel
audio_opinion.py align CALL.wav RECORDING.wav SIDE    how much later the recording has what the call had, and how alike it is
"""

import json
import sys
import wave

import numpy
from pesq import pesq

RATE = 8000
LEFT, RIGHT = 0, 1


def channels(path):
    """A list of the channels' samples."""
    with wave.open(path) as file:
        assert file.getframerate() == RATE and file.getsampwidth() == 2, path
        samples = numpy.frombuffer(file.readframes(file.getnframes()), numpy.int16)
        return list(samples.reshape(-1, file.getnchannels()).T)


def find(needle, hay):
    """Where in `hay` the `needle` fits best, by cross-correlation; may be negative."""
    size = 1 << (len(hay) + len(needle)).bit_length()
    needle, hay = needle.astype(float), hay.astype(float)
    product = numpy.fft.rfft(hay, size) * numpy.conj(numpy.fft.rfft(needle, size))
    best = int(numpy.argmax(numpy.fft.irfft(product, size)))
    return best if best < len(hay) else best - size


def quality(reference, call):
    """MOS of the reference in the call, and when it came back."""
    (reference,), heard = channels(reference), channels(call)[RIGHT]
    at = find(reference, heard)
    # PESQ finds the exact delay by itself, sentence by sentence.
    piece = heard[max(at, 0):][:len(reference)]
    return {"mos": round(float(pesq(RATE, reference, piece, "nb")), 3), "at_s": round(at / RATE, 3)}


def align(call, recording, side):
    """Second by second where there is sound: how much later the recording has it, and how alike it is there."""
    call, recording = channels(call)[side], channels(recording)[side]
    offset = find(call, recording)
    lags, likeness = [], []
    for start in range(0, len(call) - RATE, RATE):
        piece = call[start:start + RATE].astype(float)
        if numpy.sqrt(numpy.mean(piece ** 2)) < 300:
            continue
        from_ = start + offset - RATE // 10
        if from_ < 0:
            continue
        window = recording[from_:start + offset + RATE + RATE // 10].astype(float)
        if len(window) < RATE:
            continue
        place = min(max(find(piece, window), 0), len(window) - RATE)
        found = window[place:place + RATE]
        lags.append((from_ + place - start) * 1000 / RATE)
        likeness.append(float(numpy.dot(piece, found) / (numpy.linalg.norm(piece) * numpy.linalg.norm(found) + 1)))
    return {
        "seconds": len(lags),
        "lag_ms": round(float(numpy.median(lags)), 2),
        "spread_ms": round(max(lags) - min(lags), 2),
        "likeness": round(float(numpy.median(likeness)), 4),
    }


if __name__ == "__main__":
    if sys.argv[1] == "pesq":
        print(json.dumps(quality(sys.argv[2], sys.argv[3])))
    else:
        print(json.dumps(align(sys.argv[2], sys.argv[3], {"left": LEFT, "right": RIGHT}[sys.argv[4]])))
