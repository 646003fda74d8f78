/// How far two texts are one.
enum Likeness: Int, Comparable {
    case different
    /// They can't be compared: scripts differ.
    case unknown
    /// Alike enough for those who have other evidence as well.
    case loose
    /// One of them is a part of the other.
    case part
    /// One may be the other with a slip of the finger or two.
    case mistyped
    case same

    static let mostSlips = 3

    static func < (one: Self, other: Self) -> Bool { one.rawValue < other.rawValue }

    /// Compares two texts; equal keys are for the caller to find.
    ///
    /// Mistyped, word by word: one slip in a word of four letters and more, two in one of nine; the first letter
    /// stands. Loose: one slip in a text of six letters, two in eight, three in sixteen, or a mistyped shorter one; in scripts that write a word
    /// with a letter or two, one in every six. Neither with more slips than that, other numbers, another count of
    /// words (but for a space more or less), or a plural.
    static func between(_ first: FoldedText, _ second: FoldedText) -> Likeness {
        if let own = first.isLatin, let others = second.isLatin, own != others {
            guard let one = first.romanized, let other = second.romanized else { return .unknown }
            return one.key == other.key ? .mistyped : min(.loose, between(one, other))
        }
        let size = min(first.letters.count, second.letters.count)
        let slips =
            first.isDense ? size / 6 : size < 4 ? 0 : size < 8 ? 1 : size < 16 ? 2 : mostSlips
        let most = min(slips, mostSlips)
        let isNear = first.numbers == second.numbers && leastDistance(first, second) <= most
        if !isNear { return .different }
        let words = first.letters.split(separator: 0x20)
        let others = second.letters.split(separator: 0x20)
        let differing = zip(words, others).filter { $0 != $1 }
        let isAligned = words.count == others.count
        if isAligned, differing.contains(where: isOther) { return .different }
        let limit = isAligned ? most : min(1, most)
        if distance(first.letters[...], second.letters[...], limit) > limit { return .different }
        // "Love" may be "Live": a short text is a step less sure.
        let isMistyped = isAligned && differing.allSatisfy(isSlip)
        return isMistyped && size >= 6 ? .mistyped : isMistyped || size >= 6 ? .loose : .different
    }

    private static func isSlip(_ one: ArraySlice<UInt32>, _ other: ArraySlice<UInt32>) -> Bool {
        let size = min(one.count, other.count)
        let allowed = one.last ?? 0 >= 0x3000 ? size / 6 : size >= 9 ? 2 : size / 4
        return one.first == other.first && distance(one, other, allowed) <= min(2, allowed)
    }

    /// How far two texts are apart at least: by their sizes, and by the letters that occur.
    static func leastDistance(_ first: FoldedText, _ second: FoldedText) -> Int {
        let size = abs(first.letters.count - second.letters.count)
        return max(size, ((first.mask ^ second.mask).nonzeroBitCount + 1) / 2)
    }

    /// Whether a word is the other's plural, or more than two slips away.
    private static func isOther(_ one: ArraySlice<UInt32>, _ other: ArraySlice<UInt32>) -> Bool {
        let (short, long) = one.count < other.count ? (one, other) : (other, one)
        if distance(one, other, 2) > 2 { return true }
        return long.dropLast() == short && long.last == 0x73 && short.last != 0x73
    }

    /// The fewest letters to add, drop, change or swap with the next to make one text of another.
    ///
    /// Hyyrö's bit-parallel optimal string alignment (2003): a column of the table in one word. Above `limit`, and
    /// where more than 64 letters differ, any greater number may be answered.
    private static func distance(
        _ first: ArraySlice<UInt32>, _ second: ArraySlice<UInt32>, _ limit: Int
    ) -> Int {
        var (short, long) = first.count < second.count ? (first, second) : (second, first)
        while let letter = short.last, letter == long.last {
            (short, long) = (short.dropLast(), long.dropLast())
        }
        while let letter = short.first, letter == long.first {
            (short, long) = (short.dropFirst(), long.dropFirst())
        }
        if short.isEmpty || short.count > 64 || long.count - short.count > limit {
            return long.count
        }
        var (plus, minus, diagonal, before) = (~0 as UInt64, 0 as UInt64, 0 as UInt64, 0 as UInt64)
        var distance = short.count
        let last: UInt64 = 1 << (short.count - 1)
        for letter in long {
            var match: UInt64 = 0
            for (place, other) in short.enumerated() where other == letter { match |= 1 << place }
            let swapped = ((~diagonal & match) << 1) & before
            diagonal = (((match & plus) &+ plus) ^ plus) | match | minus | swapped
            let (up, down) = (minus | ~(diagonal | plus), diagonal & plus)
            distance += (up & last != 0 ? 1 : 0) - (down & last != 0 ? 1 : 0)
            plus = down << 1 | ~(diagonal | up << 1 | 1)
            minus = (up << 1 | 1) & diagonal
            before = match
        }
        return distance
    }
}
