"""Scores the files of the example `quality` by ITU-T P.862 (narrow band): a table of the means on standard output, and a plot as SVG.

media_quality.py SPEECH.wav FOLDER PLOT.svg
"""

import collections
import multiprocessing
import pathlib
import statistics
import sys
import wave

import numpy
from pesq import pesq

RATE = 8000
CODECS = {"g711": "G.711", "g722": "G.722", "opus": "Opus", "opusfec": "Opus with FEC"}
PATTERNS = {"random": "lost one by one", "bursts": "lost in bursts of 3"}
LOSSES = [0, 1, 2, 5, 10, 20]
# Colours that the colour-blind can tell apart.
COLOURS = {"g711": "#0072b2", "g722": "#009e73", "opus": "#cc79a7", "opusfec": "#d55e00"}


def samples(path):
    with wave.open(str(path)) as file:
        assert file.getframerate() == RATE and file.getsampwidth() == 2 and file.getnchannels() == 1, path
        return numpy.frombuffer(file.readframes(file.getnframes()), numpy.int16)


def score(paths):
    """PESQ of one file: MOS-LQO, 1 to 4.55."""
    speech, path = paths
    return path.stem, float(pesq(RATE, samples(speech), samples(path), "nb"))


def means(speech, folder):
    """By codec, pattern, loss and filling."""
    scores = collections.defaultdict(list)
    with multiprocessing.Pool() as pool:
        for name, mos in pool.imap_unordered(score, [(speech, path) for path in sorted(folder.glob("*.wav"))]):
            codec, pattern, loss, filling, _ = name.split("-")
            scores[codec, pattern, int(loss), filling].append(mos)
    return {key: statistics.mean(values) for key, values in scores.items()}


def table(mean):
    print("| packets lost |" + "".join(f" {loss} % |" for loss in LOSSES))
    print("| --- |" + " ---: |" * len(LOSSES))
    for pattern, words in PATTERNS.items():
        for codec, name in CODECS.items():
            cells = (f" **{mean[codec, pattern, loss, 'ours']:.2f}** / {mean[codec, pattern, loss, 'silence']:.2f} |" for loss in LOSSES)
            print(f"| {name}, {words} |" + "".join(cells))


def plot(mean, path):
    """Two panels, a line a codec: whole with our concealment, dashed with silence."""
    width, height, left, top, across, down = 900, 400, 60, 50, 360, 280
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for panel, (pattern, words) in enumerate(PATTERNS.items()):
        x0 = left + panel * (across + 60)
        x = lambda loss: x0 + across * loss / LOSSES[-1]
        y = lambda mos: top + down * (4.5 - mos) / 3.5
        out.append(f'<text x="{x0}" y="{top - 16}" font-size="16">PESQ by percent of packets {words}</text>')
        for mos in range(1, 5):
            out.append(f'<path d="M{x0} {y(mos):.1f}h{across}" stroke="#e1e1e1"/><text x="{x0 - 10}" y="{y(mos) + 4:.1f}" text-anchor="end">{mos}</text>')
        for loss in LOSSES:
            out.append(f'<text x="{x(loss):.1f}" y="{top + down + 20}" text-anchor="middle">{loss}</text>')
        for codec, colour in COLOURS.items():
            for filling, style in (("silence", ' stroke-dasharray="5 4" opacity="0.7"'), ("ours", "")):
                points = " ".join(f"{x(loss):.1f},{y(mean[codec, pattern, loss, filling]):.1f}" for loss in LOSSES)
                out.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{style}/>')
    for index, (codec, name) in enumerate(CODECS.items()):
        at = left + index * 150
        out.append(f'<path d="M{at} 380h24" stroke="{COLOURS[codec]}" stroke-width="2"/><text x="{at + 30}" y="384">{name}</text>')
    out.append('<path d="M680 380h24" stroke="#555" stroke-width="2" stroke-dasharray="5 4"/><text x="710" y="384">silence in place of it</text></svg>')
    path.write_text("\n".join(out) + "\n")


if __name__ == "__main__":
    speech, folder, svg = map(pathlib.Path, sys.argv[1:])
    found = means(speech, folder)
    table(found)
    plot(found, svg)
