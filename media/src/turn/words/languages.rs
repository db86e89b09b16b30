//! The words that each language opens, closes and interrupts with: a row a language.

/// One language. Words are lower-cased, without punctuation; phrases have single spaces.
pub(super) struct Language {
    /// ISO 639-1.
    code: &'static str,
    /// What a sentence does not end in: conjunctions, prepositions, articles, auxiliaries. Not what may also end one, as the prefixes of
    /// German verbs do.
    pub(super) open: &'static [&'static str],
    /// What ends so and is whole all the same: "about that", "log in".
    pub(super) whole: &'static [&'static str],
    /// What an object or a clause must follow: "need", "tell me", "I think".
    pub(super) wanting: &'static [&'static str],
    /// Said while thinking.
    pub(super) fillers: &'static [&'static str],
    /// What any turn may end in: thanks, goodbyes.
    pub(super) closers: &'static [&'static str],
    /// Answers of a word or two.
    pub(super) answers: &'static [&'static str],
    /// First words of a clause that another must follow.
    pub(super) subordinate: &'static [&'static str],
    /// What a turn begins with and seldom is all of.
    pub(super) openers: &'static [&'static str],
    /// Words after which such a clause may begin: "and if".
    pub(super) joining: &'static [&'static str],
    /// First words of questions.
    pub(super) questions: &'static [&'static str],
    /// Words that stand for an object, and so need none: "what do you need".
    pub(super) asked: &'static [&'static str],
    /// Digits as they are read out.
    pub(super) digits: &'static [&'static str],
    /// The dot of an e-mail address.
    pub(super) dot: &'static [&'static str],
    /// Said to show that one listens.
    pub(super) backchannels: &'static [&'static str],
    /// Said to stop the agent.
    pub(super) commands: &'static [&'static str],
    /// The words of its grammar; empty: what needs them is not looked at.
    pub(super) auxiliaries: &'static [&'static str],
    /// Who does what the verb says.
    pub(super) subjects: &'static [&'static str],
    /// Other finite verbs, and endings of such: of the past, and contracted with the word before.
    pub(super) verbs: &'static [&'static str],
    pub(super) past: &'static [&'static str],
    pub(super) contracted: &'static [&'static str],
    /// A verb after one of these is none of its own: "to".
    pub(super) governing: &'static [&'static str],
    /// Prepositions that the end of a question may be left with.
    pub(super) prepositions: &'static [&'static str],
    /// Articles and possessives, that which is known and that which is not; adjectives, and what stands before one.
    pub(super) definite: &'static [&'static str],
    pub(super) indefinite: &'static [&'static str],
    pub(super) describing: &'static [&'static str],
    pub(super) degrees: &'static [&'static str],
    /// Words that clauses end in.
    pub(super) settling: &'static [&'static str],
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
            "a", "about", "after", "against", "am", "an", "and", "are", "as", "at", "be", "because", "been", "before", "between", "but", "by", "can", "could",
            "during", "every", "for", "from", "had better", "has", "he", "his", "how", "i", "i'd", "i'd like", "i'll", "i'm", "i've", "if", "in", "into",
            "is", "it's", "its", "let me", "let's", "may", "might", "must", "my", "my name", "not", "of", "on", "or", "our", "rather", "shall", "she", "she's", "should",
            "since", "so", "some", "than", "that", "that's", "the", "their", "then", "there are", "there is", "there was", "there's", "they", "they're", "this is",
            "through", "to", "towards", "under", "unless", "until", "was", "we", "we'd", "we'll", "we're", "we've", "were", "what", "when", "where", "whether",
            "which", "while", "who", "whose", "will", "with", "without", "would", "would like", "you're", "your",
        ],
        whole: &[
            "about that", "after that", "all that", "am lost", "are lost", "been found", "been lost", "been made", "been received", "been sent", "before that", "check in", "checked in", "come in", "do that", "do so", "far is it", "for that", "get that", "go on", "got lost", "got that", "guess so", "guess not",
            "have that", "hope so", "hope not", "how are you", "how is it", "i'm lost", "heard that", "is lost", "is that", "know that", "like that", "log in", "logged in", "long is it", "mean that", "much are they",
            "much is it", "need that", "never mind", "not mind", "don't mind", "of that", "or not", "or so", "or what", "say so", "see that", "switch on", "switched on", "than that", "think so",
            "time is it", "to that", "try on", "turn on", "turned on", "understand that", "want that", "was asked", "was found", "was lost", "was made", "was sent", "were sent", "what for", "what is it", "where are you", "where is it", "who are you",
            "who is it", "why not", "with that", "yes i am", "yes i can", "yes it is", "yes they are", "yes we are", "yes we can",
        ],
        wanting: &[
            "afraid", "ask", "asked", "became", "become", "believe", "bought", "brought", "bring", "contains", "find", "forgot", "found", "get", "give", "give me", "got",
            "guess", "had", "have", "having", "hope", "i mean", "include", "keep", "like", "looking", "looks", "lose", "lost", "made", "make", "mind", "need", "needs", "prefer", "put",
            "receive", "received", "recommend", "repeat", "said", "saw", "say", "says", "seem", "seems", "sell", "send", "send me", "sent", "sent me", "show me", "suppose", "take",
            "tell", "tell me", "tell you", "think", "thought", "told me", "took", "use", "used", "using", "want", "wanted", "wants", "wish", "wonder",
        ],
        fillers: &["ah", "er", "erm", "hmm", "uh", "uhm", "um", "well"],
        closers: &["bye", "goodbye", "please", "thank you", "thank you very much", "thanks", "that is all", "that's all", "that's it", "that is it"],
        answers: &[
            "absolutely", "correct", "definitely", "exactly", "fine", "maybe", "no", "nope", "of course", "perfect", "perhaps", "right", "sure", "that is correct", "that's correct",
            "that is right", "that's right", "yeah", "yep", "yes",
        ],
        subordinate: &[
            "after", "all i", "all we", "although", "as", "as far as", "as long as", "as soon as", "because", "before", "even if", "everything i", "everything we", "first", "if", "in case",
            "once", "since", "though", "unless", "what i", "what we", "when", "whenever", "whether", "while",
        ],
        openers: &[
            "actually", "by the way", "excuse me", "good afternoon", "good evening", "good morning", "hello", "hey", "hi", "honestly", "i see", "in fact", "let me see",
            "let me think", "listen", "look", "oh", "ok", "okay", "right", "so", "sorry", "to be honest", "unfortunately", "usually", "you know", "you see",
        ],
        joining: &["and", "but", "or", "so", "that"],
        questions: &[
            "are", "can", "could", "did", "do", "does", "how", "is", "may", "what", "what's", "when", "where", "where's", "which", "who", "why", "will", "would",
        ],
        asked: &["what", "which", "who"],
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
        auxiliaries: &[
            "am", "are", "can", "can't", "cannot", "could", "did", "didn't", "do", "does", "doesn't", "don't", "has", "hasn't", "have", "haven't", "is", "isn't", "may", "might", "must",
            "shall", "should", "was", "were", "will", "won't", "would", "wouldn't",
        ],
        subjects: &["he", "i", "it", "she", "there", "they", "we", "you"],
        verbs: &[
            "arrive", "ate", "became", "believe", "belongs", "bought", "break", "broke", "bring", "brought", "call", "came", "cancel", "close", "closes", "come", "comes", "cost", "costs", "crash", "crashes", "depends", "drove", "fell", "felt", "find", "forgot", "found",
            "gave", "get", "gets", "give", "gives", "go", "goes", "got", "guess", "had", "happens", "hear", "heard", "held", "hope", "hurts", "keep", "keeps", "kept", "knew", "know", "knows",
            "leave", "leaves", "left", "let", "like", "likes", "live", "lives", "look", "looks", "lost", "made", "makes", "mean", "means", "met", "need", "needs", "open", "opens", "owe", "own", "paid", "pay", "prefer",
            "press", "print", "prints", "put", "ran", "read", "received", "ring", "rings", "said", "sang", "saw", "say", "says", "see", "seem", "seems", "sees", "sell", "send", "sends", "sent", "show", "shows", "sold", "sounds", "spent",
            "spoke", "start", "starts", "stay", "stays", "stood", "stop", "stops", "take", "takes", "talk", "tell", "tells", "think", "thinks", "thought", "told", "took", "try", "tries",
            "understand", "use", "uses", "wait", "want", "wants", "went", "wish", "won", "wonder", "work", "works", "write", "wrote",
        ],
        past: &["ed"],
        contracted: &["'d", "'ll", "'m", "'re", "'s", "'ve", "n't"],
        governing: &["not", "to"],
        prepositions: &["about", "after", "at", "by", "for", "from", "in", "into", "of", "on", "through", "to", "under", "with", "without"],
        definite: &["her", "his", "my", "our", "the", "their", "your"],
        indefinite: &["a", "an", "another", "any", "no", "some"],
        describing: &[
            "bad", "better", "big", "black", "blue", "brown", "cheap", "cheaper", "different", "double", "empty", "expensive", "free", "good", "great", "green", "grey", "heavy", "high",
            "important", "large", "larger", "last", "little", "local", "long", "low", "main", "new", "next", "nice", "old", "private", "quick", "red", "serious", "short", "simple", "single", "small",
            "smaller", "special", "specific", "strange", "strong", "white", "whole", "wrong", "yellow", "young",
        ],
        degrees: &["extremely", "quite", "rather", "very"],
        settling: &[
            "again", "already", "anymore", "anyway", "away", "back", "either", "else", "her", "here", "herself", "him", "himself", "immediately", "instead", "it", "later", "me", "more", "myself", "now", "one", "ones",
            "properly", "soon", "that", "them", "there", "this", "today", "together", "tomorrow", "tonight", "too", "us", "yesterday", "yet", "you",
        ],
    },
    Language {
        code: "de",
        open: &[
            "aber", "als", "am", "bei", "bis", "das", "dass", "dem", "den", "denn", "der", "die", "eine", "einem", "einen",
            "einer", "für", "ich", "ich bin", "ich möchte", "ich würde gerne", "im", "in", "ist", "mein", "meine", "meinem", "meinen", "nach",
            "ob", "oder", "sein", "sie", "sind", "sondern", "und", "unser", "vom", "von", "wann", "weil", "wenn", "wir", "zum", "zur", "über",
        ],
        whole: &["das ist es", "der ist es", "ich auch", "was ist das", "wer ist das", "wie ist das"],
        wanting: &["bräuchte", "brauche", "brauchen", "hätte", "hätte gerne", "habe", "haben", "hoffe", "glaube", "kostet", "meine", "möchte", "suche", "suchen", "sagen sie", "sagen sie mir", "geben sie", "geben sie mir", "würde", "würde gerne", "wissen sie"],
        fillers: &["also", "em", "hm", "äh", "ähm", "öh", "naja"],
        closers: &["bitte", "danke", "danke schön", "tschüss", "auf wiederhören", "das ist alles", "das war's"],
        answers: &["doch", "genau", "gerne", "ja", "natürlich", "nein", "nee", "richtig", "sicher", "stimmt", "vielleicht"],
        subordinate: &["bevor", "da", "falls", "nachdem", "obwohl", "sobald", "solange", "weil", "wenn", "während"],
        openers: &["guten abend", "guten morgen", "guten tag", "hallo", "hören sie", "ja", "moment", "na ja", "okay"],
        joining: &["aber", "oder", "und"],
        questions: &["gibt", "haben", "ist", "kann", "können", "könnten", "sind", "was", "wann", "warum", "wer", "wie", "wo", "woher", "wohin", "welche"],
        asked: &["was", "welche", "welchen", "welches", "wen"],
        digits: &["acht", "drei", "eins", "fünf", "neun", "null", "sechs", "sieben", "vier", "zwei", "zwo"],
        dot: &["punkt"],
        backchannels: &[
            "ach so", "aha", "alles klar", "danke", "genau", "gut", "hm", "hmm", "ja", "jaja", "jawohl", "klar", "mhm", "ok", "okay", "richtig",
            "schön", "stimmt", "verstehe", "ich verstehe",
        ],
        commands: &["augenblick", "entschuldigung", "genug", "halt", "moment", "nein", "nee", "ruhe", "stop", "stopp", "warte", "warten sie", "einen moment"],
        auxiliaries: &[], subjects: &[], verbs: &[], past: &[], contracted: &[], governing: &[], prepositions: &[], definite: &[],
        indefinite: &[], describing: &[], degrees: &[], settling: &[],
    },
    Language {
        code: "es",
        open: &[
            "a", "al", "como", "con", "cuando", "de", "del", "desde", "el", "en", "entre", "es", "la", "las", "los", "mi", "mis", "necesito", "o", "para",
            "pero", "por", "porque", "que", "quiero", "quisiera", "me gustaría", "se", "si", "sin", "sobre", "soy", "su", "sus", "un", "una", "unos", "y", "yo",
        ],
        whole: &["de nada", "para qué", "por qué", "qué es"],
        wanting: &["busco", "creo", "deseo", "digo", "espero", "hay", "necesita", "necesitamos", "puedo", "podría", "puede", "queremos", "querría", "tengo", "tenemos", "tiene"],
        fillers: &["eh", "ehm", "este", "em", "pues", "mmm"],
        closers: &["adiós", "eso es todo", "gracias", "hasta luego", "muchas gracias", "nada más", "por favor"],
        answers: &["claro", "correcto", "de acuerdo", "exacto", "no", "quizás", "seguro", "sí", "vale"],
        subordinate: &["antes de", "aunque", "como", "cuando", "mientras", "porque", "si", "ya que"],
        openers: &["a ver", "buenas", "buenas tardes", "buenos días", "hola", "mire", "oiga"],
        joining: &["o", "pero", "y"],
        questions: &["cuál", "cuándo", "cuánto", "cuánta", "cómo", "dónde", "hay", "puede", "puedo", "qué", "quién", "tiene", "tienen"],
        asked: &["cuál", "qué", "quién"],
        digits: &["cero", "cinco", "cuatro", "dos", "nueve", "ocho", "seis", "siete", "tres", "uno"],
        dot: &["punto"],
        backchannels: &["ah", "ajá", "bien", "bueno", "claro", "de acuerdo", "entiendo", "gracias", "mm", "mmm", "muy bien", "ok", "okay", "perfecto", "sí", "vale", "ya"],
        commands: &["alto", "basta", "disculpe", "espera", "espere", "no", "para", "pare", "perdón", "perdone", "silencio", "un momento"],
        auxiliaries: &[], subjects: &[], verbs: &[], past: &[], contracted: &[], governing: &[], prepositions: &[], definite: &[],
        indefinite: &[], describing: &[], degrees: &[], settling: &[],
    },
    Language {
        code: "fr",
        open: &[
            "au", "aux", "avec", "c'est", "car", "chez", "dans", "de", "depuis", "des", "donc", "du", "elle", "en", "est", "et", "il", "j'ai", "je",
            "je suis", "je voudrais", "j'aimerais", "la", "le", "les", "ma", "mais", "mes", "mon", "notre", "nous", "ou", "où", "par", "parce que", "pour",
            "que", "quand", "sa", "sans", "si", "son", "sur", "un", "une", "votre", "à",
        ],
        whole: &["c'est ça", "comme ça", "pour quoi"],
        wanting: &["cherche", "crois", "espère", "pense", "peux", "pouvez-vous", "pourriez-vous", "puis-je", "veux", "voudrais", "voulons", "aimerais", "ai besoin", "avons", "avez-vous", "prends"],
        fillers: &["ben", "bah", "euh", "hein", "heu", "hum", "alors"],
        closers: &["au revoir", "c'est tout", "merci", "merci beaucoup", "s'il vous plaît"],
        answers: &["bien sûr", "d'accord", "exactement", "non", "oui", "ouais", "peut-être", "voilà"],
        subordinate: &["alors que", "bien que", "comme", "dès que", "lorsque", "parce que", "puisque", "quand", "si"],
        openers: &["allô", "alors", "bonjour", "bonsoir", "dites", "écoutez", "voyons"],
        joining: &["et", "mais", "ou"],
        questions: &["avez-vous", "combien", "comment", "est-ce", "où", "peut-on", "pouvez-vous", "pourquoi", "pourriez-vous", "puis-je", "quand", "quel", "quelle", "qui"],
        asked: &["que", "quel", "quelle", "qui"],
        digits: &["cinq", "deux", "huit", "neuf", "quatre", "sept", "six", "trois", "un", "zéro"],
        dot: &["point"],
        backchannels: &["ah", "ah oui", "bien", "bien sûr", "d'accord", "exactement", "hum", "je vois", "merci", "mm", "ok", "okay", "oui", "ouais", "parfait", "très bien", "voilà"],
        commands: &["arrête", "arrêtez", "attends", "attendez", "excusez-moi", "non", "pardon", "silence", "stop", "un instant", "un moment", "une seconde"],
        auxiliaries: &[], subjects: &[], verbs: &[], past: &[], contracted: &[], governing: &[], prepositions: &[], definite: &[],
        indefinite: &[], describing: &[], degrees: &[], settling: &[],
    },
    Language {
        code: "it",
        open: &[
            "a", "al", "alla", "anche", "che", "ci", "come", "con", "da", "dal", "dalla", "de", "del", "della", "di", "e", "ed", "gli", "ho", "i", "il", "in", "io",
            "la", "le", "lo", "ma", "mi", "mi piacerebbe", "mia", "mio", "nel", "nella", "o", "oppure", "per", "perché", "quando", "se", "sono", "su", "sul",
            "tra", "un", "una", "uno", "vorrei", "è",
        ],
        whole: &["che cosa è", "cos'è", "di niente", "per che cosa"],
        wanting: &["abbiamo", "avrei", "cerco", "credo", "desidero", "penso", "posso", "potrei", "può", "spero", "vogliamo", "voglio", "ha"],
        fillers: &["allora", "beh", "cioè", "eh", "ehm", "mmm", "uhm"],
        closers: &["a presto", "arrivederci", "grazie", "grazie mille", "per favore", "per piacere", "è tutto"],
        answers: &["certo", "esatto", "forse", "no", "sicuro", "sì", "va bene", "giusto"],
        subordinate: &["anche se", "appena", "dato che", "mentre", "perché", "poiché", "quando", "se", "siccome"],
        openers: &["allora", "buonasera", "buongiorno", "ciao", "pronto", "senta", "vediamo"],
        joining: &["e", "ma", "o"],
        questions: &["avete", "chi", "come", "cosa", "dove", "posso", "potete", "potrebbe", "può", "quale", "quando", "quanto", "quanti", "c'è"],
        asked: &["che", "chi", "cosa", "quale"],
        digits: &["cinque", "due", "nove", "otto", "quattro", "sei", "sette", "tre", "uno", "zero"],
        dot: &["punto"],
        backchannels: &["ah", "bene", "capisco", "capito", "certo", "d'accordo", "esatto", "giusto", "grazie", "mm", "mmm", "ok", "okay", "perfetto", "sì", "va bene"],
        commands: &["aspetta", "aspetti", "basta", "ferma", "fermati", "mi scusi", "no", "scusa", "scusi", "silenzio", "stop", "un attimo", "un momento"],
        auxiliaries: &[], subjects: &[], verbs: &[], past: &[], contracted: &[], governing: &[], prepositions: &[], definite: &[],
        indefinite: &[], describing: &[], degrees: &[], settling: &[],
    },
];
