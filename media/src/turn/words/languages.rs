//! The words that each language opens, closes and interrupts with: a row a language.

/// One language. Words are lower-cased, without punctuation; phrases have single spaces.
pub(super) struct Language {
    /// ISO 639-1.
    code: &'static str,
    /// What a sentence does not end in: conjunctions, prepositions, articles, and beginnings of what is wanted. Not what may also end one,
    /// as the prefixes of German verbs do.
    pub(super) open: &'static [&'static str],
    /// Said while thinking.
    pub(super) fillers: &'static [&'static str],
    /// What a turn ends in: answers, thanks, goodbyes.
    pub(super) closers: &'static [&'static str],
    /// First words of a clause that another must follow.
    pub(super) subordinate: &'static [&'static str],
    /// What a turn begins with and seldom is all of.
    pub(super) openers: &'static [&'static str],
    /// First words of questions.
    pub(super) questions: &'static [&'static str],
    /// Digits as they are read out.
    pub(super) digits: &'static [&'static str],
    /// The dot of an e-mail address.
    pub(super) dot: &'static [&'static str],
    /// Said to show that one listens.
    pub(super) backchannels: &'static [&'static str],
    /// Said to stop the agent.
    pub(super) commands: &'static [&'static str],
}

/// The row of this code; its region, if it has one, does not matter.
pub(super) fn find(code: &str) -> Option<&'static Language> {
    let code = code.split(['-', '_']).next().unwrap_or(code);
    LANGUAGES.iter().find(|language| language.code.eq_ignore_ascii_case(code))
}

/// What follows the last dot of an address, as it is said.
pub(super) const ADDRESS_ENDS: &[&str] =
    &["at", "ch", "co", "com", "de", "edu", "es", "eu", "fr", "io", "it", "net", "org", "uk"];

/// Hosts after which "dot com" is to be expected.
pub(super) const ADDRESS_HOSTS: &[&str] = &["aol", "gmail", "gmx", "hotmail", "icloud", "outlook", "yahoo"];

