// A voice call from a page, by the browser's own WebRTC: speech in, speech back, words beside it, and a restart of ICE in the middle.
import { chromium } from "playwright-core";
import { check, given } from "./harness.mjs";

/** @typedef {{ type: string, role?: string, text?: string, final?: boolean, at: number }} Told */

/** Seconds of the speech that the browser's microphone plays, once. */
const SPEECH_S = 11;
/** Seconds that the page listens after it: to its end talked back, and not until the agent asks whether anybody is there. */
const ANSWER_S = 8;

const browser = await chromium.launch({
  executablePath: process.env.OFFHOOK_CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    `--use-file-for-fake-audio-capture=${given.speech}%noloop`,
    // The server is on loopback, which is not among a host's addresses elsewhere.
    "--allow-loopback-in-peer-connection",
  ],
});
try {
  const page = await (await browser.newContext({ permissions: ["microphone"] })).newPage();
  await page.goto(`${given.url}/docs`);
  const seen = await page.evaluate(talk, { session: given.session, speechS: SPEECH_S, answerS: ANSWER_S });
  report(seen);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await browser.close();
}

/**
 * In the page: the whole call, and what came of it.
 * @param {{ session: { webrtc_url: string, token: string }, speechS: number, answerS: number }} wish
 */
async function talk({ session, speechS, answerS }) {
  /** @param {number} ms */
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  /** @param {() => boolean} holds */
  const until = async (holds) => {
    const deadline = performance.now() + 10_000;
    while (!holds()) {
      if (performance.now() > deadline) throw new Error(`not within 10 s: ${holds} (${peer.connectionState})`);
      await sleep(20);
    }
  };
  /**
   * @param {string} method
   * @param {string} [body]
   */
  const send = (method, body) =>
    fetch(session.webrtc_url, {
      method,
      body,
      headers: { "Content-Type": "application/sdp", Authorization: `Bearer ${session.token}` },
    });

  const peer = new RTCPeerConnection();
  const began = performance.now();
  /** @type {Told[]} */
  const told = [];
  const words = peer.createDataChannel("offhook");
  words.onmessage = ({ data }) => told.push({ ...JSON.parse(data), at: performance.now() });
  /** @type {[number, number][]} */
  const levels = [];
  peer.ontrack = ({ track }) => {
    const stream = new MediaStream([track]);
    // Chromium decodes a remote track only where it is played.
    const sound = new Audio();
    sound.srcObject = stream;
    sound.muted = true;
    void sound.play();
    const context = new AudioContext();
    const meter = context.createAnalyser();
    meter.fftSize = 1024;
    context.createMediaStreamSource(stream).connect(meter);
    const room = new Float32Array(meter.fftSize);
    setInterval(() => {
      meter.getFloatTimeDomainData(room);
      levels.push([performance.now(), room.reduce((most, one) => Math.max(most, Math.abs(one)), 0)]);
    }, 20);
  };
  const voice = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: false, noiseSuppression: false },
  });
  for (const track of voice.getTracks()) peer.addTrack(track, voice);
  const spoken = performance.now();
  await peer.setLocalDescription(await peer.createOffer());
  const answer = await send("POST", peer.localDescription?.sdp);
  await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  await until(() => peer.connectionState === "connected" && words.readyState === "open");
  const connected = performance.now();

  const received = async () => {
    const found = { packets: 0, codec: "", pair: "" };
    const stats = await peer.getStats();
    for (const one of stats.values()) {
      if (one.type === "inbound-rtp") found.packets = one.packetsReceived;
      if (one.type === "codec") found.codec = `${one.mimeType} ${one.sdpFmtpLine}`;
      if (one.type === "transport") found.pair = one.iceLocalUsernameFragment;
    }
    return found;
  };
  await sleep(3000);
  const before = await received();
  peer.restartIce();
  await peer.setLocalDescription(await peer.createOffer({ iceRestart: true }));
  const again = await send("PATCH", peer.localDescription?.sdp);
  const restarted = again.status;
  await peer.setRemoteDescription({ type: "answer", sdp: await again.text() });
  await sleep(3000);
  const after = await received();

  await sleep(Math.max(0, spoken + (speechS + answerS) * 1000 - performance.now()));
  const state = peer.connectionState;
  words.send(JSON.stringify({ type: "end-session" }));
  await until(() => told.at(-1)?.type === "session-ended");
  peer.close();
  return {
    status: answer.status,
    location: answer.headers.get("location"),
    setUpMs: connected - began,
    restarted,
    before,
    after,
    state,
    told: told.map((one) => ({ ...one, at: one.at - spoken })),
    loud: levels.filter(([, level]) => level > 0.03).map(([at]) => at - spoken),
  };
}

/** @param {Awaited<ReturnType<typeof talk>>} seen */
function report(seen) {
  check(seen.status === 201 && seen.location?.endsWith("/webrtc") === true, `the offer is answered: ${seen.location}`);
  check(seen.before.codec.startsWith("audio/opus"), `in Opus: ${seen.before.codec}`);
  check(
    seen.restarted === 200 && seen.state === "connected",
    `a restart of ICE is answered, and the call goes on: ${seen.state}`,
  );
  check(seen.before.pair !== seen.after.pair, `under other names: ${seen.before.pair}, then ${seen.after.pair}`);
  const packets = seen.after.packets - seen.before.packets;
  check(packets > 125, `no audio was lost by it: ${packets} packets in 3 s`);
  const back = seen.loud.filter((at) => at > SPEECH_S * 1000);
  check(
    back.length > 50,
    `the end of what was said is talked back: ${(back.length / 50).toFixed(1)} s of voice after it`,
  );
  const kinds = seen.told.map((one) => one.type);
  check(
    kinds[0] === "connected" && kinds.at(-1) === "session-ended",
    "the data channel tells the beginning and the end",
  );
  check(
    // What the microphone says may cut the greeting before any of it was heard, so there need be no transcript of it.
    seen.told.some((one) => one.type === "assistant-message" && (one.text ?? "") !== ""),
    `and what was said: ${kinds.join(" ")}`,
  );
  console.log(`set up in ${seen.setUpMs.toFixed(0)} ms`);
}
