//! Every metric: its name, kind, buckets, labels and meaning. Tests hold code, dashboards and alert rules to this list.

/// One metric.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: Labels,
    /// One line.
    pub(super) help: &'static str,
}

/// How a metric moves; a histogram has its buckets' upper ends, in the unit of its name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram(&'static [f64]),
}

/// The labels of a metric, each with every value it can have; none when that is not known before: then a series appears with
/// its first event. All others are there from the start, so that their first event is seen as a rise and zero as zero.
pub(super) type Labels = &'static [(&'static str, &'static [&'static str])];

/// No labels: one series a node.
const NONE: Labels = &[];
/// The values are not known before.
const OPEN: &[&str] = &[];
/// Kinds of actors.
const ACTOR: Labels = &[(
    "actor",
    &[
        "ai_session",
        "call",
        "calls",
        "conference",
        "jitter_buffer",
        "leg",
        "node",
        "recorder",
        "sip_endpoint",
        "store",
        "trunk",
        "vad",
    ],
)];
/// Which way media goes, seen from here.
const DIRECTION: Labels = &[("direction", &["received", "sent"])];
/// Engines that answer callers.
const ENGINE: Labels = &[("engine", &["cascade", "offline", "realtime", "stream"])];
/// What a caller's leg speaks.
const LEG: (&str, &[&str]) = ("leg", &["sip", "twilio", "webrtc", "ws"]);
/// A carrier, by its name.
const TRUNK: Labels = &[("trunk", OPEN)];
/// What carries SIP.
const TRANSPORT: (&str, &[&str]) = ("transport", &["tcp", "tls", "udp"]);
/// How a TLS handshake ends; `refused_by_peer`: it did not like our certificate, or anything else of ours.
const HANDSHAKE: (&str, &[&str]) = (
    "outcome",
    &[
        "certificate_invalid",
        "certificate_missing",
        "closed",
        "incompatible",
        "not_tls",
        "ok",
        "protocol",
        "refused_by_peer",
        "timeout",
    ],
);
/// Why something of an external bot, or for it, is passed over.
const BOT: Labels = &[("reason", &["binary", "malformed", "mark", "parameter", "stream_sid", "too_long", "unknown_event"])];
/// Why a datagram on an RTP port, or a message of a media stream, is not taken.
const NOT_MEDIA: Labels = &[(
    "reason",
    &[
        "dtls",
        "media_streams",
        "padding",
        "payload_type",
        "rtcp",
        "source",
        "srtp",
        "stun",
        "too_long",
        "too_short",
        "truncated",
        "version",
    ],
)];
/// Why a call is refused: by the HTTP doors, by `Calls`, by `Call`, by the SIP endpoint.
const REFUSAL: Labels = &[(
    "reason",
    &[
        "at_capacity",
        "bad_signature",
        "bad_stream",
        "bad_token",
        "busy",
        "cpu_busy",
        "draining",
        "failed",
        "identity_refused",
        "no_codec",
        "no_route",
        "rejected_busy",
        "sip_malformed",
        "sip_merged",
        "sip_overloaded",
        "sip_unmatched",
        "sip_unsupported",
        "spend_day",
        "spend_hour",
        "spend_no_price",
        "stream_refused",
        "tcp_connections",
        "tcp_connections_of_source",
        "trunk_channels",
        "trunk_minute",
        "trunk_second",
        "unknown_number",
        "unknown_peer",
        "usage_limit",
    ],
)];
/// How a provider fails. The provider is whatever the configuration names; those it names are preset.
const FAILURE: Labels = &[
    ("provider", OPEN),
    (
        "kind",
        &[
            "closed",
            "configuration",
            "connect_timeout",
            "exhausted",
            "first_audio_timeout",
            "first_token_timeout",
            "half_open",
            "key",
            "left_alone",
            "network",
            "next_audio_timeout",
            "next_token_timeout",
            "overloaded",
            "protocol",
            "quota",
            "rate_limited",
            "reported",
            "session_expired",
            "synthesizer",
            "transcript_timeout",
            "transcription",
            "url",
            "write_timeout",
        ],
    ),
];