#[rustfmt::skip]
const LANGUAGES: &[Language] = &[
    Language {
        code: "en",
        open: &[
            "a", "about", "an", "and", "are", "as", "at", "because", "but", "by", "can", "could", "for", "from", "had better", "has", "have to",
            "he", "i", "i'd", "i'd like", "i'll", "i'm", "i've", "if", "in", "into", "is", "it's", "let me", "like to", "my", "need to",
            "of", "on", "or", "our", "rather", "should", "since", "so", "some", "tell me", "than", "that", "that's", "the", "their", "then", "there's", "they",
            "this is", "to", "until", "was", "we", "we'd", "we're", "were", "when", "which", "while", "who", "with", "would", "would like",
            "your",
        ],
        fillers: &["ah", "er", "erm", "hmm", "uh", "uhm", "um", "well"],
        closers: &[
            "bye", "correct", "goodbye", "no", "nope", "please", "sure", "thank you", "thanks", "that is all", "that's all", "that's it", "yep", "yes",
        ],
        subordinate: &["although", "as far as", "as soon as", "because", "first", "if", "since", "unless", "when i", "when we", "when you", "whenever", "while"],
        openers: &["actually", "good afternoon", "good evening", "good morning", "hello", "hey", "hi", "i think so", "let me see", "listen", "okay", "right", "so", "you see"],
        questions: &[
            "are", "can", "could", "did", "do", "does", "how", "is", "may", "what", "what's", "when", "where", "which", "who", "why", "will", "would",
        ],
        digits: &["double", "eight", "five", "four", "nine", "oh", "one", "seven", "six", "three", "two", "zero"],
        dot: &["dot"],
        backchannels: &[
            "ah", "aha", "all right", "alright", "cool", "fine", "good", "got it", "great", "hmm", "i see", "mhm", "mm", "mm-hmm", "mm-hm", "mmm",
            "no problem", "of course", "oh", "ok", "okay", "perfect", "right", "sure", "thank you", "thanks", "uh huh", "uh-huh", "yeah", "yep", "yes",
        ],
        commands: &[
            "actually", "be quiet", "enough", "excuse me", "hang on", "hold on", "just a moment", "just a second", "never mind", "no", "nope",
            "one moment", "one second", "pause", "please stop", "quiet", "shut up", "stop", "that's wrong", "wait",
        ],
    },
    Language {
        code: "de",
        open: &[
            "aber", "als", "am", "bei", "bis", "das", "dass", "dem", "den", "denn", "der", "die", "eine", "einem", "einen",
            "einer", "für", "ich", "ich bin", "ich möchte", "ich würde gerne", "im", "in", "ist", "mein", "meine", "meinem", "meinen", "nach",
            "ob", "oder", "sein", "sie", "sind", "sondern", "und", "unser", "vom", "von", "wann", "weil", "wenn", "wir", "zum", "zur", "über",
        ],
        fillers: &["also", "em", "hm", "äh", "ähm", "öh", "naja"],
        closers: &["bitte", "danke", "danke schön", "genau", "ja", "nein", "richtig", "tschüss", "auf wiederhören", "das ist alles"],
        subordinate: &["bevor", "da", "falls", "nachdem", "obwohl", "sobald", "solange", "weil", "wenn", "während"],
        openers: &["guten abend", "guten morgen", "guten tag", "hallo", "hören sie", "ja", "moment", "na ja", "okay"],
        questions: &["gibt", "haben", "ist", "kann", "können", "könnten", "sind", "was", "wann", "warum", "wer", "wie", "wo", "woher", "wohin", "welche"],
        digits: &["acht", "drei", "eins", "fünf", "neun", "null", "sechs", "sieben", "vier", "zwei", "zwo"],
        dot: &["punkt"],
        backchannels: &[
            "ach so", "aha", "alles klar", "danke", "genau", "gut", "hm", "hmm", "ja", "jaja", "jawohl", "klar", "mhm", "ok", "okay", "richtig",
            "schön", "stimmt", "verstehe", "ich verstehe",
        ],
        commands: &["augenblick", "entschuldigung", "genug", "halt", "moment", "nein", "nee", "ruhe", "stop", "stopp", "warte", "warten sie", "einen moment"],
    },
    Language {
        code: "es",
        open: &[
            "a", "al", "como", "con", "cuando", "de", "del", "desde", "el", "en", "entre", "es", "la", "las", "los", "mi", "mis", "necesito", "o", "para",
            "pero", "por", "porque", "que", "quiero", "quisiera", "me gustaría", "se", "si", "sin", "sobre", "soy", "su", "sus", "un", "una", "unos", "y", "yo",
        ],
        fillers: &["eh", "ehm", "este", "em", "pues", "mmm"],
        closers: &["adiós", "claro", "correcto", "eso es todo", "gracias", "no", "por favor", "sí", "vale", "de acuerdo"],
        subordinate: &["antes de", "aunque", "como", "cuando", "mientras", "porque", "si", "ya que"],
        openers: &["a ver", "buenas", "buenas tardes", "buenos días", "hola", "mire", "oiga"],
        questions: &["cuál", "cuándo", "cuánto", "cuánta", "cómo", "dónde", "hay", "puede", "puedo", "qué", "quién", "tiene", "tienen"],
        digits: &["cero", "cinco", "cuatro", "dos", "nueve", "ocho", "seis", "siete", "tres", "uno"],
        dot: &["punto"],
        backchannels: &["ah", "ajá", "bien", "bueno", "claro", "de acuerdo", "entiendo", "gracias", "mm", "mmm", "muy bien", "ok", "okay", "perfecto", "sí", "vale", "ya"],
        commands: &["alto", "basta", "disculpe", "espera", "espere", "no", "para", "pare", "perdón", "perdone", "silencio", "un momento"],
    },
    Language {
        code: "fr",
        open: &[
            "au", "aux", "avec", "c'est", "car", "chez", "dans", "de", "depuis", "des", "donc", "du", "elle", "en", "est", "et", "il", "j'ai", "je",
            "je suis", "je voudrais", "j'aimerais", "la", "le", "les", "ma", "mais", "mes", "mon", "notre", "nous", "ou", "où", "par", "parce que", "pour",
            "que", "quand", "sa", "sans", "si", "son", "sur", "un", "une", "votre", "à",
        ],
        fillers: &["ben", "bah", "euh", "hein", "heu", "hum", "alors"],
        closers: &["au revoir", "bien sûr", "c'est tout", "d'accord", "exactement", "merci", "non", "oui", "s'il vous plaît", "voilà"],
        subordinate: &["alors que", "bien que", "comme", "dès que", "lorsque", "parce que", "puisque", "quand", "si"],
        openers: &["allô", "alors", "bonjour", "bonsoir", "dites", "écoutez", "voyons"],
        questions: &["avez-vous", "combien", "comment", "est-ce", "où", "peut-on", "pouvez-vous", "pourquoi", "pourriez-vous", "puis-je", "quand", "quel", "quelle", "qui"],
        digits: &["cinq", "deux", "huit", "neuf", "quatre", "sept", "six", "trois", "un", "zéro"],
        dot: &["point"],
        backchannels: &["ah", "ah oui", "bien", "bien sûr", "d'accord", "exactement", "hum", "je vois", "merci", "mm", "ok", "okay", "oui", "ouais", "parfait", "très bien", "voilà"],
        commands: &["arrête", "arrêtez", "attends", "attendez", "excusez-moi", "non", "pardon", "silence", "stop", "un instant", "un moment", "une seconde"],
    },
    Language {
        code: "it",
        open: &[
            "a", "al", "alla", "anche", "che", "ci", "come", "con", "da", "dal", "dalla", "de", "del", "della", "di", "e", "ed", "gli", "ho", "i", "il", "in", "io",
            "la", "le", "lo", "ma", "mi", "mi piacerebbe", "mia", "mio", "nel", "nella", "o", "oppure", "per", "perché", "quando", "se", "sono", "su", "sul",
            "tra", "un", "una", "uno", "vorrei", "è",
        ],
        fillers: &["allora", "beh", "cioè", "eh", "ehm", "mmm", "uhm"],
        closers: &["arrivederci", "certo", "esatto", "grazie", "no", "per favore", "sì", "va bene", "è tutto"],
        subordinate: &["anche se", "appena", "dato che", "mentre", "perché", "poiché", "quando", "se", "siccome"],
        openers: &["allora", "buonasera", "buongiorno", "ciao", "pronto", "senta", "vediamo"],
        questions: &["avete", "chi", "come", "cosa", "dove", "posso", "potete", "potrebbe", "può", "quale", "quando", "quanto", "quanti", "c'è"],
        digits: &["cinque", "due", "nove", "otto", "quattro", "sei", "sette", "tre", "uno", "zero"],
        dot: &["punto"],
        backchannels: &["ah", "bene", "capisco", "capito", "certo", "d'accordo", "esatto", "giusto", "grazie", "mm", "mmm", "ok", "okay", "perfetto", "sì", "va bene"],
        commands: &["aspetta", "aspetti", "basta", "ferma", "fermati", "mi scusi", "no", "scusa", "scusi", "silenzio", "stop", "un attimo", "un momento"],
    },
];
