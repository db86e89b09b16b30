// An assistant's form, as data. Every field of the API is in it: the common ones each for itself, the rest of a section as JSON.
import { type ResourceRow, resource } from "~/resources/api";
import type { SectionSpec } from "~/resources/fields";

export interface Assistant extends ResourceRow {
  name?: string | null;
  language?: string | null;
  engine?: { kind?: string } | null;
  version?: number;
  updated_at?: string | null;
}

export const assistants = resource<Assistant>("/api/v1/assistants");

const BY_DEFAULT = "By default";

export const ASSISTANT_SECTIONS: SectionSpec[] = [
  {
    title: "What it says",
    fields: [
      { name: "name", label: "Name", kind: "text", required: true, placeholder: "reception" },
      {
        name: "language",
        label: "Language",
        kind: "text",
        placeholder: "en",
        hint: "ISO 639-1, or auto: as the caller speaks.",
      },
      {
        name: "personality",
        label: "Personality",
        kind: "choice",
        options: ["concise", "empathetic", "energetic", "formal", "friendly"],
        none: "As the instructions say",
      },
      { name: "timezone", label: "Time zone", kind: "text", placeholder: "Europe/Berlin" },
      {
        name: "first_message",
        label: "First message",
        kind: "long",
        hint: "Spoken when the call is answered. Empty: by default.",
      },
      {
        name: "system_prompt",
        label: "Instructions",
        kind: "long",
        hint: "What the model is told besides how one talks on the telephone, the time, and what is remembered of the caller.",
      },
    ],
  },
  {
    title: "What thinks",
    about:
      "auto: OpenAI's realtime model when its key is set, else the offline engine. A cascade has a provider for each stage.",
    fields: [
      {
        name: "engine.kind",
        label: "Engine",
        kind: "choice",
        options: ["auto", "realtime", "cascade", "offline", "stream"],
        none: BY_DEFAULT,
      },
      { name: "engine.provider", label: "Provider (realtime)", kind: "text", placeholder: "openai" },
      { name: "engine.model", label: "Model (realtime)", kind: "text", placeholder: "gpt-realtime" },
      {
        name: "engine.url",
        label: "Where the bot is (stream)",
        kind: "text",
        placeholder: "wss://bot.example.com/media",
      },
      {
        name: "engine",
        label: "All of the engine, as JSON",
        kind: "json",
        hint: "Fields above are part of it: change one or the other.",
      },
    ],
  },
  {
    title: "Cascade",
    about: "Who writes down, who answers, and who takes over.",
    fields: [
      { name: "transcriber.provider", label: "Transcriber", kind: "text", placeholder: "deepgram" },
      { name: "transcriber.model", label: "Its model", kind: "text" },
      { name: "model.provider", label: "Model's provider", kind: "text", placeholder: "anthropic" },
      { name: "model.name", label: "Model", kind: "text" },
      { name: "model.temperature", label: "How inventive", kind: "number", hint: "0 to 2." },
      { name: "model.max_tokens", label: "Longest answer", kind: "number", hint: "Tokens, 16 to 32768." },
      { name: "filler", label: "Said when an answer is late", kind: "text" },
      { name: "transcriber.keywords", label: "Words that callers are likely to say", kind: "lines" },
      { name: "fallback", label: "Who takes over", kind: "json", placeholder: "[ ]" },
      { name: "timeouts", label: "How long each stage may take", kind: "json" },
      { name: "pronunciations", label: "How words are said", kind: "json" },
    ],
  },
  {
    title: "Voice",
    fields: [
      { name: "voice.provider", label: "Provider", kind: "text", placeholder: "elevenlabs" },
      { name: "voice.voice_id", label: "Voice", kind: "text", placeholder: "marin" },
      { name: "voice.model", label: "Its model", kind: "text" },
      { name: "voice.offline_voice", label: "Voice of the offline engine", kind: "text", placeholder: "en-us" },
      { name: "voice.settings", label: "Settings", kind: "json", placeholder: '{ "speed": 1.1 }' },
      { name: "phrases", label: "What it says though nobody asked", kind: "json" },
      {
        name: "ambience",
        label: "The room under its voice",
        kind: "json",
        placeholder: '{ "sound": "office", "level_dbov": -50 }',
      },
    ],
  },
  {
    title: "Turns",
    fields: [
      { name: "interruptions_enabled", label: "The caller may interrupt it", kind: "yes-no" },
      { name: "background_denoising", label: "Noise around the caller is taken away", kind: "yes-no" },
      {
        name: "recording",
        label: "Recording",
        kind: "choice",
        options: ["default", "always", "off"],
        none: BY_DEFAULT,
      },
      {
        name: "redact",
        label: "Not kept of what is said",
        kind: "lines",
        placeholder: "card_numbers\nibans",
        hint: "card_numbers, emails, ibans: each on a line of its own.",
      },
      { name: "turn", label: "Turn-taking, where it differs from the node's", kind: "json" },
    ],
  },
  {
    title: "What it may do",
    fields: [
      {
        name: "tools",
        label: "Tools",
        kind: "lines",
        placeholder: "end_call\nget_time",
        hint: "Built-in tools, tools and MCP servers, each by name on a line of its own.",
      },
      { name: "tool_filler", label: "Said while a slow tool runs", kind: "text" },
      {
        name: "transfer",
        label: "Whom it may put callers through to",
        kind: "json",
        placeholder: '[{ "name": "sales", "target": "tel:+49301234", "description": "…" }]',
      },
      {
        name: "knowledge",
        label: "What it looks things up in",
        kind: "json",
        placeholder: '{ "bases": ["default"], "limit": 5 }',
      },
    ],
  },
  {
    title: "After the call",
    fields: [
      { name: "analysis", label: "What is found out about its calls", kind: "json" },
      { name: "memory", label: "What is remembered of its callers", kind: "json" },
      { name: "metadata", label: "Whatever you want to keep with it", kind: "json" },
    ],
  },
];