/// A call from a wrong number to a long consultation.
const CALL: &[f64] = &[1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0];
/// INVITE to 200 OK; the target is 10 ms at p99.
const SETUP: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// What the callee's side takes: carriers ring within 1 to 6 s, people pick up within half a minute.
const DIAL: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 6.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 120.0];
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
/// From a short answer to two long ones.
const ANALYSIS: &[f64] = &[0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 180.0];
/// From a look at the clock to the longest that a caller types.
const TOOL: &[f64] = &[0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0, 60.0];
/// A query; the service level is 50 ms at p95.
const QUERY: &[f64] = &[0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0];
/// A request; the service level is 100 ms at p95.
const REQUEST: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// All that go through the recorder, by name.
pub(super) const METRICS: &[Metric] = &[
    counter("offhook_actor_restarts_total", ACTOR, "Actors restarted by their supervisor"),
    counter(
        "offhook_analyses_total",
        &[("outcome", &["done", "failed", "retried", "skipped"])],
        "Ends of tries to analyse a call: retried ones come again",
    ),
    histogram("offhook_analysis_seconds", ANALYSIS, NONE, "Time of one try to analyse a call, the model's answers included"),
    histogram("offhook_answerer_seconds", GAP, NONE, "From the answer of a call of ours to the verdict who or what picked up"),
    counter(
        "offhook_answerers_total",
        &[("by", &["human", "machine", "unknown"]), ("reason", OPEN)],
        "Verdicts who or what picked up a call of ours, and why; a transcript may give a second one",
    ),
    counter(
        "offhook_barge_ins_total",
        &[("outcome", &["committed", "resumed"])],
        "Caller speech over the agent: committed (answer dropped) or resumed (it went on)",
    ),
    counter("offhook_billing_calls_charged_total", NONE, "Calls whose usage was charged, by this node"),
    counter("offhook_billing_invoices_total", NONE, "Invoices issued, by this node"),
    gauge("offhook_billing_over_limit", NONE, "Organizations at their hard limit, whose new calls are refused"),
    gauge(
        "offhook_billing_queue_age_seconds",
        &[("queue", &["charges", "reports"])],
        "How long what waits longest has waited: calls to be charged, reports to the payment service; of all nodes of the database",
    ),
    counter(
        "offhook_billing_reports_total",
        &[("outcome", &["dead", "retried", "taken"])],
        "Ends of tries to tell the payment service of usage: retried ones come again",
    ),
    counter("offhook_bot_rejected_total", BOT, "What external bots sent, or were to be told of a call, that was passed over"),
    gauge("offhook_build_info", &[("version", OPEN)], "Always 1; the version is a label"),
    histogram("offhook_call_duration_seconds", CALL, NONE, "Answer to end of a call"),
    histogram("offhook_call_mos", MOS, DIRECTION, "How a call sounded by the E-model, 1 to 4.4"),
    histogram("offhook_call_setup_seconds", SETUP, &[LEG], "Incoming call to our answer"),
    gauge("offhook_calls_active", &[LEG], "Calls up now"),
    counter(
        "offhook_campaign_attempts_total",
        &[(
            "outcome",
            &[
                "answered",
                "busy",
                "cancelled",
                "declined",
                "do_not_call",
                "failed",
                "human",
                "invalid_number",
                "no_answer",
                "unknown",
                "unwanted",
                "voicemail",
            ],
        )],
        "Calls of campaigns that are over, by what came of them; unknown: their node was lost",
    ),
    gauge("offhook_campaigns_running", NONE, "Campaigns that run, of all nodes of the database; each second"),
    gauge("offhook_calls_max", NONE, "Calls that may be up at once: node.max_calls"),
    counter("offhook_calls_rejected_total", REFUSAL, "Calls and messages refused before a call began"),
    counter(
        "offhook_calls_total",
        &[
            LEG,
            ("direction", &["inbound", "outbound"]),
            ("outcome", &["cancelled", "completed", "failed", "rejected", "unanswered"]),
        ],
        "Calls that ended",
    ),
    gauge(
        "offhook_certificate_expires_seconds",
        &[("certificate", OPEN)],
        "Time until our certificate is no longer valid, negative after; only with TLS",
    ),
    counter("offhook_clock_late_total", NONE, "Bursts of frames that the media clock began more than 2 ms late"),
    counter(
        "offhook_conference_frames_dropped_total",
        NONE,
        "Frames that a conference left out: too many waited, or none was needed in reserve",
    ),
    counter(
        "offhook_conference_frames_late_total",
        NONE,
        "Frames of a speaker that were not there when a conference mixed: silence",
    ),
    gauge("offhook_conference_members", NONE, "Calls that are in conferences now"),
    gauge("offhook_conferences_active", NONE, "Conferences up now"),
    counter(
        "offhook_config_reloads_total",
        &[("outcome", &["refused", "taken"])],
        "Readings of the configuration on SIGHUP; a refused one changed nothing",
    ),
    gauge(
        "offhook_cpu_busy_ratio",
        NONE,
        "Busy share of all cores of the machine, 0 to 1, over two seconds; admission looks at it",
    ),
    histogram("offhook_db_query_seconds", QUERY, &[("query", OPEN)], "Time of a database query"),
    histogram(
        "offhook_dial_seconds",
        DIAL,
        &[("until", &["answered", "ringing"])],
        "Calls of ours: INVITE to the callee's ringing, and to the answer",
    ),
    counter(
        "offhook_dtls_handshakes_total",
        &[("result", &["connected", "fingerprint", "handshake", "timeout"])],
        "Handshakes for the keys of audio: done, with a certificate that the SDP does not name, refused or none, not over in 10 s",
    ),
    gauge("offhook_event_readers", NONE, "Readers of GET /api/v1/events"),
    counter("offhook_event_readers_dropped_total", NONE, "Readers of events that were dropped: they did not keep up"),
    counter(
        "offhook_hep_packets_total",
        &[("outcome", &["failed", "sent"])],
        "SIP messages for the HEP collector: handed to the system, or not",
    ),
    counter("offhook_http_rate_limited_total", &[], "HTTP requests answered with 429 for their number"),
    histogram(
        "offhook_http_request_seconds",
        REQUEST,
        &[("route", OPEN), ("method", OPEN), ("status", OPEN)],
        "Time of an HTTP request",
    ),
    counter(
        "offhook_identity_fetch_errors_total",
        &[("reason", &["busy", "network", "refused", "status", "timeout", "too_long"])],
        "Calls whose signer's certificate could not be fetched (STIR/SHAKEN)",
    ),
    counter(
        "offhook_identity_total",
        &[("verdict", &["failed", "none", "passed", "unverifiable"])],
        "Calls by what a check of their caller's number found (STIR/SHAKEN)",
    ),
    histogram("offhook_jitter_buffer_depth_seconds", DEPTH, NONE, "Playout delay of the jitter buffer, once a second and leg"),
    counter(
        "offhook_knowledge_degraded_total",
        &[("part", &["embeddings", "vectors"])],
        "Questions to the knowledge base that words alone answered, since the server for embeddings or vectors did not",
    ),
    gauge(
        "offhook_knowledge_documents",
        &[("status", &["deleting", "failed", "pending", "ready"])],
        "Documents of the knowledge base",
    ),
    counter(
        "offhook_knowledge_ingested_total",
        &[("outcome", &["deleted", "failed", "ready", "retried", "superseded"])],
        "Documents of the knowledge base that were worked at",
    ),
    histogram(
        "offhook_knowledge_search_seconds",
        QUERY,
        &[("by", &["hybrid", "text"])],
        "Time of a question to the knowledge base, by words alone (text) or by vectors too, with the question's own",
    ),
    gauge("offhook_knowledge_vector_bytes", NONE, "Memory of the vectors of the knowledge base that this process ranks"),
    gauge("offhook_mailbox_depth", ACTOR, "Most messages that waited in one mailbox of a kind of actor in the last second"),
    counter("offhook_mailbox_dropped_total", ACTOR, "Messages dropped or refused because a mailbox was full"),
    histogram(
        "offhook_media_added_delay_seconds",
        FRAME,
        DIRECTION,
        "Delay that Offhook adds: caller's frame due to engine, agent's audio to wire but for the wait for the next beat",
    ),
    gauge("offhook_mcp_server_up", &[("server", OPEN)], "1 while an MCP server is connected and its tools are offered"),
    counter(
        "offhook_memory_recalls_total",
        &[("outcome", &["failed", "found", "late", "none"])],
        "Calls that asked what is remembered of their caller: late ones went on without",
    ),
    counter(
        "offhook_messages_left_total",
        &[("after", &["beep", "silence"])],
        "Messages left with machines: after their beep, or after a silence where none was heard",
    ),
    gauge("offhook_node_draining", NONE, "1 while the node takes no new calls"),
    gauge("offhook_node_ready", NONE, "1 while /readyz answers 200, asked every 5 s"),
    gauge(
        "offhook_provider_breaker_state",
        &[("provider", OPEN)],
        "0 asked, 1 tried by one call, 2 left alone after failures; every 5 s",
    ),
    counter("offhook_provider_errors_total", FAILURE, "Failed provider connections and requests"),
    counter(
        "offhook_provider_fallbacks_total",
        NONE,
        "Times that another provider, or the offline engine, took over from one that failed",
    ),
    histogram(
        "offhook_provider_request_seconds",
        PROVIDER,
        &[("provider", OPEN), ("stage", &["connect", "first_audio", "first_token", "response", "transcript"])],
        "Time of a provider: to open the connection, or from asking to words, an answer's first words, its first audio",
    ),
    counter("offhook_recording_faults_total", NONE, "Recordings that lost audio or ended before their call"),
    counter("offhook_recordings_bytes_total", NONE, "Bytes of audio written to recordings"),
    counter(
        "offhook_remarks_total",
        &[("occasion", &["back", "closing", "farewell", "gone", "not_taken", "put_through", "still_there", "time_up"])],
        "What agents said though nobody asked: to silent callers, before and at the longest call, at the end",
    ),
    histogram("offhook_response_gap_seconds", GAP, ENGINE, "Caller's last speech to the agent's first sent sample"),
    counter("offhook_rtp_concealed_total", NONE, "Frames invented for lost or late packets"),
    counter("offhook_rtp_late_total", NONE, "Packets that arrived after their playout time"),
    counter("offhook_rtp_lost_total", NONE, "Packets that never arrived"),
    counter("offhook_rtp_packets_total", DIRECTION, "RTP packets; of Twilio's streams only what was sent"),
    counter("offhook_rtp_passed_total", NONE, "RTP packets passed on from leg to leg as they came"),
    counter("offhook_rtp_recovered_total", NONE, "Gaps that the packet after them filled: Opus with FEC"),
    counter("offhook_rtp_rejected_total", NOT_MEDIA, "Datagrams on RTP ports and messages of media streams that were not taken"),
    histogram("offhook_sendout_lateness_seconds", FRAME, NONE, "How late an agent frame left after its due time"),
    counter("offhook_sendout_refused_bytes_total", NONE, "Agent audio that was not taken: more than 120 s waited"),
    counter("offhook_sip_challenges_total", NONE, "INVITEs that were answered with 401: their callers must show a password"),
    gauge("offhook_sip_connections", &[("transport", &["tcp", "tls"])], "SIP connections that are open"),
    counter(
        "offhook_sip_dns_total",
        &[("outcome", &["failed", "found", "nothing"])],
        "Questions to the DNS about SIP peers: answered, answered with nothing, not answered",
    ),
    counter(
        "offhook_sip_ladder_left_out_total",
        NONE,
        "SIP messages that were not kept with their call: it had too many, or all had",
    ),
    counter(
        "offhook_sip_messages_total",
        &[TRANSPORT, ("direction", &["received", "sent"])],
        "SIP messages by transport, repeated ones included",
    ),
    counter(
        "offhook_sip_rejected_total",
        &[("reason", &["call_flood", "message_flood", "scanner", "shed", "silenced"])],
        "SIP messages not read: shed ones were answered with 503, the others with nothing",
    ),
    counter("offhook_sip_requests_total", &[("method", OPEN), ("direction", OPEN)], "SIP requests, repeated ones included"),
    counter("offhook_sip_responses_total", &[("code", OPEN), ("direction", OPEN)], "SIP responses, repeated ones included"),
    counter("offhook_sip_retransmissions_total", NONE, "SIP messages sent again: an answer was missing, or the peer asked again"),
    counter(
        "offhook_sip_tls_handshakes_total",
        &[("direction", &["received", "sent"]), HANDSHAKE],
        "TLS handshakes of SIP, by whether the peer connected (received) or we did (sent), and how they ended",
    ),
    counter(
        "offhook_sip_tls_reloads_total",
        &[("outcome", &["failed", "read"])],
        "Readings of the certificate of SIP after its files changed; failed ones left the one before",
    ),
    counter("offhook_spend_ended_calls_total", NONE, "Calls of ours that were ended because the cap on spending was reached"),
    gauge(
        "offhook_spend_micros",
        &[("window", &["day", "hour"])],
        "What calls of ours cost in the last 60 minutes and 24 hours, in millionths; only where spending is capped",
    ),
    gauge("offhook_tasks", NONE, "Tasks of the runtime that are alive: actors, sockets, timers"),
    counter(
        "offhook_speculations_total",
        &[("outcome", &["used", "wasted"])],
        "Answers begun before the caller's turn was certainly over",
    ),
    counter(
        "offhook_tool_calls_total",
        &[("outcome", &["cancelled", "failed", "ok", "refused", "timeout"])],
        "Tool calls of the model that ended",
    ),
    histogram("offhook_tool_seconds", TOOL, &[("kind", &["builtin", "http", "mcp", "service"])], "Time of a tool call"),
    counter(
        "offhook_trace_spans_total",
        &[("outcome", &["sent", "queue_full", "failed"])],
        "Spans of traced calls: sent, queue_full (too many waited) or failed (the collector did not take them)",
    ),
    counter(
        "offhook_trunk_attempts_failed_total",
        &[("trunk", OPEN), ("reason", OPEN)],
        "INVITEs of calls of ours that came to nothing at a target: silent, unreachable, or its status",
    ),
    gauge("offhook_trunk_calls_active", TRUNK, "Calls of a trunk that are up or ring"),
    counter(
        "offhook_trunk_calls_total",
        &[("trunk", OPEN), ("direction", &["inbound", "outbound"])],
        "Calls let in by a trunk's limits",
    ),
    histogram("offhook_trunk_options_seconds", REQUEST, TRUNK, "OPTIONS to a target of a trunk, to its answer"),
    counter("offhook_trunk_redirects_total", TRUNK, "Redirections that calls of ours have followed"),
    gauge("offhook_trunk_registered", TRUNK, "1 while the registrar of a trunk leads calls here; only with registration"),
    counter("offhook_trunk_rejected_total", &[("trunk", OPEN), ("reason", OPEN)], "Calls of a trunk that were refused"),
    gauge(
        "offhook_trunk_target_up",
        &[("trunk", OPEN), ("target", OPEN)],
        "1 while a target of a trunk answers OPTIONS and no call failed there lately; only once that is known",
    ),
    counter("offhook_turns_total", NONE, "Turns that ended, of either side"),
    counter(
        "offhook_privacy_jobs_total",
        &[("kind", &["erase", "export"]), ("outcome", &["done", "failed"])],
        "Exports and erasures of persons that ended",
    ),
    counter("offhook_retention_bytes_total", NONE, "Bytes of recordings that were kept long enough and are gone"),
    counter(
        "offhook_retention_removed_total",
        &[("class", &["logs", "recordings", "transcripts"])],
        "Rows that were kept long enough, and are gone or blanked",
    ),
    counter(
        "offhook_webhook_deliveries_total",
        &[("outcome", &["dead", "delivered", "gone", "retried"])],
        "Ends of tries to deliver an event to a webhook: retried ones come again, gone switched their webhook off",
    ),
    gauge(
        "offhook_webhook_queue_age_seconds",
        NONE,
        "How long the delivery to a webhook has waited that waits longest, of all nodes of the database; every 15 s",
    ),
    counter(
        "offhook_webrtc_datagrams_total",
        &[("result", &["full", "stranger", "taken"])],
        "Datagrams at the port of browsers' calls that came to no call's own socket: for a call, of nobody known, or more than a call takes",
    ),
];

/// What `process` writes itself; no part of [`METRICS`].
pub(super) const PROCESS: &[Metric] = &[
    counter("offhook_process_cpu_seconds_total", NONE, "CPU time of the process, user and system"),
    gauge("offhook_process_open_files", NONE, "Files and sockets that the process has open"),
    gauge("offhook_process_open_files_max", NONE, "Files and sockets that the process may have open"),
    gauge("offhook_process_resident_bytes", NONE, "Memory of the process that is not swapped out"),
    gauge("offhook_process_start_seconds", NONE, "When the process started, in seconds since 1970"),
];

const fn counter(name: &'static str, labels: Labels, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: Labels, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, help }
}

const fn histogram(name: &'static str, buckets: &'static [f64], labels: Labels, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram(buckets), labels, help }
}
