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
        let (low, high) = (10 * power(shortest - 1), 35 * power(shortest - 1))
        return (0..<count).map { index in
            key("", low + (high - low) * UInt128(index) / UInt128(max(count - 1, 1)), shortest)
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
        let parts = UInt128(count + 1)
        for digits in max(1, shortest - common)..<max(1, min(longest - common, 24) + 1) {
            let from = value(of: low[common...], digits)
            let to = high.map { value(of: $0[common...], digits) } ?? power(digits)
            let gap = to - from
            // A fixed small step at an open end, else the gap's even share.
            let isStep =
                (lower == nil) != (upper == nil) && digits + common == shortest
                && gap > endStep * parts
            guard isStep || gap >= parts else { continue }
            func distance(_ count: Int) -> UInt128 {
                isStep ? UInt128(count) * endStep : UInt128(count) * gap / parts
            }
            return (1...count).map {
                key(
                    prefix,
                    lower == nil && upper != nil
                        ? to - distance(count + 1 - $0) : from + distance($0), digits)
            }
        }
        return nil
    }

    private static func power(_ digits: Int) -> UInt128 {
        (0..<digits).reduce(1) { product, _ in product * 36 }
    }

    /// The first digits of a fraction as a number; what is missing at the end is zero.
    private static func value(of text: ArraySlice<UInt8>, _ digits: Int) -> UInt128 {
        var value: UInt128 = 0
        for index in text.startIndex..<text.startIndex + digits {
            let digit = index < text.endIndex ? text[index] : 0x30
            value = value * 36 + UInt128(digit >= 0x61 ? digit - 0x57 : digit - 0x30)
        }
        return value
    }

    private static func key(_ prefix: String, _ value: UInt128, _ count: Int) -> SortKey {
        let digits = String(value, radix: 36)
        return SortKey(
            prefix + String(repeating: "0", count: count - digits.utf8.count) + digits)
    }
}
