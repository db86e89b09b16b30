//! Every metric: its name, kind, buckets and meaning. `tests/tidy.rs` holds code and dashboards to this list.

/// One metric.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// One line, with the labels' meaning where it is not plain.
    pub(super) help: &'static str,
}

/// How a metric moves; a histogram has its buckets' upper ends, in the unit of its name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram(&'static [f64]),
}

/// A call from a wrong number to a long consultation.
const CALL: &[f64] = &[1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0];
/// INVITE to 200 OK; the target is 10 ms at p99.
const SETUP: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// What a person notices between turns: 0.2 s is brisk, 1 s is slow.
const GAP: &[f64] = &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0];
/// How late a frame leaves; the target is 3 ms at p99.9, a frame is 20 ms.
const FRAME: &[f64] = &[0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.04, 0.1];
/// 4.3 is undisturbed, below 3.6 many are dissatisfied (ITU-T G.109).
const MOS: &[f64] = &[1.0, 2.0, 2.6, 3.1, 3.6, 4.0, 4.2, 4.3, 4.4];
/// The range of `jitter.max_ms`.
const DEPTH: &[f64] = &[0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.14, 0.2, 0.3, 0.5, 1.0];
/// From asking a provider for an answer to its first audio.
const PROVIDER: &[f64] = &[0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0];
/// A query; the service level is 50 ms at p95.
const QUERY: &[f64] = &[0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0];
/// A request; the service level is 100 ms at p95.
const REQUEST: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// All of them, by name.
pub(super) const METRICS: &[Metric] = &[
    counter("offhook_actor_restarts_total", "Actors restarted by their supervisor"),
    counter("offhook_barge_ins_total", "Caller speech over the agent: committed (answer dropped) or resumed (it went on)"),
    gauge("offhook_build_info", "Always 1; the version is a label"),
    histogram("offhook_call_duration_seconds", CALL, "Answer to end of a call"),
    histogram("offhook_call_mos", MOS, "How a call sounded by the E-model, 1 to 4.4, by direction"),
    histogram("offhook_call_setup_seconds", SETUP, "Incoming call to our answer, by kind of leg"),
    gauge("offhook_calls_active", "Calls up now, by kind of leg"),
    counter("offhook_calls_rejected_total", "Calls refused before they began, by reason"),
    counter("offhook_calls_total", "Calls that ended, by leg, direction and outcome"),
    counter("offhook_clock_late_total", "Bursts of frames that the media clock began more than 2 ms late"),
    gauge("offhook_cpu_busy_ratio", "Busy share of all cores of the machine, 0 to 1, over two seconds; admission looks at it"),
    histogram("offhook_db_query_seconds", QUERY, "Time of a database query"),
    histogram("offhook_http_request_seconds", REQUEST, "Time of an HTTP request, by route"),
    histogram("offhook_jitter_buffer_depth_seconds", DEPTH, "Playout delay of the jitter buffer"),
    gauge("offhook_mailbox_depth", "Messages waiting in the fullest mailbox of a kind of actor"),
    counter("offhook_mailbox_dropped_total", "Messages dropped or refused because a mailbox was full"),
    histogram(
        "offhook_media_added_delay_seconds",
        FRAME,
        "Delay that Offhook adds: caller's frame due to engine, agent's audio to wire",
    ),
    gauge("offhook_node_draining", "1 while the node takes no new calls"),
    counter("offhook_provider_errors_total", "Failed provider connections and requests, by kind of failure"),
    counter("offhook_provider_fallbacks_total", "Calls whose provider failed and which the offline engine took over"),
    histogram("offhook_provider_request_seconds", PROVIDER, "Time from asking a provider for an answer to its first audio"),
    counter("offhook_recordings_bytes_total", "Bytes of audio written to recordings"),
    histogram("offhook_response_gap_seconds", GAP, "Caller's last speech to the agent's first sent sample, by engine"),
    counter("offhook_rtp_concealed_total", "Frames invented for lost or late packets"),
    counter("offhook_rtp_late_total", "Packets that arrived after their playout time"),
    counter("offhook_rtp_lost_total", "Packets that never arrived"),
    counter("offhook_rtp_packets_total", "RTP packets, by direction"),
    counter("offhook_rtp_rejected_total", "Datagrams on RTP ports that were not taken, by reason"),
    histogram("offhook_sendout_lateness_seconds", FRAME, "How late an agent frame left after its due time"),
    counter("offhook_sip_requests_total", "SIP requests, retransmissions apart, by method and direction"),
    counter("offhook_sip_responses_total", "SIP responses, retransmissions apart, by code and direction"),
    counter("offhook_sip_retransmissions_total", "SIP messages sent or received again"),
    gauge("offhook_tasks", "Tasks of the runtime that are alive: actors, sockets, timers"),
    counter("offhook_tool_calls_total", "Tool calls of the model, by outcome"),
    counter(
        "offhook_trace_spans_total",
        "Spans of traced calls: sent, queue_full (too many waited) or failed (the collector did not take them)",
    ),
    counter("offhook_turns_total", "Turns that ended, of either side"),
];

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, help }
}

const fn histogram(name: &'static str, buckets: &'static [f64], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram(buckets), help }
}
