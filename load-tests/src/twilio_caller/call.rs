//! One call as Twilio carries it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use media::codec::Codec;
use tokio::net::TcpStream;
use tokio::sync::broadcast::error::RecvError;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::Shared;
use super::http;
use super::messages::{FromServer, Writer};
use super::player::{Played, Player};
use super::twiml;
use crate::caller::{Caller, Keys};
use crate::ear::{Ear, Moment};
use crate::mouth::Mouth;
use crate::narrate::Narrator;
use crate::speech;

/// The account that all simulated calls belong to.
const ACCOUNT_SID: &str = "AC00000000000000000000000000000000";
/// A call that its server ends this shortly before its time has not failed.
const EARLY: Duration = Duration::from_millis(200);
/// Twilio waits this long for a stream's server to accept the WebSocket.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

struct Call<'a> {
    shared: &'a Shared,
    socket: WebSocketStream<TcpStream>,
    writer: Writer,
    player: Player,
    mouth: Mouth,
    ear: Ear,
    keys: Keys,
    narrator: Option<Narrator>,
    answered: Instant,
    heard: bool,
}

/// Places call `number` and sees it through; the report says what became of it.
pub(super) async fn run(shared: Arc<Shared>, number: u64) {
    let sid = format!("{:032x}", rand::random::<u128>());
    let outcome = place(&shared, number, &sid).await;
    if let Err(error) = outcome {
        shared.report().fail(format!("{error:#}"));
    }
}

async fn place(shared: &Shared, number: u64, sid: &str) -> anyhow::Result<()> {
    let placed = Instant::now();
    let mut call = begin(shared, number, sid).await?;
    let setup = call.answered.duration_since(placed);
    let ms = setup.as_secs_f64() * 1_000.0;
    tell(call.narrator.as_ref(), &format!("stream starts after {ms:.1} ms"));
    let up = shared.up.fetch_add(1, Ordering::Relaxed) + 1;
    {
        let mut report = shared.report();
        report.answered += 1;
        report.concurrent = report.concurrent.max(up);
        report.setup_ms.record(setup);
    }
    let ended = call.talk(number).await;
    shared.up.fetch_sub(1, Ordering::Relaxed);
    shared.report().call_seconds += call.answered.elapsed().as_secs_f64();
    ended?;
    let status = webhook(shared, "/twilio/status", sid, "completed").await;
    status.context("status callback").map(|_| ())
}

/// From the webhook to the stream's start.
async fn begin<'a>(shared: &'a Shared, number: u64, sid: &str) -> anyhow::Result<Call<'a>> {
    let load = &shared.load;
    let narrator = load.plan.narrate.then(|| Narrator::new(shared.start));
    tell(narrator.as_ref(), &format!("calls {} by {}", load.to, load.public_url));
    let document = webhook(shared, "/twilio/voice", sid, "ringing").await.context("voice webhook")?;
    let verb = twiml::stream(&document).context("the TwiML connects no stream")?;
    let connect = tokio::time::timeout(CONNECT_TIMEOUT, connect(shared, &verb.url)).await;
    let mut socket = connect.context("media stream: no answer in 10 s")?.context("media stream")?;
    let mut writer = Writer::new(format!("MZ{sid}"), format!("CA{sid}"), ACCOUNT_SID.to_owned());
    socket.feed(Message::text(Writer::connected())).await?;
    socket.send(Message::text(writer.start(&verb.parameters))).await?;
    let answered = Instant::now();
    let Caller { voice, manner, marks, .. } = load.caller.clone();
    Ok(Call {
        shared,
        socket,
        writer,
        player: Player::default(),
        mouth: Mouth::new(voice, Codec::Pcmu, manner, marks, number as usize),
        ear: Ear::default(),
        keys: load.caller.keys(answered),
        narrator,
        answered,
        heard: false,
    })
}

async fn webhook(shared: &Shared, path: &str, sid: &str, status: &str) -> anyhow::Result<String> {
    let load = &shared.load;
    let url = format!("{}{path}", load.public_url);
    let sid = format!("CA{sid}");
    let form = [
        ("AccountSid", ACCOUNT_SID),
        ("ApiVersion", "2010-04-01"),
        ("CallSid", &sid),
        ("CallStatus", status),
        ("Called", &load.to),
        ("Caller", &load.from),
        ("Direction", "inbound"),
        ("From", &load.from),
        ("To", &load.to),
    ];
    http::post(load.target, &url, &form, load.auth_token.as_deref()).await
}

