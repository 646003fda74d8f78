/// Bytes that somebody else keeps alive; a view is valid only as long as they do.
public typealias Bytes = UnsafeBufferPointer<UInt8>

/// Why a text is not the JSON that was asked for, and where.
public struct JSONFault: Error, Hashable, Sendable, CustomStringConvertible {
    /// Bytes from the beginning of the text that was read.
    public let offset: Int
    /// What is wrong, in words of the reader.
    public let reason: String

    /// Names a fault.
    public init(offset: Int, reason: String) {
        self.offset = offset
        self.reason = reason
    }

    public var description: String { "\(reason) at byte \(offset)" }
}

/// What is taken from outside at most (`design.md` §7).
public struct JSONBounds: Sendable {
    /// Nested arrays and objects.
    public var depth = 64
    /// Bytes of one string, as written.
    public var text = 64 << 10
    /// Bytes of one row of a list, or of one event's data.
    public var value: Int

    /// The bounds of the design, but for the size of a value where it may be another.
    public init(value: Int = 1 << 20) { self.value = value }
}

extension UnsafeBufferPointer where Element == UInt8 {
    /// The part of a view between two offsets.
    @inlinable public func part(_ range: Range<Int>) -> Bytes { Bytes(rebasing: self[range]) }

    /// Whether the view holds just the bytes of a literal.
    @inlinable public func equals(_ literal: StaticString) -> Bool {
        equals(Bytes(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
    }

    /// Whether two views hold the same bytes.
    @inlinable public func equals(_ other: Bytes) -> Bool {
        guard count == other.count else { return false }
        for index in 0..<count where self[index] != other[index] { return false }
        return true
    }
}
