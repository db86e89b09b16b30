//! `/api/v1/calls/{id}/stats`: how the media of a call is.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use store::CallStatus;
use utoipa::ToSchema;

use super::V1;
use super::access::Asked;
use super::calls::{GATE_TIME_MAX, known, own};
use crate::problem::Problem;
use crate::{MediaFigures, ReceivedFigures};

/// How the media of a call is, or was.
#[derive(Serialize, ToSchema)]
pub(super) struct MediaShown {
    /// The call.
    call_id: String,
    /// Whether these are figures of this moment; false: of the whole call, which is over.
    live: bool,
    /// What the wire speaks now: PCMU, PCMA, G722, opus or pcm16.
    codec: Option<String>,
    /// What came of the caller's packets; null where there are none: a WebSocket loses nothing.
    received: Option<ReceivedShown>,
}

/// What came of the caller's packets.
#[derive(Serialize, ToSchema)]
pub(super) struct ReceivedShown {
    /// Packets that came.
    packets: u64,
    /// Packets that never came.
    lost: u64,
    /// Packets that came too late.
    late: u64,
    /// Frames with invented audio.
    concealed: u64,
    /// The share of packets that were lost, in percent.
    loss_percent: f64,
    /// Delay that 97 % of the packets keep, relative to the fastest; only live.
    jitter_ms: Option<f64>,
    /// What the jitter buffer holds packets back for; only live.
    buffer_ms: Option<f64>,
    /// To the caller and back, as RTCP measured it; only live.
    round_trip_ms: Option<f64>,
    /// Mean opinion score by the E-model, 1 to 4.5.
    mos: Option<f64>,
}

/// Tells how the media of a call is; of one that is over, how it was.
#[utoipa::path(get, path = "/api/v1/calls/{id}/stats", tag = "calls", params(("id" = String, Path)),
    responses((status = 200, body = MediaShown), (status = 404), (status = 409, description = "it has no media yet, or is another node's")))]
pub(super) async fn stats(State(api): State<Arc<V1>>, asked: Asked, Path(id): Path<String>) -> Result<Json<MediaShown>, Problem> {
    let record = own(&api, &asked, known(&id)?).await?;
    let call_id = record.call.id.to_string();
    if record.status() == CallStatus::Ended {
        return Ok(Json(MediaShown { call_id, live: false, codec: None, received: at_the_end(&record.stats) }));
    }
    let now = tokio::time::timeout(GATE_TIME_MAX, api.gate.media(record.call.id)).await;
    let now = now.map_err(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the node did not answer in time"))?;
    let MediaFigures { codec, received } =
        now.ok_or_else(|| Problem::new(StatusCode::CONFLICT, "the call has no media yet, or is another node's"))?;
    Ok(Json(MediaShown { call_id, live: true, codec: Some(codec.to_owned()), received: received.map(live) }))
}

fn percent(lost: u64, received: u64) -> f64 {
    let sent = (lost + received).max(1) as f64;
    (lost as f64 / sent * 10_000.0).round() / 100.0
}

fn live(figures: ReceivedFigures) -> ReceivedShown {
    let ms = |duration: std::time::Duration| Some((duration.as_secs_f64() * 10_000.0).round() / 10.0);
    ReceivedShown {
        packets: figures.packets,
        lost: figures.lost,
        late: figures.late,
        concealed: figures.concealed,
        loss_percent: percent(figures.lost, figures.packets),
        jitter_ms: ms(figures.jitter),
        buffer_ms: ms(figures.buffer),
        round_trip_ms: ms(figures.round_trip).filter(|trip| *trip > 0.0),
        mos: figures.mos.map(|mos| (mos * 100.0).round() / 100.0),
    }
}

/// The figures of the record.
fn at_the_end(stats: &Value) -> Option<ReceivedShown> {
    let number = |name: &str| stats[name].as_u64();
    let (packets, lost) = (number("received")?, number("lost")?);
    Some(ReceivedShown {
        packets,
        lost,
        late: number("late")?,
        concealed: number("concealed")?,
        loss_percent: percent(lost, packets),
        jitter_ms: None,
        buffer_ms: None,
        round_trip_ms: None,
        mos: stats["mos"].as_f64(),
    })
}
