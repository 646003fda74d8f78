import Music

/// What goes wrong between two spellings of one song.
extension SongMaker {
    /// One slip of a finger; a second one in long texts. Letters only, never the first of a short word.
    mutating func mistyped(_ text: String) -> String {
        var letters = Array(text)
        for _ in 0..<(letters.count > 14 && dice.chance(40) ? 2 : 1) {
            let places = letters.indices.filter { letters[$0].isLetter }
            guard places.count >= 3 else { return String(letters) }
            let place = dice.one(of: places.dropFirst())
            switch dice.number(0...3) {
            case 0: letters.remove(at: place)
            case 1: letters.insert(letters[place], at: place)
            case 2 where letters[place - 1].isLetter && letters[place - 1] != letters[place]:
                letters.swapAt(place - 1, place)
            default: letters[place] = neighbour(letters[place])
            }
        }
        return String(letters)
    }

    /// A key beside the one that was meant; for other scripts another letter of them.
    private mutating func neighbour(_ letter: Character) -> Character {
        for row in [
            "qwertyuiop", "asdfghjkl", "zxcvbnm", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю",
        ] {
            let keys = Array(row)
            guard let at = keys.firstIndex(of: letter.lowercased().first ?? letter) else {
                continue
            }
            let key =
                at == 0
                ? keys[1] : at == keys.count - 1 || dice.chance(50) ? keys[at - 1] : keys[at + 1]
            return letter.isUppercase ? key.uppercased().first ?? key : key
        }
        return dice.one(of: ["a", "ー", "о", "이"])
    }

    mutating func otherCase(_ text: String) -> String {
        switch dice.number(0...2) {
        case 0: text.uppercased()
        case 1: text.lowercased()
        default:
            text.split(separator: " ").map { String($0).lowercased().firstUpper }.joined(
                separator: " ")
        }
    }

    /// Marks left out, taken apart, or spelt by the letters that people without them type.
    mutating func otherMarks(_ text: String) -> String {
        switch dice.number(0...3) {
        case 0:
            return replaced(
                text,
                [
                    ("ø", "oe"), ("ü", "ue"), ("ö", "oe"), ("å", "aa"), ("Ü", "Ue"), ("Ö", "Oe"),
                    ("ä", "ae"),
                ])
        case 1:  // As scalars apart: how macOS file names and some feeds give it.
            return String(
                decoding: text.unicodeScalars.flatMap {
                    Array(String(apart[$0] ?? String($0)).utf8)
                }, as: UTF8.self)
        default:
            return String(
                decoding: text.unicodeScalars.flatMap { scalar -> [UInt8] in
                    if let plain = plain[scalar] { return Array(plain.utf8) }
                    let parts = (apart[scalar] ?? String(scalar)).unicodeScalars
                    return Array(String(parts.first ?? scalar).utf8)
                }, as: UTF8.self)
        }
    }

    private var plain: [Unicode.Scalar: String] {
        ["ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "æ": "ae", "ß": "ss", "đ": "d"]
    }

    private var apart: [Unicode.Scalar: String] {
        let acute: [(Unicode.Scalar, String)] = [
            ("á", "a\u{301}"), ("é", "e\u{301}"), ("É", "E\u{301}"), ("í", "i\u{301}"),
            ("ó", "o\u{301}"),
            ("ë", "e\u{308}"), ("ö", "o\u{308}"), ("ü", "u\u{308}"), ("Ö", "O\u{308}"),
            ("Ü", "U\u{308}"),
            ("ñ", "n\u{303}"), ("ã", "a\u{303}"), ("à", "a\u{300}"), ("ê", "e\u{302}"),
            ("â", "a\u{302}"),
            ("Â", "A\u{302}"), ("å", "a\u{30A}"), ("Å", "A\u{30A}"), ("ç", "c\u{327}"),
            ("Ç", "C\u{327}"),
            ("ř", "r\u{30C}"), ("ě", "e\u{30C}"), ("Š", "S\u{30C}"), ("š", "s\u{30C}"),
            ("ё", "е\u{308}"), ("Ё", "Е\u{308}"), ("й", "и\u{306}"),
            ("ά", "α\u{301}"), ("έ", "ε\u{301}"), ("ύ", "υ\u{301}"), ("ό", "ο\u{301}"),
            ("Ή", "Η\u{301}"),
            ("Ό", "Ο\u{301}"), ("Ά", "Α\u{301}"), ("ώ", "ω\u{301}"), ("ί", "ι\u{301}"),
            ("ガ", "カ\u{3099}"), ("グ", "ク\u{3099}"), ("ブ", "フ\u{3099}"), ("プ", "フ\u{309A}"),
        ]
        return Dictionary(uniqueKeysWithValues: acute)
    }

    private func replaced(_ text: String, _ pairs: [(String, String)]) -> String {
        pairs.reduce(text) { $0.replacing($1.0, with: $1.1) }
    }

    /// Signs and small words that people and services write in several ways.
    mutating func otherSigns(_ text: String) -> String {
        let ways: [[(String, String)]] = [
            [("'", "’")], [("'", "")], [(" & ", " and ")], [(" & ", " + ")], [("The ", "")],
            [(",", "")],
            [
                (", Pt. ", " (Part "), (" (Part 1", " (Part 1)"), (" (Part 2", " (Part 2)"),
                (" (Part 3", " (Part 3)"),
            ],
            [
                (", Pt. ", ", Part "), ("Part 1", "Part I"), ("Part 2", "Part II"),
                ("Part 3", "Part III"),
            ],
            [(", Pt. ", " Pt ")], [(" ", "  ")], [(" ", "\u{A0}")], [(" of the ", " Of The ")],
            [("I'm", "Im")],
            [("Don't", "Dont")], [("-", " ")], [(" (", " - "), (")", "")],
            [(" (", ": "), (")", "")],
        ]
        let felt = ways.filter { replaced(text, $0) != text }
        if felt.isEmpty || dice.chance(20) { return text + dice.one(of: ["!", "...", ".", "…"]) }
        return replaced(text, dice.one(of: felt))
    }

    /// What happens to names in other scripts.
    mutating func otherForm(_ text: String) -> String {
        switch dice.number(0...4) {
        case 0:
            return text + dice.one(of: ["！", "!", "〜", "☆", "。"])
        case 1:
            return "「" + text + "」"
        case 2:
            let half: [Character: String] = [
                "ア": "ｱ", "イ": "ｲ", "ド": "ﾄﾞ", "ル": "ﾙ", "ガ": "ｶﾞ", "ラ": "ﾗ", "ス": "ｽ", "メ": "ﾒ",
                "ロ": "ﾛ",
                "ィ": "ｨ", "ー": "ｰ", "タ": "ﾀ", "ト": "ﾄ", "パ": "ﾊﾟ", "レ": "ﾚ", "リ": "ﾘ", "ボ": "ﾎﾞ",
                "ン": "ﾝ",
                "プ": "ﾌﾟ", "ズ": "ｽﾞ", "ム": "ﾑ", "ギ": "ｷﾞ", "カ": "ｶ", "テ": "ﾃ", "ジ": "ｼﾞ", "ャ": "ｬ",
                "ブ": "ﾌﾞ",
                "ケ": "ｹ", "ッ": "ｯ", "デ": "ﾃﾞ",
            ]
            return text.map { half[$0] ?? String($0) }.joined()
        case 3: return otherMarks(text)
        default: return otherCase(text)
        }
    }
}
