@_spi(_Unicode) private import Swift

/// FNV-1a over letters: the same on every machine and in every run.
enum Hash {
    static let start: UInt64 = 0xCBF2_9CE4_8422_2325

    static func mixed(_ hash: UInt64, _ letter: UInt32) -> UInt64 {
        (hash ^ UInt64(letter)) &* 0x100_0000_01B3
    }

    /// Spreads a hash, so that sums tell sets apart.
    static func spread(_ hash: UInt64) -> UInt64 { (hash ^ (hash >> 29)) &* 0xBF58_476D_1CE4_E5B9 }
}

extension [UInt32] {
    /// A hash of a word's letters.
    var key: UInt64 { reduce(Hash.start, Hash.mixed) }
    var hasDigit: Bool { contains { (0x30...0x39).contains($0) } }
}

/// A text as it is compared: words in lower case, without marks and signs, small spellings made one.
///
/// Case, marks and width follow `TitleKey` (`docs/decisions/0008-title-keys.md`). Beyond it an apostrophe parts
/// no words, letters with strokes lose them, half-width kana become full, signs such as `☆` go, `Pt. II` is
/// `part 2`, and `and` and a `the` at either end do not count. A text of nothing but signs is its signs.
struct FoldedText: Sendable {
    /// The words with single spaces between them.
    private(set) var letters: [UInt32] = []
    /// A hash of the words without the spaces; equal for texts that are the same.
    private(set) var key = Hash.start
    /// A hash of the words in any order: `Utada Hikaru` is `Hikaru Utada`.
    private(set) var unorderedKey: UInt64 = 0
    /// A hash of the marks that were left out; 0 if there were none.
    let marks: UInt64
    /// A hash of the numbers among the words.
    private(set) var numbers: UInt64 = 0
    /// Which letters occur, by their low six bits.
    private(set) var mask: UInt64 = 0
    /// Whether its letters are Latin ones and digits; nil for a mixture.
    let isLatin: Bool?

    /// Whether its words have a letter or two, as in Japanese and Chinese.
    var isDense: Bool { letters.last ?? 0 >= 0x3000 }

    init(_ text: String) { self.init(Folding(text)) }

    init(_ folding: Folding) {
        marks = folding.marks
        var words = folding.words
        for (index, word) in words.enumerated() {
            guard let other = Terms.spellings[word.key] else { continue }
            let isAtEnd = index == 0 || index == words.count - 1
            let isCounted = index > 0 && Terms.countable.contains(words[index - 1].key)
            if [true, isAtEnd, isCounted][other.when] { words[index] = other.word }
        }
        words.removeAll(where: \.isEmpty)
        var (hasLatin, hasOther) = (false, false)
        for word in words.isEmpty ? folding.words : words {
            if !letters.isEmpty { letters.append(0x20) }
            letters += word
            unorderedKey &+= Hash.spread(word.key)
            if word.hasDigit { numbers = word.reduce(numbers &+ 1, Hash.mixed) }
            for letter in word {
                key = Hash.mixed(key, letter)
                mask |= 1 << UInt64(letter & 63)
                if letter < 0x250 { hasLatin = true } else { hasOther = true }
            }
        }
        isLatin = hasLatin == hasOther ? nil : hasLatin
    }

    /// The same in Latin letters; nil if it has others than Latin, Cyrillic, Greek and Korean ones.
    var romanized: FoldedText? {
        if isLatin == true { return self }
        guard letters.allSatisfy({ $0 < 0x250 || Terms.romanized[$0] != nil }) else { return nil }
        return FoldedText(
            letters.map { Terms.romanized[$0] ?? String(Unicode.Scalar($0) ?? " ") }.joined())
    }
}

/// The words of a text, folded letter by letter.
struct Folding {
    private(set) var words: [[UInt32]] = []
    private(set) var marks: UInt64 = 0
    private var word: [UInt32] = []

    init(_ text: String) { self.init(text.unicodeScalars) }

    init(_ text: some Collection<Unicode.Scalar>) {
        if text.allSatisfy(\.isASCII) {
            for scalar in text { append(scalar) }
        } else {
            // Upper case first: it takes ß and ﬁ apart, and the two small sigmas become one.
            let folded = String(String.UnicodeScalarView(text)).uppercased().lowercased()
            for scalar in folded._nfd { append(scalar) }
        }
        part()
        guard words.isEmpty else { return }
        for scalar in text where !scalar.properties.isWhitespace {
            let isWide = (0xFF01...0xFF5E).contains(scalar.value)
            word.append(isWide ? scalar.value - 0xFEE0 : scalar.value)
        }
        part()
    }

    private mutating func part() {
        if !word.isEmpty { words.append(word) }
        word = []
    }

    private mutating func append(_ scalar: Unicode.Scalar) {
        switch scalar.value {
        case 0x61...0x7A, 0x30...0x39: word.append(scalar.value)
        case 0x41...0x5A: word.append(scalar.value | 0x20)
        case 0x24: word.append(0x73)  // A$AP, Ke$ha
        case 0x27, 0x60, 0x2018, 0x2019, 0x2BC, 0xB4: break
        case ..<0x80: part()
        case 0xFF01...0xFF5E: append(Unicode.Scalar(UInt8(scalar.value - 0xFEE0)))
        case 0xFF66...0xFF9F: word.append(Terms.fullKana[Int(scalar.value - 0xFF66)])
        // Latin, Hebrew and Arabic marks; those of kana and of Indian scripts are letters.
        case 0x300...0x36F, 0x1AB0...0x1AFF, 0x1DC0...0x1DFF, 0x20D0...0x20FF, 0x591...0x5C7,
            0x64B...0x655, 0x670:
            marks = Hash.mixed(marks &+ UInt64(words.count << 8 + word.count), scalar.value)
        default: appendOther(scalar)
        }
    }

    private mutating func appendOther(_ scalar: Unicode.Scalar) {
        let properties = scalar.properties
        if let plain = Terms.strokes[scalar.value] {
            marks = Hash.mixed(marks &+ UInt64(words.count << 8 + word.count), scalar.value)
            for letter in plain.unicodeScalars { word.append(letter.value) }
        } else if scalar.value < 0x3000, let number = properties.numericValue,
            (0...12).contains(number), number == number.rounded()
        {
            for digit in String(Int(number)).unicodeScalars { word.append(digit.value) }
        } else if properties.isAlphabetic || properties.generalCategory == .nonspacingMark {
            word.append(scalar.value)
        } else {
            part()
        }
    }
}