/// Connects to the run's target with the path of the stream's URL, over which the request is signed.
async fn connect(shared: &Shared, url: &str) -> anyhow::Result<WebSocketStream<TcpStream>> {
    let (host, path) = http::parts(url)?;
    let mut request = format!("ws://{host}{path}").into_client_request()?;
    if let Some(token) = &shared.load.auth_token {
        let signature = http::signature(token, url, &[]);
        request.headers_mut().insert("x-twilio-signature", HeaderValue::from_str(&signature)?);
    }
    let stream = TcpStream::connect(shared.load.target).await?;
    stream.set_nodelay(true)?;
    let (socket, _) = tokio_tungstenite::client_async(request, stream).await?;
    Ok(socket)
}

fn tell(narrator: Option<&Narrator>, what: &str) {
    if let Some(narrator) = narrator {
        println!("{}", narrator.line(Instant::now(), what));
    }
}

impl Call<'_> {
    /// Talks until the call's time is over or the server ends the stream.
    async fn talk(&mut self, number: u64) -> anyhow::Result<()> {
        let mut ticks = self.shared.pace.ticks(number);
        let end = self.answered + self.shared.load.plan.hold;
        while Instant::now() < end {
            tokio::select! {
                tick = ticks.recv() => match tick {
                    Ok(due) => self.speak(due).await?,
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => bail!("the pace stopped"),
                },
                message = self.socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.handle_text(&text)?,
                    Some(Ok(Message::Binary(_))) => bail!("the server sent a binary message"),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => {
                        tell(self.narrator.as_ref(), "the server ends the stream");
                        if Instant::now() + EARLY < end {
                            bail!("the server ended the stream early");
                        }
                        return Ok(());
                    }
                    Some(Ok(_)) => {}
                },
            }
            self.play().await?;
        }
        tell(self.narrator.as_ref(), "caller hangs up");
        let stop = self.writer.stop();
        self.socket.send(Message::text(stop)).await.context("stop")?;
        self.socket.close(None).await.context("close")?;
        Ok(())
    }

    async fn speak(&mut self, due: Instant) -> anyhow::Result<()> {
        let now = Instant::now();
        let spoken = self.mouth.next_frame(now, &mut self.ear);
        let media = self.writer.media(spoken.payload);
        {
            let mut report = self.shared.report();
            report.measures.packets.sent += 1;
            report.measures.generator.send_lateness_ms.record(now.saturating_duration_since(due));
        }
        self.socket.feed(Message::text(media)).await?;
        if let Some(key) = self.keys.poll_key(now) {
            tell(self.narrator.as_ref(), &format!("caller presses {key}"));
            let dtmf = self.writer.dtmf(key);
            self.socket.feed(Message::text(dtmf)).await?;
        }
        self.socket.flush().await?;
        Ok(())
    }

    fn handle_text(&mut self, text: &str) -> anyhow::Result<()> {
        let now = Instant::now();
        match self.writer.read(text).map_err(anyhow::Error::msg)? {
            FromServer::Media(audio) => {
                self.shared.report().measures.packets.received += 1;
                if !self.player.handle_media(now, &audio) {
                    bail!("the server sent more than 5 min of audio ahead");
                }
            }
            FromServer::Mark(name) => self.player.handle_mark(now, name),
            FromServer::Clear => {
                self.shared.report().measures.stream.clears += 1;
                self.player.handle_clear(now);
            }
        }
        Ok(())
    }

    /// Hears what was played by now and echoes marks.
    async fn play(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        while let Some(played) = self.player.poll_played(now) {
            match played {
                Played::Audio { at, bytes } => self.ear.handle_audio(at, &speech::decode(Codec::Pcmu, &bytes)),
                Played::Mark(name) => {
                    self.shared.report().measures.stream.marks += 1;
                    let mark = self.writer.mark(&name);
                    self.socket.send(Message::text(mark)).await?;
                }
            }
        }
        self.ear.handle_time(now);
        while let Some(moment) = self.ear.poll_moment() {
            self.handle_moment(now, moment);
        }
        Ok(())
    }

    fn handle_moment(&mut self, now: Instant, moment: Moment) {
        let mut report = self.shared.report();
        if let Moment::AgentStarted(at) = moment
            && !self.heard
        {
            self.heard = true;
            report.measures.first_audio_ms.record(at.saturating_duration_since(self.answered));
        }
        report.measures.handle_moment(moment);
        if let Some(narrator) = &mut self.narrator {
            println!("{}", narrator.moment(now, moment));
        }
    }
}
