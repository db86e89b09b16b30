//! One call over a session's WebSocket.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::broadcast::error::RecvError;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::WsLoad;
use super::messages::{self, FromServer, Session};
use crate::crowd::{Crowd, Ended};
use crate::http::{self, Answer};
use crate::narrate::Narrator;
use crate::prepared::Prepared;
use crate::schedule::Launch;
use crate::talk::{EARLY, Talk, socket_config, tell};

/// A server that takes longer to accept a WebSocket has not answered.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What the calls of a run share.
pub(super) struct Shared {
    pub load: WsLoad,
    pub prepared: Prepared,
}

struct Call {
    shared: Arc<Shared>,
    crowd: Arc<Crowd>,
    socket: WebSocketStream<TcpStream>,
    talk: Talk,
}

/// Places a call and sees it through.
pub(super) async fn run(shared: Arc<Shared>, crowd: Arc<Crowd>, launch: Launch) -> Result<(), Ended> {
    let placed = Instant::now();
    let load = &shared.load;
    let narrator = load.plan.narrate.then(|| Narrator::new(crowd.start));
    tell(narrator.as_ref(), &format!("creates a session at {}", load.target));
    let answer = create(load).await.context("session")?;
    if answer.is_full() {
        return Err(Ended::TurnedAway { after: placed.elapsed(), retry_after: answer.retry_after });
    }
    let body = answer.accepted().context("session")?;
    let session: Session = serde_json::from_str(&body).context("session without id and token").map_err(Ended::from)?;
    let socket = connect(load, &session).await?;
    let talk = Talk::new(&crowd, &load.caller, narrator, launch.number);
    let setup = talk.answered.duration_since(placed);
    talk.tell(&format!("connected after {:.1} ms", setup.as_secs_f64() * 1_000.0));
    let _up = crowd.answered(setup);
    let mut call = Call { shared, crowd, socket, talk };
    call.talk(launch).await?;
    Ok(())
}

async fn create(load: &WsLoad) -> anyhow::Result<Answer> {
    let mut body = serde_json::json!({"metadata": {"by": "offhook-load"}});
    if let Some(id) = &load.assistant_id {
        body["assistant_id"] = id.as_str().into();
    }
    let body = body.to_string();
    let key = load.api_key.as_ref().map(|key| format!("X-API-Key: {key}\r\n")).unwrap_or_default();
    let request = format!(
        "POST /api/v1/sessions HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{key}Content-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        load.target,
        body.len()
    );
    http::exchange(load.target, &request).await
}

async fn connect(load: &WsLoad, session: &Session) -> anyhow::Result<WebSocketStream<TcpStream>> {
    let url = format!("ws://{}/api/v1/sessions/{}/ws?token={}", load.target, session.id, session.token);
    let connect = async {
        let stream = TcpStream::connect(load.target).await?;
        stream.set_nodelay(true)?;
        anyhow::Ok(tokio_tungstenite::client_async_with_config(url, stream, Some(socket_config())).await?.0)
    };
    tokio::time::timeout(CONNECT_TIMEOUT, connect).await.context("WebSocket: no answer in 10 s")?.context("WebSocket")
}

impl Call {
    /// Talks until the call's time is over or the server ends the session.
    async fn talk(&mut self, launch: Launch) -> anyhow::Result<()> {
        let mut ticks = self.crowd.pace.ticks(launch.number);
        let end = self.talk.answered + launch.hold;
        while Instant::now() < end {
            let ended = tokio::select! {
                tick = ticks.recv() => match tick {
                    Ok(due) => self.speak(due).await.map(|()| false)?,
                    Err(RecvError::Lagged(_)) => false,
                    Err(RecvError::Closed) => bail!("the pace stopped"),
                },
                message = self.socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.handle_text(&text)?,
                    Some(Ok(Message::Binary(_))) => bail!("the server sent a binary message"),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => true,
                    Some(Ok(_)) => false,
                },
            };
            if ended {
                self.talk.tell("the server ends the session");
                if Instant::now() + EARLY < end {
                    bail!("the server ended the session early");
                }
                return Ok(());
            }
        }
        self.talk.tell("caller hangs up");
        self.socket.send(Message::text(messages::END_SESSION)).await.context("end-session")?;
        self.socket.close(None).await.context("close")
    }

    /// Hears what was played and says the frame that is due; once in 20 ms.
    async fn speak(&mut self, due: Instant) -> anyhow::Result<()> {
        while self.talk.hear(Instant::now()).is_some() {}
        let (piece, _) = self.talk.speak(due);
        let audio = messages::audio(self.shared.prepared.text(piece));
        self.socket.send(Message::text(audio)).await.context("audio")
    }

    /// True when the session is over.
    fn handle_text(&mut self, text: &str) -> anyhow::Result<bool> {
        let now = Instant::now();
        match messages::read(text)? {
            FromServer::Audio(audio) => {
                let mut tally = self.crowd.tally();
                tally.measures.packets.received += 1;
                tally.window.received += 1;
                if !self.talk.player.handle_media(now, audio) {
                    bail!("the server sent more than 5 min of audio ahead");
                }
            }
            FromServer::Interrupted => {
                self.crowd.tally().measures.stream.clears += 1;
                self.talk.player.handle_clear(now);
            }
            FromServer::Ended => return Ok(true),
            FromServer::Other => {}
        }
        Ok(false)
    }
}
