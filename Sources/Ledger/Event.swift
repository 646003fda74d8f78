public import JSONText

/// An event's position in the whole log, from 1, without gaps.
public typealias Seq = Int64

/// What an event is about, such as `spotify:playlist:37i9dQZF1DX`.
///
/// One to 2,048 bytes of printable ASCII without quote, backslash and space, so that it stands in a line
/// as it is.
public struct StreamName: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    /// Takes a name; nil if it is not well formed.
    public init?(_ text: String) {
        let fits = text.utf8.allSatisfy { (0x21..<0x7F).contains($0) && $0 != 0x22 && $0 != 0x5C }
        guard fits, (1...2048).contains(text.utf8.count) else { return nil }
        description = text
    }

    /// Takes a name that is written in the program.
    public init(fixed text: StaticString) { description = "\(text)" }
}

/// An event that is to be appended; seq, time and run are the writer's to give.
public struct NewEvent: Sendable {
    public var type: String
    public var version: Int
    public var stream: StreamName
    public var cause: Seq?
    /// One JSON object on one line.
    public var data: [UInt8]

    /// Describes an event.
    public init(
        type: String, version: Int = 1, stream: StreamName, cause: Seq? = nil, data: [UInt8]
    ) {
        self.type = type
        self.version = version
        self.stream = stream
        self.cause = cause
        self.data = data
    }

    func appendLine(to output: inout [UInt8], seq: Seq, at: [UInt8], run: [UInt8]) {
        output.append(contentsOf: "{\"seq\":\(seq),\"at\":\"".utf8)
        output.append(contentsOf: at)
        output.append(contentsOf: "\",\"type\":\"\(type)\",\"v\":\(version),\"stream\":\"".utf8)
        output.append(contentsOf: stream.description.utf8)
        output.append(contentsOf: "\",\"run\":\"".utf8)
        output.append(contentsOf: run)
        output.append(contentsOf: "\",\"cause\":\(cause.map(String.init) ?? "null"),\"data\":".utf8)
        output.append(contentsOf: data)
        output.append(contentsOf: [0x7D, 0x0A])
    }
}

/// One line of the log, taken apart but not copied.
public struct EventLine {
    /// The line, its newline included.
    public let line: Bytes
    public let seq: Seq
    /// When it was recorded, as written.
    public let atText: Bytes
    public let type: Bytes
    public let version: Int
    public let stream: Bytes
    public let run: Bytes
    public let cause: Seq?
    public let data: JSONValue

    /// Takes a line apart; nil unless its keys stand in the order of the format.
    @inlinable public init?(_ line: Bytes) {
        var cursor = LineCursor(line)
        guard cursor.skip("{\"seq\":"), let seq = cursor.number(), cursor.skip(",\"at\":\"") else {
            return nil
        }
        let atText = cursor.quoted()
        guard atText.count == 24, cursor.skip(",\"type\":\"") else { return nil }
        let type = cursor.quoted()
        guard cursor.skip(",\"v\":"), let version = cursor.number(), cursor.skip(",\"stream\":\"")
        else { return nil }
        let stream = cursor.quoted()
        guard cursor.skip(",\"run\":\"") else { return nil }
        let run = cursor.quoted()
        guard cursor.skip(",\"cause\":") else { return nil }
        let cause = cursor.number()
        if cause == nil, !cursor.skip("null") { return nil }
        guard cursor.skip(",\"data\":"), line.count - cursor.at >= 2, line[line.count - 1] == 0x0A,
            line[line.count - 2] == UInt8(ascii: "}")
        else { return nil }
        self.line = line
        self.seq = seq
        self.atText = atText
        self.type = type
        self.version = Int(version)
        self.stream = stream
        self.run = run
        self.cause = cause
        data = JSONValue(line.part(cursor.at..<line.count - 2))
    }

    /// When it was recorded.
    public var at: Milliseconds { ISOTime.parse(atText) ?? 0 }
    public var typeName: String { String(decoding: type, as: UTF8.self) }
    public var streamName: String { String(decoding: stream, as: UTF8.self) }
    public var runName: String { String(decoding: run, as: UTF8.self) }
}

@usableFromInline struct LineCursor {
    @usableFromInline let line: Bytes
    @usableFromInline var at = 0

    @inlinable init(_ line: Bytes) { self.line = line }

    @inlinable mutating func skip(_ literal: StaticString) -> Bool {
        let end = at + literal.utf8CodeUnitCount
        guard end <= line.count, line.part(at..<end).equals(literal) else { return false }
        at = end
        return true
    }

    @inlinable mutating func number() -> Int64? {
        let start = at
        var value: Int64 = 0
        while at < line.count, at - start < 18 {
            let digit = line[at] &- 0x30
            guard digit < 10 else { break }
            value = value * 10 + Int64(digit)
            at += 1
        }
        return at > start ? value : nil
    }

    /// What stands before the next quote; the cursor goes behind it.
    @inlinable mutating func quoted() -> Bytes {
        let start = at
        while at < line.count, line[at] != UInt8(ascii: "\"") { at += 1 }
        let part = line.part(start..<at)
        at = min(at + 1, line.count)
        return part
    }
}

extension NewEvent {
    /// What a writer has to say of the ledger itself.
    init(ledger type: String, _ data: JSON) {
        self.init(type: type, stream: StreamName(fixed: "ledger"), data: data.bytes)
    }

    /// The line this event would be at a seq, for looking at what it would lead to.
    public func line(seq: Seq, at time: Milliseconds, run: String) -> [UInt8] {
        var output: [UInt8] = []
        appendLine(to: &output, seq: seq, at: Array(ISOTime.text(time).utf8), run: Array(run.utf8))
        return output
    }
}
