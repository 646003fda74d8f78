/// A place between two others: a fraction in lower-case base 36, compared as bytes.
///
/// Eight digits to begin with, more only where a gap is used up, at most 32.
/// Source of the rule: `design.md` §6, "Sort keys".
public struct SortKey: Hashable, Sendable, Comparable, CustomStringConvertible {
    public let description: String

    static let shortest = 8
    static let longest = 32
    // What is left free for one row at either end of a list: 46,000 rows appended one by one fit.
    private static let endStep: UInt128 = 1_679_616  // 36^4

    /// Takes a key that was made before.
    public init(_ text: String) { description = text }

    public static func < (left: SortKey, right: SortKey) -> Bool {
        left.description.utf8.lexicographicallyPrecedes(right.description.utf8)
    }

    /// The keys of a list that has none yet: from `a0000000` to `z0000000`, evenly.
    public static func spread(_ count: Int) -> [SortKey] {
        let low = value(of: "a0000000"[...], digits: shortest)
        let high = value(of: "z0000000"[...], digits: shortest)
        guard count > 1 else { return count == 1 ? [SortKey("a0000000")] : [] }
        return (0..<count).map { index in
            key("", low + (high - low) * UInt128(index) / UInt128(count - 1), digits: shortest)
        }
    }

    /// Keys in order between two neighbours; nil where the gap is used up.
    ///
    /// - Parameters:
    ///   - lower: The row before; nil at the beginning of the list.
    ///   - upper: The row behind; nil at the end.
    ///   - count: How many are wanted, at least 1.
    public static func between(_ lower: SortKey?, _ upper: SortKey?, count: Int) -> [SortKey]? {
        let low = Array((lower?.description ?? "").utf8)
        let high = upper.map { Array($0.description.utf8) }
        var common = 0
        while let high, common < min(low.count, high.count), low[common] == high[common] {
            common += 1
        }
        let prefix = String(decoding: low[..<common], as: UTF8.self)
        let mostDigits = min(longest - common, 24)
        var digits = max(1, shortest - common)
        while digits <= mostDigits {
            let from = value(of: low[common...], digits: digits)
            let to = high.map { value(of: $0[common...], digits: digits) } ?? power(digits)
            let gap = to - from
            if let step = step(
                gap, count, digits: digits + common, open: (lower == nil, upper == nil))
            {
                return (1...count).map { index in
                    let offset = UInt128(index) * step.numerator / step.denominator
                    return key(
                        prefix,
                        (lower == nil && upper != nil
                            ? to - step.whole(count + 1 - index) : from + offset), digits: digits)
                }
            }
            digits += 1
        }
        return nil
    }

    private struct Step {
        let numerator: UInt128
        let denominator: UInt128
        func whole(_ count: Int) -> UInt128 { UInt128(count) * numerator / denominator }
    }

    /// How far apart the new keys stand: a fixed small step at an open end, else the gap's even share.
    private static func step(_ gap: UInt128, _ count: Int, digits: Int, open: (Bool, Bool)) -> Step?
    {
        let parts = UInt128(count + 1)
        if open.0 != open.1, digits == shortest, gap > endStep * parts {
            return Step(numerator: endStep, denominator: 1)
        }
        return gap >= parts ? Step(numerator: gap, denominator: parts) : nil
    }

    private static func power(_ digits: Int) -> UInt128 {
        (0..<digits).reduce(1) { product, _ in product * 36 }
    }

    /// The first digits of a fraction as a number; what is missing at the end is zero.
    private static func value(of text: some Collection<UInt8>, digits: Int) -> UInt128 {
        var value: UInt128 = 0
        var rest = text.makeIterator()
        for _ in 0..<digits {
            let digit = rest.next().map { $0 >= 0x61 ? $0 - 0x61 + 10 : $0 - 0x30 } ?? 0
            value = value * 36 + UInt128(digit)
        }
        return value
    }

    private static func value(of text: Substring, digits: Int) -> UInt128 {
        value(of: text.utf8, digits: digits)
    }

    private static func key(_ prefix: String, _ value: UInt128, digits: Int) -> SortKey {
        let alphabet = Array("0123456789abcdefghijklmnopqrstuvwxyz".utf8)
        var characters = [UInt8](repeating: 0x30, count: digits)
        var rest = value
        for index in characters.indices.reversed() {
            characters[index] = alphabet[Int(rest % 36)]
            rest /= 36
        }
        return SortKey(prefix + String(decoding: characters, as: UTF8.self))
    }
}
