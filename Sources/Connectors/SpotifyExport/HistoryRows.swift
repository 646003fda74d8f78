public import JSONText
private import Ledger

/// Reads the rows of one history file, one at a time, in memory for one row.
public final class HistoryRows {
    private let stream: any ByteStream
    private let name: String
    private let bounds = JSONBounds()
    private var buffer: UnsafeMutableRawBufferPointer
    private var start = 0
    private var end = 0
    private var isAtEnd = false
    /// How many rows were given out.
    public private(set) var count = 0

    /// Opens a file.
    public init(_ file: HistoryFile) throws(ExportError) {
        stream = try file.open()
        name = file.name
        buffer = .allocate(byteCount: 256 << 10, alignment: 16)
    }

    deinit { buffer.deallocate() }

    /// The next row, validated; its bytes stand until the next call. Nil at the end of the file.
    ///
    /// - Throws: ``ExportError`` `bad-input` naming file, row and field.
    public func next() throws(ExportError) -> JSONValue? {
        if count == 0 {
            if try peek() == 0xEF { try skipMark() }
            guard try take() == UInt8(ascii: "[") else {
                throw malformed("it does not begin with a list")
            }
        }
        if try peek() == UInt8(ascii: "]") { return try close() }
        if count > 0, try take() != UInt8(ascii: ",") {
            throw malformed("a comma or the list's end should follow row \(count)")
        }
        _ = try peek()
        count += 1
        let row = try value()
        try check(row)
        return row
    }

    private func close() throws(ExportError) -> JSONValue? {
        start += 1
        if try peek() != nil { throw malformed("something follows the list") }
        return nil
    }

    /// Reads the value that begins at `start`, and as much of the file as it needs.
    private func value() throws(ExportError) -> JSONValue {
        while true {
            let seen = UnsafeRawBufferPointer(rebasing: buffer[start..<end])
                .assumingMemoryBound(to: UInt8.self)
            var size = 0
            var fault: JSONFault?
            do {
                var validator = JSONValidator(seen, bounds: bounds)
                size = try validator.value()
            } catch {
                fault = error
            }
            // What is wrong so near the end may only be cut off.
            let isCut = fault.map { $0.offset + 8 > seen.count } == true
            if isCut ? seen.count > bounds.value : size > bounds.value {
                throw malformed("row \(count) is larger than 1 MB")
            }
            if isCut, try fill() { continue }
            if let fault {
                let isEnd = fault.offset == seen.count
                throw malformed(isEnd ? "it ends inside row \(count)" : "row \(count): \(fault)")
            }
            start += size
            return JSONValue(seen.part(0..<size))
        }
    }

    /// Reads more behind what is there; false at the end of the file.
    private func fill() throws(ExportError) -> Bool {
        guard !isAtEnd else { return false }
        if start > 0 {
            buffer.copyMemory(from: .init(rebasing: buffer[start..<end]))
            end -= start
            start = 0
        }
        if end == buffer.count {
            let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * end, alignment: 16)
            larger.copyMemory(from: .init(rebasing: buffer[0..<end]))
            buffer.deallocate()
            buffer = larger
        }
        let got = try stream.read(into: .init(rebasing: buffer[end...]))
        end += got
        isAtEnd = got == 0
        return got > 0
    }

    private func peek() throws(ExportError) -> UInt8? {
        while true {
            if start == end, try !fill() { return nil }
            let byte = buffer[start]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return byte }
            start += 1
        }
    }

    private func take() throws(ExportError) -> UInt8? {
        let byte = try peek()
        if byte != nil { start += 1 }
        return byte
    }

    private func skipMark() throws(ExportError) {
        for expected: UInt8 in [0xEF, 0xBB, 0xBF] where try take() != expected {
            throw malformed("it does not begin with a list")
        }
    }

    // MARK: The row's fields

    private typealias Fields = (
        keys: [StaticString], wanted: String, fits: @Sendable (JSONValue) -> Bool
    )
    private static let fields: [Fields] = [
        (
            [
                "ts", "master_metadata_track_name", "master_metadata_album_artist_name",
                "master_metadata_album_album_name", "spotify_track_uri", "spotify_episode_uri",
                "audiobook_uri", "audiobook_chapter_uri", "reason_end",
            ], "a text", { $0.isText }
        ),
        (["ms_played", "offline_timestamp"], "a whole number", { $0.integer != nil }),
        (["skipped", "incognito_mode"], "true or false", { $0.bool != nil }),
    ]

    private func check(_ row: JSONValue) throws(ExportError) {
        guard row.isObject else { throw malformed("row \(count) is not an object") }
        var wrong: (key: Bytes, wanted: String)?
        row.members { key, value in
            if key.contains(UInt8(ascii: "\\")) {
                wrong = (key, "a key without escapes")
            } else if !value.isNull,
                let field = Self.fields.first(where: { $0.keys.contains(where: key.equals) }),
                !field.fits(value)
            {
                wrong = (key, field.wanted)
            }
            return wrong == nil
        }
        guard let wrong else { return }
        let key = String(decoding: wrong.key.prefix(80), as: UTF8.self)
        throw malformed("row \(count), field '\(key)' must be \(wrong.wanted)")
    }

    private func malformed(_ reason: String) -> ExportError {
        ExportError(
            .malformed, "\(name) cannot be imported: \(reason)",
            remedy: "download the export again; nothing of this import was appended.")
    }
}

/// What two rows are compared by: every kept field, whatever its order, spelling or white space.
///
/// A field that is null and one that is absent are the same. 128 bits of SHA-256.
public struct RowIdentity: Hashable, Sendable {
    private let high: UInt64
    private let low: UInt64

    /// Reads a row as it came or as it is stored.
    public init(_ row: JSONValue) {
        var members: [(key: Bytes, value: JSONValue)] = []
        members.reserveCapacity(24)
        row.members { key, value in
            if !value.isNull, !isPrivate(key) { members.append((key, value)) }
            return true
        }
        members.sort { $0.key.lexicographicallyPrecedes($1.key) }
        var text: [UInt8] = []
        for (key, value) in members {
            text += key
            if value.isText {
                text.append(UInt8(ascii: "\""))
                value.withText { text += $0 }
            } else {
                // What is stored has no white space between tokens.
                appendCompact(value, to: &text)
            }
            text.append(0)
        }
        let digest = SHA256.digest(text)
        high = digest.words[0]
        low = digest.words[1]
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(low) }
}

/// Fields of an export row that are removed before anything is kept: user name, addresses, user agent.
public func isPrivate(_ key: Bytes) -> Bool {
    let prefixes: [StaticString] = ["ip_addr", "username", "user_agent"]
    return prefixes.contains { prefix in
        key.count >= prefix.utf8CodeUnitCount
            && key.part(0..<prefix.utf8CodeUnitCount).equals(prefix)
    }
}
