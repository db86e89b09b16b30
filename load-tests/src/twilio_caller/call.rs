//! One call as Twilio carries it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::broadcast::error::RecvError;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::TwilioLoad;
use super::http;
use super::messages::{FromServer, Writer};
use super::twiml;
use crate::crowd::{Crowd, Ended};
use crate::http::Answer;
use crate::narrate::Narrator;
use crate::prepared::Prepared;
use crate::schedule::Launch;
use crate::talk::{EARLY, Talk, socket_config, tell};

/// The account that all simulated calls belong to.
const ACCOUNT_SID: &str = "AC00000000000000000000000000000000";
/// Twilio waits this long for a stream's server to accept the WebSocket.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What the calls of a run share.
pub(super) struct Shared {
    pub load: TwilioLoad,
    pub prepared: Prepared,
}

struct Call {
    shared: Arc<Shared>,
    crowd: Arc<Crowd>,
    socket: WebSocketStream<TcpStream>,
    writer: Writer,
    talk: Talk,
}

/// Places a call and sees it through.
pub(super) async fn run(shared: Arc<Shared>, crowd: Arc<Crowd>, launch: Launch) -> Result<(), Ended> {
    let placed = Instant::now();
    let sid = format!("{:032x}", rand::random::<u128>());
    let narrator = shared.load.plan.narrate.then(|| Narrator::new(crowd.start));
    tell(narrator.as_ref(), &format!("calls {} by {}", shared.load.to, shared.load.public_url));
    let answer = webhook(&shared.load, "/twilio/voice", &sid, "ringing").await.context("voice webhook")?;
    let after = placed.elapsed();
    if answer.is_full() {
        return Err(Ended::TurnedAway { after, retry_after: answer.retry_after });
    }
    let document = answer.accepted().context("voice webhook")?;
    let Some(verb) = twiml::stream(&document) else {
        // Who is turned away over Twilio is told so by a voice, which needs no header.
        return Err(match twiml::is_spoken(&document) {
            true => Ended::TurnedAway { after, retry_after: true },
            false => Ended::Failed(anyhow::anyhow!("the TwiML connects no stream")),
        });
    };
    let (socket, writer) = begin(&shared.load, &verb, &sid).await?;
    let talk = Talk::new(&crowd, &shared.load.caller, narrator, launch.number);
    let setup = talk.answered.duration_since(placed);
    talk.tell(&format!("stream starts after {:.1} ms", setup.as_secs_f64() * 1_000.0));
    let up = crowd.answered(setup);
    let mut call = Call { shared, crowd, socket, writer, talk };
    let talked = call.talk(launch).await;
    drop(up);
    talked?;
    let status = webhook(&call.shared.load, "/twilio/status", &sid, "completed").await;
    status.and_then(Answer::accepted).context("status callback")?;
    Ok(())
}

/// From the TwiML to the stream's start.
async fn begin(load: &TwilioLoad, verb: &twiml::StreamVerb, sid: &str) -> anyhow::Result<(WebSocketStream<TcpStream>, Writer)> {
    let connect = tokio::time::timeout(CONNECT_TIMEOUT, connect(load, &verb.url)).await;
    let mut socket = connect.context("media stream: no answer in 10 s")?.context("media stream")?;
    let mut writer = Writer::new(format!("MZ{sid}"), format!("CA{sid}"), ACCOUNT_SID.to_owned());
    socket.feed(Message::text(Writer::connected())).await?;
    socket.send(Message::text(writer.start(&verb.parameters))).await?;
    Ok((socket, writer))
}

async fn webhook(load: &TwilioLoad, path: &str, sid: &str, status: &str) -> anyhow::Result<Answer> {
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
async fn connect(load: &TwilioLoad, url: &str) -> anyhow::Result<WebSocketStream<TcpStream>> {
    let (host, path) = http::parts(url)?;
    let mut request = format!("ws://{host}{path}").into_client_request()?;
    if let Some(token) = &load.auth_token {
        let signature = http::signature(token, url, &[]);
        request.headers_mut().insert("x-twilio-signature", HeaderValue::from_str(&signature)?);
    }
    let stream = TcpStream::connect(load.target).await?;
    stream.set_nodelay(true)?;
    let (socket, _) = tokio_tungstenite::client_async_with_config(request, stream, Some(socket_config())).await?;
    Ok(socket)
}

impl Call {
    /// Talks until the call's time is over or the server ends the stream.
    async fn talk(&mut self, launch: Launch) -> anyhow::Result<()> {
        let mut ticks = self.crowd.pace.ticks(launch.number);
        let end = self.talk.answered + launch.hold;
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
                        self.talk.tell("the server ends the stream");
                        if Instant::now() + EARLY < end {
                            bail!("the server ended the stream early");
                        }
                        return Ok(());
                    }
                    Some(Ok(_)) => {}
                },
            }
        }
        self.talk.tell("caller hangs up");
        let stop = self.writer.stop();
        self.socket.send(Message::text(stop)).await.context("stop")?;
        self.socket.close(None).await.context("close")?;
        Ok(())
    }

    /// Hears what was played and says the frame that is due; once in 20 ms.
    async fn speak(&mut self, due: Instant) -> anyhow::Result<()> {
        while let Some(name) = self.talk.hear(Instant::now()) {
            self.crowd.tally().measures.stream.marks += 1;
            let mark = self.writer.mark(&name);
            self.socket.feed(Message::text(mark)).await?;
        }
        let (piece, key) = self.talk.speak(due);
        let media = self.writer.media(self.shared.prepared.text(piece));
        self.socket.feed(Message::text(media)).await?;
        if let Some(key) = key {
            let dtmf = self.writer.dtmf(key);
            self.socket.feed(Message::text(dtmf)).await?;
        }
        self.socket.flush().await?;
        Ok(())
    }

    fn handle_text(&mut self, text: &str) -> anyhow::Result<()> {
        let now = Instant::now();
        let player = &mut self.talk.player;
        match self.writer.read(text).map_err(anyhow::Error::msg)? {
            FromServer::Media(audio) => {
                let mut tally = self.crowd.tally();
                tally.measures.packets.received += 1;
                tally.window.received += 1;
                if !player.handle_media(now, audio) {
                    bail!("the server sent more than 5 min of audio ahead");
                }
            }
            FromServer::Mark(name) => player.handle_mark(now, name),
            FromServer::Clear => {
                self.crowd.tally().measures.stream.clears += 1;
                player.handle_clear(now);
            }
        }
        Ok(())
    }
}
